"""HTML as a reader sees it: what letters are made of survives, what they quote is folded."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.web.letter_elements import TAGS, VOID
from maild.web.letter_html import LETTER_CSP, Policy, is_public, letter_html, sanitised
from maild.web.letter_tidy import tidy
from maild.web.letter_tokens import End, Start, Text, TooMuchError, tokens
from tests.security.hostile_letters import body_of, elements_of, text_of


def _tidy(html: str) -> str:
    return tidy(html, quoted_word="Q").html


def _body(html: str) -> str:
    return body_of(letter_html(html, quoted_word="Q", inline={}).document)


@pytest.mark.parametrize(
    ("html", "tidied"),
    [
        ("<p>a<p>b", "<p>a</p><p>b</p>"),
        ("<b>a<i>b</b>c", "<b>a<i>b</i></b>c"),
        ("<p><b>a<p>b", "<p><b>a</b></p><b><p>b</p></b>"),
        ("<b><p>a</b>b", "<b><p>ab</p></b>"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>"),
        ("<dl><dt>a<dd>b<dt>c</dl>", "<dl><dt>a</dt><dd>b</dd><dt>c</dt></dl>"),
        ("<table><td>a<td>b<tr><td>c", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>"),
        ("<table>a</table>", "<table><tr><td>a</td></tr></table>"),
        ("<table> <tr> <td>a</table>", "<table><tr><td>a</td></tr></table>"),
        ("<table><tbody><tr><td>a</tbody></table>", "<table><tbody><tr><td>a</td></tr></tbody></table>"),
        ("<td>a</td>", "a"),
        (
            "<table><tr><td><table><tr><td>a</table></table>",
            "<table><tr><td><table><tr><td>a</td></tr></table></td></tr></table>",
        ),
        ("<h1>a<h2>b", "<h1>a</h1><h2>b</h2>"),
        ("<section>a</section>", "<div>a</div>"),
        ("<label>a</label><button>b</button>", "ab"),
        ("a</p></div></b>b", "ab"),
        ("a<br>b</br>c<br/>", "a<br>b<br>c<br>"),
        (
            "<a href=http://x.example>a<a href=http://y.example>b",
            (
                '<a href="http://x.example" title="http://x.example">a</a>'
                '<a href="http://y.example" title="http://y.example">b</a>'
            ),
        ),
        ("<a name=top>a</a>", "a"),
        ("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"),
        ("&lt;b&gt; &copy; &#8364; &unknown; &copy", "&lt;b&gt; © € &amp;unknown; ©"),
        ("a<!-- b -->c<!d>e<?f>g<![if !mso]>h<![endif]>", "acegh"),
        ("<style>p{}</style><title>t</title><script>s</script>a", "a"),
        ("<select><option>x</select>a<svg><text>x</text></svg>b", "ab"),
        ("<p align=left ALIGN=right id=x class=y onclick=z>a", '<p align="left">a</p>'),
        ('<td>x<font color="red" face=Arial>y', 'x<font color="red" face="Arial">y</font>'),
        ("<p class=MsoNormal>a", '<p class="MsoNormal">a</p>'),
        ("<body bgcolor=#fff text=black>a", '<div style="color:black;background-color:#fff;">a</div>'),
    ],
)
def test_html_is_written_anew_well_nested(html: str, tidied: str) -> None:
    assert _tidy(html) == tidied


def test_an_address_with_bare_ampersands_stays_as_it_is() -> None:
    links = [
        e for e in elements_of(_body("<a href='http://a.example/?a=1&copy=2&lt=3&amp;b=4'>x</a>")) if e.name == "a"
    ]
    assert links[0].attributes["href"] == "http://a.example/?a=1&copy=2&lt=3&b=4"


def test_attributes_are_read_as_browsers_read_them() -> None:
    attributes = {"a": "1", "b": "2>", "c": ">3", "d": "", "e": "f/g", "=h": ""}
    assert list(tokens("<p a=1 b='2>' c=\">3\" d e = f/g =h a=2/i>x</p/ j>")) == [
        Start("p", attributes),
        Text("x"),
        End("p"),
    ]


def test_an_address_that_is_only_text_becomes_a_link_but_not_within_one() -> None:
    html = '<p>see https://a.example/x?y=1&amp;z=2, or <a href="https://b.example/">www.b.example</a>'
    links = [e.attributes["href"] for e in elements_of(_body(html)) if e.name == "a"]
    assert links == ["https://a.example/x?y=1&z=2", "https://b.example/"]


def test_a_quotation_is_folded_and_a_short_one_open() -> None:
    long = f"<p>Danke<blockquote type=cite>{'alt ' * 100}</blockquote>"
    assert '<details class="quote"><summary>Q</summary><blockquote>' in _tidy(long)
    assert '<details class="quote" open>' in _tidy("<p>Danke<blockquote type=cite>alt</blockquote><p>Ja")


def test_a_quotation_within_a_quotation_is_folded_once() -> None:
    assert (
        _tidy(f"a<blockquote type=cite>b<blockquote type=cite>{'c' * 300}</blockquote></blockquote>").count("details")
        == 2
    )


def test_an_indented_paragraph_is_no_quotation() -> None:
    html = f'a:<blockquote style="margin:0 0 0 40px;border:none;padding:0">{"b " * 200}</blockquote>'
    assert "details" not in _tidy(html)
    assert "details" not in _tidy(f"a<blockquote>{'b ' * 200}</blockquote>")


@pytest.mark.parametrize(
    "html",
    [
        '<div>Danke</div><div id="appendonsend"></div><div id=x_divRplyFwdMsg>Von: A</div><p>alt',
        "<p>Danke<div style='border:none;border-top:solid #E1E1E1 1.0pt'><b>Von:</b> A</div><p>alt",
        "<div><p>Danke<div> <div style='border-top:solid #E1E1E1 1.0pt'><b>Von:</b> A</div></div><p>alt</div>",
        "<div>Danke<br>-----Original Message-----<br>alt</div>",
        "<div>Danke<hr id=zwchr><b>From:</b> A<br>alt</div>",
        f"<div>Danke<br>Am Montag schrieb A:<br><blockquote>{'alt ' * 100}</blockquote></div>",
    ],
)
def test_what_mail_programs_put_above_the_old_letter_is_folded_with_it(html: str) -> None:
    tidied = _tidy(html)
    assert tidied.index("Danke") < tidied.index('<details class="quote">') < tidied.index("alt")
    assert tidied.index("alt") < tidied.index("</details>")


def test_a_letter_that_is_only_a_quotation_is_open() -> None:
    assert '<details class="quote" open>' in _tidy(f"<blockquote type=cite>{'alt ' * 100}</blockquote>")


def test_a_forwarded_letter_is_not_folded() -> None:
    html = f"<p>zur Kenntnis<blockquote type=cite>{'alt ' * 100}</blockquote>"
    assert "details" not in tidy(html, quoted_word="Q", fold=False).html


def test_the_document_carries_its_own_policy() -> None:
    document = letter_html("<p>x", quoted_word="Q", inline={}).document
    metas = [e.attributes for e in elements_of(document) if e.name == "meta"]
    policy = next(m["content"] for m in metas if m.get("http-equiv") == "Content-Security-Policy")
    assert LETTER_CSP.startswith(policy)
    assert document.startswith("<!doctype html>")


def test_a_letter_with_colours_keeps_white_paper_and_one_without_follows_the_reader() -> None:
    assert "color-scheme:light dark" in letter_html("<p>x", quoted_word="Q", inline={}).document
    assert "color-scheme:light}" in letter_html('<p style="color:#333">x', quoted_word="Q", inline={}).document


def test_a_letter_that_shows_nothing_says_so() -> None:
    assert letter_html("<style>x</style><script>y</script> <p></p>", quoted_word="Q", inline={}).is_empty
    assert not letter_html("<img src=cid:x>", quoted_word="Q", inline={}).is_empty


@pytest.mark.parametrize("limit", ["depth", "tags", "attributes", "size", "text"])
def test_beyond_a_limit_the_letter_is_not_rendered_and_the_limit_named(limit: str) -> None:
    html = {
        "depth": "<div>" * 300,
        "tags": "<br>" * 50_000,
        "attributes": "<p " + "a " * 200_000 + ">",
        "size": "x" * 4_000_001,
        "text": "&" * 300_000,
    }
    with pytest.raises(TooMuchError, match=limit):
        letter_html(html[limit], quoted_word="Q", inline={})


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("a.example", True),
        ("münchen.de", True),
        ("localhost", False),
        ("10.0.0.1", False),
        ("a.local", False),
        ("", False),
    ],
)
def test_a_host_is_public_when_the_whole_world_could_ask_for_it(host: str, public: bool) -> None:
    assert is_public(host) is public


_PIECES = st.sampled_from(
    [f"<{t}>" for t in sorted(TAGS)]
    + [f"</{t}>" for t in sorted(TAGS - VOID)]
    + [
        "<svg>",
        "</svg>",
        "<math>",
        "<style>",
        "</style>",
        "<!--",
        "-->",
        "<form>",
        "<a href=http://a.example>",
        "<p style='",
    ]
    + [
        "<template>",
        "<select>",
        "<noscript>",
        "<textarea>",
        "<title>",
        "text",
        " ",
        "&amp;",
        "&#0;",
        '"',
        "'",
        ">",
        "<",
        "=",
    ]
    + ["<blockquote type=cite>", "<div id=appendonsend>", "<img src=x onerror=y>", "\0", "\u202e", "\ud800"]
)


@given(st.lists(_PIECES, max_size=60).map("".join))
@settings(max_examples=400, deadline=None)
def test_any_html_becomes_a_tree_that_the_sanitiser_leaves_as_it_is(html: str) -> None:
    tidied = _tidy(html)
    stack: list[str] = []
    for token in tokens(tidied):
        if isinstance(token, Start) and token.name not in VOID:
            stack.append(token.name)
        elif isinstance(token, End):
            assert stack.pop() == token.name
    assert stack == []
    clean = sanitised(tidied, Policy(images=False, inline={}))
    for element in elements_of(clean):
        assert element.name in TAGS
        assert not any(name.startswith("on") or name in {"id", "name"} for name in element.attributes)
    words = re.findall(r"text", text_of(tidied))
    assert re.findall(r"text", text_of(clean)) == words, "the sanitiser finds nothing to repair"


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_taken_for_html_only_holds_allowed_elements(html: str) -> None:
    assert {e.name for e in elements_of(_body(html))} <= TAGS


def test_every_real_letter_with_html_keeps_its_words(corpus: Path) -> None:
    """What a simple reading finds between the tags is found after all layers, too."""
    for path in sorted((corpus / "replies").glob("*.html")):
        source = path.read_bytes().decode("utf-8", "replace")
        visible = re.sub(r"<!--.*?-->|<(style|title)\b.*?</\1>|<[^>]*>", " ", source, flags=re.DOTALL)
        expected = re.findall(r"\w+", text_of(visible))
        found = set(re.findall(r"\w+", text_of(re.sub(r"<[^>]*>", " ", _body(source)))))
        assert [w for w in expected if w not in found] == [], path.name


def test_a_newsletter_of_3_000_elements_takes_less_than_a_quarter_of_a_second() -> None:
    row = (
        '<tr><td align="left" style="padding:0 10px;color:#333333;font:14px Arial"><a href="https://a.example/?u=1&v=2"'
        ' style="color:#ffffff;text-decoration:none"><img src="https://b.example/x.png" width="60" height="20" alt="x">'
        "<b>Text</b></a> more text</td></tr>"
    )
    html = f"<table width=600 bgcolor=#ffffff>{row * 600}</table>"
    before = time.process_time()
    letter_html(html, quoted_word="Q", inline={})
    assert time.process_time() - before < 0.25
