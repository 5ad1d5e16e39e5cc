"""The machine-readable part of a delivery report: groups of fields, one for the message and one for each recipient.

Promises: never raises; linear; at most 500 recipients.

Source: RFC 3464 §2; RFC 6533 §3 (utf-8 addresses); RFC 3461 §4 (xtext).
"""

from __future__ import annotations

import re

from maild.mail import charset
from maild.mail.dsn import ACTIONS, FAILED, Returned
from maild.mail.dsn_reason import allowance, code_in, judge
from maild.mail.words import decode_words, one_line

MOST_RECIPIENTS = 500
LONGEST_TEXT = 1_000
LONGEST_ADDRESS = 320
_LONGEST_FIELD = 4_000
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60})[ \t]{0,8}:(.*)")
_BY_TYPE = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9/-]{0,30})[ \t]*;(.*)", re.DOTALL)
_COMMENT = re.compile(r"\([^()]{0,200}\)")
_STATUS = re.compile(r"[ \t]*([245]\.\d{1,3}\.\d{1,3})(?!\d)")
_UTF8_XTEXT = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_RECIPIENTS = ("final-recipient", "original-recipient", "x-actual-recipient")
# What only the fields of a report are called: text that has them is its status, whatever its part says.
STATUS_FIELDS = frozenset(_RECIPIENTS) | {"reporting-mta", "diagnostic-code", "action", "status"}

Group = dict[str, str]


def groups_in(text: str) -> list[Group]:
    """Return the groups of fields of a status: unfolded values by lower-case name, of several the first."""
    groups: list[Group] = []
    group: Group = {}
    name = ""
    for line in text.split("\n"):
        if not line or line.isspace():
            if group:
                groups.append(group)
            group, name = {}, ""
        elif line[0] in " \t":
            if name and len(group[name]) < _LONGEST_FIELD:
                group[name] += " " + line.strip()[:_LONGEST_FIELD]
        elif match := _FIELD.match(line):
            name = match[1].lower()
            if name in group:
                # Interop: recipients without the empty line between them.
                if name in ("final-recipient", "original-recipient") and "action" in group:
                    groups.append(group)
                    group = {}
                else:
                    name = ""
                    continue
            group[name] = match[2].strip()[:_LONGEST_FIELD]
        else:
            name = ""
    if group:
        groups.append(group)
    return groups


def recipients_in(groups: list[Group]) -> list[Returned]:
    """Return what the groups say of recipients. A group without one completes the recipient before it."""
    found: list[Group] = []
    for group in groups:
        if any(address_of(group.get(name, "")) for name in _RECIPIENTS):
            if len(found) < MOST_RECIPIENTS:
                found.append(dict(group))
        elif found and "reporting-mta" not in group:
            found[-1] = group | found[-1]
    return [_recipient(group, allowance(number)) for number, group in enumerate(found)]


def _recipient(group: Group, longest: int) -> Returned:
    original, final = (address_of(group.get(name, "")) for name in ("original-recipient", "final-recipient"))
    final = final or original or address_of(group.get("x-actual-recipient", ""))
    action = _COMMENT.sub("", group.get("action", "")).strip().lower()
    match = _STATUS.match(group.get("status", ""))
    status = match[1] if match else ""
    if action not in ACTIONS:
        # Interop: some leave the action out, or write `error`.
        action = "delayed" if status[:1] == "4" else "delivered" if status[:1] == "2" else FAILED
    text = _said(group)
    code, hard, reason = judge(action, status, text[:longest])
    return Returned(
        recipient=final, action=action, code=code, hard=hard, reason=reason, text=text,
        original=original if original.lower() != final.lower() else "",
    )  # fmt: skip


def _said(group: Group) -> str:
    """Return what the other server said, without the kind that stands before it."""
    raw = group.get("diagnostic-code", "")
    match = _BY_TYPE.match(raw)
    said = match[2] if match and len(match[1]) <= 12 else raw
    if not said.strip():
        status = group.get("status", "")
        said = status if "(" in status else ""
    more = group.get("x-supplementary-info", "")
    if more and not code_in(said):
        said = f"{said} {more}"
    return in_one_line(decode_words(said))


def in_one_line(text: str) -> str:
    """Return a text in one line, single blanks, at most LONGEST_TEXT characters."""
    text = text[: 2 * LONGEST_TEXT]
    if "\x1b$" in text:  # Interop: Domino writes the words of its diagnosis in ISO-2022-JP
        text = charset.decode(text.encode("latin-1", "replace"), "iso-2022-jp")
    return one_line(" ".join(_CONTROL.sub(" ", text).split()))[:LONGEST_TEXT]


def address_of(value: str) -> str:
    """Return the address that a recipient's field names, without its type; "" when it is none."""
    if not value:
        return ""
    match = _BY_TYPE.match(value)
    kind, address = (match[1].lower(), match[2]) if match else ("rfc822", value)
    address = address.strip()
    if "<" in address:
        address = address.rpartition("<")[2].partition(">")[0]
    address = address.strip().strip("<>\"'").strip()
    if kind == "utf-8":
        address = _UTF8_XTEXT.sub(_character, xtext(address))
    if " " in address:
        address = address.rpartition(" ")[2]  # Interop: Exim names the program that the mail was piped to before it
    if "@" not in address or len(address) > LONGEST_ADDRESS or address[0] == "@":
        return ""
    return one_line(decode_words(address))


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"


def xtext(text: str) -> str:
    """Undo xtext: `+2B` is a plus (RFC 3461 §4)."""
    return _XTEXT.sub(lambda match: chr(int(match[1], 16)), text)
