"""What leaves is signed in the name of its author's domain, as it goes out; what cannot be, leaves all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from maild.archive.database import Database
from maild.authentication.canonical import body_hash, read_mail, relaxed_body
from maild.authentication.own_keys import OwnKeys
from maild.delivery.signatures import Signer
from maild.errors import MaildError
from maild.rules.duties import Duty
from tests.archive.samples import NOW_MS
from tests.authentication.letters import results_of, zone_of
from tests.delivery.post import LETTER, Post, letter, out
from tests.delivery.sink import Sink

OURS = "musterstadt.example"


@pytest.fixture
def keys(tmp_path: Path) -> OwnKeys:
    return OwnKeys(tmp_path)


def signer(keys: OwnKeys) -> Signer:
    return Signer(keys, now_s=lambda: NOW_MS // 1000)


async def sent(database: Database, keys: OwnKeys) -> list[bytes]:
    async with Sink() as sink:
        post = Post(database, port=sink.port, sign=signer(keys))
        await post.turn()
        return [mail.octets for mail in sink.mails]


async def test_a_letter_leaves_with_a_signature_of_each_key_that_others_verify(
    sqlite_database: Database, keys: OwnKeys
) -> None:
    made = [keys.make(OURS, "s1", "rsa"), keys.make(OURS, "e1", "ed25519")]
    # Line ends that are rewritten on the way, and more than one chunk of the archive.
    out(sqlite_database, octets=LETTER + b"bare\nlines  \r\rhere \t\r\n" * 40_000 + b"no end")
    (content,) = await sent(sqlite_database, keys)
    found = await results_of(content, zone_of(*made), NOW_MS // 1000)
    assert [(each.result, each.domain, each.selector) for each in found] == [
        ("pass", OURS, "e1"),
        ("pass", OURS, "s1"),
    ]
    assert content.endswith(b"no end\r\n")
    (altered, _) = await results_of(content.replace(b"Antrag", b"Betrag"), zone_of(*made), NOW_MS // 1000)
    assert altered.result == "fail"


async def test_a_letter_that_is_sent_on_is_not_signed_by_us(sqlite_database: Database, keys: OwnKeys) -> None:
    keys.make(OURS, "s1", "ed25519")
    letter(sqlite_database, Duty("poststelle", "forward", "a@there.example", "f"), octets=LETTER)
    (content,) = await sent(sqlite_database, keys)
    assert b"DKIM-Signature" not in content


@pytest.mark.parametrize(
    ("head", "pem", "reason"),
    [
        (LETTER, b"no key", "PEM"),
        (b"From: a@musterstadt.example, b@musterstadt.example\r\n\r\nx\r\n", b"", "several-mailboxes"),
        (b"From: a@musterstadt.example\r\nno field\r\n\r\nx\r\n", b"", "no field"),
        (b"x: y\r\n" * 200_000, b"", "header"),
        (b"\r\nonly a body", b"", "none"),
    ],
)
def test_what_cannot_be_signed_is_said_and_keeps_nothing(keys: OwnKeys, head: bytes, pem: bytes, reason: str) -> None:
    keys.make(OURS, "s1", "ed25519")
    if pem:
        (file,) = keys._folder.rglob("*.pem")
        file.write_bytes(pem)
    with capture_logs() as logs:
        assert signer(keys)(7, [head[:9], head[9:]]) == b""
    assert [(each["event"], each["id"]) for each in logs] == [("delivery.unsigned", 7)]
    assert reason in logs[0]["reason"]


def test_one_broken_key_does_not_keep_the_other_from_signing(keys: OwnKeys) -> None:
    keys.make(OURS, "broken", "ed25519")
    next(keys._folder.rglob("*.pem")).write_bytes(b"")
    keys.make(OURS, "s1", "ed25519")
    with capture_logs():
        signed = signer(keys)(7, [LETTER])
    assert signed.count(b"DKIM-Signature:") == 1
    assert b"s=s1" in signed


def test_a_key_that_is_made_or_retired_counts_at_once(keys: OwnKeys) -> None:
    ours = signer(keys)
    assert ours(1, [LETTER]) == b""
    keys.make(OURS, "s1", "ed25519")
    assert ours(1, [LETTER]) != b""
    keys.retire(OURS, "s1")
    assert ours(1, [LETTER]) == b""
    assert (keys.active(OURS), keys.retired(OURS)) == ([], ["s1"])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_body_hashes_alike_however_it_is_cut(size: int) -> None:
    content = b"From: x\r\n\r\na  b\t \r\n\r\n \r\r\n c\r \r\n\n\r\n \r\n\r\n"
    start = read_mail(content).body_start
    body = content[start:]
    cut = [body[at : at + size] for at in range(0, len(body), size)]
    assert relaxed_body(cut) == body_hash(content, start, "relaxed")


def test_no_domain_and_no_selector_leads_out_of_the_folder(keys: OwnKeys) -> None:
    for name in ("..", "../x", "/etc", "a/b", ".hidden", "", "a..b", "x\n"):
        assert keys.active(name) == []
        for pair in ((name, "s1"), (OURS, name)):
            with pytest.raises(MaildError):
                keys.make(*pair, "ed25519")
    assert not keys._folder.exists()
