"""What `maild rules diff` prints: what would go elsewhere, by rule and team. No word of any mail is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from maild.cli.progress import Progress
from maild.cli.store import opened
from maild.cli.times import local, now_ms, rfc3339
from maild.cli.verb import counted, note, plain, put_json, put_table
from maild.cli.versions import Named, named_rules
from maild.config import Settings
from maild.errors import ConfigurationError
from maild.mail.ids import format_id
from maild.router.comparing import Fate
from maild.router.rehearsal import Changes, Kind, Rehearsal, Report
from maild.rules.model import Ruleset

_MOST_ADDRESSES = 20


def run(settings: Settings, names: tuple[str, ...], since: int | None, *, as_json: bool) -> bool:
    """Print what differs; return whether nothing does.

    Raises:
        ConfigurationError: the new rules would be refused; for their tests alone, they are compared all the same.
    """
    old, new = named_rules(settings, names)
    report = _rehearse(settings, old.ruleset, new.ruleset, since or 0)
    if as_json:
        put_json(_to_json(old, new, since, report))
    else:
        put_kinds(report.kinds)
        _put_teams(report)
        _put_unmatched(report)
        _note_figures(old, new, since, report)
    if new.failed:
        if not as_json:
            note(f"{new.name} would be refused: its tests fail")
        raise ConfigurationError(new.failed)
    return not report.changed


def _rehearse(settings: Settings, old: Ruleset, new: Ruleset, since_ms: int) -> Report:
    until_ms = now_ms() + 1
    with opened(settings) as database:
        rehearsal = Rehearsal(database, old, new, settings.trusted_relays)
        total = rehearsal.count(since_ms, until_ms)
        with Progress("rehearsing", total) as progress:
            progress.say(counted(total, "message"))
            return rehearsal.run(since_ms, until_ms, progress.advance)


def _ranked(kinds: dict[Kind, Changes]) -> list[tuple[Kind, Changes]]:
    return sorted(kinds.items(), key=lambda item: (-item[1].count, item[0].old.teams, item[0].new.teams))


def put_kinds(kinds: dict[Kind, Changes]) -> None:
    """Print each sort of change, the commonest first, with some messages to look at."""
    for line in _lines(kinds):
        click.echo(plain(line))


def kinds_json(kinds: dict[Kind, Changes]) -> list[dict[str, Any]]:
    """Return the same for programs."""
    return [_change_json(kind, changes) for kind, changes in _ranked(kinds)]


def _lines(kinds: dict[Kind, Changes]) -> Iterator[str]:
    for kind, changes in _ranked(kinds):
        yield f"{changes.count:>7,}  {_what(kind.old, kind.new)}"
        yield f"         {_why(kind)}"
        for example in reversed(changes.examples):
            yield f"         {format_id(example.message_id)}  {local(example.received_ms)}  {example.address}"
        yield ""


def _what(old: Fate, new: Fate) -> str:
    """Say what changes: the place, then what is not the same besides."""
    place = _place(old) if old.teams == new.teams else f"{_place(old)} → {_place(new)}"
    more = [*(f"-#{tag}" for tag in old.tags), *(f"+#{tag}" for tag in new.tags)]
    more += [f"{now} → {then}" for now, then in ((old.priority, new.priority), (old.state, new.state)) if then]
    more += [*(f"no more {asked}" for asked in old.asks), *new.asks]
    if new.problem:
        more.append(f"problem: {new.problem}")
    if not new.claimed and old.claimed and new.teams:
        more.append("no address claims it")
    return f"{place}: {', '.join(more)}" if more else place


def _place(fate: Fate) -> str:
    return ", ".join(fate.teams) or "refused"


def _why(kind: Kind) -> str:
    if not kind.rules:
        return "by its address"
    return f"by rule {kind.rules[0]}" if len(kind.rules) == 1 else f"by rules {', '.join(kind.rules)}"


def _put_teams(report: Report) -> None:
    moved = [team for team in sorted(report.before | report.after) if report.before[team] != report.after[team]]
    if moved:
        rows = [
            (t, f"{report.before[t]:,}", f"{report.after[t]:,}", f"{report.after[t] - report.before[t]:+,}")
            for t in moved
        ]
        put_table(("TEAM", "NOW", "THEN", "CHANGE"), rows)
        click.echo()


def _put_unmatched(report: Report) -> None:
    if not report.unmatched:
        return
    common = report.unmatched.most_common(_MOST_ADDRESSES)
    rows = [(a, f"{count:,}", "refused" if refused else "to the fallback") for (a, refused), count in common]
    put_table(("CLAIMED NO MORE", "MAILS", "WOULD BE"), rows)
    if len(report.unmatched) > _MOST_ADDRESSES:
        note(f"and {len(report.unmatched) - _MOST_ADDRESSES:,} more addresses; --json has them all")
    click.echo()


def _note_figures(old: Named, new: Named, since: int | None, report: Report) -> None:
    span = "of all time" if since is None else f"since {local(since)}"
    looked = f"{counted(report.messages, 'message')} {span}, {counted(report.recipients, 'recipient')}"
    result = f"{report.changed:,} would fare differently" if report.changed else "nothing would change"
    note(f"{old.name} → {new.name}: {looked}: {result}")
    if report.by_envelope:
        note(f"{counted(report.by_envelope, 'message')} could not be read; their envelopes spoke for them")


def _to_json(old: Named, new: Named, since: int | None, report: Report) -> dict[str, Any]:
    return {
        "old": {"name": old.name, "digest": old.ruleset.version},
        "new": {"name": new.name, "digest": new.ruleset.version},
        "since": None if since is None else rfc3339(since),
        "messages": report.messages,
        "recipients": report.recipients,
        "unread": report.by_envelope,
        "changed": report.changed,
        "changes": kinds_json(report.kinds),
        "teams": {
            team: {"now": report.before[team], "then": report.after[team]}
            for team in sorted(report.before | report.after)
        },
        "unmatched": [
            {"address": address, "count": count, "refused": refused}
            for (address, refused), count in report.unmatched.most_common()
        ],
    }


def _change_json(kind: Kind, changes: Changes) -> dict[str, Any]:
    return {
        "count": changes.count,
        "rules": list(kind.rules),
        "now": _fate_json(kind.old),
        "then": _fate_json(kind.new),
        "examples": [
            {"id": format_id(e.message_id), "date": rfc3339(e.received_ms), "address": e.address}
            for e in reversed(changes.examples)
        ],
    }


def _fate_json(fate: Fate) -> dict[str, Any]:
    return {
        "accepted": bool(fate.teams),
        "claimed": fate.claimed,
        "teams": list(fate.teams),
        "tags": list(fate.tags),
        "priority": fate.priority or None,
        "state": fate.state or None,
        "problem": fate.problem,
        "asks": list(fate.asks),
    }
