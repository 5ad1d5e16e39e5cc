"""What a relay in front found out about the sender: `Authentication-Results`, read from a relay that is trusted.

Anybody can write such a field, so three things must hold before one is believed. The peer that handed us the message
is in a trusted network; the field bears a trusted authserv-id; and it stands where no stranger can put one:

- above the first `Received`. A relay puts its `Received` above all that it was given (RFC 5321 §4.4), so whatever is
  above it the relay itself has written;
- or, when nothing is there, directly below it, where mail filters of Postfix and Sendmail write. The octets that
  follow there are the sender's, so this place is only as good as the relay's removal of forged fields that bear its
  own name, which RFC 8601 §5 demands. Only fields that filters write at the same place may stand between.

Whatever is below the second `Received`, or below any other field, is never believed (RFC 8601 §7.1). The topmost field
decides whose fields count, and for each method the topmost of them that speaks of it.

Promises: never raises; linear. Source: RFC 8601 §2.2 (syntax), §2.7 (results), §5 (removal), §7.1 (forgery).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from maild.mail.header import Field
from maild.mail.networks import Network, is_in

NONE, PASS, TEMPERROR = "none", "pass", "temperror"
_ALL = (NONE, PASS, "fail", TEMPERROR, "permerror")
# RFC 8601 §2.7.1, §2.7.2; RFC 7489 §11.2.
RESULTS: dict[str, tuple[str, ...]] = {
    "spf": (*_ALL, "softfail", "neutral", "policy"),
    "dkim": (*_ALL, "neutral", "policy"),
    "dmarc": _ALL,
}
# Interop: RFC 5451 had its own word for what an SPF record forbids.
_OLD_WORDS = {"hardfail": "fail"}
_NAME = "authentication-results"
_BESIDE = frozenset({"received-spf", "dkim-filter", "arc-seal", "arc-message-signature", "arc-authentication-results"})
_PIECE = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*)"|([^\s"();=\\]++)|(\s++)|([(;=])', re.DOTALL)
_IN_COMMENT = re.compile(r"[^()\\]++|\\.|[()]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Verdicts(NamedTuple):
    """One word for each method; `none` where nobody who is trusted has said anything."""

    spf: str = NONE
    dkim: str = NONE
    dmarc: str = NONE


UNKNOWN = Verdicts()
UNREAD = Verdicts(TEMPERROR, TEMPERROR, TEMPERROR)


class Result(NamedTuple):
    """What one method came to: `spf=pass smtp.mailfrom=a@b.example`. Words are in lower case, values as written."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()  # a reason is the property `reason`


class Results(NamedTuple):
    """A whole field."""

    authserv_id: str  # in lower case
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedRelays:
    """The machines in front of maild, and the names under which they report. Without either nobody is trusted."""

    networks: tuple[Network, ...] = ()
    authserv_ids: tuple[str, ...] = ()

    def believed(self, ip: str | None) -> tuple[str, ...]:
        """Return the authserv-ids to believe in a message that the peer `ip` has handed over."""
        return self.authserv_ids if self.authserv_ids and is_in(ip, self.networks) else ()


NO_RELAYS = TrustedRelays()


def verdicts_of(fields: Iterable[Field], believed: Iterable[str], *, null_path: bool = False) -> Verdicts:
    """Return what may be believed of a header.

    Args:
        fields: all of the header, in order.
        believed: the authserv-ids to believe; none, unless the peer is a trusted relay.
        null_path: the reverse-path is empty, so that SPF is about the name in HELO (RFC 7208 §2.4).
    """
    found = results_of(fields, believed)
    return Verdicts(*[_verdict(method, found, null_path=null_path) for method in Verdicts._fields])


def results_of(fields: Iterable[Field], believed: Iterable[str]) -> list[Results]:
    """Return the fields that may be believed of a header, the topmost first; all are of one authserv-id."""
    ids = frozenset(name.lower() for name in believed)
    found: list[Results] = []
    received_count = 0
    for field in fields if ids else ():
        if field.key == "received":
            received_count += 1
            if found or received_count == 2:
                break
        elif field.key == _NAME:
            read = parse_results(field.raw)
            if read is not None and read.authserv_id in ids:
                found.append(read)
            elif received_count:
                break
        elif received_count and field.key not in _BESIDE:
            break
    # Security: without any Received the relay has stamped nothing, and what is on top may be the sender's.
    return _of_one(found) if received_count else []


def _of_one(found: list[Results]) -> list[Results]:
    return [each for each in found if each.authserv_id == found[0].authserv_id]


def _verdict(method: str, found: list[Results], *, null_path: bool) -> str:
    for each in found:
        words = [word for r in each.results if r.method == method and (word := _word(r, null_path=null_path))]
        if PASS in words and method == "dkim":
            return PASS  # one good signature is enough, whatever the others are (RFC 6376 §6.1)
        if words:
            return TEMPERROR if TEMPERROR in words else words[0]
    return NONE


def _word(result: Result, *, null_path: bool) -> str | None:
    """Return the result as a word that is known, None for one that does not count."""
    names = {name for name, _ in result.properties}
    if result.method == "spf" and not null_path and "smtp.helo" in names and "smtp.mailfrom" not in names:
        return None  # Security: whose machine it is says nothing of whose address stands in MAIL FROM
    word = _OLD_WORDS.get(result.result, result.result)
    return word if word in RESULTS[result.method] else None


def parse_results(raw: str) -> Results | None:
    """Read an unfolded field; None for one of another version, or without a name of who speaks.

    A result that cannot be read is left out, and so is one with a quotation or comment that does not end.
    """
    head, *parts = _parts(raw)
    words = "".join(
        [" " if piece is _Mark.BLANK else "=" if piece is _Mark.EQUALS else piece for piece in head]
    ).split()
    if not words or _Mark.EQUALS in head or (len(words) > 1 and words[1:] != ["1"]):
        return None
    return Results(words[0].lower(), tuple([r for part in parts if (r := _result(part)) is not None]))


class _Mark(Enum):
    BLANK = 1
    EQUALS = 2


_Part = list[str | _Mark]


def _parts(raw: str) -> list[_Part]:
    """Split a field at its semicolons into words, `=` and blanks; comments are blanks, quotations words."""
    parts: list[_Part] = [[]]
    at = 0
    while (piece := _PIECE.match(raw, at)) is not None:
        quoted, word, blank, mark = piece.groups()
        at = piece.end() if mark != "(" else _end_of_comment(raw, piece.end())
        if mark == ";":
            parts.append([])
        elif mark == "=":
            parts[-1].append(_Mark.EQUALS)
        elif mark == "(" or blank is not None:
            parts[-1].append(_Mark.BLANK)
        else:
            parts[-1].append(word if quoted is None else _ESCAPED.sub(r"\1", quoted))
    if at != len(raw):
        parts[-1].clear()
    return parts


def _end_of_comment(raw: str, at: int) -> int:
    """Return where a comment ends that began before `at`; comments nest. Beyond the text: it does not end."""
    depth = 1
    while depth and (piece := _IN_COMMENT.match(raw, at)) is not None:
        at = piece.end()
        depth += {"(": 1, ")": -1}.get(piece[0], 0)
    return len(raw) + 1 if depth else at


def _result(part: _Part) -> Result | None:
    pairs = _pairs(part)
    if not pairs:
        return None
    method, _, version = pairs[0][0].partition("/")
    if version not in ("", "1") or not method:
        return None
    return Result(method, pairs[0][1].lower(), tuple(pairs[1:]))


def _pairs(part: _Part) -> list[tuple[str, str]]:
    """Return each NAME=VALUE; a value ends at a blank, and may hold further `=` (base64)."""
    pairs: list[tuple[str, str]] = []
    name: list[str] = []
    value: list[str] | None = None
    for piece in (*part, _Mark.BLANK):
        if value is None:
            if piece is _Mark.EQUALS:
                value = []
            elif isinstance(piece, str):
                name.append(piece)
        elif piece is not _Mark.BLANK:
            value.append(piece if isinstance(piece, str) else "=")
        elif value:
            pairs.append(("".join(name).lower(), "".join(value)))
            name, value = [], None
    return pairs
