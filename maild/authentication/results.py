"""`Authentication-Results` of our own, and the fields of strangers that bear our name.

The field is shown and handed out beside the content, never put into it: what was received stays as it was, octet by
octet. Of the values only the plainest stand there bare; all others are quoted, without any control character.

Promises: pure; never raises; bounded in length; `maild.mail.authentication.parse_results` reads back what is written.

Source: RFC 8601 §2.2 (syntax), §2.7 (methods), §5 (fields that claim to be ours); RFC 6008; RFC 9989 §9.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from maild.mail.authentication import NONE
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf

NAME = "Authentication-Results"
_LINE = 78
_VALUE_LIMIT = 255
_REASON_LIMIT = 120
_SIGNATURES = 10
_PLAIN = re.compile(r"(?:[A-Za-z0-9._-]*+@)?[A-Za-z0-9._-]++")
_WORD = re.compile(r"[a-z]{1,20}")
_UNPRINTABLE = re.compile(r"[^ -~]")
_SPECIAL = re.compile(r'(["\\])')


def write_results(evidence: Evidence, authserv_id: str) -> str:
    """Return a whole field, folded, with CRLF after each line but the last."""
    methods = [_spf(evidence.spf), *map(_dkim, evidence.dkim[:_SIGNATURES]), _dmarc(evidence.dmarc)]
    if not evidence.dkim:
        methods.insert(1, [f"dkim={NONE}"])
    if evidence.arc.result in (NONE, "pass", "fail"):
        methods.append(_arc(evidence.arc))
    lines = [f"{NAME}: {_value(authserv_id)};"]
    for number, words in enumerate(methods, 1):
        words[-1] += ";" if number < len(methods) else ""
        lines.extend(_folded(words))
    return "\r\n".join(lines)


def _folded(words: list[str]) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > _LINE:
            yield line
            line = ""
        line = f"{line} {word}" if line else f" {word}" if word is words[0] else f"  {word}"
    yield line


def _spf(spf: Spf) -> list[str]:
    identity = "smtp.helo" if spf.identity == "helo" else "smtp.mailfrom"
    return [_result("spf", spf.result), *_reason(spf.reason), *_property(identity, spf.domain)]


def _dkim(dkim: Dkim) -> list[str]:
    return [
        _result("dkim", dkim.result),
        *_reason(dkim.reason),
        *_property("header.d", dkim.domain),
        *_property("header.s", dkim.selector),
        *_property("header.a", dkim.algorithm),
        *_property("header.i", dkim.agent),
    ]


def _dmarc(dmarc: Dmarc) -> list[str]:
    policy = _property("policy.dmarc", dmarc.policy) if dmarc.record_domain else []
    return [_result("dmarc", dmarc.result), *_reason(dmarc.reason), *_property("header.from", dmarc.domain), *policy]


def _arc(arc: Arc) -> list[str]:
    return [_result("arc", arc.result), *_reason(arc.reason)]


def _result(method: str, result: str) -> str:
    return f"{method}={result if _WORD.fullmatch(result) else 'permerror'}"


def _reason(reason: str) -> list[str]:
    return [f"reason={_quoted(reason[:_REASON_LIMIT])}"] if reason else []


def _property(name: str, value: str) -> list[str]:
    return [f"{name}={_value(value)}"] if value else []


def _value(value: str) -> str:
    value = value[:_VALUE_LIMIT]
    return value if _PLAIN.fullmatch(value) else _quoted(value)


def _quoted(text: str) -> str:
    # Security: a value of the sender's ends where its quotation mark does, whatever is in it.
    return '"' + _SPECIAL.sub(r"\\\1", _UNPRINTABLE.sub("?", text)) + '"'
