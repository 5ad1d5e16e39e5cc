"""What the rules of a file look at: the keys of their conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from maild.rules.model import AllOf, AnyOf, Comparison, HasAttachment, NoneOf, Rule, SizeBetween


def asked_by(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the keys, as they are written in the file."""
    return frozenset(key for rule in rules for key in _keys(rule))


def _keys(rule: Rule) -> Iterator[str]:
    conditions = [condition for condition in (rule.when, rule.unless) if condition is not None]
    for condition in conditions:  # grows while it is read
        match condition:
            case AllOf() | AnyOf() | NoneOf():
                conditions.extend(condition.parts)
            case Comparison():
                yield condition.source.partition("|")[0].partition(":")[0]
            case SizeBetween():
                yield "size"
            case HasAttachment():
                yield "attachment"
            case _:
                assert_never(condition)
