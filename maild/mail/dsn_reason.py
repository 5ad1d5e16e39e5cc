"""Why a message came back: status code, reason and hard or soft, from what the other server said.

The enhanced code decides where it is exact; where it says little (5.0.0, 5.7.1) or is missing, the words do.

Promises: never raises; linear in a text that is cut at 4,000 characters.

Source: RFC 3463, RFC 5248 (the registry of codes), RFC 7372, RFC 7505.
"""

from __future__ import annotations

import re
from functools import lru_cache

from maild.mail.dsn import DELAYED, FAILED, PASSING
from maild.mail.dsn_phrases import words

_LONGEST = 4_000
_LONGEST_SAID = 1_500
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"(?<![\d.:/-])([45]\d\d)(?=[ \-:;,.\])#'\"]|$)(?!\.\d)")
# A reply code where one stands: at the beginning of a line or behind the words that announce one.
_ANNOUNCED = re.compile(
    r"(?:^|said:?|says:?|response:?|responded:?|error:?|reply:?|smtp;|returned:?|was:|with:|code\s*:|<<<|>>>|\[|\"|'|:)"
    r"[ \t'\"\[(<>]{0,4}([45]\d\d)(?=[ \-:;,.\])#'\"]|$)",
    re.MULTILINE | re.IGNORECASE,
)

_BY_SUBJECT = {
    "1.1": "user-unknown", "1.2": "host-unknown", "1.3": "user-unknown", "1.4": "user-unknown", "1.6": "moved",
    "1.7": "sender", "1.8": "sender", "1.9": "protocol", "1.10": "host-unknown",
    "2.2": "mailbox-full", "2.3": "size", "2.4": "list", "3.1": "system", "3.2": "system", "3.3": "system",
    "3.4": "size", "3.5": "system", "4.2": "unreachable", "4.3": "host-unknown",
    "4.4": "host-unknown", "4.5": "rate", "4.6": "loop", "4.7": "expired", "4.14": "loop", "5.1": "protocol",
    "5.2": "protocol", "5.3": "rate", "5.4": "protocol", "5.5": "protocol", "5.6": "auth", "6.1": "content",
    "6.2": "content", "6.3": "content", "6.5": "content", "6.6": "content", "6.7": "protocol", "6.8": "protocol",
    "6.9": "protocol", "7.2": "list", "7.8": "auth", "7.9": "auth", "7.20": "auth", "7.21": "auth", "7.22": "auth",
    "7.23": "auth", "7.24": "auth", "7.25": "blocked", "7.26": "auth", "7.27": "sender", "7.28": "rate",
}  # fmt: skip
# What a code says by its subject alone, when the words say nothing.
_BY_CLASS = {"1": "user-unknown", "2": "user-disabled", "3": "system", "4": "unreachable", "5": "protocol",
             "6": "content", "7": "policy"}  # fmt: skip
_CODES = {
    "user-unknown": "1.1", "user-disabled": "2.1", "moved": "1.6", "mailbox-full": "2.2", "host-unknown": "1.2",
    "unreachable": "4.1", "expired": "4.7", "size": "3.4", "content": "6.1", "virus": "7.0", "spam": "7.1",
    "blocked": "7.1", "auth": "7.0", "policy": "7.1", "relay": "7.1", "sender": "1.8", "rate": "4.5", "list": "7.2",
    "loop": "4.6", "protocol": "5.0", "system": "3.0", "unknown": "0.0",
}  # fmt: skip


def code_in(text: str) -> str:
    """Return the most telling enhanced code of a text: the first that is not general; "" where there is none."""
    first = ""
    for match in _ENHANCED.finditer(text[:_LONGEST]):
        if match[1] == "2" or int(match[2]) > 7:
            continue
        code = match[0]
        if match[2] != "0" and (match[3] != "0" or match[2] == "7"):
            return code
        first = first or code
    return first


def reply_in(text: str) -> str:
    """Return the first SMTP reply code of a failure that a text gives where one stands; "" where there is none."""
    match = _ANNOUNCED.search(text[:_LONGEST])
    return match[1] if match else ""


@lru_cache(maxsize=256)
def reason_in(text: str) -> str:
    """Return the reason that words give, "" where they give none."""
    said = text[:_LONGEST_SAID].replace("\u2019", "'").replace("_", " ")
    return next((reason for reason, phrases in words() if phrases.search(said)), "")


def allowance(number: int) -> int:
    """Return how many characters are judged by for the recipient of this number: the more there are, the less for each.

    Security: hundreds of recipients with a long answer each would cost seconds.
    """
    return _LONGEST if number < 20 else 200 if number < 100 else 80


def judge(action: str, status: str, text: str) -> tuple[str, bool, str]:
    """Return the code, whether it is hard, and the reason.

    Args:
        action: failed, delayed, …
        status: the enhanced code that the report gives by itself, or "".
        text: what the other server said, or else what the report says.
    """
    if action not in (FAILED, DELAYED):
        return status or "2.0.0", False, "unknown"
    said = code_in(text)
    code = said if _general(status) and not _general(said) else status or said
    exact = _BY_SUBJECT.get(code[2:], "")
    by_words = "" if exact else reason_in(text)
    reason = exact or by_words or _of_code(code) or _of_reply(reply_in(text))
    reason = reason or "unknown"
    reply = reply_in(text)
    klass = "4" if action == DELAYED else code[:1] or reply[:1] or ("4" if reason in PASSING else "5")
    if not code or code[:1] == "2":
        code = f"{klass}.{_CODES[reason]}"
    hard = action == FAILED and klass == "5" and reason not in PASSING
    return code, hard, reason


def _general(code: str) -> bool:
    """Tell whether a code says no more than its class, or nothing."""
    return not code or code[2:4] == "0." or code[2:] in ("1.0", "2.0", "3.0", "4.0", "5.0", "6.0")


def _of_code(code: str) -> str:
    return "" if code[2:4] in ("", "0.") else _BY_CLASS.get(code[2:3], "")


def _of_reply(reply: str) -> str:
    """Return what an SMTP code says by itself (RFC 5321 §4.2.3)."""
    if reply in ("550", "551", "553"):
        return "user-unknown"
    if reply in ("552", "452"):
        return "mailbox-full"
    return "unreachable" if reply == "421" else "protocol" if reply[:2] == "50" else ""
