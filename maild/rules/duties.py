"""What rules, addresses and teams ask for beyond a place in an inbox: duties, to be recorded with the filing.

A duty belongs to one team, whose inbox answers for it: `forward`, `reply`, `assign` and `acknowledge` to the first team
of the place, `hold` to every team that got the letter, `also-deliver` to the team that has it, `member-copy` to each
team that allows copies. What a team has held back is not done for that team before somebody releases it.

Promises: no automatic answer to automatic mail (`answerable`). Of a letter that was not read whole, or whose rules
failed, nothing leaves unseen: which rules would have held it back nobody knows, so it is not answered, and what would
be sent on is held.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, assert_never

from maild.errors import AddressError
from maild.mail.address import Address, fold, parse_address
from maild.mail.facts import Automatic, Facts
from maild.mail.imap_place import ImapPlace
from maild.mail.inbox import confidential
from maild.rules.model import FunctionAddress, Letter, Ruleset
from maild.rules.requested import Answer, Assign, Forward, Hold, Lmtp, Maildir, NextPlace, Request

HOLD, FORWARD, REPLY, ACKNOWLEDGE = "hold", "forward", "reply", "acknowledge"
ALSO_DELIVER, ASSIGN = "also-deliver", "assign"
ACCOUNT = "account"  # why it is held: the letter hands over an account elsewhere
MEMBER_COPY = "member-copy"  # to the own mailboxes of those of the team who want it; who that is, the archive knows
MEMBER_ANSWER = "member-answer"  # what a member has answered to such a copy is to go out
KINDS = (HOLD, FORWARD, REPLY, ACKNOWLEDGE, ALSO_DELIVER, ASSIGN, MEMBER_COPY, MEMBER_ANSWER)
ANSWERS = (REPLY, ACKNOWLEDGE)  # at most once for each conversation and sender
LEAVE = (FORWARD, ALSO_DELIVER)  # what takes a letter away from here
# Behind these no person reads: RFC 3834 §2 names the first, and owner-… and …-request.
_NOBODY = re.compile(
    r"(?:mailer-?daemon|no[._-]?reply|do[._-]?not[._-]?reply|auto[._-]?(?:reply|respon\w{0,8})|bounces)(?:[+=._-].*)?"
    r"|(?:owner-|bounce[+=._-]).*|.*[._-](?:no-?reply|request|owner|bounces?)(?:[+=].*)?",
    re.DOTALL,
)
# A newsletter that can be left (RFC 2369), a bulk sender's mark, mail that has been through a loop.
_BULK_FIELDS = frozenset({"feedback-id", "x-loop", "x-feedback-id", "x-csa-complaints", "x-beenthere"})
_MOST_HOPS = 30  # a letter has less than ten Received fields

Asked = tuple[str, Request]  # the rule's id, and what it asks for


class Duty(NamedTuple):
    """One thing to do. A named tuple: it comes back from worker processes with every filing.

    `target` is an address, the name of a template, a login, a next place as `place_text` writes it, or the reason of a
    hold; of a `member-copy` "" until the archive has named the members. `rule` "": by the address, by the team, or, of
    a hold, because the letter could not be read or routed whole; or, with the target `spam` or `virus`, because a spam
    filter or virus scanner had it filed in spam; or `account`, because it looks as if it handed over an account.
    """

    team: str
    kind: str
    target: str
    rule: str


def duties(
    ruleset: Ruleset,
    letter: Letter,
    address: FunctionAddress | None,
    teams: tuple[str, ...],
    asked: Sequence[Asked],
    *,
    failed: bool = False,
) -> tuple[Duty, ...]:
    """Return what is to be done for one recipient.

    Args:
        ruleset: the rules.
        letter: the letter.
        address: the address of ours that it came by.
        teams: where it goes, the place first.
        asked: what the rules that matched asked for, in their order.
        failed: the rules were given up.
    """
    found = [Duty(team, ALSO_DELIVER, place_text(place), "") for team in teams for place in _besides(ruleset, team)]
    template = address.acknowledge if address is not None else None
    copying = [team for team in teams if (known := ruleset.teams.get(team)) is not None and known.copies]
    if not found and not asked and template is None and not copying:
        return ()
    whole = letter.facts.source_only is None and not failed
    answers = whole and answerable(ruleset, letter)
    found += [duty for rule, action in asked for duty in _of_action(rule, action, teams, answers=answers)]
    if answers and template is not None:
        found.append(Duty(teams[0], ACKNOWLEDGE, template, ""))
    if answers:
        found += [Duty(team, MEMBER_COPY, "", "") for team in copying]
    if not whole:
        found += [Duty(team, HOLD, "", "") for team in dict.fromkeys(d.team for d in found if d.kind in LEAVE)]
    return tuple(found)


def _besides(ruleset: Ruleset, team: str) -> tuple[NextPlace, ...]:
    known = ruleset.teams.get(team)
    return () if known is None else known.also_deliver


def _of_action(rule: str, action: Request, teams: tuple[str, ...], *, answers: bool) -> Iterator[Duty]:
    match action:
        case Hold():
            yield from (Duty(team, HOLD, action.reason, rule) for team in teams)
        case Forward():
            yield from (Duty(teams[0], FORWARD, str(address), rule) for address in action.addresses)
        case Answer():
            if answers:
                yield Duty(teams[0], REPLY, action.template, rule)
        case Assign():
            yield Duty(teams[0], ASSIGN, action.login, rule)
        case _:
            assert_never(action)


def answerable(ruleset: Ruleset, letter: Letter) -> bool:
    """Tell whether the sender may get an automatic answer: a person, elsewhere, who wrote to us.

    Source: RFC 3834 §2; an answer goes to the reverse-path (§4), so that the null one has none.
    """
    facts, sender = letter.facts, letter.reverse_path
    # Security: who has a code sent to us may be the one who would read it in an answer.
    if facts.account_mail:
        return False
    if sender is None or facts.auto_submitted or facts.automatic is not Automatic.PERSON or facts.list_id is not None:
        return False
    if any(field.key.startswith("list-") or field.key in _BULK_FIELDS for field in facts.fields):
        return False
    if _NOBODY.fullmatch(fold(sender.local)) or any(_NOBODY.fullmatch(_local(box.mail)) for box in facts.senders):
        return False
    if _went_round(ruleset, facts):
        return False
    # What is sent to ourselves comes back to be answered; and whoever writes as one of ours is not asking us.
    return not _is_ours(ruleset, sender) and not any(_names_us(ruleset, box.mail) for box in facts.senders)


def _local(mail: str) -> str:
    return fold(mail).rpartition("@")[0]


def _went_round(ruleset: Ruleset, facts: Facts) -> bool:
    """Tell whether a letter has been here before: delivered to an address of ours, or too long on its way."""
    hops = 0
    for field in facts.fields:
        hops += field.key == "received"
        if field.key == "delivered-to" and _names_us(ruleset, field.raw.strip("<> ")):
            return True
    return hops > _MOST_HOPS


def _names_us(ruleset: Ruleset, mail: str) -> bool:
    try:
        return _is_ours(ruleset, parse_address(mail))
    except AddressError:
        return False


def _is_ours(ruleset: Ruleset, address: Address) -> bool:
    return ruleset.serves(address.domain) or ruleset.find(address) is not None


def confided(found: Iterable[Duty], teams: Iterable[str]) -> tuple[Duty, ...]:
    """Return duties as they are where `teams` have the letter in confidence: theirs belong to the confidential inbox.

    Nothing is delivered beside that: whoever reads the copy would read what only a few may.
    """
    inner = frozenset(teams)
    kept = (duty for duty in found if duty.team not in inner or duty.kind not in (ALSO_DELIVER, MEMBER_COPY))
    return tuple(duty._replace(team=confidential(duty.team)) if duty.team in inner else duty for duty in kept)


def led(found: Iterable[Duty], teams: Iterable[str]) -> tuple[Duty, ...]:
    """Return duties as they are where the leads of `teams` alone see a letter: what would be sent on waits for them."""
    inner = frozenset(map(confidential, teams))
    kept = confided(found, teams)
    leaving = sorted({duty.team for duty in kept if duty.kind in LEAVE and duty.team in inner})
    return (*kept, *(Duty(team, HOLD, ACCOUNT, "") for team in leaving))


def handed_on(found: Iterable[Duty], ways: Mapping[str, str]) -> tuple[Duty, ...]:
    """Return duties as they are where an inbox's letters go to another one: they are that one's business now.

    Nobody is made responsible by the giver's rules, and no copy goes to the giver's other places.
    """
    kept = (duty for duty in found if duty.team not in ways or duty.kind not in (ALSO_DELIVER, ASSIGN))
    return tuple(duty._replace(team=ways[duty.team]) if duty.team in ways else duty for duty in kept)


def place_text(place: NextPlace) -> str:
    """Write a place besides the inbox as a duty's target: `maildir:…`, `lmtp:…`, `imap:…` or `forward:…`."""
    match place:
        case Maildir():
            return f"maildir:{place.path}"
        case ImapPlace():
            return f"imap:{place.text}"
        case Lmtp():
            return f"lmtp:{place.next_hop}"
        case Forward():
            return f"forward:{', '.join(map(str, place.addresses))}"
        case _:
            assert_never(place)


def merged(found: Iterable[Duty]) -> tuple[Duty, ...]:
    """Return the duties of all recipients without doubles, the same for any order of recipients."""
    first: dict[tuple[str, str, str], Duty] = {}
    for duty in sorted(found):
        first.setdefault(duty[:3], duty)
    replied = {duty.target for duty in first.values() if duty.kind == REPLY}
    return tuple(d for d in first.values() if not (d.kind == ACKNOWLEDGE and d.target in replied))
