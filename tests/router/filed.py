"""Mail filed as the router does it, without one."""

from __future__ import annotations

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.router.reading import Addressed, Order, read_one
from tests.archive.samples import NOW_MS, acceptance
from tests.web.office import rules


def file_mail(database: Database, number: int, octets: bytes, at_ms: int = NOW_MS) -> tuple[int, bool]:
    """File a mail; return its id, and whether the router would have it read for reports."""
    message_id = database.writer.submit(accept, acceptance(number, octets=octets, at_ms=at_ms)).result().message_id
    order = Order(
        message_id=message_id, direction="in", received_ms=at_ms, reverse_path=None, reference_bits=number,
        size=len(octets), addressed=(Addressed(as_given="info@musterstadt.example", team=None),),
    )  # fmt: skip
    found = read_one(rules(), order, octets)
    assert database.writer.submit(file, found.filing).result() is not None
    return message_id, found.may_report
