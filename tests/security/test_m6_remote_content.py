"""M6: a letter asks for nothing from elsewhere until its reader says so, not even for a name."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.web.letter import open_letter
from maild.web.letter_html import SANDBOX, LetterHtml, letter_headers, letter_html
from maild.web.letter_images import data_uri, pixel_count
from tests.security.hostile_letters import CANARY, Theatre, body_of, elements_of, theatre, vectors
from tests.security.test_m5_attachments import GIF, HTML, PNG, SVG


def _letter(html: str, *, images: bool = False) -> LetterHtml:
    return letter_html(html, quoted_word="Quoted", inline={}, images=images)


def _sources(html: str) -> list[str]:
    return [e.attributes["src"] for e in elements_of(html) if e.name == "img" and "src" in e.attributes]


def test_a_remote_picture_is_left_out_and_the_reader_is_told() -> None:
    letter = _letter('<p>Hello<img src="https://a.example/x.png" alt="logo" width="90">')
    assert letter.remote_images
    assert _sources(letter.document) == []
    assert 'alt="logo"' in letter.document


def test_a_letter_without_remote_pictures_offers_none() -> None:
    assert not _letter("<p>Hello<img src='cid:none'><img src='x.png'>").remote_images


def test_after_the_readers_click_pictures_come_and_nothing_else() -> None:
    letter = _letter(
        '<img src="https://a.example/x.png"><img src="//b.example/y.png"><img srcset="https://c.example/z 1x" src="q">'
        '<table background="https://d.example/"><tr><td style="background:url(https://e.example/)">x</table>'
        '<link rel=stylesheet href="https://f.example/"><video poster="https://g.example/">',
        images=True,
    )
    assert _sources(letter.document) == ["https://a.example/x.png", "https://b.example/y.png"]
    assert not letter.remote_images
    for host in "cdefg":
        assert f"{host}.example" not in letter.document


INSIDE = [
    "http://127.0.0.1/x",
    "http://10.0.0.1/x",
    "http://192.168.0.1/x",
    "http://169.254.169.254/latest",
    "http://[::1]/x",
    "http://[fd00::1]/x",
    "http://[::ffff:10.0.0.1]/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://0x7f.1/x",
    "http://017700000001/x",
    "http://127.1/x",
    "http://localhost/x",
    "http://localhost:8080/x",
    "http://intranet/x",
    "http://printer.local/x",
    "http://router.lan/x",
    "http://a.internal/x",
    "http://a.home.arpa/x",
    "http://a.localhost/x",
    "http://8.8.8.8/x",
    "http://user@a.example/x",
]


@pytest.mark.parametrize("address", INSIDE)
def test_even_then_no_picture_is_fetched_from_inside_the_house(address: str) -> None:
    letter = _letter(f'<img src="{address}">', images=True)
    assert _sources(letter.document) == []


def test_the_frames_headers_allow_what_was_asked_for_and_no_more() -> None:
    without, with_images = letter_headers(), letter_headers(images=True)
    assert "img-src data:;" in without["Content-Security-Policy"]
    assert "img-src data: https: http:;" in with_images["Content-Security-Policy"]
    for headers in (without, with_images):
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert policy.endswith(f"sandbox {SANDBOX}")
        assert not any(word in policy for word in ("allow-scripts", "allow-same-origin", "allow-top-navigation"))
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-DNS-Prefetch-Control"] == "off"


def _related(html: str, *pictures: tuple[str, bytes]) -> bytes:
    parts = [b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode()]
    for name, octets in pictures:
        head = f"Content-Type: image/png\r\nContent-ID: <{name}>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        parts.append(head.encode() + base64.encodebytes(octets))
    body = b"".join(b"--b\r\n" + p + b"\r\n" for p in parts)
    return b'From: a@b.example\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n' + body + b"--b--\r\n"


def test_a_letters_own_picture_is_shown_and_not_listed_again() -> None:
    view = open_letter(_related('<p>x<img src="cid:logo@x"><img src="CID:logo@x">', ("logo@x", PNG)))
    assert view.html_document
    assert _sources(view.html_document) == [f"data:image/png;base64,{base64.b64encode(PNG).decode()}"] * 2
    assert view.attachments == ()


@pytest.mark.parametrize("octets", [HTML, SVG, b"", b"\x89PNG\r\n\x1a\n", GIF[:6]])
def test_what_is_no_picture_is_not_shown_but_listed(octets: bytes) -> None:
    view = open_letter(_related('<p>x<img src="cid:logo@x">', ("logo@x", octets)))
    assert view.html_document
    assert _sources(view.html_document) == []
    assert len(view.attachments) == 1


def test_a_picture_of_a_thousand_million_pixels_is_not_shown() -> None:
    bomb = PNG[:16] + (40_000).to_bytes(4, "big") + (40_000).to_bytes(4, "big") + PNG[24:]
    assert pixel_count(bomb) == 1_600_000_000
    assert data_uri(bomb) is None


def test_pictures_beyond_the_limit_of_a_letter_are_left_out() -> None:
    large = PNG + b"\0" * 2_900_000
    view = open_letter(
        _related("<p>x" + '<img src="cid:a"><img src="cid:b"><img src="cid:c">' * 3, ("a", large), ("b", PNG))
    )
    assert view.html_document
    assert len(view.html_document) < 9_000_000
    assert any(s.endswith(base64.b64encode(PNG).decode()) for s in _sources(view.html_document))


def test_data_pictures_are_written_anew_with_their_true_type() -> None:
    encoded = base64.b64encode(GIF).decode()
    letter = _letter(f'<img src="data:image/png;base64,{encoded}"><img src="data:image/svg+xml;base64,{encoded}">')
    assert _sources(letter.document) == [f"data:image/gif;base64,{encoded}"] * 2
    svg = base64.b64encode(SVG).decode()
    assert _sources(_letter(f'<img src="data:image/png;base64,{svg}">').document) == []


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "net.json"


@pytest.fixture
def stage(journal: Path) -> Iterator[Theatre]:
    with theatre(journal=journal) as opened:
        yield opened


@pytest.mark.needs("chromium")
@pytest.mark.timeout(300)
def test_the_browsers_own_journal_knows_of_no_name_and_no_request(stage: Theatre, journal: Path) -> None:
    bodies = "".join(body_of(letter_html(v, quoted_word="Quoted", inline={}).document) for v in vectors())
    whole = letter_html("x", quoted_word="Quoted", inline={}).document
    stage.put("/letter/all", whole.replace(body_of(whole), bodies), letter_headers())
    frames = f'<iframe sandbox="{SANDBOX}" src="/letter/all"></iframe>'
    page = stage.page()
    page.goto(stage.put("/stage/remote", f"<!doctype html>{frames}"), wait_until="load")
    page.close()
    stage.browser.close()
    written = journal.read_text(encoding="utf-8", errors="replace")
    assert "stage.example" in written, "the journal must be able to show what was asked for"
    assert CANARY not in written
    assert stage.asked == [] or all("favicon" in a for a in stage.asked)


@pytest.mark.needs("chromium")
@pytest.mark.timeout(120)
def test_after_the_click_the_picture_comes_without_saying_who_reads(stage: Theatre) -> None:
    stage.put(
        "/letter/1",
        letter_html(f'<img src="http://{CANARY}/pixel.png">', quoted_word="", inline={}, images=True).document,
        letter_headers(images=True),
    )
    page = stage.page()
    sent: list[dict[str, str]] = []
    page.on("request", lambda r: sent.append(r.headers) if CANARY in r.url else None)
    page.goto(stage.put("/stage/click", f'<iframe sandbox="{SANDBOX}" src="/letter/1"></iframe>'), wait_until="load")
    page.close()
    assert [a for a in stage.asked if CANARY in a] == [f"{CANARY} /pixel.png"]
    assert sent
    assert not any(headers.get("referer") or headers.get("cookie") for headers in sent), json.dumps(sent)
