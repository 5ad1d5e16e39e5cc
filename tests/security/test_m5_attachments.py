"""M5: no attachment is ever a page of ours: saved as a file, or a picture that is one by its octets."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message as StandardMessage

import pytest

from maild.errors import NotFoundError
from maild.web.attachments import attachment_headers, content_disposition
from maild.web.letter import open_letter, open_part
from tests.security.hostile_letters import CANARY, Theatre, theatre

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
HTML = b"<!doctype html><script>console.log(1337);fetch('//canary.example/html')</script>"
SVG = (
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>console.log(1337)</script><image href='//canary.example/'/></svg>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    declared: str
    octets: bytes
    sent_as: str = "application/octet-stream"
    inline: bool = False


CASES = [
    Case(name="a.html", declared="text/html", octets=HTML),
    Case(name="a.htm", declared="TEXT/HTML; charset=utf-7", octets=HTML),
    Case(name="a.xhtml", declared="application/xhtml+xml", octets=HTML),
    Case(name="a.svg", declared="image/svg+xml", octets=SVG),
    Case(name="a.svgz", declared="image/svg+xml", octets=b"\x1f\x8b" + SVG),
    Case(name="a.png", declared="image/png", octets=HTML),
    Case(name="a.png", declared="image/png", octets=SVG),
    Case(name="a.gif", declared="image/gif", octets=b"GIF8" + HTML),
    Case(name="a.xml", declared="text/xml", octets=b"<?xml version='1.0'?>" + SVG),
    Case(name="a.xml", declared="application/xml", octets=SVG),
    Case(name="a.xsl", declared="text/xsl", octets=SVG),
    Case(name="a.rss", declared="application/rss+xml", octets=SVG),
    Case(name="a.mht", declared="message/mhtml", octets=HTML),
    Case(name="a.mhtml", declared="multipart/related", octets=HTML),
    Case(name="a.js", declared="text/javascript", octets=b"console.log(1337)"),
    Case(name="a.mjs", declared="application/javascript", octets=b"console.log(1337)"),
    Case(name="a.css", declared="text/css", octets=b"@import '//canary.example/css'"),
    Case(name="a.json", declared="application/json", octets=b"{}"),
    Case(name="a.wasm", declared="application/wasm", octets=b"\x00asm"),
    Case(name="a.pdf", declared="application/pdf", octets=b"%PDF-1.7", sent_as="application/pdf"),
    Case(name="a.pdf", declared="application/pdf", octets=HTML, sent_as="application/pdf"),
    Case(name="a.swf", declared="application/x-shockwave-flash", octets=b"FWS"),
    Case(name="a.url", declared="application/internet-shortcut", octets=b"[InternetShortcut]"),
    Case(name="a.lnk", declared="application/x-ms-shortcut", octets=b"\x4c\0\0\0"),
    Case(name="a.hta", declared="application/hta", octets=HTML),
    Case(name="a.exe", declared="application/x-msdownload", octets=b"MZ"),
    Case(name="a.jar", declared="application/java-archive", octets=b"PK\3\4"),
    Case(name="a.docx", declared="application/vnd.ms-word.document.macroEnabled.12", octets=b"PK\3\4"),
    Case(name="a.txt", declared="text/plain", octets=HTML, sent_as="text/plain"),
    Case(name="a.csv", declared="text/csv", octets=HTML, sent_as="text/csv"),
    Case(name="a.ics", declared="text/calendar", octets=b"BEGIN:VCALENDAR", sent_as="text/calendar"),
    Case(name="a.eml", declared="message/rfc822", octets=HTML, sent_as="message/rfc822"),
    Case(name="a", declared="", octets=HTML),
    Case(name="a", declared="text/html\r\nSet-Cookie: a=b", octets=HTML),
    Case(name="a", declared="*/*", octets=HTML),
    Case(name="a.zip", declared="application/zip", octets=b"PK\3\4", sent_as="application/zip"),
    Case(name="a.mp4", declared="video/mp4", octets=HTML, sent_as="video/mp4"),
    Case(name="a.ico", declared="image/x-icon", octets=b"\0\0\1\0"),
    Case(name="a.bmp", declared="image/bmp", octets=b"BM"),
    Case(name="a.tiff", declared="image/tiff", octets=b"II*\0"),
    Case(name="a.pac", declared="application/x-ns-proxy-autoconfig", octets=b"x"),
    Case(name="a.appcache", declared="text/cache-manifest", octets=b"CACHE MANIFEST"),
    Case(name="a.html", declared="text/html", octets=PNG, sent_as="image/png", inline=True),
    Case(name="a.png", declared="image/png", octets=PNG, sent_as="image/png", inline=True),
    Case(name="a.gif", declared="image/gif", octets=GIF, sent_as="image/gif", inline=True),
    Case(name="a.gif", declared="image/gif", octets=GIF + HTML, sent_as="image/gif", inline=True),
    Case(name="a.jpg", declared="image/jpeg", octets=b"\xff\xd8\xff\xe0", sent_as="image/jpeg", inline=True),
    Case(name="a.webp", declared="image/webp", octets=b"RIFF\0\0\0\0WEBP", sent_as="image/webp", inline=True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.name} as {c.declared or 'nothing'}"[:40])
def test_an_attachment_is_sent_as_a_file_or_as_the_picture_it_is(case: Case) -> None:
    headers = attachment_headers(case.name, case.declared, case.octets[:16])
    assert headers["Content-Type"] == case.sent_as
    assert headers["Content-Disposition"].startswith("inline;" if case.inline else "attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = headers["Content-Security-Policy"].split("; ")
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert not any("\r" in v or "\n" in v for v in headers.values())


NAMES = [
    "bescheid.pdf",
    "Gebührenbescheid für Straße 5.pdf",
    "日本語.txt",
    "a\r\nSet-Cookie: x=y.txt",
    'a".html; filename="b.exe',
    "a\\..\\b.txt",
    "../../etc/passwd",
    "C:\\Windows\\x.exe",
    "a\0.html",
    "%00%0d%0a.txt",
    "rechnung\u202efdp.exe",
    "\u200b.htaccess",
    "CON",
    "a;b=c.txt",
    "a, b.txt",
    "a'b''c.txt",
    "=?utf-8?q?x=0D=0ASet-Cookie:_a=b?=",
    "x" * 4_000 + ".pdf",
    "ü" * 4_000,
    "\ud800.txt".encode("utf-8", "replace").decode(),
    "",
    ".",
    "..",
    "a/b/c",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_never_leaves_its_header_field(name: str) -> None:
    value = content_disposition(name)
    assert value.isascii()
    assert value.isprintable()
    assert len(value) < 1_000
    # Another reader of the field finds one disposition with one name, and no path in it.
    other = StandardMessage()
    other["Content-Disposition"] = value
    assert other.get_content_disposition() == "attachment"
    found = other.get_filename()
    assert found
    assert "/" not in found
    assert "\\" not in found
    assert {k for k, _ in other.get_params(header="content-disposition") or []} == {"attachment", "filename"}


def test_an_umlaut_comes_through_whole() -> None:
    assert "filename*=UTF-8''Stra%C3%9Fe.pdf" in content_disposition("Straße.pdf")
    assert 'filename="Stra_e.pdf"' in content_disposition("Straße.pdf")


def _mail(*attachments: tuple[str, str, bytes]) -> bytes:
    parts = [b"Content-Type: text/plain\r\n\r\nsee attachment\r\n"]
    for name, kind, octets in attachments:
        head = f'Content-Type: {kind}; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"\r\n'
        parts.append(head.encode() + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(octets))
    body = b"".join(b"--b\r\n" + p + b"\r\n" for p in parts)
    return (
        b'From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        + body
        + b"--b--\r\n"
    )


def test_a_part_comes_back_octet_for_octet() -> None:
    octets = bytes(range(256)) * 50
    assert open_part(_mail(("a.bin", "application/x-foo", octets)), "2") == (octets, "application/x-foo", "a.bin")


@pytest.mark.parametrize("part", ["3", "0", "", "1.1", "TEXT", "../1", "x" * 1000, "-1", "99999999999999999999"])
def test_a_part_that_is_not_there_is_not_found(part: str) -> None:
    with pytest.raises(NotFoundError):
        open_part(_mail(("a.bin", "application/x-foo", b"x")), part)


@pytest.mark.parametrize(
    ("name", "octets", "codes"),
    [
        ("rechnung.pdf", b"%PDF-1.7", []),
        ("brief.docx", b"PK\x03\x04", []),
        ("brief.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", []),
        ("brief.doc", b"{\\rtf1", []),
        ("foto.jpg", PNG, []),
        ("notes.txt", b"hello", []),
        ("data.bin", b"\0\1\2", []),
        ("rechnung.pdf.exe", b"MZ", ["executable-attachment"]),
        ("rechnung.pdf", b"MZ\x90", ["attachment-lies"]),
        ("rechnung.pdf", b"PK\x03\x04", ["attachment-lies"]),
        ("foto.jpg", b"MZ\x90", ["attachment-lies"]),
        ("foto.jpg", HTML, ["attachment-lies"]),
        ("notes.txt", b"#!/bin/sh", ["attachment-lies"]),
        ("rechnung", b"\x7fELF", ["attachment-lies"]),
        ("rechnung.unknown", HTML, ["attachment-lies"]),
        ("formular.html", HTML, ["page-attachment"]),
        ("bild.svg", SVG, ["page-attachment"]),
        ("liste.xlsm", b"PK\x03\x04", ["macro-attachment"]),
        ("start.lnk", b"\x4c\0\0\0\1\x14\2\0", ["executable-attachment"]),
        ("setup.JS", b"x", ["executable-attachment"]),
        ("setup.js. ", b"x", ["executable-attachment"]),
        ("image.iso", b"x", ["executable-attachment"]),
    ],
)
def test_an_attachment_that_runs_or_lies_is_named(name: str, octets: bytes, codes: list[str]) -> None:
    view = open_letter(_mail((name, "application/octet-stream", octets)))
    assert [n.code for n in view.notices] == codes
    assert all(n.part == "2" for n in view.notices)


def test_a_name_that_reads_backwards_is_shown_and_named() -> None:
    mail = _mail(("x", "application/octet-stream", b"MZ")).replace(
        b'filename="x"', b"filename*=utf-8''rechnung%E2%80%AEfdp.exe"
    )
    view = open_letter(mail)
    assert view.attachments[0].name == "rechnung[U+202E]fdp.exe"
    assert [n.code for n in view.notices] == ["executable-attachment", "hidden-direction"]


def test_a_picture_is_one_by_its_octets_only() -> None:
    view = open_letter(_mail(("a.png", "image/png", HTML), ("b.bin", "application/x", PNG)))
    assert [a.is_picture for a in view.attachments] == [False, True]


@pytest.fixture(scope="module")
def stage() -> Iterator[Theatre]:
    with theatre() as opened:
        yield opened


@pytest.mark.needs("chromium")
@pytest.mark.timeout(300)
def test_opened_in_a_browser_no_attachment_runs_or_asks_for_anything(stage: Theatre) -> None:
    page = stage.page()
    for number, case in enumerate(CASES):
        headers = attachment_headers(case.name, case.declared, case.octets[:16])
        stage.put(f"/letter/{number}", case.octets.decode("latin-1"), headers)
    frames = "".join(
        f"<iframe src='/letter/{n}'></iframe><object data='/letter/{n}'></object>" for n in range(len(CASES))
    )
    scripts = "".join(f"<script src='/letter/{n}'></script>" for n in range(len(CASES)))
    page.goto(stage.put("/stage/attachments", f"<!doctype html>{frames}{scripts}"), wait_until="load")
    page.close()
    assert "console: 1337" not in stage.seen
    assert [a for a in stage.asked if CANARY in a] == []
