"""DKIM: from what the signatures of a mail claim to what they are worth, with the keys from the DNS.

Promises: never raises, but for cancellation; at most ten questions and ten verifications for a mail, and the questions
all at once.

Source: RFC 6376 §6.1; RFC 8601 §2.7.1 (the words).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from maild.authentication.keys import Key, choose_key, is_signed
from maild.authentication.signatures import KEY_KINDS, Claim
from maild.dns.answer import Answer, DnsError, Kind, Resolver
from maild.dns.recall import gathered
from maild.mail.address import parse_domain
from maild.mail.evidence import Dkim

# How far ahead the clock of a signer may be: that of a machine that takes local time for UTC.
_AHEAD_S = 14 * 3600


class Found(NamedTuple):
    """The key of a claim, and whether DNSSEC proved it."""

    key: Key
    secure: bool = False


_NOT_FOUND = Found(Key())


async def verify(resolver: Resolver, signatures: tuple[Claim, ...], now_s: int) -> tuple[Dkim, ...]:
    """Return what each signature came to, in their order."""
    timely = tuple(in_time(claim, now_s) for claim in signatures)
    found = await ask_keys(resolver, timely)
    return tuple(settle(claim, found.get(key_name(claim))) for claim in timely)


def key_name(claim: Claim) -> tuple[str, str]:
    """Return where the key lies, and of which kind it must be."""
    return f"{claim.selector}._domainkey.{claim.domain}", KEY_KINDS.get(claim.algorithm, "")


async def ask_keys(resolver: Resolver, claims: Iterable[Claim]) -> dict[tuple[str, str], Found]:
    """Ask for the keys of all claims that are not settled; each name is asked for once."""
    wanted = {key_name(claim) for claim in claims if not claim.result}
    names = sorted({name for name, _ in wanted})
    found = await gathered(resolver, [partial(_ask, resolver, name) for name in names])
    answers = dict(zip(names, found, strict=True))
    return {(name, kind): _found(answers[name], kind) for name, kind in wanted}


async def keys_of(resolver: Resolver, signatures: tuple[Claim, ...]) -> tuple[Key, ...]:
    """Return the keys of claims none of which is settled."""
    found = await ask_keys(resolver, signatures)
    return tuple([found[key_name(claim)].key for claim in signatures])


async def _ask(resolver: Resolver, name: str) -> Answer | str:
    try:
        return await resolver.ask(name, Kind.TXT)
    except DnsError as error:
        return error.reason


def _found(answer: Answer | str, kind: str) -> Found:
    if isinstance(answer, str):
        return Found(Key(result="temperror", reason=f"the DNS does not say the key: {answer}"))
    return Found(choose_key(answer.texts, kind), answer.secure)


def settle(claim: Claim, found: Found | None) -> Dkim:
    """Return what a claim came to, once its key is known; without one it is settled already."""
    settled = bool(claim.result) or found is None
    key, secure = _NOT_FOUND if settled or found is None else found
    result, reason = (claim.result, claim.reason) if settled else outcome(claim, key)
    return Dkim(
        result=result,
        reason=reason,
        domain=claim.domain,
        selector=claim.selector,
        algorithm=claim.algorithm,
        agent=claim.agent,
        key_digest=key.digest,
        key_bits=key.bits,
        testing=key.testing,
        secure=secure,
        uncovered=", ".join(claim.uncovered),
        signs_reply_to=claim.signs_reply_to,
    )


def outcome(claim: Claim, key: Key) -> tuple[str, str]:
    """Return what a claim that is not settled comes to with its key, and why."""
    if key.result:
        return key.result, key.reason
    if key.strict and claim.agent and parse_domain(claim.agent.rpartition("@")[2]) != claim.domain:
        return "permerror", "i= is below d=, which the key does not allow"
    if not is_signed(key, claim.signature, claim.digest):
        return "fail", "the header is not the one that was signed"
    return "pass", ""


def in_time(claim: Claim, now_s: int) -> Claim:
    """Settle a claim whose time is over, or is to come."""
    if claim.result:
        return claim
    if claim.expires_at_s is not None and claim.expires_at_s < now_s:
        return claim._replace(result="policy", reason="the signature has expired")
    if claim.signed_at_s is not None and claim.signed_at_s > now_s + _AHEAD_S:
        return claim._replace(result="policy", reason="the signature is of a time to come")
    return claim
