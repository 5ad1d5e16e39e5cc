"""What is still to be done with a letter, in one plain line for each duty, at the letter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maild.archive.duties import OURSELVES, RecordedDuty
from maild.intake.answers import NO_TEMPLATE, NOBODY, OFTEN, SUSPECT, TOO_LATE, UNPROVEN
from maild.mail.screening import SPAM, VIRUS
from maild.rules.duties import (
    ACCOUNT,
    ACKNOWLEDGE,
    ALSO_DELIVER,
    ASSIGN,
    FORWARD,
    HOLD,
    MEMBER_ANSWER,
    MEMBER_COPY,
    REPLY,
)
from maild.web.language import catalogue
from maild.web.refused_words import REFUSED


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_WAITING = {
    HOLD: _("Held: {0}"),
    FORWARD: _("Will be sent on to {0}."),
    REPLY: _("The sender will get the automatic answer “{0}” as soon as maild can send."),
    ACKNOWLEDGE: _("The sender will be told that the letter has come, as soon as maild can send."),
    ALSO_DELIVER: _("Will also be delivered to another mailbox of the team."),
    ASSIGN: _("Could not be assigned to {0}: nobody of that login may answer here."),
    MEMBER_ANSWER: _("An answer to a copy: it goes out as soon as it is known who sent it."),
}
_HELD_BACK = {
    FORWARD: _("Will be sent on to {0} only after the release."),
    REPLY: _("The sender will get the automatic answer “{0}” only after the release."),
    ACKNOWLEDGE: _("The sender will be told that the letter has come only after the release."),
    ALSO_DELIVER: _("Will also be delivered to another mailbox of the team only after the release."),
    MEMBER_COPY: _("Will be copied to {0} only after the release."),
}
_DROPPED = {
    HOLD: _("The hold was lifted by {1}."),
    FORWARD: _("Is not sent on to {0}: {1} decided so."),
    REPLY: _("The sender does not get the automatic answer “{0}”: {1} decided so."),
    ACKNOWLEDGE: _("The sender is not told that the letter has come: {1} decided so."),
    ALSO_DELIVER: _("Is not delivered to another mailbox of the team: {1} decided so."),
}
# What maild itself has given up.
_NOT_ANSWERED = {
    UNPROVEN: _("The sender gets no automatic answer: it is not proven that the letter is theirs."),
    SUSPECT: _("The sender gets no automatic answer: the letter lies in spam, or is suspicious."),
    OFTEN: _("The sender gets no automatic answer: they have had one within a day."),
    TOO_LATE: _("The sender gets no automatic answer: it is too late for one."),
    NO_TEMPLATE: _("The sender gets no automatic answer: the rules have no template “{0}”."),
    NOBODY: _("The sender gets no automatic answer: there is no address for it to come from, or to go to."),
}
_NOT_SENT = {f"maild: {why}": words for why, words in REFUSED.items()}  # of an answer to a copy
_RELEASED = _("Was held ({0}) and released by {1}.")
_NO_REASON = _("a rule says so")
_BRACES = re.compile(r"\{([01])\}")
_UNREAD = _("it could not be read or routed in full, and nothing of it leaves before somebody has looked")
_SCREENED = {
    SPAM: _("it was filed as spam, and nothing of it leaves before somebody has looked"),
    VIRUS: _("a virus was found in it, and nothing of it leaves before somebody has looked"),
    ACCOUNT: _(
        "it looks as if it held a code or a link for an account, and nothing of it leaves before somebody has looked"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line at a letter; one that `holds` it back names in `release` the team for which the reader may let it go."""

    text: str
    ended_ms: int | None
    holds: bool
    release: str | None


def lines(found: Iterable[RecordedDuty], language: str, may_release: frozenset[str]) -> list[Line]:
    """Return what is to be said of a letter's duties, what holds it first; what was carried out speaks for itself."""
    said: dict[str, Line] = {}
    for duty in found:
        text = _text(duty, language)
        if text is None:
            continue
        holds = duty.kind == HOLD and duty.state == "waiting"
        release = duty.team if holds and duty.team in may_release else None
        line = Line(text=text, ended_ms=duty.ended_ms, holds=holds, release=release)
        # Two teams of the reader may have the same to say.
        said.setdefault(f"{text} {release}", line)
    return sorted(said.values(), key=lambda line: not line.holds)


def _text(duty: RecordedDuty, language: str) -> str | None:
    words = _words(duty)
    if words is None:
        return None
    say = catalogue(language).gettext
    target = duty.target.removeprefix("forward:") if duty.kind == ALSO_DELIVER else duty.target
    if duty.kind == HOLD and not duty.rule:
        target = say(_SCREENED.get(target, _UNREAD))
    elif duty.kind == HOLD and not target:
        target = say(_NO_REASON)
    values = (target, duty.ended_by or "")
    # One pass: braces that an author wrote into a reason stay as they are.
    return _BRACES.sub(lambda found: values[int(found[1])], say(words))


def _words(duty: RecordedDuty) -> str | None:
    kind, forwards = duty.kind, duty.target.startswith("forward:")
    table: Mapping[str, str] = _HELD_BACK if duty.held else _WAITING
    if duty.state == "done":
        return _RELEASED if kind == HOLD else None
    if duty.state == "dropped":
        if (given_up := _NOT_ANSWERED.get(duty.ended_by or "")) is not None:
            return given_up
        if kind == MEMBER_ANSWER:
            return _NOT_SENT.get(duty.ended_by or "")
        table = {} if duty.ended_by == OURSELVES else _DROPPED
    return table.get(FORWARD if kind == ALSO_DELIVER and forwards else kind)
