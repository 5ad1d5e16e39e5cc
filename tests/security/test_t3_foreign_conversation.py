"""T3: a stranger who knows another's letter wants into that conversation.

Known are its Message-ID, its subject and its reference. Expected: whatever is done with them, the letter of the
stranger is filed where it was sent to, in a conversation of its own; to people of the same team the likeness is
suggested, and in another team nobody learns that there is anything to be like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.security.town import INFO, KITA, Town, town_in

PETRA = "petra@citizen.example"
EVE = "eve@evil.example"
_NUMBERS = re.compile(r"[0-9a-f]{64}|datetime=\"[^\"]*\"|title=\"[^\"]*\"|[0-9]+")
KEY = "<first-letter@citizen.example>"
SECRET = "pflegekind7"


@dataclass(frozen=True)
class Victim:
    """The conversation that a letter of Petra's to one team has begun."""

    reference: str


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town_in(tmp_path_factory.mktemp("t3")) as town:
        yield town


@pytest.fixture(scope="module")
def victim(town: Town) -> Victim:
    message_id = town.mail(
        f"Subject: Unser {SECRET}", f"Message-ID: {KEY}", to=KITA, author=PETRA, text=f"{SECRET} im Text"
    )
    return Victim(town.conversation(message_id))


# How a letter names another's; `{reference}` is the one that our own answers would carry.
WAYS = {
    "in-reply-to": (f"In-Reply-To: {KEY}", "Message-ID: <evil{n}@evil.example>"),
    "references": (f"References: <nothing@evil.example> {KEY}",),
    "both": (f"In-Reply-To: {KEY}", f"References: {KEY}"),
    "same-id": (f"Message-ID: {KEY}",),
    "victim-in-copy": (f"In-Reply-To: {KEY}", f"Cc: {PETRA}"),
    "reply-to-victim": (f"In-Reply-To: {KEY}", f"Reply-To: {PETRA}", f"Sender: {PETRA}"),
    "tag-in-subject": ("Subject: Re: [{reference}] Unser Kind",),
    "tag-in-header": ("X-Maild-Conversation: {reference}", "Thread-Topic: {reference}", "Subject: Re: {reference}"),
    "same-subject": (f"Subject: Re: Unser {SECRET}",),
    "no-author": (f"In-Reply-To: {KEY}", "From:"),
}


@pytest.mark.parametrize("to", [KITA, INFO], ids=["same-team", "other-team"])
@pytest.mark.parametrize("way", list(WAYS))
def test_a_stranger_gets_a_conversation_of_their_own(town: Town, victim: Victim, way: str, to: str) -> None:
    fields = [field.format(reference=victim.reference, n=way) for field in WAYS[way]]
    before = _letters(town, victim)
    message_id = town.mail(*fields, to=to, author=EVE, text="eindringling5 will hinein")
    assert town.conversation(message_id) != victim.reference
    after = _letters(town, victim)
    assert len(after) == len(before)
    assert not any("eindringling5" in letter for letter in after)


def _letters(town: Town, victim: Victim) -> list[str]:
    """Return the letters on the page of the conversation, as its reader sees them."""
    letters = town.kira.get(f"/c/{victim.reference}").text.split("<article")[1:]
    assert SECRET in letters[0]
    return letters


def test_people_of_the_same_team_are_told_of_the_likeness(town: Town, victim: Victim) -> None:
    message_id = town.mail(f"In-Reply-To: {KEY}", "Subject: Re: x", to=KITA, author=EVE)
    page = town.kira.get(f"/c/{town.conversation(message_id)}").text
    assert f'href="/c/{victim.reference}"' in page


NAMES = {"reference": "Subject: Zu {reference}", "mark": "Subject: Re: Unser Kind [{reference}]"}


@pytest.mark.parametrize("way", list(NAMES))
def test_a_reference_in_a_subject_is_told_to_who_may_see_both_and_to_nobody_else(
    town: Town, victim: Victim, way: str
) -> None:
    made_up = "0000-0000" if victim.reference != "0000-0000" else "0000-0001"
    pages = []
    for author, reference in ((f"{way}1@evil.example", victim.reference), (f"{way}2@evil.example", made_up)):
        field = NAMES[way].format(reference=reference)
        here = town.conversation(town.mail(field, to=KITA, author=EVE))
        assert (f'href="/c/{victim.reference}"' in town.kira.get(f"/c/{here}").text) is (reference != made_up)
        there = town.mail(field, to=INFO, author=author)
        own = town.conversation(there)
        for page in (f"/search?q={reference}", f"/search?q=ref:{reference}"):
            text = town.paul.get(page).text
            assert f'href="/c/{reference}' not in text
            assert 'class="notice"' not in text
        text = town.paul.get(f"/c/{own}").text.partition('<main id="main"')[2]
        assert SECRET not in text
        # What differs is what its sender wrote, and how the letter itself is called.
        for known in (reference, own, there, author):
            text = text.replace(known, "")
        pages.append(_NUMBERS.sub("", text))
    assert pages[0] == pages[1]


def test_people_of_another_team_learn_nothing(town: Town) -> None:
    fields = ("Subject: Sorgerecht9", "Message-ID: <custody@citizen.example>")
    letter = town.mail(*fields, to=KITA, author="frida@citizen.example", text="sorgerecht9 im Text")
    theirs = town.conversation(letter)
    answer_to = "In-Reply-To: <custody@citizen.example>"
    message_id = town.mail(answer_to, "Subject: Re: x", to=INFO, author=EVE, text="nachgefragt")
    reference = town.conversation(message_id)
    assert town.paul.get(f"/c/{theirs}").status_code == 404
    assert town.paul.get(f"/m/{letter}").status_code == 404
    for path in (f"/c/{reference}", f"/m/{message_id}", "/inbox/poststelle", "/search?q=nachgefragt"):
        answer = town.paul.get(path, follow_redirects=True)
        assert answer.status_code == 200, path
        text = answer.text.lower()
        assert not any(word in text for word in ("sorgerecht9", theirs.lower(), "frida")), path
    assert reference in town.paul.get("/inbox/poststelle").text


def test_the_writer_of_the_letter_does_come_back_in(town: Town, victim: Victim) -> None:
    message_id = town.mail(f"In-Reply-To: {KEY}", "Subject: Re: Nachtrag", to=KITA, author=PETRA, text="Nachtrag")
    assert town.conversation(message_id) == victim.reference
