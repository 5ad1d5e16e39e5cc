"""What stands in the form of a letter: read, kept as it was typed, and checked before it leaves.

Everything that is wrong is said at once, and nothing that was typed is ever thrown away for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maild.archive.drafts import Draft
from maild.mail.address import Address
from maild.mail.answering import Party
from maild.mail.own_words import own_words
from maild.mail.signing_off import unsigned
from maild.rules.authorship import Sender
from maild.rules.filling import blanks
from maild.rules.model import Ruleset
from maild.web.addressing import MAX_RECIPIENTS, read_typed
from maild.web.language import catalogue
from maild.web.originals import Newcomer

_TYPED = ("from", "to", "cc", "bcc", "subject", "text", "after")
_MAX_FIELD = 50_000
_MAX_TEXT = 1_000_000
_MAX_SUBJECT = 2_000
AFTER = ("waiting", "closed", "open")
_TICK, _TAKE = "ok:", "take:"


def _(text: str) -> str:
    """Mark words for translation."""
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that keeps a letter from being sent; `field` is where."""

    field: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a letter has besides its author's own words.

    The signature that was put below it, the text of the letter that it answers or sends on, and whom this one brings.
    """

    signature: str = ""
    original: str = ""
    strangers: tuple[Newcomer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A letter as it would leave, and what is wrong with it."""

    to: tuple[Party, ...]
    cc: tuple[Party, ...]
    bcc: tuple[Party, ...]
    problems: tuple[Problem, ...]

    @property
    def recipients(self) -> tuple[Address, ...]:
        """The envelope: each address once."""
        return tuple({a.key: a for _name, a in (*self.to, *self.cc, *self.bcc)}.values())


def typed_fields(form: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """Return the fields as they were typed; one that the form does not have stays as it was."""
    fields = {name: form.get(name, before.get(name, ""))[: _most(name)] for name in _TYPED}
    fields["text"] = fields["text"].replace("\r\n", "\n").replace("\r", "\n")
    # Ticks that are not set are not sent: `ticks` says that the form had them.
    for prefix, name in ((_TICK, "confirmed"), (_TAKE, "take")):
        ticked = "\n".join(key[len(prefix) :] for key in form if key.startswith(prefix))
        fields[name] = ticked[:_MAX_FIELD] if "ticks" in form else before.get(name, "")
    fields["markup"] = ("1" if form.get("markup") else "") if "ticks" in form else before.get("markup", "")
    return {name: "".join(c if c in "\n\t" or c >= " " else " " for c in value) for name, value in fields.items()}


def _most(name: str) -> int:
    return _MAX_TEXT if name == "text" else _MAX_FIELD


def ticked(fields: Mapping[str, str], name: str) -> frozenset[str]:
    """Return what is ticked: the keys of confirmed recipients, or the attachments that are to go along."""
    return frozenset(line for line in fields.get(name, "").split("\n") if line)


def unfilled(draft: Draft, beside: Beside) -> tuple[str, ...]:
    """Return the placeholders of templates that nobody has filled in."""
    text = f"{draft.fields.get('subject', '')}\n{draft.fields.get('text', '')}"
    return blanks(text, known=beside.original)


def check(draft: Draft, *, rules: Ruleset, sender: Sender | None, beside: Beside, language: str) -> Checked:
    """Return a draft as it would leave, with all that is wrong."""
    say = catalogue(language).gettext
    found = {name: read_typed(draft.fields.get(name, "")) for name in ("to", "cc", "bcc")}
    problems = [
        Problem(field=name, text=say(_("“{0}” is no address to which mail can be sent.")).replace("{0}", piece))
        for name, each in found.items()
        for piece in each.wrong
    ]
    for name, each in found.items():
        problems += [
            Problem(field=name, text=say(_OURS).replace("{0}", str(address)))
            for _name, address in each.parties
            if rules.serves(address.domain)
        ]
    checked = Checked(to=found["to"].parties, cc=found["cc"].parties, bcc=found["bcc"].parties, problems=())
    problems += _of_the_whole(draft, checked, sender, beside, say_language=language)
    problems += _unconfirmed(draft, checked, beside.strangers, say_language=language)
    problems += _unfilled(draft, beside, say_language=language)
    return Checked(to=checked.to, cc=checked.cc, bcc=checked.bcc, problems=tuple(problems))


_OURS = _(
    "“{0}” is an address of this house: letters from here go outside only. Leave it out; colleagues who may read this "
    "inbox see your letter here."
)


def _of_the_whole(
    draft: Draft, checked: Checked, sender: Sender | None, beside: Beside, *, say_language: str
) -> list[Problem]:
    say, fields = catalogue(say_language).gettext, draft.fields
    problems = []
    if sender is None:
        problems.append(Problem(field="from", text=say(_("Choose the address from which the letter is sent."))))
    if not checked.recipients and not any(fields.get(name, "").strip() for name in ("to", "cc", "bcc")):
        problems.append(Problem(field="to", text=say(_("Nobody is given to whom the letter goes."))))
    if len(checked.recipients) > MAX_RECIPIENTS:
        problems.append(Problem(field="to", text=say(_("A letter goes to 100 addresses at most."))))
    if len(fields.get("subject", "")) > _MAX_SUBJECT:
        problems.append(Problem(field="subject", text=say(_("The subject has more than 2,000 characters."))))
    if not draft.files and not ticked(fields, "take"):
        problems += [Problem(field="text", text=say(text)) for text in _emptiness(draft, beside.signature)]
    if len(fields.get("text", "")) >= _MAX_TEXT:
        problems.append(Problem(field="text", text=say(_("The text has more than a million characters."))))
    return problems


def _emptiness(draft: Draft, signature: str) -> list[str]:
    text = unsigned(draft.fields.get("text", ""), signature)
    if not text.strip():
        return [_("The letter is empty.")]
    if draft.kind == "answer" and not own_words(text).text:
        return [_("The letter holds nothing but the quotation.")]
    return []


def _unfilled(draft: Draft, beside: Beside, *, say_language: str) -> list[Problem]:
    confirmed = ticked(draft.fields, "confirmed")
    text = catalogue(say_language).gettext(_("“{0}” is not filled in yet."))
    return [
        Problem(field="blank", text=text.replace("{0}", blank))
        for blank in unfilled(draft, beside)
        if blank not in confirmed
    ]


def _unconfirmed(draft: Draft, checked: Checked, strangers: Iterable[Newcomer], *, say_language: str) -> list[Problem]:
    say, confirmed = catalogue(say_language).gettext, ticked(draft.fields, "confirmed")
    going = {address.key for address in checked.recipients}
    text = say(_("“{0}” is new in this conversation: tick it if your answer is to go there as well."))
    return [
        Problem(field="new", text=text.replace("{0}", str(new.party[1])))
        for new in strangers
        if new.party[1].key in going and new.party[1].key not in confirmed
    ]
