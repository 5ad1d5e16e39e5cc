"""The single conditions of rules, whatever they are nested in, and the keys that they stand under in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from maild.rules.model import AllOf, AnyOf, Comparison, Condition, HasAttachment, NoneOf, Rule, SizeBetween

SingleCondition = Comparison | SizeBetween | HasAttachment


def singles(*conditions: Condition | None) -> Iterator[SingleCondition]:
    """Yield the single conditions in their order, those that are nested too; None has none."""
    for condition in conditions:
        match condition:
            case AllOf() | AnyOf() | NoneOf():
                yield from singles(*condition.parts)
            case Comparison() | SizeBetween() | HasAttachment():
                yield condition
            case None:
                pass
            case _:
                assert_never(condition)


def key_of(condition: SingleCondition) -> str:
    """Return the key of the file that a condition stands under: `header` for all header fields."""
    match condition:
        case Comparison():
            return condition.source.partition("|")[0].partition(":")[0]
        case SizeBetween():
            return "size"
        case HasAttachment():
            return "attachment"
        case _:
            assert_never(condition)


def asked_by(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the keys of all conditions of these rules."""
    return frozenset(key_of(single) for rule in rules for single in singles(rule.when, rule.unless))
