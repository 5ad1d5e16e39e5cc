"""The expectations of the corpus's MIME messages, brought into maild's own terms.

What another parser expects is compared with the following allowances; every other difference is listed in
docs/parsing-differences.md.

- Runs of white space are one blank: unfolding and line ends differ by taste.
- U+FFFD in an expectation stands for any character: raw Latin-1 in header fields is not read there.
- What is expected to be unreadable (a date "Whenever") needs no equal text.
- Octets under `x-uuencode` are expected as they stand; here they are compared undecoded.
- Text is expected with the uuencoded files that were pasted into it; here it is compared with them.
- A mailbox without domain is expected as an address; here it is a name alone.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maild.mail.dates import parse_date
from maild.mail.header import Field
from maild.mail.letter import letter_parts
from maild.mail.mailboxes import parse_mailboxes
from maild.mail.message import Message, Part, decoded, fields_of, parse, text
from maild.mail.parameters import parse_parameters

ASPECTS = ("header", "parts", "text", "attachments")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing compared in one message."""

    aspect: str  # one of ASPECTS
    place: str
    agrees: bool


def flat(words: str) -> str:
    return " ".join(words.split())


def alike(found: str, expected: str) -> bool:
    """Compare texts, U+FFFD of the expectation standing for any one character or more."""
    pattern = "[^ ]+?".join(re.escape(piece) for piece in re.split("\ufffd+", flat(expected)))
    return re.fullmatch(pattern, flat(found)) is not None if "\ufffd" in expected else flat(found) == flat(expected)


def expectations(folder: Path) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """Yield the name, the octets and the expectation of each message, with LF and with CRLF."""
    for path in sorted(folder.glob("*.json")):
        name = path.name.removesuffix(".json").removesuffix(".crlf")
        content = (folder / f"{name}.eml").read_bytes().replace(b"\r", b"")
        if path.name.endswith(".crlf.json"):
            content = content.replace(b"\n", b"\r\n")
        yield path.name.removesuffix(".json"), content, json.loads(path.read_text())


def expected_parts(parts: list[Any], index: int, place: str) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield place, kind, body and header of a part and those below it."""
    part = parts[index]
    kind, body = next(iter(part["body"].items()))
    yield place, kind, body, part["headers"]
    if kind == "Multipart":
        for number, child in enumerate(body, 1):
            yield from expected_parts(parts, child, f"{place}.{number}")
    elif kind == "Message":
        yield from expected_parts(body["parts"], 0, f"{place}.message")


def found_parts(part: Part, place: str) -> Iterator[tuple[str, Part]]:
    yield place, part
    if part.is_multipart:
        for number, child in enumerate(part.children, 1):
            yield from found_parts(child, f"{place}.{number}")
    elif not part.pasted:
        for child in part.children:
            yield from found_parts(child, f"{place}.message")


def compare(content: bytes, expectation: dict[str, Any]) -> Iterator[Comparison]:
    """Compare one message."""
    message = parse(content)
    parts = dict(found_parts(message.root, "top"))
    expected = list(expected_parts(expectation["parts"], 0, "top"))
    for place, kind, body, header in expected:
        part = parts.get(place)
        if part is None or not same_kind(part, kind):
            yield Comparison("parts", place, agrees=False)
            continue  # one difference, not one more for each field and line of it
        yield Comparison("parts", place, agrees=True)
        yield from compare_header(content, part, header, place)
        if kind in ("Text", "Html"):
            yield Comparison("text", place, alike(text(content, replace(part, pasted=())), body))
        elif kind not in ("Multipart", "Message"):
            plain = replace(part, encoding="") if "uu" in part.encoding else part
            yield Comparison("text", place, decoded(content, plain).strip() == bytes(body).strip())
    for place in sorted(parts.keys() - {place for place, *_ in expected}):
        yield Comparison("parts", place, agrees=False)
    yield from compare_attachments(message, expectation)


def same_kind(part: Part, kind: str) -> bool:
    if kind == "Multipart":
        return part.is_multipart and bool(part.children)
    if kind == "Message":
        return part.media_type.startswith("message/")
    return not (part.is_multipart and part.children) and (part.media_type == "text/html") == (kind == "Html")


def compare_attachments(message: Message, expectation: dict[str, Any]) -> Iterator[Comparison]:
    """Compare which parts of the message itself are attachments."""
    letter = letter_parts(message)
    beside = [*letter.attachments, *letter.related, *letter.signatures]
    pasted = {child.path for part in message.root.walk() if part.pasted for child in part.children}
    found = {part.path for part in beside} - pasted
    places = dict(numbered(expectation["parts"], 0, "", whole=True))
    expected = {places[index] for index in expectation["attachments"]}
    for place in sorted(found | expected):
        yield Comparison("attachments", place, (place in found) == (place in expected))


def numbered(parts: list[Any], index: int, number: str, *, whole: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the index and the IMAP number of each part of a message, enclosed ones left out."""
    body = parts[index]["body"]
    if "Multipart" in body:
        yield index, number or "TEXT"
        for place, child in enumerate(body["Multipart"], 1):
            yield from numbered(parts, child, f"{number}.{place}" if number else str(place))
    else:
        yield index, number if not whole else "1"


def compare_header(content: bytes, part: Part, header: list[Any], place: str) -> Iterator[Comparison]:
    fields = fields_of(content, part)
    for number in range(max(len(header), len(fields))):
        if number >= len(header) or number >= len(fields):
            yield Comparison("header", f"{place} field {number}", agrees=False)
            continue
        name, field = name_of(header[number]), fields[number]
        agrees = field.key == name and same_value(field, name, header[number]["value"])
        yield Comparison("header", f"{place} field {number}", agrees)


def name_of(entry: dict[str, Any]) -> str:
    name = entry["name"]
    return str(name["other"] if isinstance(name, dict) else name.replace("_", "-")).lower()


def same_value(field: Field, name: str, value: Any) -> bool:
    if value == "Empty":
        return not field.value or (name == "date" and parse_date(field.raw) is None)
    kind, expected = next(iter(value.items()))
    match kind:
        case "Text":
            return alike(field.value, expected) or alike(field.value.strip("<>"), expected)
        case "TextList":
            return same_list(field, expected)
        case "Address":
            return same_addresses(field, name, expected)
        case "DateTime":
            return instant(expected) == parse_date(field.raw)
        case "ContentType":
            return same_parameters(field, expected)
        case _:
            return bool(kind == "Received")  # its inner structure is not read here


def same_list(field: Field, expected: list[str]) -> bool:
    words = [flat(word) for word in field.value.split(",")]
    ids = [word.strip("<>") for word in field.value.replace("><", "> <").split()]
    return [flat(word) for word in expected] in (words, ids)


def same_addresses(field: Field, name: str, expected: dict[str, Any]) -> bool:
    kind, listed = next(iter(expected.items()))
    people = listed if kind == "List" else [one for group in listed for one in group["addresses"]]
    wanted = [(one["name"] or "", one["address"] or "") for one in people]
    if name.startswith("list-"):
        return all(address in field.value for _, address in wanted)
    found = [(mailbox.name, mailbox.mail) for mailbox in parse_mailboxes(field.raw, 500)[0]]
    with_domain = [(name or mail, mail) if "@" in mail else (name or mail, "") for name, mail in wanted]
    return len(found) == len(wanted) and all(
        alike(name or mail, other) and alike(mail, address)
        for (name, mail), (other, address) in zip(found, with_domain, strict=True)
    )


def instant(expected: dict[str, Any]) -> int | None:
    year, month, day, hour, minute, second = (
        int(expected[name]) for name in ("year", "month", "day", "hour", "minute", "second")
    )
    east = (expected["tz_hour"] * 60 + expected["tz_minute"]) * (-1 if expected["tz_before_gmt"] else 1)
    try:
        found = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC) - dt.timedelta(minutes=east)
    except ValueError:
        return None
    return round(found.timestamp() * 1000)


def same_parameters(field: Field, expected: dict[str, Any]) -> bool:
    value, parameters, _ = parse_parameters(field.raw, 128)
    kind = "/".join(filter(None, (expected["c_type"], expected["c_subtype"]))).lower()
    wanted = {a["name"].lower(): a["value"] for a in expected["attributes"] or ()}
    return value == kind and parameters.keys() == wanted.keys() and all(
        alike(parameters[name], wanted[name]) for name in wanted
    )  # fmt: skip
