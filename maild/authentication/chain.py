"""The chain of ARC as the mail has it: whether its sets are whole, and what their signatures claim.

Promises: never raises; linear: the seal of a set signs all sets below it, too, and these are hashed once for all seals.

Source: RFC 8617 §4.1, §4.2.1, §5.1.1 (the order in which a seal signs), §5.2 (validation).
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from maild.authentication.canonical import RELAXED, Mail
from maild.authentication.signatures import Bodies, Claim, read_message_signature, read_seal
from maild.authentication.tags import emptied, read_tags
from maild.mail.authentication import NONE, PASS, RESULTS, Results, Verdicts, parse_results

INSTANCES = 50
RESULTS_NAME, MESSAGE_NAME, SEAL_NAME = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
_NAMES = (RESULTS_NAME, MESSAGE_NAME, SEAL_NAME)
_INSTANCE = re.compile(r"0?[1-9]|[1-4][0-9]|50")
_RESULTS = re.compile(rb"\s*i\s*=\s*([0-9]+)\s*;(.*)", re.DOTALL)


class Chain(NamedTuple):
    """What the sets of ARC claim.

    Without a `result` all that is left to do is to verify the signatures: that of the `message`, which is the newest
    set's, and the `seals`, of which the newest is the first. Otherwise it is `none` or `fail`.
    """

    result: str = NONE
    reason: str = ""
    message: Claim = Claim()
    seals: tuple[Claim, ...] = ()
    verdicts: Verdicts = Verdicts()  # what the oldest set says of the mail


class ArcSet(NamedTuple):
    """Where the three fields of an instance stand."""

    results: int
    message: int
    seal: int


class BrokenChainError(Exception):
    """The sets are no chain; says why."""


def read_chain(mail: Mail, bodies: Bodies) -> Chain:
    """Read the chain of a mail."""
    try:
        sets = read_sets(mail)
        if not sets:
            return Chain()
        _check_status(mail, sets)
        message = read_message_signature(mail, sets[-1].message, bodies)
    except BrokenChainError as error:
        return Chain(result="fail", reason=str(error))
    seals = tuple(reversed(_seals(mail, sets)))
    verdicts = _verdicts(mail.fields[sets[0].results].value)
    for number, claim in enumerate((message, *seals)):
        if claim.result:
            name = f"ARC-Seal {len(seals) - number + 1}" if number else "ARC-Message-Signature"
            return Chain(result="fail", reason=f"{name}: {claim.reason}", seals=seals)
    return Chain(result="", message=message, seals=seals, verdicts=verdicts)


def read_sets(mail: Mail) -> list[ArcSet]:
    """Return the sets of a mail, the oldest first.

    Raises:
        BrokenChainError: they are no chain (RFC 8617 §5.2, step 3).
    """
    found: dict[int, dict[bytes, int]] = {}
    for place, field in enumerate(mail.fields):
        if field.key in _NAMES:
            instance = _instance(field.key, field.value)
            if field.key in found.setdefault(instance, {}):
                raise BrokenChainError(f"instance {instance} has two {_shown(field.key)}")
            found[instance][field.key] = place
    for instance in range(1, len(found) + 1):
        if instance not in found:
            raise BrokenChainError(f"instance {instance} is missing")
        for name in _NAMES:
            if name not in found[instance]:
                raise BrokenChainError(f"instance {instance} has no {_shown(name)}")
    return [ArcSet(*[found[instance][name] for name in _NAMES]) for instance in range(1, len(found) + 1)]


def _instance(name: bytes, value: bytes) -> int:
    if name == RESULTS_NAME:
        match = _RESULTS.match(value)
        text = match[1].decode("ascii") if match else ""
    else:
        tags = read_tags(value)
        if tags.flaw:
            raise BrokenChainError(f"{_shown(name)}: {tags.flaw}")
        text = tags.get("i") or ""
    if not _INSTANCE.fullmatch(text):
        raise BrokenChainError(f"{_shown(name)} has no i= from 1 to {INSTANCES}")
    return int(text)


def _shown(name: bytes) -> str:
    return name.decode("ascii").title().replace("Arc", "ARC")


def _check_status(mail: Mail, sets: list[ArcSet]) -> None:
    """Check what each sealer found of the chain before it (RFC 8617 §5.2, steps 2 and 3)."""
    for instance, each in reversed(list(enumerate(sets, start=1))):
        status = (read_tags(mail.fields[each.seal].value).get("cv") or "").lower()
        if status == "fail":
            raise BrokenChainError(f"the sealer of instance {instance} found the chain broken")
        if status != (PASS if instance > 1 else NONE):
            raise BrokenChainError(f"ARC-Seal {instance} has a cv= that cannot be")


def _seals(mail: Mail, sets: list[ArcSet]) -> list[Claim]:
    before = hashlib.sha256()
    claims = []
    for each in sets:
        for place in (each.results, each.message):
            before.update(mail.fields[place].canonical(RELAXED))
        seal = mail.fields[each.seal]
        hashed = before.copy()
        unsigned = seal._replace(octets=seal.key + b":" + emptied(seal.value, b"b"))
        hashed.update(unsigned.canonical(RELAXED).removesuffix(b"\r\n"))
        claims.append(read_seal(seal.value, hashed.digest()))
        before.update(seal.canonical(RELAXED))
    return claims


def _verdicts(value: bytes) -> Verdicts:
    match = _RESULTS.match(value)
    text = " ".join(match[2].decode("utf-8", "replace").split()) if match else ""
    results = parse_results(text)
    return Verdicts(*[_verdict(results, method) for method in Verdicts._fields]) if results else Verdicts()


def _verdict(results: Results, method: str) -> str:
    words = [each.result for each in results.results if each.method == method and each.result in RESULTS[method]]
    if method == "dkim" and PASS in words:
        return PASS  # one good signature is enough (RFC 6376 §6.1)
    return words[0] if words else NONE
