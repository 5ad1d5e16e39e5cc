"""The sender's words, one prefix before them, and the reference of the conversation at their end: once, and legible."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.ids import format_reference
from maild.mail.reading import facts_of
from maild.mail.subject import answered_subject, forwarded_subject, marked_subject, named_references, without

OURS, FORMER, THEIRS = "7K3F-9Q2A", "0AAA-0AAA", "ZZZZ-9999"


@pytest.mark.parametrize(
    ("subject", "answered", "forwarded"),
    [
        ("Frage", "Re: Frage", "Fwd: Frage"),
        ("AW: Re: Antw: Frage", "Re: Frage", "Fwd: AW: Re: Antw: Frage"),
        (f"Re[2]: Frage [{OURS}]", "Re: Frage", "Fwd: Re[2]: Frage"),
        (f"AW: [{OURS}] Re: Frage [{FORMER}]", "Re: Frage", "Fwd: AW: Re: Frage"),
        (f"Frage [{OURS.lower()}] (eilt)", "Re: Frage (eilt)", "Fwd: Frage (eilt)"),
        (f"Frage [{THEIRS}] [{OURS}]", f"Re: Frage [{THEIRS}]", f"Fwd: Frage [{THEIRS}]"),
        (f"Frage {OURS}", f"Re: Frage {OURS}", f"Fwd: Frage {OURS}"),
        ("WG: Fwd: Frage", "Re: WG: Fwd: Frage", "Fwd: Frage"),
        ("Reisekosten: Frage", "Re: Reisekosten: Frage", "Fwd: Reisekosten: Frage"),
        (f"[{OURS}]", "Re:", "Fwd:"),
        ("", "Re:", "Fwd:"),
    ],
)
def test_a_subject_keeps_the_senders_words(subject: str, answered: str, forwarded: str) -> None:
    assert answered_subject(subject, (OURS, FORMER)) == answered
    assert forwarded_subject(subject, (OURS, FORMER)) == forwarded


def test_without_a_reference_of_ours_a_subject_is_as_it_was() -> None:
    assert without(f" Frage  [{THEIRS}]", (OURS,)).strip() == f"Frage  [{THEIRS}]"
    assert without(f" Frage [{OURS}]", ()) == f" Frage [{OURS}]"


@pytest.mark.parametrize(
    ("subject", "named"),
    [
        (f"Re: Frage [{OURS}]", (OURS,)),
        (f"Zu {OURS.lower()}, eilt", (OURS,)),
        (f"{OURS} und {THEIRS} und {OURS}", (OURS, THEIRS)),
        (f"x{OURS} {OURS}-1 1-{OURS}", ()),
        ("Frage zum Kitaplatz", ()),
    ],
)
def test_what_reads_as_a_reference_is_found_with_and_without_brackets(subject: str, named: tuple[str, ...]) -> None:
    assert named_references(subject) == named


def written(field: str | bytes, *references: str) -> tuple[bytes, str]:
    """Return the lines of the subject's field after it was marked, and what a program reads there."""
    octets = field.encode() if isinstance(field, str) else field
    letter = b"From: kita@musterstadt.example\r\n" + octets + b"To: petra@citizen.example\r\n\r\nSubject: im Text\r\n"
    marked = marked_subject(letter, references or (OURS, FORMER))
    before, _, rest = marked.partition(b"Subject")
    lines, to, body = rest.partition(b"To: petra@citizen.example\r\n\r\nSubject: im Text\r\n")
    assert before == b"From: kita@musterstadt.example\r\n"
    assert to, "all else stays octet for octet"
    assert not body
    return b"Subject" + lines, facts_of(marked).subject


LONG = "Antrag auf einen Kitaplatz für Übermorgen, mit Öffnungszeiten und Überprüfung der Gebührenbescheide"


@pytest.mark.parametrize(
    ("field", "left"),
    [
        ("Subject: Re: Frage\r\n", f"Subject: Re: Frage [{OURS}]\r\n"),
        ("Subject:\r\n", f"Subject: [{OURS}]\r\n"),
        (f"Subject: Re: Frage [{OURS}]\r\n", f"Subject: Re: Frage [{OURS}]\r\n"),
        (f"Subject: Re: Frage [{FORMER}]\r\n", f"Subject: Re: Frage [{OURS}]\r\n"),
        (f"Subject: Re: Frage [{FORMER}] [{OURS}]\r\n", f"Subject: Re: Frage [{OURS}]\r\n"),
        (f"Subject: Re: Frage [{THEIRS}]\r\n", f"Subject: Re: Frage [{THEIRS}] [{OURS}]\r\n"),
        (f"Subject: Ihr Vorgang {OURS}\r\n", f"Subject: Ihr Vorgang {OURS}\r\n"),
        (f"Subject: Ihr Vorgang {OURS} [{FORMER}]\r\n", f"Subject: Ihr Vorgang {OURS}\r\n"),
        # What a mail program wrote stays as it is, whatever its charset or its folding.
        (
            "Subject: =?windows-1252?Q?=D6ffnungszeiten?=\r\n",
            f"Subject: =?windows-1252?Q?=D6ffnungszeiten?= [{OURS}]\r\n",
        ),
        (f"Subject: {'wort ' * 13}ende\r\n", f"Subject: {'wort ' * 13}ende\r\n [{OURS}]\r\n"),
        ("Subject: eins\r\n zwei\r\n", f"Subject: eins\r\n zwei [{OURS}]\r\n"),
    ],
)
def test_the_reference_comes_to_the_end_of_the_field_once(field: str, left: str) -> None:
    assert written(field)[0].decode() == left


@pytest.mark.parametrize("subject", [LONG, "Ü" * 60, "=?utf-8?B?kaputt", "x" * 200, "[EXTERN] Grüße 👪"])
def test_the_reference_stands_beyond_encoded_words_and_is_read_back(subject: str) -> None:
    octets = written(f"Subject: {subject}\r\n".encode())[0]
    once, said = written(octets)
    assert said == f"{subject} [{OURS}]"
    assert once == octets
    changed, said = written(octets, THEIRS, OURS)
    assert said == f"{subject} [{THEIRS}]"
    assert changed.endswith(f"[{THEIRS}]\r\n".encode()), "not within an encoded word"
    assert all(len(line) < 998 for line in changed.split(b"\r\n"))


def test_a_reference_within_an_encoded_word_is_taken_out_of_it() -> None:
    # As Outlook has it: the whole subject in one encoded word, what we had put at its end as well.
    octets, said = written("Subject: =?utf-8?Q?AW:_=C3=9Cber_uns_=5B0AAA-0AAA=5D?=\r\n")
    assert said == f"AW: Über uns [{OURS}]"
    assert octets.endswith(f"?= [{OURS}]\r\n".encode())


def test_a_letter_without_a_subject_gets_the_reference_alone() -> None:
    marked = marked_subject(b"From: kita@musterstadt.example\r\n\r\nSubject: im Text\r\n", (OURS,))
    assert marked == f"Subject: [{OURS}]\r\nFrom: kita@musterstadt.example\r\n\r\nSubject: im Text\r\n".encode()


@given(subject=st.text(max_size=120), bits=st.lists(st.integers(0, (1 << 40) - 1), min_size=1, max_size=4))
def test_however_often_it_goes_to_and_fro_there_is_one_reference(subject: str, bits: list[int]) -> None:
    names = [format_reference(number) for number in bits]
    known: tuple[str, ...] = ()
    for name in names:
        known = (name, *known)
        letter = f"Subject: {answered_subject(subject, known)}".encode("utf-8", "replace").replace(b"\n", b" ")
        subject = facts_of(marked_subject(letter.replace(b"\r", b" ") + b"\r\n\r\nx\r\n", known)).subject
        assert subject.upper().count(name) == 1 or name in named_references(without(subject, known))
        assert not any(f"[{other}]" in subject for other in names if other != name)
