"""Why a message is where it is: the route of each recipient as it was kept, and the rules that decided.

Security: a reader gets the routes that lead to a team of theirs, as `maild.rules.conceal` leaves them; what led the
same message elsewhere never leaves this module.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from maild.archive.compression import DamagedError, decompress
from maild.archive.queries import Message, message
from maild.archive.replay import last_refiled
from maild.archive.schema import messages, recipients, rules_versions, summaries
from maild.archive.screenings import screenings
from maild.mail.screening import NOT_LOOKED, Screening
from maild.policy.visible import Visible
from maild.rules.conceal import Curtain, Told
from maild.rules.model import Ruleset
from maild.rules.recorded import read_recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesServed:
    """The rules that routed a message. Without a number, the version was not kept."""

    digest: str
    number: int | None
    loaded_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Why a message is in the reader's inboxes.

    `routes` are those of visible teams, in the order of the recipients; None when what was kept cannot be read.
    `put_into` are visible teams into which an import put it without asking the rules. `refiled_ms`: when it was filed
    anew, by rules that had not routed it at first. `screening`: what was said of it before any rule was asked.
    """

    message: Message
    origin: str
    rules: RulesServed | None
    routes: tuple[Told, ...] | None
    put_into: tuple[str, ...]
    refiled_ms: int | None = None
    screening: Screening = NOT_LOOKED


def provenance(connection: Connection, *, visible: Visible, rules: Ruleset, message_id: int) -> Provenance:
    """Return why a message is where it is. Raises NotFoundError for one that may not be seen.

    For an identical resend, which was not routed, the routes are empty: `message.duplicate_of` has them.
    """
    found = message(connection, visible=visible, message_id=message_id)
    origin = connection.execute(select(messages.c.origin).where(messages.c.id == message_id)).scalar_one()
    row = connection.execute(
        select(summaries.c.trace, summaries.c.rules_version).where(summaries.c.message_id == message_id)
    ).first()
    teams = frozenset(found.teams)
    put_into = connection.scalars(
        select(recipients.c.team)
        .where(recipients.c.message_id == message_id, recipients.c.team.in_(sorted(teams)))
        .order_by(recipients.c.position)
    )
    return Provenance(
        message=found,
        origin=origin,
        rules=None if row is None else _served(connection, row.rules_version),
        routes=() if row is None else _told(bytes(row.trace), Curtain(rules, teams)),
        put_into=tuple(dict.fromkeys(put_into)),
        refiled_ms=last_refiled(connection, message_id),
        screening=screenings(connection, visible=visible, found=[found]).get(message_id, NOT_LOOKED),
    )


def routes_in(trace: bytes) -> list[dict[str, Any]]:
    """Return the routes that are kept beside a message, a value for each recipient, as they were written."""
    found: list[dict[str, Any]] = json.loads(decompress(trace))
    return found


def _told(trace: bytes, curtain: Curtain) -> tuple[Told, ...] | None:
    try:
        forms = routes_in(trace)
    except (DamagedError, ValueError):
        return None
    if not isinstance(forms, list):
        return None
    told = (curtain.told(route) for form in forms if (route := read_recorded(form)) is not None)
    return tuple(item for item in told if item is not None)


def _served(connection: Connection, digest: str) -> RulesServed:
    row = connection.execute(
        select(rules_versions.c.number, rules_versions.c.loaded_ms)
        .where(rules_versions.c.digest == digest)
        .order_by(rules_versions.c.number.desc())
        .limit(1)
    ).first()
    return RulesServed(
        digest=digest, number=None if row is None else row.number, loaded_ms=None if row is None else row.loaded_ms
    )
