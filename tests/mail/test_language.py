"""The language of a text: told when one clearly leads, and not otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.address import fold
from maild.mail.language import _WORDS, LANGUAGES, language_of

GERMAN = "Sehr geehrte Damen und Herren, hiermit kündige ich den Vertrag."
ENGLISH = "Dear Sir or Madam, I would like to know when my passport is ready."
TEXTS = [
    ("ar", "السلام عليكم، أود أن أعرف متى سيكون جواز السفر جاهزا في هذا الأسبوع من فضلكم هل يمكن ذلك"),
    ("bg", "Здравейте, аз искам да знам кога ще бъде готов паспортът ми. Това е за мен и за жена ми."),  # noqa: RUF001
    ("da", "Jeg vil gerne vide, hvad I skal have fra mig, og om der er noget, du kan se nu. Blev også spurgt af dem."),
    ("de", GERMAN),
    ("de", "Bitte um Rückruf, danke"),
    ("de", "BITTE SENDEN SIE MIR DIE UNTERLAGEN GRÜSSE"),
    ("en", ENGLISH),
    ("es", "Buenos días, quisiera saber cuándo estará listo mi pasaporte. Muchas gracias."),
    ("fa", "سلام، من می خواهم بدانم که گذرنامه من کی آماده می شود. با تشکر از شما"),
    ("fr", "Bonjour, je voudrais savoir quand mon passeport sera prêt. Merci."),
    ("it", "Buongiorno, vorrei sapere quando sarà pronto il mio passaporto. Grazie."),
    ("nb", "Hei, jeg må si noe om meg: hva kan dere gi oss nå, og ble det sagt opp? Veldig vennlig hilsen."),
    ("nl", "Geachte heer, ik wil graag weten wanneer mijn paspoort klaar is."),
    ("pl", "Dzień dobry, chciałbym się dowiedzieć, kiedy będzie gotowy mój paszport. Dziękuję."),
    ("pt", "Bom dia, gostaria de saber quando o meu passaporte estará pronto. Obrigado."),
    ("ro", "Bună ziua, aș dori să știu când este gata pașaportul meu. Mulțumesc."),
    ("ru", "Здравствуйте, я хотел бы узнать, когда будет готов мой паспорт. Спасибо."),
    ("sv", "Hej, jag skulle vilja veta när mitt pass är klart. Tack på förhand och vänliga hälsningar"),
    ("tr", "Merhaba, pasaportumun ne zaman hazır olacağını öğrenmek istiyorum. Teşekkür ederim."),  # noqa: RUF001
    ("uk", "Добрий день, я хотів би дізнатися, коли буде готовий мій паспорт. Дякую."),
]
NOT_CLEAR = [  # too little, a table, languages not known here, two at once, a quotation alone
    "",
    "4711",
    "Danke!",
    "Antrag Kitaplatz Müller Hauptstraße 5",
    "1;2;3;und;4;5;der;6;7;die" + ";Zeile;Spalte;Betrag;Summe;Konto;Buchung" + ";Posten".join("abcdefghijklmnop"),
    "Poštovani, želio bih znati kada će moja putovnica biti gotova. Hvala i lijep pozdrav.",
    "Tisztelt Uram, szeretném megtudni, hogy mikor lesz kész az útlevelem. Köszönöm.",
    "Vielen Dank für die Nachricht, wir sind nicht da. Thank you for your message, we are out.",
    "> Sehr geehrte Damen und Herren,\n> hiermit kündige ich den Vertrag.",
]


@pytest.mark.parametrize(("language", "text"), TEXTS)
def test_a_sentence_tells_its_language(language: str, text: str) -> None:
    assert language_of(text) == language


def test_there_is_a_sentence_of_each_language() -> None:
    assert {language for language, _ in TEXTS} == set(LANGUAGES)


@pytest.mark.parametrize("text", NOT_CLEAR)
def test_what_is_short_mixed_or_strange_is_not_told(text: str) -> None:
    assert language_of(text) is None


def test_an_answer_in_english_below_which_german_is_quoted_is_english() -> None:
    assert language_of(ENGLISH + "\n\n" + f"> {GERMAN}\n" * 20) == "en"


def test_the_beginning_decides() -> None:
    assert language_of(f"{GERMAN}\n" * 40 + f"{ENGLISH}\n" * 500) == "de"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_a_language_are_written_as_they_are_compared(language: str) -> None:
    words = _WORDS[language].split()
    assert [word for word in words if fold(word) != word or len(word) < 2] == []


@given(st.text(max_size=300))
def test_any_text_has_a_known_language_or_none(text: str) -> None:
    assert language_of(text) in {None, *LANGUAGES}
