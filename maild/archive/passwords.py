"""Passwords: Argon2id in PHC form, two computations at once, equal work for unknown accounts.

Source: RFC 9106 §4 (second recommended option, 64 MiB); OWASP ASVS 5.0 §6.2
"""

from __future__ import annotations

import itertools
import re
import secrets
import threading
import unicodedata
from binascii import b2a_base64
from dataclasses import dataclass

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from maild.archive.common_passwords import COMMON_PASSWORDS
from maild.mail.address import fold

MIN_LENGTH = 12
MAX_LENGTH = 256  # characters; a limit on what a stranger can make us normalise and hash

# Security: each computation takes 64 MiB and a core. Unbounded, tries of passwords would be a way to stop the
# daemon by running it out of memory.
_AT_ONCE = threading.BoundedSemaphore(2)

# The words that passwords of offices are made of; digits and punctuation around them do not help.
_COMMON = frozenset(
    """
    password passwort kennwort willkommen welcome geheim secret letmein qwertz qwerty asdfgh yxcvbn iloveyou
    admin administrator changeme default master login sommer summer winter herbst autumn fruehling spring
    januar februar maerz april juni juli august september oktober november dezember montag dienstag mittwoch
    donnerstag freitag samstag sonntag stadt rathaus buero office verwaltung musterstadt maild mail hallo
    schalke bayern borussia dragon football monkey sunshine princess abcdefghijklm
    """.split()  # noqa: SIM905  # sixty words are read more easily than sixty literals
)

_KNOWN = frozenset(map(fold, COMMON_PASSWORDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one hash costs."""

    memory_kib: int = 65_536
    iterations: int = 3


STANDARD = Cost()
_SALT_BYTES, _HASH_BYTES = 16, 32


def _octets(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password[:MAX_LENGTH]).encode("utf-8", "surrogatepass")


def _base64(octets: bytes) -> str:
    """Return base64 as PHC strings have it: without padding."""
    return b2a_base64(octets, newline=False).decode().rstrip("=")


def hash_password(password: str, cost: Cost = STANDARD) -> str:
    """Return the PHC string to store."""
    with _AT_ONCE:
        return Argon2id(
            salt=secrets.token_bytes(_SALT_BYTES),
            length=_HASH_BYTES,
            iterations=cost.iterations,
            lanes=1,
            memory_cost=cost.memory_kib,
        ).derive_phc_encoded(_octets(password))


def _matches(phc: str, password: str) -> bool:
    with _AT_ONCE:
        try:
            Argon2id.verify_phc_encoded(_octets(password), phc)
        except (InvalidKey, ValueError):
            return False
        return True


class Verifier:
    """Checks passwords with the same work for every login, known or not."""

    def __init__(self, cost: Cost = STANDARD) -> None:
        """Prepare the hash that stands in for the missing ones."""
        # Not computed: no password has this hash, and to find that out is the same work.
        salt, tag = (_base64(secrets.token_bytes(size)) for size in (_SALT_BYTES, _HASH_BYTES))
        self._nobody = f"$argon2id$v=19$m={cost.memory_kib},t={cost.iterations},p=1${salt}${tag}"

    def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether `password` is the one stored; with nothing stored do the same work and say no."""
        # Security: without the stand-in, a login that does not exist would answer faster than one that does.
        matched = _matches(stored or self._nobody, password)
        return matched and stored is not None


def objection(password: str, *, login: str = "", name: str = "", organisation: str = "") -> str | None:
    """Say why a new password is refused: `short`, `long`, `personal`, `common`; None when it is not."""
    if len(password) < MIN_LENGTH:
        return "short"
    if len(password) > MAX_LENGTH:
        return "long"
    folded = fold(password)
    if folded in _KNOWN:
        return "common"
    personal = [fold(word) for word in (login, *name.split(), *organisation.split()) if len(word) >= 3]
    remainder = folded
    for word in sorted({*personal, *_COMMON}, key=len, reverse=True):
        remainder = remainder.replace(word, "")
    letters = re.sub(r"[\W\d_]+", "", remainder)
    if len(letters) < 4 and len(set(remainder)) < 8:
        return "personal" if any(word in folded for word in personal) else "common"
    if len(set(folded)) < 5 or _is_a_walk(folded):
        return "common"
    return None


def _is_a_walk(text: str) -> bool:
    """Tell whether most characters merely follow the one before: 123456…, abcdef…, aaaa…."""
    steps = sum(1 for a, b in itertools.pairwise(text) if abs(ord(a) - ord(b)) <= 1)
    return steps * 3 >= (len(text) - 1) * 2
