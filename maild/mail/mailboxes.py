"""Address lists of header fields, read leniently: `From`, `To`, `Cc`, `Reply-To`.

The structure is split before encoded words are decoded: a decoded comma or bracket never makes an address.
Promises: never raises; one pass, linear.

Source: RFC 5322 §3.4 with the obsolete forms of §4.4; RFC 2047 §5 (3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from maild.mail.facts import Mailbox
from maild.mail.words import decode_words

_ATOM = r"""[^\s<>"(),:;\\@\[\]\x00-\x1f\x7f\ud800-\udfff]"""
_SIMPLE = re.compile(rf'(?:"([^"\\]*+)"\s*+|([^"\\,:;<>@()\[\]]*+))<({_ATOM}++@{_ATOM}++)>\s*+')
_BARE = re.compile(rf"{_ATOM}++@{_ATOM}++")
_TOKEN = re.compile(
    r'"([^"\\]*+(?:\\.[^"\\]*+)*)"?|([()<>,:;])|((?:\\.?|[^"()<>,:;\\])[^"()<>,:;\\]*+(?:\\.?[^"()<>,:;\\]*+)*)',
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ADDRESS = re.compile(
    r'[^\s<>(),;\x00-\x1f\x7f"@\ud800-\udfff][^<>\x00-\x1f\x7f\ud800-\udfff]*'
    r"@[^\s<>(),;:\x00-\x1f\x7f@\ud800-\udfff]+"
)


def parse_mailboxes(raw: str, limit: int) -> tuple[tuple[Mailbox, ...], bool]:
    """Return the mailboxes of an unfolded, undecoded address list, and whether there were more than `limit`."""
    simple = _SIMPLE.fullmatch(raw)
    if simple:
        name = simple[1] if simple[1] is not None else simple[2].strip()
        return (Mailbox(name=decode_words(name), mail=simple[3]),), False
    if _BARE.fullmatch(raw):
        return (Mailbox(name="", mail=raw),), False
    found: list[Mailbox] = []
    for mailbox in _Reader().read(raw):
        if len(found) == limit:
            return tuple(found), True
        found.append(mailbox)
    return tuple(found), False


class _Reader:
    """The state between two separators of a list."""

    __slots__ = ("angle", "comments", "in_angle", "phrase")

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.phrase: list[tuple[str, bool]] = []  # text, and whether it was quoted
        self.angle: list[str] | None = None
        self.comments: list[str] = []
        self.in_angle = False

    def read(self, raw: str) -> Iterator[Mailbox]:
        tokens = _TOKEN.finditer(raw)
        for token in tokens:
            quoted, special, text = token.groups()
            if special == "(":
                self.comments.append(_comment(tokens))
            elif special is not None:
                yield from self._special(special)
            elif quoted is not None:
                self._add(_ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted, quoted=True)
            else:
                self._add(text, quoted=False)
        yield from self._finish()

    def _add(self, text: str, *, quoted: bool) -> None:
        if self.in_angle and self.angle is not None:
            self.angle.append(text)
        else:
            self.phrase.append((text, quoted))

    def _special(self, special: str) -> Iterator[Mailbox]:
        if special == "<":
            self._open()
        elif special == ">":
            self.in_angle = False
        elif self.in_angle and self.angle and (special == ":" or self.angle[0].lstrip()[:1] == "@"):
            self.angle.append(special)  # a source route, or an address literal
        elif special == ":":
            if any("@" in text for text, quoted in self.phrase if not quoted):
                self._add(special, quoted=False)
            else:
                self._clear()  # the name of a group
        elif special in ",;":
            yield from self._finish()

    def _open(self) -> None:
        if self.angle:
            # Interop: `"a@b" <x> <c@d>`: the last bracket is the address.
            self.phrase.append((f" {''.join(self.angle)} ", False))
        self.angle = []
        self.in_angle = True

    def _finish(self) -> Iterator[Mailbox]:
        if self.angle is not None:
            mail = "".join(self.angle).strip()
            if mail[:1] == "@" and ":" in mail:
                mail = mail.rpartition(":")[2].strip()
            name = _name(self.phrase)
        else:
            name, mail = _bare(self.phrase)
        name = name or decode_words(" ".join(self.comments).strip())
        self._clear()
        if not _ADDRESS.fullmatch(mail):
            name, mail = name or decode_words(mail), ""
        if name or mail:
            yield Mailbox(name=name, mail=mail)


def _comment(tokens: Iterator[re.Match[str]]) -> str:
    """Read up to the parenthesis that closes a comment; inner ones are kept."""
    depth, pieces = 1, []
    for token in tokens:
        if token[2] == "(":
            depth += 1
        elif token[2] == ")":
            depth -= 1
            if depth == 0:
                break
        pieces.append(token[0])
    return "".join(pieces)


def _name(phrase: list[tuple[str, bool]]) -> str:
    if not phrase:
        return ""
    text = "".join([text for text, _ in phrase])
    return decode_words(text.strip()).strip()


def _bare(phrase: list[tuple[str, bool]]) -> tuple[str, str]:
    """Read a mailbox without angle brackets: an address alone, or words with one among them."""
    text = "".join([text for text, _ in phrase]).strip()
    if phrase and phrase[0][1] and text.startswith(phrase[0][0] + "@"):
        return "", text
    words = text.split()
    mail = next((word for word in reversed(words) if "@" in word.strip("@")), "")
    if not mail:
        return decode_words(text), ""
    words.remove(mail)
    return decode_words(" ".join(words)), mail
