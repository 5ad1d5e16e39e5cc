"""A signature as its field states it: its tags, the digest of what it signs, and whether the body is the one it signed.

A DKIM-Signature and the two signatures of an ARC set (RFC 8617 §4.1.2, §4.1.3) are read alike, but for what each adds.

Promises: never raises.

Source: RFC 6376 §3.5, §3.7, §6.1.1; RFC 8301; RFC 8463; RFC 8616 (names that are no ASCII).
"""

from __future__ import annotations

import binascii
import hashlib
import re
from typing import NamedTuple

from maild.authentication.canonical import RELAXED, SIMPLE, BodyHash, Mail, SignedField, body_hash, chosen
from maild.authentication.tags import Tags, emptied, read_tags
from maild.errors import AddressError
from maild.mail.address import parse_domain

KEY_KINDS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
_REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")
_DIGITS = re.compile(r"[0-9]{1,12}")
_SIZE = re.compile(r"[0-9]{1,76}")
_FORMS = (SIMPLE, RELAXED)
_SIGNATURE_OCTETS = 1024
_AGENT = 320  # RFC 5321 §4.5.3.1: a local part of 64, a domain of 255
_SHOWN = 60
# What changes how a mail looks or whom it seems to be from: several of them, and not all signed, and it may be another.
_SHOWN_FIELDS = frozenset(
    {
        *(b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date"),
        *(b"mime-version", b"content-type", b"content-transfer-encoding", b"content-disposition"),
    }
)


class Claim(NamedTuple):
    """What one signature claims.

    Without a `result` all that is left to do is to verify `signature` over `digest` with the key, and to look at the
    times. With one (of RFC 8601) it is settled, and `reason` says why, in English.
    """

    domain: str = ""  # d=, as A-labels in lower case
    selector: str = ""  # s=, likewise
    algorithm: str = ""  # a=; as written
    agent: str = ""  # i=
    digest: bytes = b""  # SHA-256 of the canonical header
    signature: bytes = b""
    signed_at_s: int | None = None
    expires_at_s: int | None = None
    result: str = ""
    reason: str = ""
    # Fields that change how the mail looks, and of which it has more than are signed; From also if none is.
    uncovered: tuple[str, ...] = ()
    signs_reply_to: bool = False


class Bodies:
    """The hashes of a body, each worked out once."""

    def __init__(self, content: bytes, start: int) -> None:
        self._content = content
        self._start = start
        self._known: dict[str, BodyHash] = {}

    def hashed(self, form: str) -> BodyHash:
        if form not in self._known:
            self._known[form] = body_hash(self._content, self._start, form)
        return self._known[form]


class _FlawError(Exception):
    """A claim that is settled, as (result, reason). It does not leave this module."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result


def read_signature(mail: Mail, place: int, bodies: Bodies) -> Claim:
    """Read the DKIM-Signature that is the field at `place`."""
    tags = read_tags(mail.fields[place].value)
    try:
        if tags.flaw:
            raise _FlawError("neutral", tags.flaw)
        if tags.get("v") != "1":
            raise _FlawError("neutral", "v= is not 1")
        claim = _names_and_times(tags)
        names = signed_names(tags)
        _check_agent(claim)
        if b"from" not in names:
            raise _FlawError("permerror", "From is not signed")  # RFC 6376 §6.1.1
        return _hashed(mail, place, bodies, tags, claim, names=names)
    except _FlawError as flaw:
        return _settled(tags, flaw)


def read_message_signature(mail: Mail, place: int, bodies: Bodies) -> Claim:
    """Read the ARC-Message-Signature that is the field at `place`: it has no v=, and its i= is no agent."""
    tags = read_tags(mail.fields[place].value)
    try:
        if tags.flaw:
            raise _FlawError("fail", tags.flaw)
        names = signed_names(tags)
        if b"arc-seal" in names:
            raise _FlawError("fail", "ARC-Message-Signature signs ARC-Seal")  # RFC 8617 §4.1.2
        claim = _names_and_times(tags, required=_REQUIRED[1:])
        return _hashed(mail, place, bodies, tags, claim._replace(agent=""), names=names)
    except _FlawError as flaw:
        return _settled(tags, flaw)


def read_seal(field: bytes, digest: bytes) -> Claim:
    """Read an ARC-Seal from its value; the digest of what it signs comes from the chain."""
    tags = read_tags(field)
    try:
        if tags.flaw:
            raise _FlawError("fail", tags.flaw)
        if tags.get("h") is not None:
            raise _FlawError("fail", "ARC-Seal has h=")  # RFC 8617 §4.1.3
        return _names_and_times(tags, required=("a", "b", "d", "s"))._replace(agent="", digest=digest)
    except _FlawError as flaw:
        return _settled(tags, flaw)


def _settled(tags: Tags, flaw: _FlawError) -> Claim:
    return Claim(
        domain=_plain_name(tags.get("d")) or "",
        selector=_plain_name(tags.get("s")) or "",
        algorithm=(tags.compact("a") or "")[:_SHOWN],
        result=flaw.result,
        reason=str(flaw),
    )


def _names_and_times(tags: Tags, required: tuple[str, ...] = _REQUIRED) -> Claim:
    missing = [name for name in required if name not in tags.values]
    if missing:
        raise _FlawError("neutral", f"there is no {missing[0]}=")
    algorithm = tags.values["a"]
    if algorithm not in KEY_KINDS:
        # RFC 8301 §3.1: what SHA-1 signed has failed for good.
        result = "permerror" if algorithm == "rsa-sha1" else "neutral"
        raise _FlawError(result, f"a={(tags.compact('a') or '')[:_SHOWN]} is not accepted")
    if "dns/txt" not in (tags.compact("q") or "dns/txt").split(":"):
        raise _FlawError("neutral", "q= knows no way to the key that is known here")
    signed_at_s, expires_at_s = _time(tags, "t"), _time(tags, "x")
    if signed_at_s is not None and expires_at_s is not None and expires_at_s <= signed_at_s:
        raise _FlawError("neutral", "x= is not after t=")
    return Claim(
        domain=_name(tags, "d"),
        selector=_name(tags, "s"),
        algorithm=algorithm,
        agent=tags.compact("i") or "",
        signature=_decoded(tags, "b"),
        signed_at_s=signed_at_s,
        expires_at_s=expires_at_s,
    )


def _name(tags: Tags, tag: str) -> str:
    name = _plain_name(tags.get(tag))
    if name is None:
        raise _FlawError("neutral", f"{tag}= is not a name")
    return name


def _plain_name(text: str | None) -> str | None:
    """Return a name as A-labels in lower case; None for what is no name."""
    try:
        return parse_domain(text or "")
    except AddressError:
        return None


def _time(tags: Tags, tag: str) -> int | None:
    text = tags.get(tag)
    if text is None:
        return None
    if not _DIGITS.fullmatch(text):
        raise _FlawError("neutral", f"{tag}= is not a time")
    return int(text)


def _decoded(tags: Tags, tag: str) -> bytes:
    text = tags.compact(tag) or ""
    try:
        octets = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        octets = b""
    if not octets or len(octets) > _SIGNATURE_OCTETS:
        raise _FlawError("neutral", f"{tag}= is not base64 of what it should be")
    return octets


def signed_names(tags: Tags) -> list[bytes]:
    """Return the names in h=, in lower case; an empty name means no field."""
    text = tags.compact("h") or ""
    return [name for name in text.lower().encode("utf-8", "replace").split(b":") if name]


def _check_agent(claim: Claim) -> None:
    """Check that the agent is of the domain that signs (RFC 6376 §3.5, i=)."""
    if not claim.agent:
        return
    _, at, domain = claim.agent.rpartition("@")
    of = (_plain_name(domain) if at else None) or ""
    if len(claim.agent) > _AGENT or (of != claim.domain and not of.endswith("." + claim.domain)):
        raise _FlawError("permerror", "i= is not within d=")


def _hashed(mail: Mail, place: int, bodies: Bodies, tags: Tags, claim: Claim, *, names: list[bytes]) -> Claim:
    """Return the claim with the digest of the header, once the body is known to be the one that was signed."""
    header_form, body_form = _canonical_forms(tags)
    wanted = _decoded(tags, "bh")
    body = bodies.hashed(body_form)
    _check_length(tags, body.size)
    if body.digest != wanted:
        raise _FlawError("fail", "the body is not the one that was signed")
    places = chosen(mail.fields, names, place)
    covered = {mail.fields[each].key for each in places}
    return claim._replace(
        digest=header_digest(mail, place, header_form, places),
        uncovered=_uncovered(mail, places, covered),
        signs_reply_to=b"reply-to" in covered,
    )


def _canonical_forms(tags: Tags) -> tuple[str, str]:
    text = tags.get("c")
    header, _, body = ("simple/simple" if text is None else text).partition("/")
    body = body if text is not None and "/" in text else SIMPLE
    if header not in _FORMS or body not in _FORMS:
        raise _FlawError("neutral", "c= is not a canonical form")
    return header, body


def _check_length(tags: Tags, size: int) -> None:
    """Refuse a signature that leaves room for more text below: whatever somebody has added would seem to be signed."""
    text = tags.get("l")
    if text is None:
        return
    if not _SIZE.fullmatch(text):
        raise _FlawError("neutral", "l= is not a number")
    if int(text) > size:
        raise _FlawError("fail", "the body is shorter than l=")
    if int(text) < size:
        raise _FlawError("policy", "l= leaves a part of the body unsigned")


def header_digest(mail: Mail, place: int, form: str, places: list[int]) -> bytes:
    """Return what the signature at `place` signs: the fields at `places`, and itself without a signature."""
    own = mail.fields[place]
    name, colon, value = own.octets.partition(b":")
    unsigned = SignedField(own.key, name + colon + emptied(value, b"b"))
    signed = [mail.fields[at].canonical(form) for at in places]
    signed.append(unsigned.canonical(form).removesuffix(b"\r\n"))
    return hashlib.sha256(b"".join(signed)).digest()


def _uncovered(mail: Mail, places: list[int], covered: set[bytes]) -> tuple[str, ...]:
    """Return of which shown fields there are more than those at `places`, whose names are `covered`."""
    shown = (covered | {b"from"}) & _SHOWN_FIELDS
    signed = set(places)
    found = {key for place, (key, _) in enumerate(mail.fields) if key in shown and place not in signed}
    return tuple(sorted([key.decode("ascii") for key in found])) if found else ()
