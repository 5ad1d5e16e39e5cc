"""Reading a mail for conditions, and evaluating them in three values.

A *source* names one reading: `KEY|FORM`, for header fields `header:NAME|FORM`. The forms are `folded` (caseless,
normalised), `plain` (normalised only, for expressions) and `names` (for `is` on addresses: the address and its
`@domain`), and `verdict` for what is judged of the mail and not found in it. A reading is made once for each mail, and
only when a condition asks for it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, Self, assert_never

from maild.errors import AddressError
from maild.mail.address import Address, fold, parse_address
from maild.mail.authentication import TEMPERROR
from maild.mail.facts import Attachment, Automatic
from maild.mail.language import language_of
from maild.rules.calendar import written
from maild.rules.model import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    HasAttachment,
    Letter,
    NoneOf,
    Outcome,
    Ruleset,
    SizeBetween,
)
from maild.rules.operators import Contains, Regex, Starts, Test

SHOWN_CHARACTERS = 200
MAX_TEXT = 1_000_000  # Facts.text ends here: what follows was not looked at
NULL_PATH = "<>"
_BODY_LIMITS = frozenset({"depth", "parts"})  # limits of the body alone: the header was read to its end
_RECIPIENT_SOURCES = frozenset(
    {"to|names", "to|folded", "to|plain", "detail|folded", "detail|plain", "office_hours|verdict"}
)

_SURE_WHEN_CUT = (Contains, Starts, Regex)

_NO, _UNKNOWN, _YES = Outcome.NO, Outcome.UNKNOWN, Outcome.YES
_KNOWN_SOURCES = 4096


class Reading(NamedTuple):
    """What a mail has for one source.

    `whole` False: what could not be read might have matched. `cut`: the values themselves may go on where the
    reading ended, so that only what is found within them, or at their start, is certain.
    """

    values: tuple[str, ...]
    shown: str
    whole: bool
    cut: bool


_NOTHING = Reading((), "", whole=True, cut=False)
_NOT_YET = Reading((), "not known yet", whole=False, cut=False)


class Seen(NamedTuple):
    """One condition as it was evaluated: for the trace."""

    label: str
    value: str
    outcome: Outcome


class View:
    """A letter as the conditions see it: readings are kept, those of the recipient change with it.

    `known` are the keys of conditions of which something is known by now; None: of all. `readings` may be those of
    another view of the same letter: what depends on the rules is about a recipient, and is read anew for each.
    """

    __slots__ = ("body_whole", "header_whole", "known", "letter", "readings", "recipient", "ruleset")

    def __init__(
        self,
        ruleset: Ruleset,
        letter: Letter,
        known: frozenset[str] | None = None,
        readings: dict[str, Reading] | None = None,
    ) -> None:
        self.ruleset = ruleset
        self.letter = letter
        self.known = known
        self.recipient = Address(local="", domain="")
        self.readings = {} if readings is None else readings
        limit = letter.facts.source_only
        self.body_whole = limit is None
        self.header_whole = limit is None or limit in _BODY_LIMITS

    def turned_to(self, recipient: Address) -> Self:
        """Look at the letter as it came to `recipient`."""
        self.recipient = recipient
        if self.readings:
            for source in self.readings.keys() & _RECIPIENT_SOURCES:
                del self.readings[source]
        return self

    def read(self, source: str) -> Reading:
        """Make a reading and keep it."""
        found = self.readings[source] = _read(self, source)
        return found


def shorten(text: str) -> str:
    """Cut a value for the trace, on one line."""
    cut = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    cut = cut.replace("\n", " ")  # mostly all there is
    return cut if cut.isprintable() else "".join(c if c.isprintable() else " " for c in cut)


def _read(view: View, source: str) -> Reading:
    key, argument, form = _split(source)
    if view.known is not None and key not in view.known:
        return _NOT_YET
    reader = _READERS.get(key)
    if reader is None:
        return _JUDGES[key](view)
    texts, whole, cut = reader(view, argument)
    if not texts:
        return _NOTHING if whole else Reading((), "", whole, cut)
    shown = shorten(texts[0] if len(texts) == 1 else ", ".join(texts))
    if form == "names":
        return Reading(_names(view, key, texts), shown, whole, cut)
    if form == "plain":
        return Reading(tuple([unicodedata.normalize("NFKC", text) for text in texts]), shown, whole, cut)
    return Reading((fold(texts[0]),) if len(texts) == 1 else tuple(map(fold, texts)), shown, whole, cut)


@lru_cache(maxsize=_KNOWN_SOURCES)
def _split(source: str) -> tuple[str, str, str]:
    """Return the key, its argument and the form that a source names."""
    name, _, form = source.partition("|")
    key, _, argument = name.partition(":")
    return key, argument, form


def _names(view: View, key: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    if key == "to":
        return view.ruleset.names(view.recipient)
    found = [_mailbox(text) for text in texts]
    return (*found, *(text[text.rfind("@") :] for text in found if "@" in text))


def _mailbox(text: str) -> str:
    if text.isascii() and '"' not in text:
        return text.lower()
    try:
        return parse_address(text).key
    except AddressError:  # what a header calls an address may be anything
        return fold(text)


_Texts = tuple[tuple[str, ...], bool, bool]  # values, whole, cut


def _to(view: View, _: str) -> _Texts:
    recipient = view.recipient
    return (f"{recipient.local.partition('+')[0]}@{recipient.domain}",), True, False


def _detail(view: View, _: str) -> _Texts:
    return (view.recipient.local.partition("+")[2],), True, False


def _from(view: View, _: str) -> _Texts:
    return tuple(m.mail for m in view.letter.facts.senders if m.mail), view.header_whole, False


def _sender(view: View, _: str) -> _Texts:
    path = view.letter.reverse_path
    return (NULL_PATH if path is None else f"{path.local}@{path.domain}",), True, False


def _subject(view: View, _: str) -> _Texts:
    subject = view.letter.facts.subject
    return (subject,), view.header_whole, not subject and not view.header_whole


def _text(view: View, _: str) -> _Texts:
    text = view.letter.facts.text
    whole = view.body_whole and len(text) < MAX_TEXT
    return (text,), whole, not whole


def _header(view: View, name: str) -> _Texts:
    return tuple([field.value for field in view.letter.facts.fields if field.key == name]), view.header_whole, False


def _flag(value: bool, whole: bool) -> _Texts:
    # Invariant: a mark that is there is certain; one that is absent may lie in what could not be read.
    certain = value or whole
    return ("true" if value else "false",), certain, not certain


def _list(view: View, _: str) -> _Texts:
    return _flag(view.letter.facts.list_id is not None, view.header_whole)


def _auto_submitted(view: View, _: str) -> _Texts:
    return _flag(view.letter.facts.auto_submitted, view.header_whole)


def _bounce(view: View, _: str) -> _Texts:
    bounce = view.letter.facts.automatic is Automatic.REPORT
    return _flag(bounce, view.header_whole and not _may_hold_report(view))


def _account_mail(view: View, _: str) -> _Texts:
    return _flag(view.letter.facts.account_mail, view.body_whole)


def _may_hold_report(view: View) -> bool:
    """Tell whether the body, not seen yet at the door, may make a report of it: old ones do not say so above."""
    if view.known is None or view.letter.reverse_path is not None:
        return False  # a report has the null reverse-path (RFC 3464 §2)
    kinds = (field.raw for field in view.letter.facts.fields if field.key == "content-type")
    return any(kind.lstrip().lower().startswith("multipart/") for kind in kinds)


_READERS: dict[str, Callable[[View, str], _Texts]] = {
    "to": _to,
    "detail": _detail,
    "from": _from,
    "sender": _sender,
    "subject": _subject,
    "text": _text,
    "header": _header,
    "list": _list,
    "auto_submitted": _auto_submitted,
    "bounce": _bounce,
    "account_mail": _account_mail,
}


def _unclear(shown: str) -> Reading:
    return Reading((), shown, whole=False, cut=False)


def _office_hours(view: View) -> Reading:
    """Judge by the hours of the recipient's team, or of the nearest above it that has some."""
    ruleset, found = view.ruleset, view.ruleset.find(view.recipient)
    team = ruleset.fallback if found is None else found.team
    moment = view.letter.received_at.astimezone(ruleset.organisation.timezone)
    at = f"{written(moment)}, {team}"
    teams = (team, *ruleset.ancestors(team))
    hours = next((spans for name in teams if (spans := ruleset.teams[name].hours)), ())
    if not hours:
        return _unclear(f"{at} has no hours")
    day, minute = moment.date(), moment.hour * 60 + moment.minute
    holiday = ruleset.organisation.holidays.name(day)
    if holiday is not None:
        return Reading(("false",), f"{at} is closed ({holiday})", whole=True, cut=False)
    if not any(h.weekday == day.weekday() and h.from_minute <= minute < h.until_minute for h in hours):
        return Reading(("false",), f"{at} is closed", whole=True, cut=False)
    if not ruleset.organisation.holidays.knows(day):
        return _unclear(f"{at}: the holidays of that year are not known")
    return Reading(("true",), f"{at} is open", whole=True, cut=False)


def _language(view: View) -> Reading:
    found = language_of(view.letter.facts.text)
    return _unclear("not clear") if found is None else Reading((found,), found, whole=True, cut=False)


def _verdict(method: str) -> Callable[[View], Reading]:
    def judge(view: View) -> Reading:
        found: str = getattr(view.letter.verdicts, method)
        return _unclear(found) if found == TEMPERROR else Reading((found,), found, whole=True, cut=False)

    return judge


def _reply(view: View) -> Reading:
    if view.letter.reply is None or not (view.letter.reply or view.header_whole):
        return _unclear("not known")
    found = "true" if view.letter.reply else "false"
    return Reading((found,), found, whole=True, cut=False)


_JUDGES: dict[str, Callable[[View], Reading]] = {
    "office_hours": _office_hours,
    "language": _language,
    "spf": _verdict("spf"),
    "dkim": _verdict("dkim"),
    "dmarc": _verdict("dmarc"),
    "reply": _reply,
}


def evaluate(condition: Condition, view: View, seen: list[Seen]) -> Outcome:
    """Evaluate a condition, noting in `seen` each comparison that was made, in order."""
    if isinstance(condition, Comparison):  # by far the commonest: before the match
        values, shown, whole, cut = view.readings.get(condition.source) or view.read(condition.source)
        if condition.test.holds(values):
            outcome = _UNKNOWN if cut and not isinstance(condition.test, _SURE_WHEN_CUT) else _YES
        else:
            outcome = _NO if whole else _UNKNOWN
        seen.append(Seen(condition.label, shown, outcome))
        return outcome
    match condition:
        case AllOf():
            return _all(condition.parts, view, seen)
        case AnyOf():
            return _any(condition.parts, view, seen)
        case NoneOf():
            return _any(condition.parts, view, seen).inverse
        case SizeBetween():
            return _size(condition, view, seen)
        case HasAttachment():
            return _attachment(condition, view, seen)
    assert_never(condition)


def _note(seen: list[Seen], label: str, value: str, outcome: Outcome) -> Outcome:
    seen.append(Seen(label, value, outcome))
    return outcome


def _all(parts: tuple[Condition, ...], view: View, seen: list[Seen]) -> Outcome:
    worst = _YES
    for part in parts:
        outcome = evaluate(part, view, seen)
        if outcome is _NO:
            return _NO
        worst = min(worst, outcome)
    return worst


def _any(parts: tuple[Condition, ...], view: View, seen: list[Seen]) -> Outcome:
    best = _NO
    for part in parts:
        outcome = evaluate(part, view, seen)
        if outcome is _YES:
            return _YES
        best = max(best, outcome)
    return best


def _between(size: int, larger_than: int | None, smaller_than: int | None) -> bool:
    return (larger_than is None or size > larger_than) and (smaller_than is None or size < smaller_than)


def _size(condition: SizeBetween, view: View, seen: list[Seen]) -> Outcome:
    if view.known is not None and "size" not in view.known:
        return _note(seen, condition.label, _NOT_YET.shown, _UNKNOWN)
    size = view.letter.facts.size_bytes
    holds = _between(size, condition.larger_than, condition.smaller_than)
    return _note(seen, condition.label, str(size), _YES if holds else _NO)


def _fits(condition: HasAttachment, attachment: Attachment) -> bool:
    return (
        _between(attachment.size_bytes, condition.larger_than, condition.smaller_than)
        and all(test.holds((_form(attachment.name, test),)) for test in condition.name)
        and all(test.holds((_form(attachment.media_type, test),)) for test in condition.media_type)
    )


def _form(text: str, test: Test) -> str:
    return unicodedata.normalize("NFKC", text) if isinstance(test, Regex) else fold(text)


def _attachment(condition: HasAttachment, view: View, seen: list[Seen]) -> Outcome:
    if view.known is not None and "attachment" not in view.known:
        return _note(seen, condition.label, _NOT_YET.shown, _UNKNOWN)
    attachments = view.letter.facts.attachments
    shown = shorten(", ".join(f"{a.name} ({a.media_type}, {a.size_bytes})" for a in attachments))
    if any(_fits(condition, a) for a in attachments):
        return _note(seen, condition.label, shown, _YES)
    return _note(seen, condition.label, shown, _NO if view.body_whole else _UNKNOWN)
