"""The signature below a letter: once, of the sender that was chosen, and not quoted back."""

from __future__ import annotations

import pytest

from maild.mail.signing_off import above, beginning, exchanged, unsigned, without_signatures

KITA, INFO = "Kita-Platzvergabe\nAmt 51", "Bürgerinformation"


def test_a_letter_begins_with_room_the_signature_and_the_quotation() -> None:
    assert beginning(KITA, "Petra schrieb:\n> Frage") == f"\n\n-- \n{KITA}\n\nPetra schrieb:\n> Frage\n"
    assert beginning("", "> Frage") == "\n\n> Frage\n"
    assert beginning(KITA) == f"\n\n-- \n{KITA}\n"
    assert beginning("") == ""


def test_the_signature_follows_the_sender_unless_somebody_has_changed_it() -> None:
    text = f"Guten Tag\n\n-- \n{KITA}\n\n> Frage\n"
    there = exchanged(text, [KITA, INFO], INFO)
    assert there == f"Guten Tag\n\n-- \n{INFO}\n\n> Frage\n"
    assert exchanged(there, [KITA, INFO], INFO) == there  # not doubled
    assert exchanged(there, [KITA, INFO], "") == "Guten Tag\n\n\n> Frage\n"
    mine = text.replace("Amt 51", "Amt 51, Zimmer 3")
    assert exchanged(mine, [KITA, INFO], INFO) == mine
    longer = f"{INFO}\nZimmer 1"
    assert exchanged(f"-- \n{longer}\n", [INFO, longer, KITA], KITA) == f"-- \n{KITA}\n"


def test_what_was_put_there_is_nobodys_own_words() -> None:
    assert unsigned(f"\n\n-- \n{KITA}\n", KITA).strip() == ""
    assert unsigned(f"Ja\n-- \n{KITA}\nPS: nein\n", KITA) == "Ja\n\nPS: nein\n"
    changed = f"-- \n{KITA}, Zimmer 3\n"
    assert unsigned(changed, KITA) == changed


def test_own_words_end_above_the_signature_and_the_quotation() -> None:
    text = f"Guten Tag\n\n-- \n{KITA}\n\nPetra schrieb:\n> Frage\n"
    assert text[above(text, KITA, "Petra schrieb:\n> Frage") :].startswith("-- ")
    assert text[above(text, "", "Petra schrieb:\n> Frage") :].startswith("Petra")
    assert above("Guten Tag", KITA, "> Frage") == len("Guten Tag")


SAID = "Am Montag, 1. Juni 2026 schrieb Petra:"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"Gern\n\n-- \n{KITA}", "Gern"),
        (f"Gern\n\n-- \n{KITA}\n\n{SAID}\n> Frage", f"Gern\n\n{SAID}\n> Frage"),
        (f"Danke\n\n{SAID}\n> Gern\n>\n> -- \n> Kita\n> Amt 51", f"Danke\n\n{SAID}\n> Gern"),
        (f"Danke\n\n{SAID}\n> Gern\n>\n> --\n> Kita\n>\n> Am 2.6. schrieb Petra:\n>> Frage\nunten",
         f"Danke\n\n{SAID}\n> Gern\n>\n> Am 2.6. schrieb Petra:\n>> Frage\nunten"),
        ("oben\n--\nunten", "oben\n--\nunten"),
        ("oben\n-- \n" + "lang\n" * 40, "oben\n-- \n" + "lang\n" * 40),
        ("Gruß\n--\n> x", "Gruß\n--\n> x"),
    ],
)  # fmt: skip
def test_a_signature_is_not_quoted_back(text: str, left: str) -> None:
    assert without_signatures(text) == left


@pytest.mark.parametrize("piece", ["-- \n", "> -- \n", ">", "> --\n> x\n", "-- \nschrieb\n"])
def test_many_signatures_are_read_in_linear_time(piece: str) -> None:
    text = piece * 20_000
    assert len(without_signatures(text)) <= len(text)
