"""ARC: whether those who passed a mail on can be believed, with the keys from the DNS.

Promises: never raises, but for cancellation. A chain whose newest signature is not good costs one question; a good one
at most one for each of its sets, all at once.

Source: RFC 8617 §5.2.
"""

from __future__ import annotations

from maild.authentication.chain import Chain
from maild.authentication.dkim import ask_keys, key_name, settle
from maild.dns.answer import Resolver
from maild.mail.evidence import Arc, Dkim


async def validate(resolver: Resolver, chain: Chain, trusted: frozenset[str]) -> Arc:
    """Return what a chain came to.

    Args:
        resolver: whom to ask for the keys.
        chain: as the mail has it.
        trusted: the d= of sealers who are believed, as A-labels in lower case.
    """
    sealers = tuple(seal.domain for seal in chain.seals)
    if chain.result:
        return Arc(result=chain.result, sealers=sealers, reason=chain.reason)
    found = await ask_keys(resolver, (chain.message,))
    message = settle(chain.message, found[key_name(chain.message)])
    if message.result != "pass":
        return _failed(message, "ARC-Message-Signature", sealers)
    missing = [seal for seal in chain.seals if key_name(seal) not in found]
    found |= await ask_keys(resolver, missing)
    for number, seal in enumerate(chain.seals):
        sealed = settle(seal, found[key_name(seal)])
        if sealed.result != "pass":
            return _failed(sealed, f"ARC-Seal {len(chain.seals) - number}", sealers)
    # Security: what a sealer vouches for is a mail with this From. One that it has not signed may be another today.
    believed = trusted.issuperset(sealers) and "from" not in chain.message.uncovered
    return Arc(result="pass", sealers=sealers, trusted=believed, verdicts=chain.verdicts)


def _failed(result: Dkim, name: str, sealers: tuple[str, ...]) -> Arc:
    word = "temperror" if result.result == "temperror" else "fail"
    return Arc(result=word, sealers=sealers, reason=f"{name}: {result.reason}")
