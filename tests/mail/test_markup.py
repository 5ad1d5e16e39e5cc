"""Simple formatting: what becomes an element, what stays as it was typed, and what a stranger's text never becomes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.markup import letter_body, letter_html, lines_of, page_html

QUOTE = '<blockquote type="cite">'
EVIL = '"><script>alert(1)</script>'


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("Guten Tag,\nanbei.\n\nGruß", "<p>Guten Tag,<br>anbei.</p>\n<p>Gruß</p>"),
        ("Bitte:\n- Ausweis\n- Formular", "<p>Bitte:</p>\n<ul><li>Ausweis</li><li>Formular</li></ul>"),
        ("- Ausweis\n  oder Pass\n- Foto", "<ul><li>Ausweis<br>oder Pass</li><li>Foto</li></ul>"),
        ("\u2013 eins\n• zwei", "<ul><li>eins</li><li>zwei</li></ul>"),
        ("Sie brauchen\n1. dies\n2. das", "<p>Sie brauchen</p>\n<ol><li>dies</li><li>das</li></ol>"),
        ("1. dies\n\nmehr\n\n2) das", '<ol><li>dies</li></ol>\n<p>mehr</p>\n<ol start="2"><li>das</li></ol>'),
        ("1. a\n1. b", "<ol><li>a</li></ol>\n<ol><li>b</li></ol>"),
        ("Die Frist endet am\n24. Dezember.", "<p>Die Frist endet am<br>24. Dezember.</p>"),
        ("24. Dezember geschlossen", "<p>24. Dezember geschlossen</p>"),
        ("Wir öffnen am\n1. März wieder.", "<p>Wir öffnen am<br>1. März wieder.</p>"),
        ("bis **30. Juni** 2*3*4", "<p>bis <strong>30. Juni</strong> 2*3*4</p>"),
        ("siehe https://a.example/x.", '<p>siehe <a href="https://a.example/x">https://a.example/x</a>.</p>'),
        ("[Antrag](https://a.example/?a=1&b=2)", '<p><a href="https://a.example/?a=1&amp;b=2">Antrag</a></p>'),
        ("[an uns](mailto:info@a.example)", '<p><a href="mailto:info@a.example">an uns</a></p>'),
        ("# 3 ist kein Titel\n_so_ nicht", "<p># 3 ist kein Titel<br>_so_ nicht</p>"),
        ("Gruß\n\n-- \nKita\nAmt 51", "<p>Gruß</p>\n<p>--<br>Kita<br>Amt 51</p>"),
        ("> a\n>> **b**\n> c",
         f"{QUOTE}\na<br>\n{QUOTE}\n**b**<br>\n</blockquote>\nc<br>\n</blockquote>"),
    ],
)  # fmt: skip
def test_what_is_typed_becomes_what_it_looks_like(text: str, html: str) -> None:
    assert letter_body(text) == html


def test_a_strangers_letter_is_text_whether_it_is_quoted_or_sent_on() -> None:
    theirs = "Oben\x0b[x](https://evil.example)\u2028[y](https://evil.example)\n"
    theirs += "Siehe [Ihre Sparkasse](https://evil.example)\n**Eilt**\n- sofort\n1. zahlen\n2. bald"
    quoted = "\n".join(f"> {line}" for line in theirs.split("\n"))
    quoted, sent_on = (text.replace("\x0b", " ") for text in (quoted, theirs))  # as the form gives it back
    for text in (quoted, f"--- Weitergeleiteter Brief ---\n\n{sent_on}"):
        html = letter_body(f"Guten **Tag**\n\n{text}", literal=lines_of(theirs))
        assert "<strong>Tag</strong>" in html
        assert "<a " not in html
        assert "<li>" not in html
        assert html.count("<strong>") == 1


def test_the_document_loads_nothing_and_has_no_style() -> None:
    html = letter_html("Guten Tag\n- [a](https://a.example)", language="de")
    assert html.startswith('<!DOCTYPE html>\n<html lang="de">')
    assert re.search(r"style|src=|<link|<img|class=|url\(", html) is None


_PIECES = st.sampled_from([
    "<", ">", '"', "'", "&", "\n", "\n- ", "\n1. ", "\n2. ", "\n> ", "**", "[", "](", ")", "https://a.example/",
    "javascript:",
    "mailto:", "data:text/html,", "//", "x", " ", "\t", "\r", "\x0b", "\u2028", "<script>", "onclick=", "-- ",
])  # fmt: skip


@given(st.lists(_PIECES, max_size=40).map("".join))
def test_no_text_becomes_any_other_element_or_leads_elsewhere(text: str) -> None:
    html = letter_body(text)
    rest = re.sub(r'<a href="(?:https?://|mailto:)[^"<>\s]*">|<ol start="\d+">|<blockquote type="cite">', "", html)
    rest = re.sub(r"</?(?:p|br|ul|ol|li|strong|a|blockquote)>", "", rest)
    assert "<" not in rest
    assert ">" not in rest
    assert '"' not in rest


@pytest.mark.parametrize(
    "piece", ["**", "[", "[a](", "https://", "- ", "1. ", "> ", ">", "\n>", "\n- ", "\n1. ", "\n2. "]
)
def test_much_of_it_is_read_in_linear_time(piece: str) -> None:
    assert letter_body(piece * 20_000) or piece.isspace()
    assert page_html(f"{EVIL}{piece * 20_000}", lambda _to, _words: None)
