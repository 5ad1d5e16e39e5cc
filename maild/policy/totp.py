"""Codes of authenticator apps: six digits that change every 30 seconds.

Source: RFC 6238; RFC 4226 §5.3
"""

from __future__ import annotations

import hmac

STEP_S = 30
DIGITS = 6
SECRET_BYTES = 20
_AROUND = 1  # steps that a clock may be off, to either side


def step_at(now_ms: int) -> int:
    """Return the number of the step at a time."""
    return now_ms // 1000 // STEP_S


def code_of(secret: bytes, step: int) -> str:
    """Return the code of a step."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def step_of(secret: bytes, code: str, now_ms: int, after: int) -> int | None:
    """Return the step whose code was typed, of those near `now_ms` and later than `after`; None for a wrong code.

    Whoever takes the code must remember the step, so that none opens twice.
    """
    typed = "".join(code.split()).encode("utf-8", "surrogatepass")
    found = None
    for step in range(step_at(now_ms) - _AROUND, step_at(now_ms) + _AROUND + 1):
        if hmac.compare_digest(code_of(secret, step).encode(), typed) and step > after:
            found = step
    return found
