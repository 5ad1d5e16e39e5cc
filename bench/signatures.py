"""What it costs to read the signatures of a large mail, beside hashing the same octets once.

`python -m bench.signatures` signs mails of several shapes in both canonical forms of the body and takes the time that
`read_claims` needs, in turns with `hashlib.sha256`; then what the key of a signature costs. Medians, lowest to highest.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import statistics
import sys
import time
from collections.abc import Callable

from maild.authentication import dkim
from maild.authentication.canonical import RELAXED, SIMPLE
from maild.authentication.claims import read_claims
from maild.authentication.signatures import Claim
from maild.authentication.signing import SigningKey, new_private_key, sign
from maild.dns.answer import Answer, Kind, Status

_ROUNDS = 9
_FLOOR_S = 0.3
_MB = 1_000_000
_NOW_S = 1_760_000_000
_HEADER = b"From: a@signer.example\r\nTo: b@town.example\r\nSubject: large\r\n\r\n"


class OneKey:
    """A DNS that knows one record."""

    def __init__(self, record: str) -> None:
        self._answer = Answer(Status.FOUND, (record.encode(),))

    async def ask(self, name: str, kind: Kind) -> Answer:
        del name, kind
        return self._answer


def bodies() -> dict[str, bytes]:
    """Return the shapes: what people send, and what is made to be slow."""
    chance = random.Random(6376)
    words = [bytes(chance.choices(range(97, 123), k=chance.randint(2, 12))) for _ in range(2000)]
    prose = b"\r\n".join(b" ".join(chance.choices(words, k=11)) for _ in range(10 * _MB // 88))
    return {
        "10 MB base64": base64.encodebytes(chance.randbytes(7_400_000)).replace(b"\n", b"\r\n"),
        "10 MB prose": prose,
        "5 MB of lines of 900 spaces": (b" " * 900 + b"\r\n") * (5 * _MB // 902),
        "5 MB of lines of 900 tabs, spaces in turn, a letter": (b" \t" * 450 + b"x\r\n") * (5 * _MB // 903),
        "10 MB of 'a \\r\\n'": b"a \r\n" * (10 * _MB // 4),
        "10 MB of 'a  '": b"a  " * (10 * _MB // 3),
        "10 MB of ' \\r\\n', then a letter": b" \r\n" * (10 * _MB // 3) + b"x",
        "10 MB of empty lines": b"x" + b"\r\n" * (10 * _MB // 2),
        "10 MB of bare LF, empty lines below": b"\n" * (5 * _MB) + b"\r\n" * (5 * _MB // 2),
        "10 MB of spaces": b" " * (10 * _MB),
        "10 MB of ' \\r'": b" \r" * (5 * _MB),
        "10 MB, runs of 1 to 40 spaces": b"".join(b"x" + b" " * (n % 40 + 1) for n in range(10 * _MB // 22)),
    }


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measured(*works: Callable[[], object]) -> list[list[float]]:
    """Return the seconds of each, taken in turns."""
    rounds = [[timed(work) for work in works] for _ in range(_ROUNDS)]
    return [sorted(each) for each in zip(*rounds, strict=True)]


def main() -> int:
    key = SigningKey("signer.example", "s1", new_private_key("rsa"))
    print("| body | form | read, ms (lowest to highest) | SHA-256, ms | ratio |\n|---|---|---|---|---|")
    slowest_s = 0.0
    for name, body in bodies().items():
        for form in (RELAXED, SIMPLE):
            content = sign(_HEADER + body, key, now_s=_NOW_S, forms=(RELAXED, form)) + _HEADER + body
            results = asyncio.run(dkim.verify(OneKey(key.record), read_claims(content).signatures, _NOW_S))
            if [each.result for each in results] != ["pass"]:
                print(f"{name}: {results}", file=sys.stderr)
                return 1
            read, hashed = measured(lambda: read_claims(content), lambda: hashlib.sha256(content))  # noqa: B023
            median_s, hash_s = statistics.median(read), statistics.median(hashed)
            slowest_s = max(slowest_s, median_s)
            spread = f"{median_s * 1e3:.0f} ({read[0] * 1e3:.0f} to {read[-1] * 1e3:.0f})"
            print(f"| {name} | {form} | {spread} | {hash_s * 1e3:.0f} | {median_s / hash_s:.1f} |", flush=True)
    print("\n| with the answer of the DNS | µs |\n|---|---|")
    for kind in ("rsa", "ed25519"):
        key = SigningKey("signer.example", "s1", new_private_key(kind))
        content = sign(_HEADER, key, now_s=_NOW_S) + _HEADER
        claims = read_claims(content)
        (read, verified) = measured(
            lambda: [read_claims(content) for _ in range(100)],  # noqa: B023
            lambda: asyncio.run(_verified(OneKey(key.record), claims.signatures)),  # noqa: B023
        )
        print(f"| {kind}: read a small mail | {statistics.median(read) * 1e4:.0f} |")
        print(f"| {kind}: verify a signature | {statistics.median(verified) * 1e4:.0f} |")
    print(f"\nThe slowest has {_FLOOR_S * 1e3:.0f} ms; it took {slowest_s * 1e3:.0f}.")
    return 0 if slowest_s < _FLOOR_S else 1


async def _verified(resolver: OneKey, signatures: tuple[Claim, ...]) -> None:
    for _ in range(100):
        await dkim.verify(resolver, signatures, _NOW_S)


if __name__ == "__main__":
    sys.exit(main())
