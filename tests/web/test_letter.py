"""A message opened for reading: what kind it is, what is shown, what is said about it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maild.confinement import Pool
from maild.web.letter import LetterView, open_letter, open_part, source_view
from tests.security.hostile_letters import text_of

_HEAD = b"From: Petra <p@m.example>\r\nTo: Amt <amt@stadt.example>\r\nSubject: Frage\r\n"


def _alternative(plain: bytes, html: bytes) -> bytes:
    return (
        _HEAD + b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + plain + b"\r\n"
        b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html + b"\r\n--b--\r\n"
    )


def _codes(view: LetterView) -> list[str]:
    return [n.code for n in view.notices]


def test_a_plain_letter_is_text_without_a_document_for_the_frame() -> None:
    view = open_letter(_HEAD + b"\r\nGuten Tag,\r\neine Frage.\r\n")
    assert (view.kind, view.html_document, view.notices) == ("text", None, ())
    assert text_of(view.plain_html) == "Guten Tag,\neine Frage."
    assert view.header.subject == "Frage"
    assert [(p.name, p.mail, p.shown) for p in view.header.senders] == [("Petra", "p@m.example", "p@m.example")]
    assert [p.mail for p in view.header.to] == ["amt@stadt.example"]


def test_a_letter_with_html_has_both_forms() -> None:
    view = open_letter(_alternative(b"plain words", b"<p>formatted words"))
    assert view.kind == "html"
    assert "plain words" in view.plain_html
    assert view.html_document
    assert "<p>formatted words</p>" in view.html_document.replace("\r\n", "").replace("\n", "")


def test_a_letter_with_html_only_has_its_words_as_text_too() -> None:
    view = open_letter(_HEAD + b"Content-Type: text/html\r\n\r\n<p>only</p><p>formatted</p>")
    assert view.kind == "html"
    assert text_of(view.plain_html) == "only\nformatted"


def test_html_beyond_a_limit_leaves_the_text_and_says_why() -> None:
    view = open_letter(_alternative(b"plain words", b"<div>" * 40_000 + b"deep"))
    assert (view.kind, view.html_document) == ("text", None)
    assert "plain words" in view.plain_html
    assert view.notices[0].code == "html-left-out"
    assert view.notices[0].values == ("depth",)
    view = open_letter(_HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 40_000 + b"deep")
    assert "deep" in view.plain_html


def test_html_that_shows_nothing_leaves_the_text() -> None:
    view = open_letter(_alternative(b"plain words", b"<style>x</style>"))
    assert (view.kind, _codes(view)) == ("text", ["html-empty"])
    assert "plain words" in view.plain_html


def test_a_message_beyond_the_limits_of_structure_is_shown_as_source() -> None:
    octets = _HEAD + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(60)
    )
    view = open_letter(octets + b"\r\n<script>x</script>")
    assert view.kind == "source"
    assert "source-only" in _codes(view)
    assert "Subject: Frage" in view.plain_html
    assert "<script" not in view.plain_html


def test_a_message_whose_worker_died_is_shown_as_source_without_reading_it() -> None:
    view = source_view(b"\xff\x00<script>" * 100_000)
    assert view.kind == "source"
    assert view.plain_html.startswith('<pre class="source">')
    assert "<script" not in view.plain_html
    assert len(view.plain_html) < 2_000_000


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("application/ms-tnef; name=winmail.dat", "tnef"),
        ("application/pkcs7-mime; smime-type=enveloped-data", "smime-encrypted"),
        ("application/pkcs7-mime; smime-type=signed-data", "smime-signed"),
    ],
)
def test_what_no_page_can_show_is_named_and_listed(kind: str, code: str) -> None:
    view = open_letter(_HEAD + f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n".encode())
    assert code in _codes(view)
    assert len(view.attachments) == 1
    assert view.plain_html


@pytest.mark.parametrize("octets", [b"", b"\r\n", b"\n\n", b"\0", b"x", b"From:", b"\xff" * 100, b"\r\n\r\n<p>", b"--"])
def test_whatever_the_octets_there_is_something_to_show(octets: bytes) -> None:
    view = open_letter(octets)
    assert view.plain_html
    assert view.kind in {"text", "html", "source"}


def test_all_of_the_corpus_opens_quickly_and_shows_something(corpus: Path) -> None:
    files = sorted(p for p in corpus.rglob("*") if p.suffix in {".eml", ".txt"} or not p.suffix)
    opened = 0
    for path in (p for p in files if p.is_file()):
        octets = path.read_bytes()
        before = time.process_time()
        view = open_letter(octets)
        assert time.process_time() - before < 1, path.name
        assert view.plain_html.strip(), path.name
        if view.kind == "html":
            assert view.html_document, path.name
        for attachment in view.attachments:
            open_part(octets, attachment.part)
        opened += 1
    assert opened > 100


def test_a_plain_letter_of_4_kb_is_opened_in_a_millisecond() -> None:
    own = b"Guten Tag, das ist eine Frage und noch etwas mehr Text dazu, bitte.\r\n" * 25
    links = b"https://a.example/x und www.b.example\r\n-- \r\nPetra\r\n\r\nAm 1. Mai schrieb A <a@b.example>:\r\n"
    octets = _HEAD + b"\r\n" + own + links + b"> Guten Tag, das ist eine Frage und noch etwas Text.\r\n" * 35
    open_letter(octets)
    best = min(_seconds(octets) for _ in range(50))
    assert best < 0.001


def _seconds(octets: bytes) -> float:
    before = time.process_time()
    open_letter(octets)
    return time.process_time() - before


def test_opening_a_plain_letter_imports_nothing_heavy() -> None:
    program = (
        "import sys; from maild.web.letter import open_letter; open_letter(b'From: a@b.example\\r\\n\\r\\nx');"
        "heavy = {'nh3', 'starlette', 'jinja2', 'sqlalchemy', 'pydantic', 'email', 'asyncio'} & set(sys.modules);"
        "sys.exit(' '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_letter_comes_back_whole_from_the_worker_process() -> None:
    pool = Pool(1)
    try:
        octets = _alternative(b"plain words", b"<p>formatted words<img src=https://a.example/x.png>")
        assert await pool.run("maild.web.letter:open_letter", octets, False) == open_letter(octets)
        assert await pool.run("maild.web.letter:open_part", octets, "1") == open_part(octets, "1")
    finally:
        await pool.close()


@pytest.mark.parametrize(
    "html", [b"&" * 1_000_000, b"<div>" * 200_000, b"<p style='color:red'>" * 30_000, b"x" * 3_000_000]
)
async def test_a_hostile_letter_does_not_break_the_workers_bounds(html: bytes) -> None:
    pool = Pool(1)
    try:
        view = await pool.run("maild.web.letter:open_letter", _alternative(b"plain words", html))
        assert "plain words" in view.plain_html
    finally:
        await pool.close()


def test_a_view_holds_only_plain_values() -> None:
    view = open_letter(_alternative(b"a", b"<p>b"))
    assert dataclasses.asdict(view)["header"]["subject"] == "Frage"
