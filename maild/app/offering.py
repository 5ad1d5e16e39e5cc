"""From the reception to the router: what was stored is offered to it, so that it need not look for it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from maild.intake.accept import Stored
from maild.intake.inspection import Inspection
from maild.mail.authentication import TrustedRelays
from maild.router.examining import Unexamined
from maild.router.reading import Addressed, Order
from maild.router.router import Router


def offer_to(router: Router, relays: TrustedRelays) -> Callable[[Stored], None]:
    """Return who offers mail to the router of this process as soon as it is stored."""
    return lambda stored: router.offer(_order(stored, relays), stored.octets, _unexamined(stored.inspection))


def leave_to_others(_stored: Stored) -> None:
    """The router is another process: it finds the work item in the database."""


def _order(stored: Stored, relays: TrustedRelays) -> Order:
    return Order(
        message_id=stored.message_id,
        direction="in",
        received_ms=stored.received_ms,
        reverse_path=None if stored.envelope.reverse_path is None else str(stored.envelope.reverse_path),
        addressed=tuple(Addressed(as_given=str(r.address), team=None) for r in stored.envelope.recipients),
        reference_bits=secrets.randbits(40),
        size=stored.size,
        believed=relays.believed(stored.envelope.peer.ip),
        verdicts=stored.verdicts,
        mark=stored.mark,
        screening=stored.screening,
    )


def _unexamined(inspection: Inspection | None) -> Unexamined | None:
    if inspection is None or inspection.evidence is not None:
        return None
    return Unexamined(inspection.dialogue, inspection.read)
