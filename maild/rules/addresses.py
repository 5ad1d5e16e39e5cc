"""Reading `addresses`: who claims which name, and in which team it ends."""

from __future__ import annotations

from maild.errors import said
from maild.rules.checks import SUCCESSORS, report_cycles
from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, Findings, quoted
from maild.rules.model import Alias, FunctionAddress, Retired
from maild.rules.names import Names
from maild.rules.organisation import account_mail_of
from maild.rules.yaml_nodes import Mapping, Node, Scalar

KEYS = ("team", "title", "aliases", "listed", "retired", "acknowledge", "account_mail")


class _Entry:
    """An address while it is read: the successor's team is known only when all of them are."""

    __slots__ = ("aliases", "key", "local_domain", "name", "pairs", "retired", "team")

    def __init__(self, key: Scalar, local_domain: tuple[str, str | None], pairs: Pairs) -> None:
        local, domain = local_domain
        self.key = key
        self.name = local if domain is None else f"{local}@{domain}"
        self.local_domain = local_domain
        self.pairs = pairs
        self.team: str | None = None
        self.retired: Retired | None = None
        self.aliases: list[Alias] = []


def read_addresses(fields: Fields, names: Names, pairs: Pairs, fallback: str) -> tuple[FunctionAddress, ...]:
    """Read `addresses`: first who claims which name, then where each leads."""
    entries = [entry for key, node in pairs.values() if (entry := _claim(fields, names, key, node)) is not None]
    for entry in entries:
        _lead(fields, names, entry)
    _check_successors(fields.findings, entries)
    teams = {entry.name: entry for entry in entries}
    return tuple(_address(fields, names, entry, _final_team(entry, teams, fallback)) for entry in entries)


def _claim(fields: Fields, names: Names, key: Scalar, node: Node) -> _Entry | None:
    leads = isinstance(node, Mapping) and "retired" in node.pairs and _names_successor(node.pairs["retired"][1])
    where = said("address %(name)s", name=quoted(key.text))
    known = fields.known(node, where, keys=KEYS, required=() if leads else ("team",), missing_at=key)
    local_domain = _own(fields, names, key)
    if local_domain is None:
        return None
    entry = _Entry(key, local_domain, known)
    _register(fields.findings, names, key, local_domain, entry.name)
    for alias in fields.scalars(known["aliases"][1], "an alias") if "aliases" in known else ():
        found = _own(fields, names, alias)
        if found is not None and _register(fields.findings, names, alias, found, entry.name):
            entry.aliases.append(Alias(local=found[0], domain=found[1]))
    return entry


def _own(fields: Fields, names: Names, scalar: Scalar) -> tuple[str, str | None] | None:
    found = fields.own_address(scalar, scalar.text)
    if found is None or (found[1] is not None and not names.served(scalar, found[1])):
        return None
    return found


def _register(findings: Findings, names: Names, place: Scalar, claim: tuple[str, str | None], name: str) -> bool:
    holder = names.claims.setdefault(claim, name)
    first = names.owners.setdefault(claim, place)
    if first is place:
        return True
    text = said(
        "%(name)s already belongs to address %(holder)s (line %(line)s)",
        name=quoted(place.text),
        holder=quoted(holder),
        line=str(first.line),
    )
    findings.error(place, Code.ADDRESS_CONFLICT, text)
    return False


def _lead(fields: Fields, names: Names, entry: _Entry) -> None:
    """Read where an address leads; needs every claim to be known."""
    pairs = entry.pairs
    if "team" in pairs:
        found = fields.scalar(pairs["team"][1], "the name of a team")
        entry.team = found.text if found is not None and names.refer("team", found) else None
    if "retired" in pairs:
        entry.retired = _retired(fields, names, pairs["retired"][1])


def _names_successor(retired: Node) -> bool:
    return not isinstance(retired, Mapping) or "successor" in retired.pairs


def _retired(fields: Fields, names: Names, node: Node) -> Retired:
    pairs = fields.known(node, "retired", keys=("since", "successor"))
    since = fields.day(pairs["since"][1]) if "since" in pairs else None
    successor = fields.scalar(pairs["successor"][1], "an address") if "successor" in pairs else None
    if successor is None:
        return Retired(since=since, successor=None)
    found = fields.own_address(successor, successor.text)
    name = names.entry(*found) if found is not None else None
    if found is not None and name is None:
        names.unknown_address(successor, successor.text)
    return Retired(since=since, successor=name)


def _check_successors(findings: Findings, entries: list[_Entry]) -> None:
    after = {entry.name: entry.retired.successor for entry in entries if entry.retired and entry.retired.successor}
    report_cycles(findings, after, {entry.name: entry.key for entry in entries}, SUCCESSORS)


def _final_team(entry: _Entry, entries: dict[str, _Entry], fallback: str) -> str:
    """Follow the successors; a name that is nobody's entry (postmaster, a cycle) ends in the fallback."""
    seen: set[str] = set()
    while entry.retired is not None and entry.retired.successor is not None and entry.name not in seen:
        seen.add(entry.name)
        if entry.retired.successor not in entries:
            return fallback
        entry = entries[entry.retired.successor]
    return entry.team or fallback


def _address(fields: Fields, names: Names, entry: _Entry, team: str) -> FunctionAddress:
    pairs = entry.pairs
    title = fields.text(pairs["title"][1], "what the address is for") if "title" in pairs else None
    listed = fields.flag(pairs["listed"][1]) if "listed" in pairs else None
    template = fields.scalar(pairs["acknowledge"][1], "the name of a template") if "acknowledge" in pairs else None
    known = template is not None and names.refer("template", template)
    return FunctionAddress(
        local=entry.local_domain[0],
        domain=entry.local_domain[1],
        team=team,
        title=title or "",
        aliases=tuple(entry.aliases),
        listed=listed if listed is not None else entry.retired is None,
        retired=entry.retired,
        acknowledge=template.text if template is not None and known else None,
        account_mail=account_mail_of(fields, pairs),
    )
