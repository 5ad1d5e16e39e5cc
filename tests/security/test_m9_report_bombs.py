"""M9: reports about our domains that are bombs, lies or script: read in a worker within its bounds, or refused."""

from __future__ import annotations

import gzip
import html
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest

from maild.archive.reports import Arrived
from maild.archive.reports import record as keep
from maild.confinement import Worker
from maild.mail.reports import Reports, reports_in
from maild.policy.roles import Role
from tests.mail.dmarc_samples import BEGIN, END, NAME, feedback, mail, record, tls, zipped
from tests.web.office import Office, letter

_READ = "maild.mail.reports:reports_in"
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {}


def bomb(problem: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Register what makes an attachment, and the word for what is wrong with it."""

    def register(make: Callable[[], bytes]) -> Callable[[], bytes]:
        BOMBS[make.__name__] = (make, problem)
        return make

    return register


def grown(megabytes: int) -> bytes:
    """Return a gzip of so many megabytes of zeros, of which only one is ever made."""
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = machine.compress(bytes(1 << 20)) + machine.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + block * megabytes


@bomb("ratio")
def gzip_that_grows_a_thousandfold() -> bytes:
    return grown(40)


@bomb("size")
def gzip_of_eight_gigabytes() -> bytes:
    return grown(8_000)


@bomb("size")
def gzip_that_grows_slowly_beyond_the_limit() -> bytes:
    noise = gzip.compress(bytes(range(256)) * 64, 1)[10:-8]  # of 16 kB some hundred octets
    block = (b"<x>" + noise.hex().encode() + b"</x>") * 200
    return gzip.compress(block * (60_000_000 // len(block)), 1) + b"\0" * 400_000


@bomb("broken")
def gzip_that_declares_ten_gigabytes() -> bytes:
    whole = gzip.compress(feedback(record()))
    return whole[:-4] + struct.pack("<I", 0xFFFFFFFF)


@bomb("ratio")
def zip_of_zeros() -> bytes:
    return zipped(bytes(30_000_000))


@bomb("nested")
def zip_in_a_zip() -> bytes:
    return zipped(zipped(feedback(record())), "inner.zip")


@bomb("nested")
def gzip_in_a_gzip() -> bytes:
    return gzip.compress(gzip.compress(feedback(record())))


@bomb("members")
def zip_of_fifty_thousand_members() -> bytes:
    entry = b"PK\x01\x02" + bytes(42)
    return (
        zipped(feedback(record()))[:-22] + entry * 50_000 + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, 46, 0, 0)
    )


@bomb("doctype")
def a_billion_laughs() -> bytes:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE feedback [<!ENTITY l0 "lol">{laughs}]><feedback>&l9;</feedback>'.encode()


@bomb("doctype")
def an_entity_from_the_disk() -> bytes:
    return b'<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback>&x;</feedback>'


@bomb("doctype")
def a_document_type_from_elsewhere() -> bytes:
    return b'<!DOCTYPE feedback SYSTEM "http://127.0.0.1:9/evil.dtd"><feedback/>'


@bomb("records")
def a_million_records() -> bytes:
    return gzip.compress(feedback("<record/>" * 1_000_000), 1)


@bomb("records")
def a_million_elements_in_one_record() -> bytes:
    return gzip.compress(feedback("<record>" + "<row/>" * 1_000_000 + "</record>"), 1)


@bomb("depth")
def elements_within_elements() -> bytes:
    return b"<feedback>" * 100_000


@bomb("depth")
def json_of_a_million_brackets() -> bytes:
    return b'{"a":' + b"[" * 1_000_000


@bomb("json")
def json_with_a_string_that_never_ends() -> bytes:
    return b'{"a":"' + b"\\" * 1_000_001


@bomb("size")
def json_beyond_any_report() -> bytes:
    return gzip.compress(
        b'{"a":"' + bytes(range(32, 127)).replace(b'"', b"").replace(b"\\", b"") * 120_000 + b'"}', 1
    ) + bytes(400_000)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    started = Worker(preload=("maild.mail.reports",))
    yield started
    started.kill()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_the_bounds_of_a_worker(worker: Worker, name: str) -> None:
    make, problem = BOMBS[name]
    octets = mail(("application/gzip", f"{NAME}.xml.gz", make()))
    assert worker.call(_READ, octets) == Reports(problems=(problem,))


def test_ten_bombs_in_one_mail_are_no_more_than_one(worker: Worker) -> None:
    packed = grown(60)
    octets = mail(*[("application/gzip", f"{NAME}!{n}.xml.gz", packed) for n in range(20)])
    assert worker.call(_READ, octets) == Reports(problems=("ratio",) * 10)


def test_numbers_without_end_are_no_numbers() -> None:
    huge = "1" + "0" * 400
    found = reports_in(
        mail(
            ("application/gzip", f"{NAME}.xml.gz", gzip.compress(feedback(record(number=huge), record(number=2**53)))),
            ("application/gzip", f"{NAME}!2.xml.gz", gzip.compress(feedback(record(), begin=huge, end=huge))),
            (
                "application/json",
                f"{NAME}.json",
                json.dumps(tls(summary={"total-failure-session-count": 10**400})).encode(),
            ),
        )
    )
    assert [(each.skipped, each.sources) for each in found.dmarc] == [(2, ())]
    assert [(each.skipped, each.policies) for each in found.tls] == [(1, ())]
    assert found.problems == ("dates",)


SCRIPT = "<script>alert(1)</script>"
FORMULA = "=HYPERLINK(1)"


def test_script_and_formulas_of_a_reporter_are_words_on_the_page(office: Office) -> None:
    escaped = html.escape(f"{FORMULA}{SCRIPT}\u202e\x9b31m")
    dmarc = feedback(
        record(signer=SCRIPT.replace("<", "&lt;"), disposition=html.escape(SCRIPT), reason=html.escape(SCRIPT)),
        organisation=escaped, report=escaped, begin=BEGIN, end=END,
    )  # fmt: skip
    said = tls(**{"failure-details": [{"result-type": SCRIPT, "failed-session-count": 1}]})
    said["organization-name"] = f"{FORMULA}{SCRIPT}"
    found = reports_in(
        mail(("text/xml", f"{NAME}.xml", dmarc), ("application/json", f"{NAME}.json", json.dumps(said).encode()))
    )
    assert found.problems == ()
    item = Arrived(message_id=office.mail(letter("Report")), dmarc=found.dmarc, tls=found.tls)
    assert office.database.writer.submit(keep, item).result() == 2
    office.user("admin", (Role.ADMINISTRATOR, None))
    with office.client("admin") as client:
        page = client.get("/reports").text
    main = page[page.index("<main") :]
    assert main.count(html.escape(f"{FORMULA}{SCRIPT}")) == 2
    assert not re.search(r"<script>|\u202e|\x9b|onerror", main)
