"""Reading `organisation`, `domains` and `teams`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from maild.errors import Said, said
from maild.rules.calendar import Holidays
from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, quoted
from maild.rules.holiday_reader import read_holidays
from maild.rules.model import OpenHours, Organisation, Team
from maild.rules.names import Names
from maild.rules.next_places import read_also_deliver
from maild.rules.requested import AccountMail
from maild.rules.yaml_nodes import Node, Scalar, Sequence

DEFAULT_ZONE = "Europe/Berlin"
ORGANISATION_KEYS = ("name", "language", "timezone", "holidays")
PAGE_LANGUAGES = ("de", "en")
_TEAM_KEYS = ("name", "office", "parent", "deputy", "hours", "answer_within")
_TEAM_MAIL_KEYS = ("also_deliver", "copies", "reference_in_subject", "account_mail", "domain_control")
TEAM_KEYS = (*_TEAM_KEYS, "figures", "closed", *_TEAM_MAIL_KEYS)
MOST_DAYS = 40  # of `answer_within`
COPIES = ("none", "allowed")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])\s*-\s*([01]?[0-9]|2[0-4]):([0-5][0-9])")


def read_organisation(fields: Fields, node: Node) -> Organisation:
    """Read `organisation`."""
    pairs = fields.known(node, "organisation", keys=ORGANISATION_KEYS, required=("name",))
    name = fields.text(pairs["name"][1], "the organisation's name") if "name" in pairs else None
    language = fields.word(pairs["language"][1], "language", PAGE_LANGUAGES) if "language" in pairs else None
    zone = zone_of(fields, pairs["timezone"][1]) if "timezone" in pairs else None
    return Organisation(
        name=name or "",
        language=language or "de",
        timezone=zone or ZoneInfo(DEFAULT_ZONE),
        holidays=read_holidays(fields, pairs["holidays"][1]) if "holidays" in pairs else Holidays(),
    )


def zone_of(fields: Fields, node: Node) -> ZoneInfo | None:
    """Read `timezone`."""
    found = fields.scalar(node, "a time zone such as Europe/Berlin")
    if found is None:
        return None
    try:
        return ZoneInfo(found.text)
    except (ValueError, OSError, KeyError):  # a name out of the zones' folder, a folder, no such zone
        text = said("there is no time zone %(text)s; it is written as Europe/Berlin", text=quoted(found.text))
        fields.findings.error(found, Code.UNKNOWN_VALUE, text)
        return None


def read_domains(fields: Fields, names: Names, node: Node | None) -> frozenset[str]:
    """Read `domains`; what could not be read is noted in `names`."""
    scalars = [] if node is None else fields.scalars(node, "a domain name")
    found = [fields.domain(scalar) for scalar in scalars]
    names.domains_unread = not found or None in found or (isinstance(node, Sequence) and len(node.items) > len(found))
    return frozenset(domain for domain in found if domain is not None)


def read_teams(fields: Fields, names: Names, pairs: Pairs) -> dict[str, Team]:
    """Read `teams`."""
    found = (_team(fields, names, key, node) for key, node in pairs.values())
    return {team.id: team for team in found}


def _team(fields: Fields, names: Names, key: Scalar, node: Node) -> Team:
    fields.name(key, "team")
    pairs = fields.known(
        node,
        said("team %(name)s", name=quoted(key.text)),
        keys=TEAM_KEYS,
        required=("name",),
    )
    return Team(
        id=key.text,
        name=_text(fields, pairs, "name", said("the team's name")),
        office=_text(fields, pairs, "office", said("the office it belongs to")),
        parent=_team_named(fields, names, pairs, "parent"),
        deputy=_team_named(fields, names, pairs, "deputy"),
        hours=tuple(_hours(fields, pairs["hours"][1])) if "hours" in pairs else (),
        line=key.line,
        column=key.column,
        copies="copies" in pairs and fields.word(pairs["copies"][1], "copies", COPIES) == "allowed",
        also_deliver=read_also_deliver(fields, names, pairs["also_deliver"][1]) if "also_deliver" in pairs else (),
        figures=_text(fields, pairs, "figures", said("the agreement by which figures are shown")),
        answer_within=_days_within(fields, pairs["answer_within"][1]) if "answer_within" in pairs else None,
        closed=_flag(fields, pairs, "closed"),
        reference_in_subject=_flag(fields, pairs, "reference_in_subject"),
        account_mail=account_mail_of(fields, pairs) or AccountMail.LEADS,
        domain_control=_flag(fields, pairs, "domain_control"),
    )


def account_mail_of(fields: Fields, pairs: Pairs) -> AccountMail | None:
    """Read `account_mail` of a team or an address; None where it is not said."""
    if "account_mail" not in pairs:
        return None
    found = fields.word(pairs["account_mail"][1], "account_mail", tuple(map(str, AccountMail)))
    return None if found is None else AccountMail(found)


def _flag(fields: Fields, pairs: Pairs, key: str) -> bool:
    return key in pairs and bool(fields.flag(pairs[key][1]))


def _days_within(fields: Fields, node: Node) -> int | None:
    found = fields.scalar(node, said("a number of working days such as 3"))
    if found is None:
        return None
    if re.fullmatch("[0-9]{1,2}", found.text) and 0 < int(found.text) <= MOST_DAYS:
        return int(found.text)
    text = said("%(text)s is no number of working days from 1 to %(most)s", text=quoted(found.text), most=MOST_DAYS)
    fields.findings.error(found, Code.UNKNOWN_VALUE, text)
    return None


def _text(fields: Fields, pairs: Pairs, key: str, expected: Said) -> str:
    return (fields.text(pairs[key][1], expected) or "") if key in pairs else ""


def _team_named(fields: Fields, names: Names, pairs: Pairs, key: str) -> str | None:
    found = fields.scalar(pairs[key][1], "the name of a team") if key in pairs else None
    return found.text if found is not None and names.refer("team", found) else None


def _hours(fields: Fields, node: Node) -> Iterator[OpenHours]:
    for key, spans in fields.mapping(node, "hours such as {mon-thu: 08:00-16:00}").values():
        days = _days(fields, key)
        for scalar in fields.scalars(spans, "a span such as 08:00-16:00"):
            found = _SPAN.fullmatch(scalar.text)
            from_minute = int(found[1]) * 60 + int(found[2]) if found else 0
            until_minute = int(found[3]) * 60 + int(found[4]) if found else 0
            if not from_minute < until_minute <= 24 * 60:
                text = said("%(text)s is no span of hours; write it as 08:00-16:00", text=quoted(scalar.text))
                fields.findings.error(scalar, Code.BAD_HOURS, text)
                continue
            for day in days:
                yield OpenHours(weekday=day, from_minute=from_minute, until_minute=until_minute)


def _days(fields: Fields, key: Scalar) -> range:
    first, _, last = key.text.lower().partition("-")
    if first in _DAYS and (last or first) in _DAYS and _DAYS.index(first) <= _DAYS.index(last or first):
        return range(_DAYS.index(first), _DAYS.index(last or first) + 1)
    text = said("%(text)s are no days; write mon, or mon-thu (%(days)s)", text=quoted(key.text), days=", ".join(_DAYS))
    fields.findings.error(key, Code.BAD_HOURS, text)
    return range(0)
