"""M7: a letter cannot draw over the page around it, nor take its place, nor pass for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from maild.web.letter_html import SANDBOX, letter_headers, letter_html
from maild.web.letter_style import PROPERTIES, safe_style
from tests.security.hostile_letters import Theatre, body_of, elements_of, theatre

OVERLAYS = [
    '<div style="position:fixed;top:0;left:0;width:100%;height:100%;background:red;z-index:99999">over</div>',
    '<div style="position:fixed !important;inset:0;background:red">over</div>',
    '<div style="position:absolute;top:-500px;left:-500px;width:2000px;height:2000px;background:red">over</div>',
    '<div style="position:sticky;top:0;background:red">over</div>',
    '<div style="margin:-500px;background:red;height:2000px">over</div>',
    '<div style="margin-top:-9999px;background:red;height:20000px">over</div>',
    '<div style="transform:scale(50);background:red">over</div>',
    '<div style="translate:-900px;background:red">over</div>',
    '<div style="height:999999999px;background:red">tall</div>',
    '<div style="width:999999px;height:50vh;background:red">wide</div>',
    '<div style="font-size:99999px;color:red">huge</div>',
    '<div style="line-height:99999;color:red">high</div>',
    '<div style="border:99999px solid red">thick</div>',
    '<div style="padding:99999px;background:red">padded</div>',
    '<div style="letter-spacing:99999px">s p a c e d</div>',
    "<table width=99999 height=99999 bgcolor=red border=9999 cellpadding=9999><tr><td>big</table>",
    "<table><tr><td rowspan=65534 colspan=1000>span</table>",
    '<img width=99999 height=99999 alt=x src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUQAOw==">',
    '<p style="text-shadow:0 0 9999px red;box-shadow:0 0 0 9999px red;outline:9999px solid red">glow',
    "<style>iframe,body,html{position:fixed;inset:0;width:9999px}</style>x",
    "<style>:root{--x:1}*{position:fixed!important}</style>x",
    '<dialog open style="position:fixed">x</dialog>',
    "<div popover=manual>x</div><button popovertarget=x>x</button>",
    '<marquee scrollamount=9999 style="position:fixed">over</marquee>',
    '<form action="/logout" target=_top><button style="font-size:90px">Delete everything</button></form>',
    '<a href="https://a.example/" target="_top" style="display:block;position:fixed;inset:0">x</a>',
    '<base target="_top"><a href="https://a.example/">x</a>',
    '<div id="page" class="page toolbar button" name="page" role="button" onclick="1">x</div>',
    "<h1>" * 100 + "x",
    "&#x1D173;&#x202E;" * 100 + "\u0489" * 2_000,
]


@pytest.mark.parametrize(
    "style",
    [
        "position:fixed",
        "POSITION : absolute",
        "position:fixed !important",
        "inset:0",
        "top:0;left:0;right:0;bottom:0",
        "z-index:9",
        "transform:scale(9)",
        "translate:9px",
        "margin:-9px",
        "margin:0 0 0 -9px",
        "margin-left:calc(-9px)",
        "width:100vw",
        "height:100vh",
        "height:9999px",
        "font-size:9999px",
        "padding:9999px",
        "border:9999px solid #ccc",
        "letter-spacing:-9px",
        "opacity:0",
        "animation:x 1s",
        "transition:all 1s",
        "filter:blur(1px)",
        "cursor:none",
        "pointer-events:none",
        "clip-path:circle()",
        "content:'x'",
        "background:url(x)",
        "background-image:none",
        "background:var(--x)",
        "--x:1",
        "color:var(--x)",
        "color:expression(1)",
        "width:expression(1)",
        "color:env(x)",
        "color:attr(x)",
        "display:contents",
        "display:flex",
        "overflow:hidden",
        "behavior:url(x)",
        "-moz-binding:url(x)",
        "all:unset",
        "color:r\\65 d",
        "color:red/**/",
        "@import 'x'",
        "color:red</style>",
        "color:red}body{color:red",
        "color",
        ":red",
        "",
    ],
)
def test_a_style_that_could_move_hide_or_fetch_is_dropped(style: str) -> None:
    assert safe_style(style) == ""


@pytest.mark.parametrize(
    ("style", "kept"),
    [
        ("color:red", "color:red"),
        ("COLOR: #FFF ; font-weight : bold", "color:#fff;font-weight:bold"),
        ("color:red!important", "color:red"),
        ("background:#fff url(x) no-repeat", "background-color:#fff"),
        ("background:url(x) no-repeat center #0a0b0c", "background-color:#0a0b0c"),
        ("background: none repeat scroll 0 0 white", "background-color:white"),
        ("background:rgb(1, 2, 3)", "background-color:rgb(1, 2, 3)"),
        ("font-family:'Open Sans',Arial", "font-family:'Open Sans',Arial"),
        ("font:bold 12px/1.5 Arial", "font:bold 12px/1.5 arial"),
        ("margin:0 auto;padding:10px 5%", "margin:0 auto;padding:10px 5%"),
        ("border-left:2px solid #ccc", "border-left:2px solid #ccc"),
        ("position:fixed;color:red", "color:red"),
        ("width:600px;max-width:100%", "width:600px;max-width:100%"),
        ("display:none", "display:none"),
        ("mso-line-height-rule:exactly;line-height:150%", "line-height:150%"),
    ],
)
def test_a_style_for_reading_is_kept(style: str, kept: str) -> None:
    assert safe_style(style) == kept
    assert safe_style(kept) == kept


def test_the_list_of_properties_takes_nothing_out_of_the_flow() -> None:
    moving = {"position", "top", "left", "right", "bottom", "inset", "z-index", "transform", "opacity", "filter"}
    assert not PROPERTIES & (moving | {"animation", "transition", "content", "cursor", "background-image", "overflow"})


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_name_of_the_pages_own_reaches_it(overlay: str) -> None:
    for element in elements_of(body_of(letter_html(overlay, quoted_word="Quoted", inline={}).document)):
        assert not {"id", "name", "role", "onclick", "form", "action"} & set(element.attributes), element
        assert element.attributes.get("target", "_blank") == "_blank"


@pytest.fixture(scope="module")
def stage() -> Iterator[Theatre]:
    with theatre() as opened:
        yield opened


_PAGE = """<!doctype html><style>body{margin:0;background:#fff}h1{height:80px;margin:0}
iframe{display:block;width:600px;height:300px;border:0;margin-left:100px}</style>
<h1>maild</h1>FRAMES<p>below</p>"""
_TOGETHER = 10  # letters on one page: each picture takes its time


def _around(stage: Theatre, name: str, letters: Sequence[str]) -> bytes:
    """Return a picture of a page of letters with the frames' own areas painted over."""
    places = [
        stage.put(f"/letter/{name}/{number}", letter_html(letter, quoted_word="", inline={}).document, letter_headers())
        for number, letter in enumerate(letters)
    ]
    return _picture(stage, name, [f'<iframe sandbox="{SANDBOX}" src="{place}"></iframe>' for place in places])


def _picture(stage: Theatre, name: str, frames: list[str]) -> bytes:
    page = stage.page()
    page.goto(stage.put(f"/stage/{name}", _PAGE.replace("FRAMES", "<p>between</p>".join(frames))), wait_until="load")
    picture = page.screenshot(mask=[page.locator("iframe")], full_page=True)
    page.close()
    return picture


@pytest.mark.needs("chromium")
@pytest.mark.timeout(300)
def test_no_letter_changes_a_pixel_outside_its_frame(stage: Theatre) -> None:
    groups = [OVERLAYS[at : at + _TOGETHER] for at in range(0, len(OVERLAYS), _TOGETHER)]
    for number, group in enumerate(groups):
        harmless = [f"<p>harmless {letter}" for letter in range(len(group))]
        assert _around(stage, f"{number}", group) == _around(stage, f"{number}-not", harmless), group
    stage.put("/letter/x", "x")
    frames = [f'<iframe style="width:{width}px" src="/letter/x"></iframe>' for width in (600, 900)]
    assert _picture(stage, "narrow", frames[:1]) != _picture(stage, "wide", frames[1:]), "a change must be seen"


@pytest.mark.needs("chromium")
def test_a_click_in_a_letter_never_moves_the_page(stage: Theatre) -> None:
    letter = '<a href="http://other.example/x" target="_top" style="font-size:40px">click</a>'
    stage.put("/letter/click", letter_html(letter, quoted_word="", inline={}).document, letter_headers())
    page = stage.page()
    address = stage.put("/stage/click", f'<iframe sandbox="{SANDBOX}" src="/letter/click"></iframe>')
    page.goto(address, wait_until="load")
    with page.expect_popup() as opened:
        page.frames[1].get_by_text("click").click()
    assert page.url == address
    assert opened.value.evaluate("window.opener") is None
    page.close()
