"""What the mail system proves about a sender, as it is kept with the message for good.

`maild.authentication` finds it out; the rules ask for its `verdicts`, the pages show it, and its JSON lies in the
archive. A version of maild that finds a member more must still read what an earlier one has written.

Source: RFC 8601 §2.7 (the words for results); RFC 7208, RFC 6376, RFC 8617, RFC 9989.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from maild.mail.authentication import NONE, Verdicts


class Spf(NamedTuple):
    """What SPF came to (RFC 7208 §2.6).

    `identity` is `mailfrom`, or `helo` where the reverse-path is empty; `domain` the one that was asked about.
    """

    result: str = NONE  # none | neutral | pass | fail | softfail | temperror | permerror
    domain: str = ""
    identity: str = "mailfrom"
    record: str = ""  # as it was seen
    reason: str = ""  # in English, for the page of details: which mechanism, or what went wrong
    everybody: bool = False  # it passed by words that let (nearly) every machine pass: that proves nothing


class Dkim(NamedTuple):
    """What one DKIM-Signature came to (RFC 6376 §6)."""

    result: str  # pass | fail | policy | neutral | temperror | permerror
    domain: str  # d=, in lower case
    selector: str = ""
    algorithm: str = ""  # rsa-sha256 | ed25519-sha256 | as written
    agent: str = ""  # i=
    key_digest: str = ""  # SHA-256 of the public key in its record, hexadecimal
    key_bits: int = 0
    testing: bool = False  # t=y: the domain only tries it
    secure: bool = False  # DNSSEC proved the key
    reason: str = ""
    uncovered: str = (
        ""  # fields a reader sees of which there are more than it signs: whoever handed it on has added them
    )
    signs_reply_to: bool = False  # that there is one, and where it leads


class Arc(NamedTuple):
    """What the chain of ARC came to (RFC 8617 §5.2).

    `sealers` are the d= of its seals, the newest first. `trusted`: the chain passes, and each of those who sealed it is
    on the administrator's list. `verdicts` is what the oldest of them said of the mail when it came (RFC 8617 §7.2).
    """

    result: str = NONE  # none | pass | fail | temperror
    sealers: tuple[str, ...] = ()
    trusted: bool = False
    verdicts: Verdicts = Verdicts()
    reason: str = ""


class Dmarc(NamedTuple):
    """What DMARC came to (RFC 9989).

    `policy` is what the domain asks for in the case at hand (p, sp or np as applies, after t=y has softened it).
    """

    result: str = NONE  # none | pass | fail | temperror | permerror
    domain: str = ""  # of From
    record_domain: str = ""  # where the record was found
    organisation: str = ""  # the organisational domain of From
    policy: str = NONE  # none | quarantine | reject
    record: str = ""
    spf_aligned: bool = False
    dkim_aligned: bool = False
    testing: bool = False
    reason: str = ""


class Evidence(NamedTuple):
    """All of it, for one message.

    `relay` is the authserv-id of a trusted relay whose word was taken for what it alone could see; else empty.
    `override` says why a refusal the domain asks for was not carried out: `arc` (a trusted sealer vouches), `policy`
    (the administrator's setting), `testing`, else empty (RFC 9990 calls it the reason). `mark` is the tag that it was
    given where it fails and was accepted all the same; "": none.
    """

    checked_ms: int
    spf: Spf = Spf()
    dkim: tuple[Dkim, ...] = ()
    arc: Arc = Arc()
    dmarc: Dmarc = Dmarc()
    relay: str = ""
    override: str = ""
    mark: str = ""

    @property
    def verdicts(self) -> Verdicts:
        """One word for each method, as the rules see them: of several signatures the best."""
        return Verdicts(spf=self.spf.result, dkim=best(self.dkim), dmarc=self.dmarc.result)


_WORTH = ("pass", "temperror", "policy", "fail", "neutral", "permerror")


def best(signatures: tuple[Dkim, ...]) -> str:
    """Return the result of several signatures: one good one is enough (RFC 6376 §6.1); `none` without any."""
    found = {each.result for each in signatures}
    return next((word for word in _WORTH if word in found), NONE)


_KEPT_SIGNATURES = 4
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_json(evidence: Evidence) -> str:
    """Write it for the archive. Members that say nothing are left out."""
    words = _words if len(evidence.dkim) <= _KEPT_SIGNATURES else _write
    return f'{{"checked_ms":{evidence.checked_ms}{words(evidence[1:])}'


def _write(findings: tuple[Any, ...]) -> str:
    """Return what follows the first member."""
    return _encode(_written(Evidence(0, *findings))).removeprefix('{"checked_ms":0')


# Of all the mail that a domain sends by one machine the same is found out. Strangers' long words are not kept.
_words = lru_cache(maxsize=256)(_write)


def from_json(text: str) -> Evidence:
    """Read what `to_json` has written; members it does not know are passed over."""
    found = json.loads(text)
    evidence: Evidence = _read(
        Evidence,
        found,
        spf=_read(Spf, found.get("spf", {})),
        dkim=tuple(_read(Dkim, each) for each in found.get("dkim", ())),
        arc=_arc(found.get("arc", {})),
        dmarc=_read(Dmarc, found.get("dmarc", {})),
    )
    return evidence


def _arc(found: dict[str, Any]) -> Arc:
    verdicts = _read(Verdicts, found.get("verdicts", {}))
    arc: Arc = _read(Arc, found, sealers=tuple(found.get("sealers", ())), verdicts=verdicts)
    return arc


def _written(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    members = _MEMBERS.get(type(value))
    if members is None:
        return [_written(each) for each in value]
    return {
        name: _written(each) if isinstance(each, tuple) else each
        for (name, left_out), each in zip(members, value, strict=True)
        if each != left_out
    }


# The names of the members of each kind, and the values that say nothing.
_MEMBERS: dict[type, list[tuple[str, object]]] = {
    kind: [(name, kind._field_defaults.get(name, ...)) for name in kind._fields]
    for kind in (Evidence, Spf, Dkim, Arc, Dmarc, Verdicts)
}


def _read(kind: Any, found: dict[str, Any], **parts: object) -> Any:
    known = {name: found[name] for name in kind._fields if name in found and name not in parts}
    return kind(**known, **parts)
