"""What mail programs put around an answer is cut, and the answer is not."""

from __future__ import annotations

import pytest

from maild.mail.answer_reading import read_answer
from maild.mail.own_words import own_words, without_quotations

CASES = {
    "thunderbird": "Ja.\n\nAm 22.11.26 um 10:00 schrieb Petra Muster:\n> Frage\n>> älter\n\nGruß\nKira\n"
                   "-- \nKira Kern\nTel. 1",
    "thunderbird english": "Ja.\n\nOn 11/22/26 10:00, Petra Muster wrote:\n> Frage\n\nGruß\nKira\n",
    "inline": "> Frage 1\nJa.\n> Frage 2\n\nGruß\nKira",
    "outlook": "Ja.\n\nGruß\nKira\n\nVon: Petra <k@x.example>\nGesendet: Montag, 3. November 2026 10:00\nAn: Kira\n"
               "Betreff: Frage\n\nGuten Tag,\nFrage",
    "outlook in bold": "Ja.\n\nGruß\nKira\n\n*Von:* Petra\n*Gesendet:* Montag\n*An:* Kira\n*Betreff:* x\n\nFrage",
    "outlook english": "Ja.\n\nGruß\nKira\n________________________________\nFrom: Petra\nSent: Monday\nTo: Kira\n"
                       "Subject: x\n\nFrage",
    "divider": "Ja.\n\nGruß\nKira\n\n-----Ursprüngliche Nachricht-----\nVon: Petra\n\nFrage",
    "english divider": "Ja.\n\nGruß\nKira\n\n-----Original Message-----\nFrage",
    "apple": "Ja.\n\nGruß\nKira\n\nVon meinem iPhone gesendet\n\n"
             "> Am 03.11.2026 um 10:00 schrieb Petra <k@x.example>:\n> \n> Frage",
    "gmail in three lines": "Ja.\n\nGruß\nKira\n\nAm Mo., 3. Nov. 2026 um 10:00 Uhr schrieb Petra Muster über\n"
                            "Kita-Platzvergabe <kita.platzvergabe@musterstadt.example>\n:\n\n> Frage",
    "gmail without marks": "Ja.\n\nGruß\nKira\n\nAm 3. Nov. 2026 um 10:00 schrieb Petra <k@x.example>:\n\nFrage",
    "android": "Ja.\n\nGruß\nKira\nSent from Outlook for Android<https://aka.ms/x>\n",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_a_mail_program_adds_is_cut(case: str) -> None:
    own = own_words(CASES[case])
    words = own.text.split()
    assert words == ["Ja.", "Gruß", "Kira"], own
    assert own.quoted + own.footer > 0


OWN = (
    "Am Montag schrieb ich Ihnen:\nKommen Sie bitte.",
    "Der Gutachter schrieb dazu:\nalles gut.",
    "Von: hier aus geht es links.\nDanach rechts.",
    "Ihre Nummern:\n-----\n1\n-----\n2",
    "Ein Satz - mit Strich\n--- und mehr",
    "Gesendet wird der Bescheid am 3.11.",
)


@pytest.mark.parametrize("text", OWN)
def test_what_only_looks_like_it_stays(text: str) -> None:
    own = own_words(text)
    assert (own.text.strip(), own.quoted, own.footer) == (text, 0, 0)


def test_html_is_read_without_its_quotations() -> None:
    html = "<p>Ja.</p><blockquote>a<blockquote>b</blockquote>c</blockquote><p>Gruß</p>"
    assert without_quotations(html) == "<p>Ja.</p><p>&gt;</p><p>Gruß</p>"
    assert without_quotations("<p>Ja.</p><blockquote>a") == "<p>Ja.</p><p>&gt;</p>"
    content = b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode()
    assert read_answer(content, "x").text.split() == ["Ja.", "Gruß"]


def test_hostile_texts_are_read_to_their_end() -> None:
    for text in ("Am " * 300_000, "Am x schrieb\n" * 60_000, "Von: x\n" * 60_000, "-- \n" * 100_000, "-" * 900_000):
        assert own_words(text[:1_000_000]).text is not None
    assert without_quotations("<blockquote>" * 100_000) == "<p>&gt;</p>"


def pictured(html: str, *names: str, plain: str = "") -> bytes:
    """Return an answer as mail programs build one with pictures; each has its name as its content id."""
    text = f"Content-Type: text/html; charset=utf-8\n\n{html}"
    if plain:
        text = (
            "Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/plain; charset=utf-8"
            f"\n\n{plain}\n--a\n{text}\n--a--"
        )
    files = "".join(
        f'\n--r\nContent-Type: image/png; name="{name}"\nContent-ID: <{name}@x>\nContent-Disposition: inline;'
        f' filename="{name}"\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n'
        for name in names
    )
    return f"Content-Type: multipart/related; boundary=r\n\n--r\n{text}\n{files}--r--\n".replace("\n", "\r\n").encode()


def image(name: str) -> str:
    return f'<img width="9" SRC="cid:{name}@x" alt="">'


OUTLOOK = (
    f"<p>Von: Petra &lt;k@x.example&gt;</p><p>Gesendet: Montag</p><p>An: Kira</p><p>Betreff: x</p>{image('c.png')}"
)
QUOTED = f"<blockquote>{image('c.png')}</blockquote>"
PICTURES = {
    "html alone": (f"<p>So:</p>{image('a.png')}<p>Gruß</p>{QUOTED}", "", "So: [a.png] Gruß"),
    "thunderbird": (
        f"<p>So: {image('a.png')}</p><div>-- <br>Kira {image('c.png')}</div>", "So:\n\n-- \nKira", "So:",
    ),
    "outlook": (
        f"<p>So: {image('a.png')}</p>{OUTLOOK}",
        "So: [cid:a.png@x]\n\nVon: P\nGesendet: M\nAn: K\n\n[cid:c.png@x]", "So: [a.png]",
    ),
    "named by nothing": (f"<p>So:</p>{QUOTED}", "", "So:"),
    "twice, quoted and not": (
        f"<p>So: {image('a.png')}</p><blockquote>{image('a.png')}{image('c.png')}</blockquote>", "", "So: [a.png]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PICTURES)
def test_pictures_within_the_text_go_along_and_those_of_quotations_and_signatures_do_not(case: str) -> None:
    html, plain, text = PICTURES[case]
    answer = read_answer(pictured(html, "a.png", "c.png", plain=plain), "x")
    assert [(file.name, file.media_type, file.octets) for file in answer.files] == [
        ("a.png", "image/png", b"\x89PNG\r\n\x1a\n")
    ]
    assert answer.pictures == 1
    assert " ".join(answer.text.split()) == text
    assert not answer.unreadable


def test_a_picture_alone_is_an_answer() -> None:
    answer = read_answer(pictured(image("a.png"), "a.png"), "x")
    assert (answer.text.strip(), len(answer.files)) == ("[a.png]", 1)


def test_marks_of_pictures_that_somebody_wrote_themselves_are_nothing() -> None:
    answer = read_answer(pictured(f"<p>\ue0007\ue001 \ue0000\ue001{image('a.png')}</p>", "a.png"), "x")
    assert answer.text.split() == ["[a.png]", "[a.png]"]
    hostile = "<img " * 50_000 + ' src="cid:' * 50_000
    assert read_answer(pictured(hostile, "a.png"), "x").files[0].name == "a.png"
