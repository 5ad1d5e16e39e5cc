"""What `maild route` computes: admission and route of each recipient, by the rules on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maild.cli.facts import read_facts
from maild.cli.rules import load_rules
from maild.cli.verb import read_address
from maild.config import Settings
from maild.intake.admit import admit, refusal
from maild.mail.address import Address, as_address
from maild.mail.authentication import verdicts_of
from maild.mail.facts import Facts
from maild.mail.reply import Reply
from maild.rules.engine import route
from maild.rules.model import Letter, Ruleset
from maild.rules.nearby import Nearby
from maild.rules.recorded import each_rule
from maild.rules.refusals import turned_away
from maild.rules.trace_form import trace_json

_EMPTY: dict[str, Any] = {"teams": [], "tags": [], "priority": "normal", "rules": [], "actions": [], "trace": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What the file does not say: who hands the mail over, and whether it belongs to a conversation we have."""

    peer: str | None = None
    reply: bool | None = None


def route_on_paper(
    settings: Settings, file: Path, recipients: tuple[str, ...], sender: str | None, about: Assumed
) -> Iterator[dict[str, Any]]:
    """Yield, for each recipient, what the daemon would reply and where the mail would go."""
    ruleset = load_rules(settings)
    addresses = [read_address(text) for text in recipients]
    reverse_path = None if sender in {None, "", "<>"} else read_address(str(sender))
    facts = read_facts(file.read_bytes())
    if sender is None:
        reverse_path = _first_sender(facts)
    believed = settings.trusted_relays.believed(about.peer)
    letter = Letter(
        facts=facts,
        reverse_path=reverse_path,
        received_at=datetime.now(UTC),
        verdicts=verdicts_of(facts.fields, believed, null_path=reverse_path is None),
        reply=about.reply if about.reply is not None else None if facts.references else False,
    )
    replies = _replies(ruleset, letter, addresses)
    for address, reply in zip(addresses, replies, strict=True):
        outcome = json.loads(trace_json(route(ruleset, letter, address))) if reply.accepted else {}
        outcome["trace"] = each_rule(outcome)
        outcome.pop("saw", None)
        yield {"recipient": str(address), "accepted": reply.accepted, "reply": str(reply), **_EMPTY, **outcome}


def _replies(ruleset: Ruleset, letter: Letter, addresses: list[Address]) -> list[Reply]:
    """Return what each recipient would be answered, if all of them were those of one transaction."""
    nearby = Nearby(ruleset)
    replies = {address: admit(ruleset, address, nearby) for address in addresses}
    ours = [address for address, reply in replies.items() if reply.accepted]
    for address, judged in zip(ours, turned_away(ruleset, letter, ours), strict=True):
        if judged is not None:
            replies[address] = refusal(judged)
    return [replies[address] for address in addresses]


def _first_sender(facts: Facts) -> Address | None:
    return as_address(facts.senders[0].mail) if facts.senders else None
