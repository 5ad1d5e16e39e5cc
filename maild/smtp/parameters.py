"""The parameters of MAIL and RCPT, parsed and kept.

Source: RFC 5321 §4.1.1.11, RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 3461 (RET, ENVID, NOTIFY,
ORCPT), RFC 4954 §5 (AUTH).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from maild.mail.reply import Reply

_SYNTAX = Reply(code=501, enhanced="5.5.4", text="A parameter has a wrong value")
_UNKNOWN = Reply(code=555, enhanced="5.5.4", text="A parameter is not known here")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_SIZE = re.compile(r"[0-9]{1,20}")
_ENVID = re.compile(r"[!-~]{1,100}")
_ORCPT = re.compile(r"[A-Za-z0-9-]{1,64};[^ =;][^ ]{0,499}")
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MailParameters:
    """What came with MAIL. `envid` is xtext as given."""

    size: int | None = None
    eight_bit: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RcptParameters:
    """What came with RCPT. `orcpt` is `type;xtext` as given."""

    notify: frozenset[str] = frozenset()
    orcpt: str | None = None


_NO_MAIL_PARAMETERS = MailParameters()
_NO_RCPT_PARAMETERS = RcptParameters()


def parse_mail(text: str) -> MailParameters | Reply:
    """Read what follows the path of MAIL. Returns the refusal when it cannot be read."""
    if not text:
        return _NO_MAIL_PARAMETERS
    pairs = _pairs(text)
    if isinstance(pairs, Reply):
        return pairs
    size, body, smtputf8 = pairs.pop("SIZE", None), pairs.pop("BODY", None), pairs.pop("SMTPUTF8", "absent")
    ret, envid = pairs.pop("RET", None), pairs.pop("ENVID", None)
    # Interop: gateways name the author as `AUTH=<>` without having seen AUTH offered; it says nothing to us.
    pairs.pop("AUTH", None)
    if pairs:
        return _UNKNOWN
    if (
        not (size is None or _SIZE.fullmatch(size))
        or not (body is None or body.upper() in {"7BIT", "8BITMIME"})
        or smtputf8 not in {"absent", None}
        or not (ret is None or ret.upper() in {"FULL", "HDRS"})
        or not (envid is None or _ENVID.fullmatch(envid))
    ):
        return _SYNTAX
    return MailParameters(
        size=int(size) if size else None,
        eight_bit=body is not None and body.upper() == "8BITMIME",
        smtputf8=smtputf8 is None,
        ret=ret.upper() if ret else None,
        envid=envid,
    )


def parse_rcpt(text: str) -> RcptParameters | Reply:
    """Read what follows the path of RCPT. Returns the refusal when it cannot be read."""
    if not text:
        return _NO_RCPT_PARAMETERS
    pairs = _pairs(text)
    if isinstance(pairs, Reply):
        return pairs
    orcpt, notify = pairs.pop("ORCPT", None), pairs.pop("NOTIFY", None)
    if pairs:
        return _UNKNOWN
    if orcpt is not None and not _ORCPT.fullmatch(orcpt):
        return _SYNTAX
    wishes = frozenset(notify.upper().split(",")) if notify is not None else frozenset()
    if wishes != {"NEVER"} and not wishes <= _NOTIFY:
        return _SYNTAX
    return RcptParameters(notify=wishes, orcpt=orcpt)


def _pairs(text: str) -> dict[str, str | None] | Reply:
    """Read `KEY=value KEY`. A key without `=` has the value None; with nothing after it, it is wrong."""
    pairs: dict[str, str | None] = {}
    for word in text.split(" "):
        if not word:
            continue
        keyword, equals, value = word.partition("=")
        name = keyword.upper()
        if not _KEYWORD.fullmatch(keyword) or (equals and not value) or name in pairs:
            return _SYNTAX
        # A value is required by all but one: its absence must not look like the parameter's absence.
        if not equals and name in {"SIZE", "BODY", "RET", "ENVID", "ORCPT", "NOTIFY"}:
            return _SYNTAX
        pairs[name] = value if equals else None
    return pairs
