from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from maild.web import language, notices
from maild.web.language import catalogue, negotiate

WEB = Path(language.__file__).parent


def _said() -> set[str]:
    found = extract_from_dir(
        str(WEB),
        [("**.py", "python"), ("templates/**.html", "jinja2")],
        {"templates/**.html": {"encoding": "utf-8", "trim_blocks": "true", "lstrip_blocks": "true"}},
        keywords={"_": None, "gettext": None, "ngettext": (1, 2)},
    )
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


def test_every_word_of_the_pages_has_a_german_one_and_none_is_left_over() -> None:
    german = catalogue("de")
    known = german.single.keys() | german.plural.keys()
    assert _said() - known == set()
    assert known - _said() == set()


def test_a_translation_fills_in_what_the_original_does() -> None:
    holes = re.compile(r"%\(\w+\)s|\{\d\}")
    with (WEB / "locale" / "de" / "messages.po").open("rb") as file:
        for message in read_po(file):
            ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
            texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
            if message.id:
                for text in texts:
                    assert sorted(holes.findall(str(text))) == sorted(holes.findall(str(ids[0]))), ids


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("Conversation", "Vorgang"),
        ("Inbox", "Posteingang"),
        ("open", "offen"),
        ("waiting", "wartet auf Antwort"),
        ("closed", "erledigt"),
        ("spam", "Spam"),
        ("assignee", "zuständig"),
        ("Take", "Übernehmen"),
        ("Assign", "Zuweisen"),
        ("Directory", "Verzeichnis"),
        ("delivery report", "Zustellbericht"),
        ("source only", "nur Quelltext darstellbar"),
    ],
)
def test_the_words_are_those_that_were_agreed_on(english: str, german: str) -> None:
    assert catalogue("de").gettext(english) == german
    assert catalogue("en").gettext(english) == english


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("de", "de"),
        ("en-GB,en;q=0.9", "en"),
        ("fr,de;q=0.5,en;q=0.7", "en"),
        ("fr", "de"),
        ("", "de"),
        ("EN;q=1, de;q=0.99", "en"),
        ("en;q=0", "de"),
        ("en;q=nonsense, de", "de"),
        ("x" * 100_000, "de"),
        (",".join(["fr"] * 10_000) + ",en", "de"),
    ],
)
def test_the_language_that_the_browser_likes_best_is_taken(asked: str, given: str) -> None:
    assert negotiate(asked, "de") == given


def test_a_notice_is_a_sentence_and_what_a_stranger_wrote_in_it_stays_what_it_was() -> None:
    from maild.web.letter_view import Notice

    said = notices.notice_text(Notice(code="link-lies", values=("{1} %(x)s <b>", "evil.example")), "de")
    assert said == "Der Verweis „{1} %(x)s <b>“ führt zu evil.example."
    assert notices.notice_text(Notice(code="never-heard-of"), "en").endswith("(never-heard-of).")
    assert "zu tief geschachtelt" in notices.notice_text(Notice(code="source-only", values=("depth",)), "de")
    assert len(notices.notice_text(Notice(code="own-domain", values=("x" * 9_999,)), "de")) < 400


def test_every_notice_that_the_reader_of_letters_can_give_has_its_words() -> None:
    from maild.web import letter_view

    assert letter_view.Notice.__doc__ is not None
    codes = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", letter_view.Notice.__doc__)) - {"code", "values"}
    assert codes - notices.WORDS.keys() == set()
