"""What runs in a worker process before the 250: read a header, ask the rules that refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from maild.mail.address import as_path
from maild.mail.authentication import Verdicts
from maild.rules.in_worker import RulesWanted, kept_rules, letter_of
from maild.rules.model import Outcome, Ruleset
from maild.rules.refusals import Judgement, judge_by_header


class Transaction(NamedTuple):
    """What is known of a mail besides its header. `size` is of all of it; whether it is a reply nobody has looked."""

    received_ms: int
    reverse_path: str | None
    recipients: tuple[str, ...]
    size: int
    believed: tuple[str, ...]
    verdicts: Verdicts | None = None
    source_only: str | None = None
    reply: bool | None = None


def judge(
    version: str, pickled_rules: bytes | None, transaction: Transaction, header: bytes
) -> list[Judgement] | RulesWanted:
    """Judge each recipient, in order, under one version of the rules."""
    ruleset: Ruleset | None = kept_rules(version, pickled_rules)
    if ruleset is None:
        return RulesWanted()
    letter = letter_of(header, transaction)
    letter = replace(letter, facts=replace(letter.facts, size_bytes=transaction.size))
    addresses = [as_path(text) for text in transaction.recipients]
    if None in addresses:
        return [Judgement(Outcome.UNKNOWN) for _ in addresses]
    return judge_by_header(ruleset, letter, [address for address in addresses if address is not None])
