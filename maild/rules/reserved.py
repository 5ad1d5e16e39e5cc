"""Addresses that an ordinary team may not have: who reads them is taken by others for the master of the domain.

Who can read `admin@`, `webmaster@` or `postmaster@` gets a certificate for the domain from any authority that asks by
mail, and a domain account with many a service. So they belong to the fallback, where `postmaster` and `abuse` end
anyway, or to a team that says `domain_control: true`.

Source: threats T6; CA/Browser Forum, Baseline Requirements §3.2.2.4.4; RFC 2142.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from maild.errors import said
from maild.mail.address import RESERVED
from maild.rules.findings import Code, Findings, Place, quoted
from maild.rules.model import AllOf, AnyOf, Condition, FunctionAddress, Rule
from maild.rules.names import Names
from maild.rules.reach import names_asked, placed_by


def report_reserved(
    findings: Findings,
    names: Names,
    addresses: Iterable[FunctionAddress],
    rules: Iterable[Rule],
    *,
    places: Mapping[str, Place],
    may: frozenset[str],
) -> None:
    """Report reserved addresses whose mail comes to other teams than `may` have them: by an entry, or by a rule."""
    by_name = {address.name: address for address in addresses}
    for claim, place in names.owners.items():
        found = by_name.get(names.claims[claim])
        if claim[0] in RESERVED and found is not None and found.team not in may:
            _report(findings, place, claim[0], found.team)
    for rule in rules:
        asked = {name.partition("@")[0] for name in _names_in(rule.when)} & RESERVED
        placed = placed_by(rule) - may
        if asked and placed and not rule.observe:
            _report(findings, places[rule.id], min(asked), min(placed))


def _names_in(condition: Condition | None) -> set[str]:
    """Return the addresses of ours that a condition names, also where others would do."""
    if isinstance(condition, AnyOf | AllOf):
        return {name for part in condition.parts for name in _names_in(part)}
    return set(names_asked(condition) or ())


def _report(findings: Findings, place: Place, local: str, team: str) -> None:
    text = said(
        "who reads %(local)s is taken for the master of the domain: team %(team)s may not have it, unless it says"
        " 'domain_control: true'",
        local=quoted(local),
        team=quoted(team),
    )
    findings.error(place, Code.RESERVED_ADDRESS, text)
