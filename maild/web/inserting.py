"""What is put into a letter for its author: the signature of the sender, and templates where they are wanted.

Both are text like any other from then on: seen, changed, or deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maild.archive.team_texts import SIGNATURE, TeamText, signatures, texts_of
from maild.mail.signing_off import above, exchanged
from maild.mail.subject import without
from maild.policy.visible import Visible
from maild.rules.authorship import Sender
from maild.rules.filling import fill_known, signature_of, values_of, with_parents
from maild.web.originals import Original
from maild.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A template, filled in."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a template is put into: from whom the letter goes, in which conversation, and to which letter."""

    sender: Sender
    reference: str
    letter: Original | None


async def signatures_for(visit: Visit, choices: Iterable[Sender]) -> dict[str, str]:
    """Return the signatures below letters of the visitor from these addresses, by address."""
    rules, listed = visit.services.rulebook.current, tuple(choices)
    found = await visit.read(signatures, {team for each in listed for team in with_parents(rules, each.function.team)})
    texts = {team: each.text for team, each in found.items()}
    return {
        str(each.address): signature_of(rules, each.function, each.address, texts=texts, name=visit.person.name)
        for each in listed
    }


async def begins_formatted(visit: Visit, sender: Sender | None) -> bool:
    """Tell whether a team's letters begin with formatting."""
    if sender is None:
        return False
    found = await visit.read(signatures, [sender.function.team])
    return any(each.formatted for each in found.values())


def signed_as(text: str, known: Mapping[str, str], sender: Sender) -> str:
    """Return a text with the signature of the sender, where that of another address still stands as it was put."""
    return exchanged(text, known.values(), known.get(str(sender.address), ""))


async def offered(visit: Visit, choices: Iterable[Sender]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the templates that can be put in: of each team, then those of the house, each as its key and name."""
    rules = visit.services.rulebook.current
    found = await _texts(visit, {each.function.team for each in choices})
    groups: dict[str, list[tuple[str, str]]] = {}
    for each in found:
        name = rules.teams[each.team].name if each.team in rules.teams else each.team
        groups.setdefault(name, []).append((f"{each.team}/{each.name}", each.name))
    house = [(name, name) for name in sorted(rules.templates)]
    return [*groups.items(), *([(rules.organisation.name, house)] if house else [])]


async def _texts(visit: Visit, teams: Iterable[str]) -> tuple[TeamText, ...]:
    # Who may write in a team's name may use its texts and those of the teams above: they are made to be sent.
    rules = visit.services.rulebook.current
    asked = frozenset(above for team in teams for above in with_parents(rules, team))
    found = await visit.read(texts_of, visible=Visible(teams=asked), teams=asked)
    return tuple(each for each in found if each.name != SIGNATURE)


async def piece(visit: Visit, key: str, here: Occasion) -> Piece | None:
    """Return a template filled in, what is not known of it as it stands; None where there is none of that key."""
    rules = visit.services.rulebook.current
    team, divided, name = key.partition("/")
    found: Piece | None = None
    if divided:
        texts = await _texts(visit, [here.sender.function.team])
        found = next((Piece(subject=t.subject, text=t.text) for t in texts if (t.team, t.name) == (team, name)), None)
    elif (template := rules.templates.get(key)) is not None:
        found = Piece(subject=template.subject, text=template.text)
    if found is None:
        return None
    values = values_of(rules, here.sender.function, here.sender.address, _about(visit, here))
    return Piece(subject=fill_known(found.subject, values), text=fill_known(found.text, values).strip("\n"))


def _about(visit: Visit, here: Occasion) -> dict[str, str]:
    facts = here.letter.facts if here.letter is not None else None
    author = facts.senders[0] if facts is not None and facts.senders else None
    about = {
        "conversation.reference": here.reference,
        "conversation.subject": _plain(without(facts.subject, [here.reference])) if facts is not None else "",
        "sender.name": _plain(author.name) if author else "",
        "sender.mail": _plain(author.mail) if author else "",
        "user.name": visit.person.name,
    }
    return {name: " ".join(value.split()) for name, value in about.items()}


def _plain(text: str) -> str:
    """Return a stranger's word so that it is no formatting in a letter of ours."""
    return re.sub(r"\*{2,}", "*", text).replace("](", "] (").replace("://", ": //")


def inserted(fields: Mapping[str, str], new: Piece, *, signature: str, quoted: str) -> dict[str, str]:
    """Return the fields of a letter with a template below its author's own words, and its subject where none is."""
    text = fields.get("text", "")
    at = above(text, signature, quoted)
    own, rest = text[:at].rstrip("\n"), text[at:]
    whole = "\n\n".join(each for each in (own, new.text, rest) if each.strip("\n"))
    return {**fields, "text": whole.rstrip("\n") + "\n", "subject": fields.get("subject", "") or new.subject}
