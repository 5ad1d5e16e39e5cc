"""Plain text as a reader sees it: folded quotations, dimmed signatures, joined lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maild.web.letter import open_letter
from maild.web.letter_text import MAX_CHARACTERS, clean_text, text_html, unflow


def _html(text: str) -> str:
    return text_html(text, quoted_word="Quoted")


def _shape(text: str) -> str:
    """Return the HTML without its attributes, but for `open`."""
    return re.sub(r"<(\w+)[^>]*?( open)?>", r"<\1\2>", _html(text)).replace("<div>", "").replace("</div>", "")


def test_an_answer_above_its_quotation_folds_it_with_the_line_that_introduces_it() -> None:
    text = "Guten Tag,\ndanke.\n\nAm 1. Mai schrieb Petra <p@m.example>:\n> Frage\n> noch eine\n"
    folded = "<details><summary>Quoted</summary>Am 1. Mai schrieb Petra &lt;p@m.example&gt;:"
    assert "Guten Tag,\ndanke." in _html(text)
    shape = _shape(text)
    assert "<details>" in shape
    assert shape.index("danke.") < shape.index("<details>") < shape.index("Am 1. Mai")
    assert folded.partition("Am")[0] in shape


def test_an_answer_between_the_lines_keeps_short_quotations_open() -> None:
    assert _shape("> Frage 1\nAntwort 1\n> Frage 2\nAntwort 2\n").count("<details open>") == 2


def test_a_long_quotation_between_answers_is_folded() -> None:
    long = "".join(f"> Zeile {n}\n" for n in range(10))
    assert _shape(f"{long}Antwort\n").count("<details>") == 1


def test_a_letter_that_only_quotes_is_open() -> None:
    assert "<details open>" in _shape("> alles\n> zitiert\n")


def test_levels_of_quotation_nest() -> None:
    assert _shape("> a\n>> b\n> c\n").count("<blockquote>") == 2
    assert _shape(">" * 50 + " a").count("<blockquote>") == 8


def test_what_outlook_quotes_is_folded() -> None:
    text = "Danke!\n\nVon: A <a@b.example>\nGesendet: Montag\nAn: C\nBetreff: D\n\nalter Text\n"
    assert _shape(text).startswith("Danke!<details><summary>Quoted</summary>Von: A")
    text = "Thanks\n\n-----Original Message-----\nFrom: x\n\nold\n"
    assert _shape(text).startswith("Thanks<details><summary>Quoted</summary>-----Original")


def test_a_sentence_that_begins_with_von_is_none_of_outlooks() -> None:
    assert "<details" not in _html("Von: hier aus geht es weiter.\nDas ist alles.\n")


def test_a_signature_is_marked_and_what_follows_a_dash_is_not() -> None:
    assert '<div class="signature">' in _html("Text\n\n-- \nPetra M.\nTel. 1\n")
    assert '<div class="signature">' in _html("Text\n\n--\nPetra M.\n")
    assert '<div class="signature">' not in _html("Text\n--- \nText\n-- x\n")


def test_text_is_escaped_and_keeps_its_white_space() -> None:
    assert "a  &lt;b&gt; &amp;amp; &quot;c&quot;\n  d" in _html('a  <b> &amp; "c"\n  d')


@pytest.mark.parametrize(
    ("flowed", "joined"),
    [
        ("one \ntwo\nthree", "one two\nthree"),
        ("one \n\ntwo", "one \n\ntwo"),
        ("> one \n> two\n> three", "> one two\n> three"),
        ("> one \n>> two\n", "> one \n>> two\n"),
        ("one\n-- \nsignature", "one\n-- \nsignature"),
        ("one \n-- \nsignature", "one \n-- \nsignature"),
        (" stuffed \n> not", "stuffed \n> not"),
        (" >stuffed", " >stuffed"),
        ("  two spaces", " two spaces"),
        ("", ""),
    ],
)
def test_soft_line_ends_are_joined(flowed: str, joined: str) -> None:
    assert unflow(flowed) == joined


def test_soft_line_ends_of_text_without_spaces_lose_the_space() -> None:
    assert unflow("日本 \n語", delete_space=True) == "日本語"


def test_controls_and_overrides_of_direction_are_left_out() -> None:
    assert clean_text("a\x00b\x1b[31mc\u202ed\r\ne\rf\u2028g") == "ab[31mcd\ne\nf\ng"


def test_right_to_left_writing_keeps_its_marks_and_its_direction() -> None:
    assert "\u200f" in clean_text("שלום\u200f!")
    assert 'dir="auto"' in _html("שלום")


def test_a_text_beyond_the_limit_is_cut() -> None:
    assert len(clean_text("x" * (MAX_CHARACTERS + 5))) == MAX_CHARACTERS


def test_links_open_beside_the_page_and_say_nothing_of_it() -> None:
    assert (
        '<a href="https://a.example/" target="_blank" rel="noopener noreferrer nofollow">https://a.example/</a>'
        in _html("https://a.example/")
    )


@pytest.mark.parametrize(
    "introduction",
    [
        "Am 01.05.2026 um 10:00 schrieb Petra Muster:",
        "On Mon, 2 Apr 2012, at 14:20, Bob <bob@x.example> wrote:",
        "On Mon, Apr 2, 2012 at 5:49 PM, Bob Somebody with a long name\n<bob@x.example> wrote:",
        "Le 2 avr. 2012 à 14:20, Bob a écrit :",
        "02.04.2012 14:20 пользователь bob@x.example написал:",
        "Bob schrieb:",
    ],
)
def test_the_line_that_introduces_a_quotation_goes_with_it(introduction: str) -> None:
    text = f"Danke, das passt:\nbis bald\n\n{introduction}\n\n> Frage\n"
    own, _, folded = _html(text).partition("<details")
    assert "bis bald" in own
    assert introduction.split(maxsplit=1)[0] not in re.sub(r"<[^>]*>", "", own)
    assert introduction.rsplit(maxsplit=1)[-1] in folded


def test_a_sentence_before_a_quotation_stays_with_the_answer() -> None:
    own, _, _ = _html("Sie fragten folgendes:\n> Frage\n").partition("<details")
    assert "Sie fragten folgendes:" in own


def test_real_answers_show_what_was_written_and_fold_what_was_quoted(corpus: Path) -> None:
    for path in sorted((corpus / "replies").glob("*.eml")):
        own, found, _ = open_letter(path.read_bytes()).plain_html.partition("<details")
        assert found, path.name
        assert "Hello" in own, path.name
