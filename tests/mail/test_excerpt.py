from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.excerpt import excerpt_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello\n\nthere", "Hello there"),
        ("  a \t b  ", "a b"),
        ("Yes.\n> Really?\nGood.", "Yes. Good."),
        ("Yes.\n\nOn Mon, 2 Nov 2026, Bo <b@x.example> wrote:\n> Really?", "Yes."),
        ("Ja.\n\nAm 02.11.26 um 10:00 schrieb Bo:\n> Wirklich?", "Ja."),
        ("Ja.\n\nAm Montag, den 2. November 2026 um 10:00 schrieb Bo Beispiel\n<b@x.example>:\n> Wirklich?", "Ja."),
        ("Oui.\n\nLe lun. 2 nov. 2026 à 10:00, Bo a écrit :\n> Vraiment ?", "Oui."),
        ("Yes.\n-----Original Message-----\nFrom: Bo", "Yes."),
        ("Ja.\n-----Ursprüngliche Nachricht-----\nVon: Bo", "Ja."),
        ("Yes.\n________________________________\nFrom: Bo", "Yes."),
        ("Ja.\n\nVon: Bo <b@x.example>\nGesendet: Montag", "Ja."),
        ("Yes.\n-- \nAnna", "Yes."),
        ("On Monday I wrote a letter.\nAnd more.", "On Monday I wrote a letter. And more."),
        ("> only quoted", "> only quoted"),
        ("", ""),
    ],
)
def test_the_excerpt_is_what_the_person_wrote(text: str, expected: str) -> None:
    assert excerpt_of(text) == expected


def test_a_long_text_is_cut_between_words() -> None:
    found = excerpt_of("word " * 100)
    assert found.endswith("word…")
    assert len(found) <= 160


@given(text=st.text(max_size=600))
@settings(deadline=None)
def test_any_text_has_an_excerpt_of_one_line(text: str) -> None:
    found = excerpt_of(text)
    assert len(found) <= 160
    assert "\n" not in found
    assert bool(found) == bool(text.split())
