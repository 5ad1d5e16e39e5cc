"""Reading the action `reject`: its text, and what may not stand beside it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from maild.errors import said
from maild.rules.fields import Fields, Pairs
from maild.rules.findings import Code, Findings, quoted
from maild.rules.model import Rule
from maild.rules.refusals import IN_HEADER
from maild.rules.requested import Reject
from maild.rules.yaml_nodes import Mapping, Node, Scalar

_MAX_TEXT = 200
# What has a spelling of its own in ASCII; of other letters the accents are left out.
_SPELT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ẞ": "SS", "€": "EUR"}
    | {"–": "-", "—": "-", "„": '"', "“": '"', "”": '"', "‚": "'", "‘": "'", "’": "'", "…": "..."}  # noqa: RUF001 - as people type
)


def read_reject(fields: Fields, node: Node) -> Reject | None:
    """Read the text for the sender; an SMTP reply is ASCII, so that `ü` is written `ue`."""
    scalar = fields.scalar(node, "a text for the sender")
    if scalar is None:
        return None
    text = in_ascii(scalar.text)
    if text is not None and text.strip() and len(text) <= _MAX_TEXT:
        return Reject(text=text.strip())
    wrong = said(
        "%(text)s is no text for an SMTP reply: one line that ASCII can spell, at most %(most)s characters",
        text=quoted(scalar.text),
        most=_MAX_TEXT,
    )
    fields.findings.error(scalar, Code.BAD_REJECT, wrong)
    return None


def in_ascii(text: str) -> str | None:
    """Spell a line in ASCII; None when that is not possible."""
    spelt = unicodedata.normalize("NFC", text).translate(_SPELT)
    plain = "".join(c for c in unicodedata.normalize("NFKD", spelt) if not unicodedata.combining(c))
    return plain if plain.isascii() and plain.isprintable() else None


def check_alone(findings: Findings, pairs: Pairs, then: Node) -> None:
    """Report what stands beside a `reject`: nothing of it would ever be done."""
    if not isinstance(then, Mapping) or "reject" not in then.pairs:
        return
    beside = [place for key, (place, _) in then.pairs.items() if key != "reject"]
    beside += [pairs[key][0] for key in ("continue",) if key in pairs]
    for place in beside:
        text = said("'%(key)s' beside 'reject': what is refused is not here to be done anything with", key=place.text)
        findings.error(place, Code.REJECT_AND_MORE, text)


def check_conditions(findings: Findings, conditions: Iterable[Scalar]) -> None:
    """Report conditions of a rule with `reject` that are not known before the 250."""
    for place in conditions:
        if place.text not in IN_HEADER:
            text = said(
                "'%(key)s' is not known yet when mail is refused; ask for something in the header", key=place.text
            )
            findings.error(place, Code.REJECT_TOO_LATE, text)


def report_behind(findings: Findings, rules: tuple[Rule, ...], late: set[str], places: dict[str, Scalar]) -> None:
    """Warn of a `reject` below a rule that ends first and looks at what is not known at the door.

    Args:
        findings: where to.
        rules: in the order of the file.
        late: ids of the rules with such conditions.
        places: of the ids.
    """
    above: Rule | None = None
    for rule in rules:
        if rule.observe:
            continue
        if rule.rejection is not None and above is not None:
            text = said(
                "rule %(rule)s refuses nobody at the door: rule %(above)s (line %(line)s) may end first, and needs the"
                " whole letter",
                rule=quoted(rule.id),
                above=quoted(above.id),
                line=str(above.line),
            )
            findings.warning(places[rule.id], Code.REJECT_BEHIND, text)
        elif above is None and rule.ends and rule.id in late:
            above = rule
