"""Small acceptances and filings, as the edges and the router would make them."""

from __future__ import annotations

from maild.archive.as_read import Filing, Place, Summary
from maild.archive.commit import Acceptance, Addressee
from maild.archive.content import held
from maild.mail.ids import message_id_at
from maild.rules.duties import Duty

NOW_MS = 1_790_000_000_000


def acceptance(
    number: int,
    *,
    octets: bytes | None = None,
    to: tuple[str, ...] = ("info@musterstadt.example",),
    sender: str | None = "petra@citizen.example",
    at_ms: int = NOW_MS,
    direction: str = "in",
    origin: str = "smtp",
) -> Acceptance:
    return Acceptance(
        message_id=message_id_at(at_ms, number),
        direction=direction,
        origin=origin,
        content=held(b"Subject: %d\r\n\r\nHello\r\n" % number if octets is None else octets),
        received_ms=at_ms,
        reverse_path=sender,
        envelope="{}",
        addressees=tuple(Addressee(address=a, address_key=a) for a in to),
    )


def filing(
    message_id: int,
    *,
    author: str = "petra@citizen.example",
    people: tuple[str, ...] | None = None,
    key: str | None = None,
    refers: tuple[str, ...] = (),
    teams: tuple[str, ...] = ("poststelle",),
    subject: str = "Frage",
    state: str = "open",
    automatic: int = 0,
    direction: str = "in",
    tags: tuple[str, ...] = (),
    reference_bits: int | None = None,
    duties: tuple[Duty, ...] = (),
    parents: tuple[tuple[str, str], ...] = (),
) -> Filing:
    return Filing(
        message_id=message_id,
        direction=direction,
        summary=Summary(
            date_ms=NOW_MS,
            subject=subject,
            from_name="Petra",
            from_mail=author,
            excerpt="Guten Tag",
            attachments=0,
            automatic=automatic,
            source_only=None,
        ),
        author=author,
        people=(author,) if people is None else people,
        message_key=key,
        references=refers,
        places=tuple(Place(team=t, state=state, priority=1, tags=tags) for t in teams),
        reference_bits=message_id * 2654435761 % (1 << 40) if reference_bits is None else reference_bits,
        rules_version="v",
        trace=b"",
        duties=duties,
        parents=parents,
        at_ms=NOW_MS,
    )
