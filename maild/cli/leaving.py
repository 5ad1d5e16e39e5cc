"""What `maild handover` does."""

from __future__ import annotations

from datetime import date

import click

from maild.archive.accounts import find_user
from maild.archive.audit import OPERATOR
from maild.archive.holdings import Holdings, holdings
from maild.archive.leaving import HandingOver, Staying, hand_all_over, stay
from maild.cli import times
from maild.cli.rules import load_rules
from maild.cli.store import carry_out, reading
from maild.cli.verb import counted, note
from maild.config import Settings
from maild.mail.local_time import day_end_ms

_NOTES = {
    "de": "{name} geht. Dieser Vorgang ist an die übergeben, die jetzt zuständig sind.",
    "en": "{name} leaves. This conversation was handed over to whom it is assigned now.",
}


def hand_over(settings: Settings, login: str, successor: str | None, *, last: date | None, yes: bool) -> None:
    """Say what a person holds; with `yes`, hand it over. `last` None is now."""
    rules, now = load_rules(settings), times.now_ms()
    with reading(settings) as connection:
        found = holdings(connection, login, rules, now)
        wanted = find_user(connection, successor).login if successor is not None else None
    leaves_ms = now if last is None else day_end_ms(last, rules.organisation.timezone)
    to = {inbox: _goes_to(found, inbox, wanted) for inbox in found.inboxes}
    for line in [*_lines(found, to), *_proposals(found, wanted)]:
        click.echo(line)
    if not yes:
        note("nothing is handed over yet; --yes does it")
        raise click.exceptions.Exit(1)
    name = found.user.name or found.user.login
    text = _NOTES.get(rules.organisation.language, _NOTES["en"]).format(name=name)
    asked = HandingOver(
        by=OPERATOR, by_id=None, login=login, to=to, leaves_ms=leaves_ms, note=text,
        rules=rules, at_ms=now, proposals_to=_proposals_to(found, wanted),
    )  # fmt: skip
    done = carry_out(settings, hand_all_over, asked)
    when = "is closed" if last is None else f"closes after {last}"
    note(
        f"handed over {counted(done.conversations, 'conversation')} and {counted(done.drafts, 'draft')}; "
        f"{counted(done.grants, 'role')} to end; the account {when}"
    )


def _goes_to(found: Holdings, inbox: str, wanted: str | None) -> str:
    if wanted is not None and any(each.login == wanted for each in found.colleagues[inbox]):
        return wanted
    proposed = found.proposed[inbox]
    return "" if proposed is None else proposed.login


def _proposals_to(found: Holdings, wanted: str | None) -> str | None:
    return wanted if any(each.login == wanted for each in found.editors) else None


def _lines(found: Holdings, to: dict[str, str]) -> list[str]:
    lines = [
        f"{inbox}: {counted(sum(t.team == inbox for t in found.conversations), 'conversation')}, "
        f"{counted(sum(d.team == inbox for d in found.drafts), 'draft')} -> {to[inbox] or 'the team'}"
        for inbox in found.inboxes
    ]
    lines += [f"ends: {g.role}" + (f" in {g.team}" if g.team else "") for g in found.grants]
    lines += [f"stands in for {name}: the team does then" for name in found.stands_in_for]
    lines += [f"rule {rule} assigns to them: change it in the rules" for rule in found.rules]
    lines += [f"nobody else can read team {team}: give somebody a role there" for team in found.alone_in]
    return lines


def _proposals(found: Holdings, wanted: str | None) -> list[str]:
    proposed = "" if found.proposed_editor is None else found.proposed_editor.login
    heir = _proposals_to(found, wanted) or proposed or "whoever edits the rules decides"
    return [f"change {number} of the rules waits for a decision -> {heir}" for number in found.proposals]


def stays_after_all(settings: Settings, login: str) -> None:
    """Call a leaving off."""
    if not carry_out(settings, stay, Staying(by=OPERATOR, login=login, at_ms=times.now_ms())):
        note(f"{login} was not about to leave")
        raise click.exceptions.Exit(1)
    note(f"{login} stays; roles that were to end are given anew with `maild grant`")
