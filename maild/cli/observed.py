"""What `maild rules observed` prints: what rules that only observe would have done. No word of any mail is shown."""

from __future__ import annotations

import click

from maild.archive.observations import Observed, mail_count, observed
from maild.cli.store import reading
from maild.cli.times import local, rfc3339
from maild.cli.verb import counted, note, plain, put_json, settings
from maild.cli.versions import serving
from maild.mail.ids import format_id
from maild.policy.visible import OPERATOR


def run(rule: str | None, since: int | None, *, as_json: bool) -> bool:
    """Print what was observed; return whether anything was."""
    here = settings()
    ruleset = serving(here).ruleset
    observing = [each.id for each in ruleset.rules if each.observe]
    with reading(here) as connection:
        found = observed(connection, visible=OPERATOR, since_ms=since or 0, rules=observing, rule=rule)
        mail = mail_count(connection, since or 0)
    for each in found:
        if as_json:
            put_json(_to_json(each, mail, observes=each.rule in observing))
        else:
            _put(each, mail, observes=each.rule in observing)
    if not found:
        note("no rule observes, and none has" if rule is None else f"rule '{rule}' does not observe, and never has")
    return any(each.messages for each in found)


def _share(each: Observed, mail: int) -> str:
    return f"{each.messages / mail:.1%}" if mail else "0.0%"


def _put(each: Observed, mail: int, *, observes: bool) -> None:
    more = "" if observes else " (observes no more)"
    click.echo(plain(f"{each.rule}{more}: {each.messages:,} of {counted(mail, 'message')}, {_share(each, mail)}"))
    for would, count in each.would:
        click.echo(plain(f"{count:>7,}  would have: {'; '.join(would)}"))
    for example in each.examples:
        click.echo(f"         {format_id(example.message_id)}  {local(example.at_ms)}")


def _to_json(each: Observed, mail: int, *, observes: bool) -> dict[str, object]:
    return {
        "rule": each.rule,
        "observes": observes,
        "messages": each.messages,
        "of": mail,
        "would": [{"actions": list(would), "recipients": count} for would, count in each.would],
        "examples": [{"id": format_id(e.message_id), "date": rfc3339(e.at_ms)} for e in each.examples],
    }
