"""A digest as people read it: what is new, in plain text that stands well in any mail program. Pure.

It names conversations by their reference, with the way there. A subject stands in it only where who calls gives one; of
what is confidential it says how many, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from maild.mail.header_writing import plain

_WIDTH = 72
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A conversation. `why` is a word of the language's; `since` when somebody began to wait, or it came."""

    reference: str
    team: str
    why: str  # assigned | mentioned | failed | answered | handed | new
    since: datetime
    waiting: bool
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How much lies in a team's inbox."""

    team: str
    open: int
    unassigned: int
    mine: int
    unanswered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """All that a digest says. `personal`: it tells at once what is for one person."""

    lines: tuple[Line, ...]
    more: int
    confidential: int
    standings: tuple[Standing, ...]
    personal: bool
    url: str  # of the first page, without a slash at its end
    settings: str  # where it is turned off

    @property
    def count(self) -> int:
        """How much is new."""
        return len(self.lines) + self.more + self.confidential


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    subject: tuple[str, str, str, str]  # one, several; for one person: one, several
    opening: tuple[str, str]
    why: dict[str, str]
    waits: str
    came: str
    day: str
    more: tuple[str, str]
    confidential: tuple[str, str]
    standing: str
    counts: tuple[str, str, str, str]
    look: str
    closing: str


_GERMAN = _Words(
    subject=("Neu: ein Vorgang", "Neu: {} Vorgänge", "Für Sie: ein Vorgang", "Für Sie: {} Vorgänge"),
    opening=("Guten Tag,\n\nseit der letzten Übersicht ist neu:", "Guten Tag,\n\nneu für Sie:"),
    why={
        "assigned": "Ihnen zugewiesen",
        "mentioned": "Sie sind in einer Notiz genannt",
        "failed": "Ihr Brief kam nicht an",
        "answered": "neuer Brief in Ihrem Vorgang",
        "handed": "an das Team übergeben",
        "new": "neu, niemand ist zuständig",
    },
    waits="wartet seit",
    came="vom",
    day="%d.%m.%Y, %H:%M Uhr",
    more=("Und ein weiterer Vorgang.", "Und {} weitere Vorgänge."),
    confidential=("Und eine vertrauliche Sache.", "Und {} vertrauliche Sachen."),
    standing="Stand in Ihren Teams",
    counts=("offen {}", "niemand zuständig {}", "Ihre {}", "unbeantwortet {}"),
    look="Alles ansehen: {}",
    closing=("Diese Nachricht kommt von einem Programm. Antworten darauf liest niemand.\nÄndern oder abbestellen: {}"),
)
_ENGLISH = _Words(
    subject=(
        "New: one conversation",
        "New: {} conversations",
        "For you: one conversation",
        "For you: {} conversations",
    ),
    opening=("Hello,\n\nnew since the last digest:", "Hello,\n\nnew for you:"),
    why={
        "assigned": "assigned to you",
        "mentioned": "you are mentioned in a note",
        "failed": "your letter did not arrive",
        "answered": "new letter in your conversation",
        "handed": "handed over to the team",
        "new": "new, nobody sees to it",
    },
    waits="waiting since",
    came="of",
    day="%Y-%m-%d %H:%M",
    more=("And one more conversation.", "And {} more conversations."),
    confidential=("And one confidential matter.", "And {} confidential matters."),
    standing="How your teams stand",
    counts=("open {}", "nobody's {}", "yours {}", "unanswered {}"),
    look="See all of it: {}",
    closing="This message comes from a program. Nobody reads answers to it.\nChange it or turn it off: {}",
)


def written(digest: Digest, language: str) -> tuple[str, str]:
    """Return subject and text."""
    words = _GERMAN if language == "de" else _ENGLISH
    one, several = words.subject[2:] if digest.personal else words.subject[:2]
    subject = one if digest.count == 1 else several.format(digest.count)
    return subject, "\n".join(_text(digest, words)) + "\n"


def _text(digest: Digest, words: _Words) -> Iterator[str]:
    yield words.opening[digest.personal]
    yield ""
    for line in digest.lines:
        yield from _entry(line, digest, words)
    for count, (one, several) in ((digest.more, words.more), (digest.confidential, words.confidential)):
        if count:
            yield one if count == 1 else several.format(count)
            yield ""
    if digest.standings:
        yield from _standings(digest, words)
    yield words.look.format(f"{digest.url}/")
    yield ""
    yield "-- "
    yield words.closing.format(digest.settings)


def _entry(line: Line, digest: Digest, words: _Words) -> Iterator[str]:
    yield f"{line.reference}  {_name(line.team)}"
    since = f"{words.waits if line.waiting else words.came} {line.since.strftime(words.day)}"
    yield f"    {words.why[line.why]}, {since}"
    if line.subject:
        yield f"    {_cut(plain(line.subject), _WIDTH - 4)}"
    yield f"    {digest.url}/c/{line.reference}"
    yield ""


def _standings(digest: Digest, words: _Words) -> Iterator[str]:
    yield words.standing
    for each in digest.standings:
        numbers = (each.open, each.unassigned, each.mine, each.unanswered)
        yield f"  {_name(each.team)}"
        yield "    " + ", ".join(word.format(number) for word, number in zip(words.counts, numbers, strict=True))
    yield ""


def _name(team: str) -> str:
    return _cut(plain(team), _LONGEST_NAME)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
