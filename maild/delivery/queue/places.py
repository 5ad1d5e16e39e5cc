"""Which deliveries a duty asks for, said twice: as values, and as a condition in SQL. A test compares the two."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_

from maild.archive.schema import duties
from maild.archive.schema_copies import copies
from maild.delivery.deliveries import COPY, IMAP, LMTP, MAILDIR, SMTP
from maild.errors import AddressError
from maild.mail.address import parse_address
from maild.mail.inbox import team_of
from maild.rules.duties import ALSO_DELIVER, FORWARD, MEMBER_COPY

LEAVING = (FORWARD, ALSO_DELIVER)
_FORWARD = "forward:"


class Place(NamedTuple):
    """Where one delivery of a duty goes."""

    kind: str
    recipient: str
    next_hop: str


def places_of(kind: str, target: str, team: str, domain: str) -> tuple[Place, ...]:
    """Return where a duty asks a letter to be delivered besides its inbox; nothing for a target that cannot be read.

    Args:
        kind: of the duty.
        target: as `maild.rules.duties.place_text` writes it, or an address.
        team: of the duty: the mailbox, for a next hop that wants to know one.
        domain: of ours, by which the letter came.
    """
    scheme, _, rest = target.partition(":")
    if kind == ALSO_DELIVER and scheme in (MAILDIR, LMTP, IMAP):
        return (Place(scheme, f"{team_of(team)}@{domain}", rest),)
    addresses = target.removeprefix(_FORWARD) if kind == ALSO_DELIVER else target
    try:
        found = [parse_address(address) for address in addresses.split(", ")]
    except AddressError:
        return ()
    return tuple(Place(SMTP, str(address), address.domain) for address in found)


def asked_by(delivery: Any) -> ColumnElement[bool]:
    """Return the condition that a duty asks for a delivery (a table with the columns of `deliveries`)."""
    target, each = duties.c.target, delivery.c
    listed = literal(", ") + func.substr(target, len(_FORWARD) + 1) + ", "
    one = literal(", ") + each.recipient + ", "
    return and_(
        duties.c.message_id == each.message_id,
        or_(
            and_(duties.c.kind == FORWARD, each.kind == SMTP, target == each.recipient),
            and_(
                duties.c.kind == ALSO_DELIVER,
                each.kind == SMTP,
                func.substr(target, 1, len(_FORWARD)) == _FORWARD,
                func.replace(listed, one, "") != listed,
            ),
            and_(duties.c.kind == ALSO_DELIVER, each.kind != SMTP, target == each.kind + ":" + each.next_hop),
            and_(
                duties.c.kind == MEMBER_COPY,
                each.kind == COPY,
                exists().where(
                    copies.c.message_id == each.message_id,
                    copies.c.recipient == each.recipient,
                    copies.c.team == duties.c.team,
                ),
            ),
        ),
    )
