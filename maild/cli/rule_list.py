"""What `maild rules list` prints."""

from __future__ import annotations

from maild.archive.hits import date_of, day_of, hits_since, last_hits
from maild.cli.store import reading
from maild.cli.times import now_ms
from maild.cli.verb import note, put_json, put_table
from maild.cli.versions import serving
from maild.config import Settings
from maild.errors import ConfigurationError
from maild.rules.model import Rule

DAYS = 30


def run(settings: Settings, *, as_json: bool) -> None:
    """Print the rules that serve, in their order, with how often each matched."""
    found = serving(settings)
    if found.loaded.ruleset is None:
        raise ConfigurationError(found.loaded.diagnostics)
    rules = found.loaded.ruleset.rules
    with reading(settings) as connection:
        hits = hits_since(connection, day_of(now_ms()) - DAYS + 1)
        last = {rule: date_of(day).isoformat() for rule, day in last_hits(connection).items()}
    for rule in rules if as_json else ():
        put_json(
            {
                "id": rule.id,
                "line": rule.line,
                "mode": _mode(rule),
                "hits": hits.get(rule.id, 0),
                "last": last.get(rule.id),
                "note": rule.note,
            }
        )
    if as_json:
        return
    if not rules:
        note(f"{found.name} has no rules: every letter goes to the team of its address")
        return
    put_table(("RULE", "LINE", "MODE", f"HITS {DAYS}D", "LAST"), [_row(rule, hits, last) for rule in rules])
    if any(rule.id not in last and not rule.observe for rule in rules):
        note("never: no mail has matched since hits are counted")


def _row(rule: Rule, hits: dict[str, int], last: dict[str, str]) -> tuple[str, ...]:
    number = "-" if rule.observe and rule.id not in hits else f"{hits.get(rule.id, 0):,}"
    return rule.id, str(rule.line), _mode(rule), number, last.get(rule.id, "-" if rule.observe else "never")


def _mode(rule: Rule) -> str:
    return "observe" if rule.observe else "enforce"
