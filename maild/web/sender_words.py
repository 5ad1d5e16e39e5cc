"""Whether the sender of a letter is who it says, in one plain line at the sender."""

from __future__ import annotations

from dataclasses import dataclass

from maild.archive.acquaintance import MOST
from maild.authentication.standing import Standing, StandingKind
from maild.web.language import catalogue
from maild.web.letter_links import shown_domain
from maild.web.letter_warnings import shown_text

_MAX_DOMAIN = 253


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_WORDS = {
    StandingKind.CONFIRMED: _("Sender confirmed"),
    StandingKind.UNCONFIRMED: _("Sender not confirmed"),
    StandingKind.FORGED: _("Forged?"),
    StandingKind.UNKNOWN: _("The sender could not be checked"),
}
# Never by colour alone: the mark differs in shape, and the word says it.
_MARKS = {
    StandingKind.CONFIRMED: "✓",
    StandingKind.UNCONFIRMED: "?",
    StandingKind.FORGED: "!",
    StandingKind.UNKNOWN: "…",
}
_AMBIGUOUS = _("The letter does not name its sender unambiguously.")
_VOUCHED = _("It was passed on by {0}, where the sender was confirmed.")
_NOT_FROM_THERE = _(
    "The holder of the sender's domain says that such a letter is not from there. "
    "Do not answer it; ask the sender in another way, such as by telephone."
)
_NOT_FROM_US = _(
    "The letter bears an address of ours, but came from outside, and nothing proves that it is ours. "
    "Do not answer it; ask the sender in another way, such as by telephone."
)
_MISLEADING = _("Only the domain {0} is proven; what stands beside it misleads.")
_ANSWERS_AWAY = _("Proven is only who wrote it, and not that answers are to go to another address.")
# The author could not be read at all, or a notice says already that there is none.
_SAID_OTHERWISE = frozenset({"", "none", "unread"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderLine:
    """The line: a mark, the word, the domain that is proven, and what more is to be said."""

    kind: StandingKind
    mark: str
    word: str
    domain: str = ""
    more: str = ""
    grave: bool = False


def sender_line(
    standing: Standing, problem: str, language: str, *, misleading: bool = False, answers_away: bool = False
) -> SenderLine:
    """Return what is said of a sender.

    Args:
        standing: what the evidence came to.
        problem: why the letter has no author who can be verified, or "".
        language: of the reader.
        misleading: the name or the letters of the domain try to pass for somebody else.
        answers_away: answers would go to another address, and nothing proves that the sender says so.
    """
    say = catalogue(language).gettext
    kind = standing.kind
    if misleading and kind is StandingKind.CONFIRMED:
        # Security: a stranger's proof of a domain of their own must not lend its word to a borrowed name.
        kind, more = StandingKind.UNCONFIRMED, say(_MISLEADING).replace("{0}", safe_domain(standing.domain))
        return SenderLine(kind=kind, mark=_MARKS[kind], word=say(_WORDS[kind]), more=more, grave=True)
    ambiguous = kind is StandingKind.UNCONFIRMED and problem not in _SAID_OTHERWISE
    more = say(_AMBIGUOUS) if ambiguous else ""
    if kind is StandingKind.FORGED:
        more = say(_NOT_FROM_US if standing.by == "own-domain" else _NOT_FROM_THERE)
    elif standing.by == "arc" and standing.domain:
        # Not `format`: the name is a stranger's.
        more = say(_VOUCHED).replace("{0}", safe_domain(standing.domain))
    elif kind is StandingKind.CONFIRMED and answers_away:
        more = say(_ANSWERS_AWAY)
    return SenderLine(
        kind=kind,
        mark=_MARKS[kind],
        word=say(_WORDS[kind]),
        domain=safe_domain(standing.domain) if kind is StandingKind.CONFIRMED else "",
        more=more,
        grave=ambiguous or kind is StandingKind.FORGED or bool(more and answers_away),
    )


def acquaintance(before: int, language: str) -> str:
    """Return how many letters bore the address before."""
    words = catalogue(language)
    if not before:
        return words.gettext(_("First letter from this address"))
    if before > MOST:
        return words.gettext(_("More than %(num)s letters from this address before")) % {"num": MOST}
    said = words.ngettext("%(num)s letter from this address before", "%(num)s letters from this address before", before)
    return said % {"num": before}


def safe_domain(domain: str) -> str:
    """Return a domain as a reader may trust it: what passes for other letters is in A-labels."""
    shown = shown_domain(shown_text(domain[:_MAX_DOMAIN]))[0]
    return shown + "…" if len(domain) > _MAX_DOMAIN else shown
