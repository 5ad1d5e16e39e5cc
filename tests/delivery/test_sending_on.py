"""Letters that are sent on: what was found out when they came is sealed, and From is ours where nothing proves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from maild.archive.database import Database
from maild.authentication import arc
from maild.authentication.claims import read_claims
from maild.authentication.own_keys import OwnKeys
from maild.authentication.signing import SigningKey
from maild.delivery.above import has_circled
from maild.delivery.sending_on import SendingOn, from_us
from maild.delivery.signatures import Signer
from maild.mail.address import parse_address
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf
from maild.mail.header import Field
from maild.rules.duties import Duty
from tests.archive.samples import NOW_MS
from tests.authentication.letters import LETTER, results_of, zone_of
from tests.authentication.sealed import seal
from tests.delivery.post import Post, letter, prove
from tests.delivery.sink import Sink

OURS = "musterstadt.example"
HOST = "mx.musterstadt.example"
NOW_S = NOW_MS // 1000
PROVEN = Evidence(
    checked_ms=NOW_MS,
    spf=Spf(result="pass", domain="stadtwerke.example"),
    dkim=(Dkim(result="pass", domain="stadtwerke.example", selector="s1"),),
    dmarc=Dmarc(result="pass", domain="stadtwerke.example", policy="reject", spf_aligned=True, dkim_aligned=True),
)
BY_ADDRESS_ONLY = PROVEN._replace(dkim=(), dmarc=PROVEN.dmarc._replace(dkim_aligned=False))


@pytest.fixture
def keys(tmp_path: Path) -> OwnKeys:
    return OwnKeys(tmp_path)


def sending_on(keys: OwnKeys, *, rewrite: bool) -> SendingOn:
    sign = Signer(keys, now_s=lambda: NOW_S)
    return SendingOn(keys, authserv_id=HOST, sign=sign, now_s=lambda: NOW_S, rewrite=rewrite)


async def sent_on(
    database: Database, keys: OwnKeys, evidence: Evidence | None, *, rewrite: bool, octets: bytes = LETTER
) -> bytes:
    message_id = letter(database, Duty("poststelle", "forward", "a@there.example", "f"), octets=octets)

    if evidence is not None:
        prove(database, message_id, evidence)
    async with Sink() as sink:
        post = Post(database, port=sink.port, sends_on=sending_on(keys, rewrite=rewrite))
        await post.turn()
        assert post.states(message_id) == ["delivered"]
        return sink.mails[0].octets


async def chain_of(content: bytes, *made: SigningKey) -> Arc:
    return await arc.validate(zone_of(*made), read_claims(content).chain, frozenset([OURS]))


async def test_what_was_found_out_is_sealed_in_the_name_of_our_domain(sqlite_database: Database, keys: OwnKeys) -> None:
    keys.make(OURS, "e1", "ed25519")
    rsa = keys.make(OURS, "s1", "rsa")
    content = await sent_on(sqlite_database, keys, PROVEN, rewrite=True, octets=LETTER + b"x\r\n" * 200_000)
    assert content.startswith(b"ARC-Seal: ")
    assert content.endswith(b"\r\n" + LETTER + b"x\r\n" * 200_000)
    found = await chain_of(content, rsa)
    assert (found.result, found.sealers) == ("pass", (OURS,))
    assert b" mx.musterstadt.example;" in content
    assert (await chain_of(content.replace(b"hlerstand", b"x"), rsa)).result == "fail"


async def test_a_chain_goes_on(sqlite_database: Database, keys: OwnKeys) -> None:
    ours = keys.make(OURS, "s1", "rsa")
    other = OwnKeys(Path(keys._folder).parent / "other").make("list.example", "l1", "ed25519")
    octets = seal(LETTER, other, authserv_id="list.example", results="spf=pass", status="none", now_s=NOW_S) + LETTER
    evidence = PROVEN._replace(arc=Arc(result="pass", sealers=("list.example",)))
    content = await sent_on(sqlite_database, keys, evidence, rewrite=False, octets=octets)
    found = await chain_of(content, ours, other)
    assert (found.result, found.sealers) == ("pass", (OURS, "list.example"))


@pytest.mark.parametrize("missing", ["key", "evidence"])
async def test_what_nobody_looked_at_or_can_seal_leaves_as_it_came(
    sqlite_database: Database, keys: OwnKeys, missing: str
) -> None:
    if missing != "key":
        keys.make(OURS, "s1", "ed25519")
    content = await sent_on(sqlite_database, keys, PROVEN if missing == "key" else None, rewrite=False)
    assert content.startswith(b"Maild-Sent-On: ")
    assert content.endswith(LETTER)


CASES = [
    (PROVEN, True, False),
    (BY_ADDRESS_ONLY, True, True),
    (BY_ADDRESS_ONLY, False, False),
    (BY_ADDRESS_ONLY._replace(dmarc=Dmarc(result="none")), True, False),
    (BY_ADDRESS_ONLY._replace(dmarc=Dmarc(result="temperror")), True, True),
    (None, True, True),
]


@pytest.mark.parametrize(("evidence", "rewrite", "is_ours"), CASES)
async def test_from_is_ours_only_where_nothing_else_proves_the_author(
    sqlite_database: Database, keys: OwnKeys, evidence: Evidence | None, *, rewrite: bool, is_ours: bool
) -> None:
    made = keys.make(OURS, "s1", "ed25519")
    content = await sent_on(sqlite_database, keys, evidence, rewrite=rewrite)
    if not is_ours:
        assert content.endswith(b"\r\n" + LETTER)
        return
    assert b'\r\nFrom: "Anna Weber via musterstadt.example" <info@musterstadt.example>\r\n' in content
    assert b"\r\nReply-To: Anna Weber <anna@stadtwerke.example>\r\n" in content
    assert content.endswith(LETTER.partition(b"\r\n")[2])
    (signature,) = await results_of(content, zone_of(made), NOW_S)
    assert (signature.result, signature.domain) == ("pass", OURS)
    if evidence is not None:
        assert (await chain_of(content, made)).result == "pass"


ODD = [
    b"Subject: x\r\n\r\n", b"From: a@b.example\r\nFrom: c@d.example\r\n\r\n", b"From: a@b.example\n\n",
    b"From:\r\n\r\n", b"From: a@b.example\r\n", b"", b"\r\n", b"From: a@b.example\r\nno field\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("first", ODD)
def test_a_header_that_others_may_read_otherwise_is_not_rewritten(first: bytes) -> None:
    assert from_us(first, parse_address("info@musterstadt.example")) == (b"", 0)


def test_the_name_of_an_author_ends_no_line_and_reply_to_stays() -> None:
    first = (
        b"Reply-To: r@b.example\r\nFROM: =?utf-8?q?J=C3=BCrgen=0D=0ABcc:_x@y.example?=\r\n <a@b.example>\r\n"
        b"To: x\r\n\r\nbody"
    )
    head, skipped = from_us(first, parse_address("info@musterstadt.example"))
    assert first[skipped:] == b"body"
    lines = head.replace(b"\r\n ", b" ").split(b"\r\n")
    assert [line.partition(b":")[0] for line in lines] == [
        b"Reply-To", b"From", b"Maild-Original-From", b"To", b"", b""
    ]  # fmt: skip


@pytest.mark.parametrize(("where", "circled"), [("A@There.example", True), ("b@there.example", False)])
def test_a_letter_that_was_delivered_there_is_not_sent_there_again(where: str, *, circled: bool) -> None:
    assert has_circled([Field("delivered-to", f" {where}")], HOST, "a@there.example") is circled
