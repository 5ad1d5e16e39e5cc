"""Refusal at the door: which recipients a rule with `reject` turns away, by what is known before the 250.

A refusal must be certain. A condition about what is not known yet says *cannot tell*, and a recipient is refused only
when a rule says yes and no rule above it that may still end the evaluation is undecided. What is in doubt is accepted,
and the rules are asked again when the whole letter is there (`maild.rules.engine`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from maild.mail.address import Address, is_implicit
from maild.rules.conditions import Seen, View
from maild.rules.engine import matches
from maild.rules.model import Letter, Outcome, Rule, Ruleset

# Keys of conditions that are known at RCPT, and when the header has been read.
AT_RCPT = frozenset({"to", "detail", "sender"})
IN_HEADER = AT_RCPT | {
    "from", "subject", "header", "size", "spf", "dkim", "dmarc", "auto_submitted", "bounce", "list"
}  # fmt: skip
# Known as well, for the rules above: not a property of the mail, so that no rule may refuse for it.
AT_THE_END = IN_HEADER | {"office_hours"}


class Judgement(NamedTuple):
    """YES: refused by `rule` with `text`. NO: no rule can refuse. UNKNOWN: more must be known."""

    outcome: Outcome
    rule: str = ""
    text: str = ""


def refusing(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules down to the last that refuses: none, when none does."""
    at_work = [number for number, rule in enumerate(rules, start=1) if rule.rejection is not None and not rule.observe]
    return tuple(rules[: max(at_work, default=0)])


def judge_by_envelope(ruleset: Ruleset, letter: Letter, recipients: Iterable[Address]) -> list[Judgement]:
    """Judge recipients at RCPT; of the letter only reverse-path and time count."""
    view = View(ruleset, letter, AT_RCPT)
    return [_judge(ruleset, view, recipient) for recipient in recipients]


def judge_by_header(ruleset: Ruleset, letter: Letter, recipients: Iterable[Address]) -> list[Judgement]:
    """Judge recipients when the header has been read; the body does not count. One that is not whole is a doubt."""
    view = View(ruleset, letter, AT_THE_END)
    if not view.header_whole:
        return [Judgement(Outcome.UNKNOWN) for _ in recipients]
    return [_judge(ruleset, view, recipient) for recipient in recipients]


def turned_away(ruleset: Ruleset, letter: Letter, recipients: Sequence[Address]) -> list[Judgement | None]:
    """Return who would be refused of the recipients of one transaction: at RCPT, or else all the others at its end."""
    if not ruleset.refusing:
        return [None] * len(recipients)
    early = judge_by_envelope(ruleset, letter, recipients)
    both = list(zip(early, judge_by_header(ruleset, letter, recipients), strict=True))
    everyone = all(late.outcome is Outcome.YES for first, late in both if first.outcome is not Outcome.YES)
    return [first if first.outcome is Outcome.YES else late if everyone else None for first, late in both]


def _judge(ruleset: Ruleset, view: View, recipient: Address) -> Judgement:
    try:
        return _try_rules(ruleset, view, recipient)
    except Exception:  # noqa: BLE001  # never refused for a fault of ours; the router meets it again, and marks the mail
        return Judgement(Outcome.UNKNOWN)


def _try_rules(ruleset: Ruleset, view: View, recipient: Address) -> Judgement:
    if is_implicit(recipient):
        return Judgement(Outcome.NO)
    view.turned_to(recipient)
    in_doubt = may_have_ended = False
    seen: list[Seen] = []
    for rule in ruleset.refusing:
        refuses = rule.rejection
        if rule.observe or (refuses is None and not rule.ends):
            continue
        outcome = matches(rule, view, seen)
        if outcome is None or outcome is Outcome.NO:
            continue
        if refuses is None:
            may_have_ended = True
        elif outcome is Outcome.YES and not may_have_ended:
            # Whether a rule above that refuses, too, would have done so is all the same.
            return Judgement(Outcome.YES, rule.id, refuses)
        else:
            in_doubt = True
        if outcome is Outcome.YES:
            break
    return Judgement(Outcome.UNKNOWN if in_doubt else Outcome.NO)
