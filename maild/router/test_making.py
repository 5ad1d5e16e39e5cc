"""What runs in a worker process to make a test of a message: read it, and write of it what the rules looked at."""

from __future__ import annotations

from typing import NamedTuple

from maild.rules.letters import RulesWanted, address_of, kept_rules, letter_of
from maild.rules.model import Ruleset
from maild.rules.test_writing import Written, write_test

MAKE = "maild.router.test_making:make_test"


class Wanted(NamedTuple):
    """A message to make a test of. `addresses`: the recipients that the test is to have, as they were given."""

    received_ms: int
    reverse_path: str | None
    addresses: tuple[str, ...]
    size: int
    believed: tuple[str, ...] = ()
    reply: bool | None = None


def make_test(version: str, pickled_rules: bytes | None, wanted: Wanted, octets: bytes) -> Written | RulesWanted:
    """Return a test of a message under one version of the rules. Runs in a worker process."""
    ruleset: Ruleset | None = kept_rules(version, pickled_rules)
    if ruleset is None:
        return RulesWanted()
    recipients = [address for text in wanted.addresses if (address := address_of(text)) is not None]
    if not recipients:
        return Written(entry="", kept=())
    letter = letter_of(
        octets,
        received_ms=wanted.received_ms,
        reverse_path=wanted.reverse_path,
        size=wanted.size,
        source_only=None,
        believed=wanted.believed,
        reply=wanted.reply,
    )
    return write_test(ruleset, letter, recipients)
