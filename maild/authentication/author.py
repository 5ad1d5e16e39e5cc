"""The one author of a letter, read strictly: what another program might read otherwise is not verifiable.

`maild.mail.mailboxes` reads what it can, for a person who sees the result. Here a domain is looked for that proofs are
compared with, so that each text counts only if all programs find the same address in it. The forms that are read:
`a@b.example`, `<a@b.example>` and `Name <a@b.example>`, each with at most one plain comment behind it. The name may
have dots, brackets and octets beyond ASCII without quotation marks: senders of good faith write such names, and nobody
finds an address in them.

Promises: never raises; linear.

Source: RFC 5322 §3.4, §3.6.2; RFC 9989 §4.2, §5.3.1, §11.5; RFC 2047 §5 (3); RFC 5890 §2.3 (A-labels).
"""

from __future__ import annotations

import re
import unicodedata
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp
from collections.abc import Sequence
from typing import NamedTuple

from maild.authentication.canonical import Mail, SignedField, read_mail
from maild.errors import AddressError
from maild.mail import charset
from maild.mail.address import LOCAL_OCTETS, as_address, parse_address
from maild.mail.header import Field
from maild.mail.words import decode_words

_QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*"'
_SPEC = r'[^\s<>"(),;:\\]++'
_COMMENT = r"(?:[ \t]*+\([^()\\@<>]*+\))?[ \t]*+"
_ANGLE = re.compile(
    rf'[ \t]*+([^"<>@,;:()\\]*+(?:{_QUOTED}[^"<>@,;:()\\]*+)*)<[ \t]*+({_SPEC})[ \t]*+>(.*+)', re.DOTALL
)
_BARE = re.compile(rf"[ \t]*+({_SPEC})(.*+)", re.DOTALL)
# Interop: scripts repeat the address as the name without quotation marks, Exchange as a comment.
_TWICE = re.compile(rf"[ \t]*+({_SPEC})[ \t]*+(?:<[ \t]*+({_SPEC})[ \t]*+>|\(({_SPEC})\))[ \t]*+")
_BEHIND = re.compile(_COMMENT)
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_BLANK_LINE = re.compile(r"\n[ \t]*+\r?+(?:\n|$)")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_WORD = re.compile(r"=\?([^?\s]*+)\?([^?\s]*+)\?([^?\s]*+)\?=")
# A word as most programs write the names of people: none of its octets is a bracket or a control character.
_HARMLESS = re.compile(r"=\?utf-8\?q\?(?:[a-z0-9_.,-]|=2[0-9a-f]|=[89a-f][0-9a-f]){0,75}\?=", re.IGNORECASE | re.ASCII)
_IN_QUOTES = re.compile(_QUOTED, re.DOTALL)
_QUOTED_LOCAL = re.compile(r'"[ \t]*+@')
_ROUTE = re.compile(r"<[ \t]*+@")
_CONTROL_OCTET = re.compile(rb"[\x00-\x1a\x1c-\x1f\x7f]")  # without ESC, which ISO-2022-JP is made of
_NUMBERS = re.compile(r"[\d.]++")


class Author(NamedTuple):
    """Who wrote a letter: `local@domain`, the domain in lower-case A-labels; or why nobody can say, in one word.

    `problem` is one of: `none` (no From), `several-fields`, `cut` (the header was not read to its end), `control`,
    `folding` (a line of blanks only), `no-address`, `several-mailboxes`, `group`, `route`, `comment`, `encoded` (an
    encoded word that hides an address, or stands for a part of one), `quoting`, `quoted-local`, `several-at`,
    `literal`, `local-part`, `domain`, `trailing`, `syntax`.
    """

    local: str = ""
    domain: str = ""
    problem: str = ""

    @property
    def verifiable(self) -> bool:
        """Whether there is one author for certain, whose domain can be asked about."""
        return not self.problem

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}" if self.verifiable else ""


def author_of(content: bytes, mail: Mail | None = None) -> Author:
    """Return the author of a mail as it was received; `mail` is what `read_mail` has read of it.

    Beside what `read_author` finds there is the problem `flawed`: lines in the header that belong to no field, or do
    not end in CRLF. We pass over such lines; another program may find a From in them.
    """
    mail = mail or read_mail(content)
    if mail.flaw:
        return Author(problem="flawed")
    # Where nothing is flawed, these are the fields that `read_header` finds; only those that count are read.
    return read_author([_field(each) for each in mail.fields if b"from" in each.key or not each.key.isascii()])


def _field(signed: SignedField) -> Field:
    value = signed.value
    return Field(signed.key.decode("latin-1"), value.decode("ascii") if value.isascii() else charset.guess(value))


def read_author(fields: Sequence[Field], *, whole: bool = True) -> Author:
    """Return the author that a header names.

    Args:
        fields: all of the header, in order.
        whole: the header was read to its end, so that there is no From beyond the last of `fields`.
    """
    froms = [field for field in fields if field.key == "from" or _looks_like_from(field.key)]
    if not whole:
        return Author(problem="cut")
    if len(froms) != 1:
        return Author(problem="several-fields" if froms else "none")
    if froms[0].key != "from":
        return Author(problem="syntax")
    return _read(froms[0].written)


def _looks_like_from(key: str) -> bool:
    """Tell whether a field may be From for a program that drops what is not ASCII."""
    return not key.isascii() and "".join([c for c in key if c.isascii()]) == "from"


def _read(written: str) -> Author:
    text = written.rstrip("\r\n")
    if "\n" in text:
        if _BLANK_LINE.search(text):
            return Author(problem="folding")
        text = _FOLD.sub("", text)
    if not text.isprintable() and _CONTROL.search(text):
        return Author(problem="control")
    if "@" not in text and "=?" not in text:
        return Author(problem="no-address")
    twice = _TWICE.fullmatch(text)
    if twice and twice[1].lower() == (twice[2] or twice[3]).lower():
        return _address(twice[2] or twice[1])
    angle = _ANGLE.fullmatch(text)
    if angle:
        name, spec, behind = angle.groups()
        problem = _problem_of_name(name) or _problem_behind(behind)
        return Author(problem=problem) if problem else _address(spec)
    bare = _BARE.fullmatch(text)
    if bare and _BEHIND.fullmatch(bare[2]):
        return _address(bare[1])
    return Author(problem=_problem_of(text))


def _problem_of_name(name: str) -> str:
    """Return why a name before the brackets is doubtful: a careless program would find an address in it."""
    if "\\" in name:
        for quoted in _IN_QUOTES.findall(name):
            if "\\" in quoted and any(c in quoted for c in "<>@"):
                return "quoting"
    # Security: some programs decode first and look for brackets then; others end a text at an encoded NUL.
    return "encoded" if "=?" in name and any(_hides(word) for word in _WORD.finditer(name)) else ""


def _hides(word: re.Match[str]) -> bool:
    """Tell whether there is a bracket or a control character in an encoded word."""
    if _HARMLESS.fullmatch(word[0]):
        return False
    if "<" in (text := decode_words(word[0])) or ">" in text:
        return True
    written = word[3].encode("ascii", "replace")
    try:
        octets = a2b_base64(written + b"===") if word[2] in "Bb" else a2b_qp(written, header=True)
    except Base64Error:
        return True
    return _CONTROL_OCTET.search(octets) is not None


def _problem_behind(behind: str) -> str:
    if _BEHIND.fullmatch(behind):
        return ""
    if _ROUTE.search(behind):
        return "route"
    if "<" in behind or "," in behind or ";" in behind:
        return "several-mailboxes"
    return "comment" if "(" in behind else "trailing"


def _problem_of(text: str) -> str:
    """Name what is wrong with a text that has none of the forms."""
    plain = _IN_QUOTES.sub('""', text)
    for problem, found in (
        ("route", _ROUTE.search(plain)),
        ("group", ":" in plain),
        ("several-mailboxes", "," in plain or ";" in plain or plain.count("<") > 1),
        ("encoded", _WORD.search(plain)),
        ("quoted-local", _QUOTED_LOCAL.search(text)),
        ("comment", "(" in plain),
        ("quoting", "\\" in plain or plain.count('"') % 2),
        ("no-address", "@" not in plain),
    ):
        if found:
            return problem
    return "syntax"


def _address(spec: str) -> Author:
    local, at, domain = spec.partition("@")
    if "=?" in spec and "?=" in spec:
        return Author(problem="encoded")
    if not at or not local or not domain:
        return Author(problem="no-address")
    if "@" in domain:
        return Author(problem="several-at")
    if domain[0] == "[":
        return Author(problem="literal")
    if spec.isascii() and not _NUMBERS.fullmatch(domain) and (plain := as_address(spec)) is not None:
        return Author(plain.local, plain.domain)
    if unicodedata.normalize("NFKC", local) != local or len(local.encode("utf-8", "replace")) > LOCAL_OCTETS:
        return Author(problem="local-part")
    # Security: a letter that only looks like another one, or a dot that is none, is an A-label for some programs only.
    lower = domain.lower()
    if unicodedata.normalize("NFKC", lower) != lower or _NUMBERS.fullmatch(domain):
        return Author(problem="domain")
    try:
        known = parse_address(f"a@{domain}").domain
    except (AddressError, UnicodeError):
        return Author(problem="domain")
    try:
        return Author(parse_address(f"{local}@a.example").local, known)
    except (AddressError, UnicodeError):
        return Author(problem="local-part")
