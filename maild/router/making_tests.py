"""What runs in a worker process to make a test of a message: read it, and write of it what the rules looked at."""

from __future__ import annotations

from typing import NamedTuple

from maild.mail.authentication import Verdicts
from maild.rules.in_worker import RulesWanted, addresses_of, kept_rules, letter_of
from maild.rules.making_tests import Written, write_test
from maild.rules.model import Ruleset

MAKE = "maild.router.making_tests:make_test"


class Wanted(NamedTuple):
    """A message to make a test of, with its circumstances.

    `addresses`: the recipients that the test is to have, as they were given.
    """

    received_ms: int
    reverse_path: str | None
    addresses: tuple[str, ...]
    size: int
    believed: tuple[str, ...] = ()
    verdicts: Verdicts | None = None
    reply: bool | None = None
    source_only: str | None = None


def make_test(version: str, pickled_rules: bytes | None, wanted: Wanted, octets: bytes) -> Written | RulesWanted:
    """Return a test of a message under one version of the rules. Runs in a worker process."""
    ruleset: Ruleset | None = kept_rules(version, pickled_rules)
    if ruleset is None:
        return RulesWanted()
    recipients = addresses_of(wanted.addresses)
    if not recipients:
        return Written(entry="", kept=())
    return write_test(ruleset, letter_of(octets, wanted), recipients)
