"""M1: structure made to stall or fill a reader. Each is read within the bounds of a worker, whatever it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from maild.confinement import Worker
from maild.mail.facts import Facts

BOMBS: dict[str, tuple[Callable[[], bytes], set[str | None]]] = {}


def bomb(*codes: str | None) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Register a generator, with the limits of which its message may break one; None: it is read in full."""

    def register(make: Callable[[], bytes]) -> Callable[[], bytes]:
        BOMBS[make.__name__] = (make, set(codes))
        return make

    return register


def mixed(boundary: str = "b") -> bytes:
    return f"Subject: bomb\r\nContent-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode()


def body(media_type: str, octets: bytes, encoding: str = "8bit") -> bytes:
    head = f"Subject: bomb\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + octets


@bomb("depth")
def multiparts_nested_10_000_deep() -> bytes:
    return mixed("b0") + b"".join(
        b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(10_000)
    )


@bomb("depth")
def multiparts_nested_with_one_boundary() -> bytes:
    return mixed() + b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 10_000


@bomb("parts")
def a_hundred_thousand_parts() -> bytes:
    return mixed() + b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 100_000


@bomb("parts")
def millions_of_delimiters() -> bytes:
    return mixed() + b"--b\r\n" * 6_000_000


@bomb("parts")
def a_thousand_multiparts_never_opened() -> bytes:
    part = b"--b\r\nContent-Type: multipart/mixed; boundary=inner%d\r\n\r\n"
    return mixed() + b"".join(part % n for n in range(2000)) + b"x" * 30_000_000


@bomb("parts")
def boundaries_that_begin_alike() -> bytes:
    return mixed() + b"--bb\r\n--b-\r\n--b--b\r\n" * 1_000_000


@bomb(None)
def boundaries_that_begin_alike_on_every_level() -> bytes:
    opened = b"".join(
        b"--%s\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n" % (b"b" * n, b"b" * (n + 1)) for n in range(1, 45)
    )
    return mixed() + opened + b"\r\n--" + b"b" * 8_000_000


@bomb("header", "fields")
def a_million_header_lines() -> bytes:
    return b"a: b\r\n" * 1_000_000 + b"\r\nbody"


@bomb("header", "fields")
def a_million_lines_that_are_no_fields() -> bytes:
    return b"Subject: bomb\r\n" + b"no field\r\n" * 1_000_000


@bomb("header")
def one_header_of_30_mb() -> bytes:
    return b"Subject: " + b"x" * 30_000_000 + b"\r\n\r\nbody"


@bomb("header")
def a_header_folded_a_million_times() -> bytes:
    return b"Subject: bomb\r\n" + b" \r\n" * 1_000_000 + b"\r\nbody"


@bomb("header")
def a_hundred_thousand_addresses() -> bytes:
    return b"To: " + b",\r\n ".join(b"a%d@example.org" % n for n in range(100_000)) + b"\r\n\r\nbody"


@bomb("addresses")
def three_thousand_addresses() -> bytes:
    return b"To: " + b",".join(b"a%d@b.example" % n for n in range(3000)) + b"\r\n\r\nbody"


@bomb(None)
def twenty_thousand_commas() -> bytes:
    return b"To: " + b"," * 20_000 + b"\r\nFrom: " + b"(" * 60_000 + b"\r\nCc: " + b'"\\' * 30_000 + b"\r\n\r\nbody"


@bomb(None)
def angles_and_groups() -> bytes:
    return b"To: " + b"<" * 60_000 + b"\r\nCc: " + b":" * 60_000 + b"\r\nReply-To: " + b"<a" * 30_000 + b"\r\n\r\nx"


@bomb("parameters")
def three_thousand_rfc_2231_parameters() -> bytes:
    parameters = b";".join(b"name*%d*=%%41" % n for n in range(3000))
    return b"Content-Type: text/plain; " + parameters + b"\r\n\r\nbody"


@bomb("header", "parameters")
def fifty_thousand_rfc_2231_parameters() -> bytes:
    parameters = b";\r\n ".join(b"name*%d=a" % n for n in range(50_000))
    return b"Content-Type: text/plain; " + parameters + b"\r\n\r\nbody"


@bomb(None, "parameters")
def blanks_and_quotes_between_parameters() -> bytes:
    return b"Content-Type: text/plain; " + b" ;" * 10_000 + b" " * 30_000 + b'=" \\' * 2000 + b"\r\n\r\nbody"


@bomb("header")
def a_million_encoded_words() -> bytes:
    return b"Subject: " + b"=?utf-8?q?x?=\r\n " * 1_000_000 + b"\r\n\r\nbody"


@bomb(None)
def encoded_words_never_closed() -> bytes:
    return b"Subject: " + b"=?utf-8?q?x " * 5000 + b"\r\nX: " + b"=?utf-8?q?" + b"?" * 60_000 + b"\r\n\r\nbody"


@bomb("depth")
def messages_within_messages() -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" * 10_000 + b"Subject: the last\r\n\r\nbody"


@bomb("parts", "depth")
def digests_within_messages() -> bytes:
    return mixed() + b"--b\r\nContent-Type: message/rfc822\r\n\r\n" * 10_000


@bomb("header")
def nothing_but_nul() -> bytes:
    return b"\0" * 20_000_000


@bomb(None)
def nothing_but_line_ends() -> bytes:
    return b"Subject: bomb\r\rx" + b"\r" * 10_000_000


@bomb(None)
def base64_that_is_padded_everywhere() -> bytes:
    return body("text/plain", b"QQ==" * 3_000_000, "base64")


@bomb(None)
def quoted_printable_with_open_ends() -> bytes:
    return body("text/plain", b"= \t" * 3_000_000 + b"=" * 3_000_000, "quoted-printable")


@bomb("parts", None)
def uuencoded_files_without_end() -> bytes:
    return body("text/plain", b"begin 644 x\r\n#86)C\r\n" * 500_000)


@bomb(None)
def html_of_unclosed_tags() -> bytes:
    return body("text/html", b"<a" * 1_000_000 + b"<!--" * 1_000_000 + b"<script" * 500_000)


@bomb(None)
def html_of_ampersands() -> bytes:
    return body("text/html", b"&" * 1_000_000 + b"&#" + b"9" * 100_000 + b"&#x" + b"f" * 100_000)


@bomb(None)
def html_of_40_000_nested_elements() -> bytes:
    return body("text/html", b"<div>" * 40_000 + b"<style>" * 40_000 + b"<head>" * 40_000 + b"<!--" * 40_000)


@bomb(None)
def utf_7_and_iso_2022_shifts() -> bytes:
    return body("text/plain; charset=utf-7", b"+2AA-+" * 1_000_000)


@bomb(None)
def dates_ids_and_lists_without_end() -> bytes:
    numbers = b"Date: " + b"1 " * 30_000 + b"\r\nMessage-ID: " + b"<" * 60_000
    return numbers + b"\r\nReferences: " + b"<a@b>" * 12_000 + b"\r\nList-Id: " + b"<" * 60_000 + b"\r\n\r\nx"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(preload=("maild.mail.reading",))
    yield worker
    worker.kill()


def test_there_are_at_least_twenty_bombs() -> None:
    assert len(BOMBS) >= 20


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_within_the_bounds_of_a_worker(name: str, worker: Worker) -> None:
    make, codes = BOMBS[name]
    facts = worker.call("maild.mail.reading:facts_of", make())
    assert isinstance(facts, Facts)
    assert facts.source_only in codes
    ordinary = worker.call("maild.mail.reading:facts_of", b"Subject: next\r\n\r\nbody")
    assert ordinary.subject == "next"


def test_what_was_read_before_a_limit_is_kept(worker: Worker) -> None:
    content = b"Subject: kept\r\nFrom: a@example.org\r\n" + b"X: y\r\n" * 3000 + b"\r\nbody"
    facts = worker.call("maild.mail.reading:facts_of", content)
    assert (facts.subject, facts.senders[0].mail, facts.source_only) == ("kept", "a@example.org", "fields")
