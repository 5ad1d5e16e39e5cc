"""Reading single values from nodes: each says what it expected, what it found, and goes on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, time

from maild.errors import AddressError, Said, Value, said
from maild.mail.address import Address, fold, parse_address, parse_domain
from maild.rules.findings import Code, Findings, Place, choice, likeliest, meaning, nearest, quoted
from maild.rules.yaml_nodes import Mapping, Node, Scalar, Sequence

Pairs = dict[str, tuple[Scalar, Node]]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9]{2}:[0-9]{2}))?")
_SIZE = re.compile(r"([0-9]{1,12})\s*(b|kb|mb|gb)?", re.IGNORECASE)
_UNITS = {None: 1, "b": 1, "kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000}
_ANY_DOMAIN = "domain.invalid"  # stands in where the local part alone is read
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_LIKE_TRUTH = {"yes": "true", "on": "true", "ja": "true", "1": "true"}
_LIKE_TRUTH |= {"no": "false", "off": "false", "nein": "false", "0": "false"}


def kind(node: Node) -> Value:
    """Name what was found, for people."""
    if isinstance(node, Mapping):
        return said("a mapping")
    if isinstance(node, Sequence):
        return said("a list")
    return said("nothing") if node.null else quoted(node.text)


def _phrase(text: str | Said) -> Said:
    return said(text) if isinstance(text, str) else text


class Fields:
    """Typed readers over one file's findings. Each returns None (or nothing) after it reported an error.

    What is `expected` is a phrase of a sentence; as a `str` one without values. What is described (`where`, `what`) is
    one, too, or as a `str` a key of the language.
    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def wrong(self, node: Node, expected: str | Said) -> None:
        text = said("expected %(expected)s, found %(found)s", expected=_phrase(expected), found=kind(node))
        self.findings.error(node, Code.WRONG_KIND, text)

    def mapping(self, node: Node, expected: str | Said) -> Pairs:
        """Return the pairs of a mapping with free keys."""
        if isinstance(node, Mapping):
            return node.pairs
        self.wrong(node, expected)
        return {}

    def known(
        self,
        node: Node,
        where: str | Said,
        *,
        keys: Iterable[str],
        required: Iterable[str] = (),
        missing_at: Place | None = None,
    ) -> Pairs:
        """Return the pairs of a mapping whose keys are fixed; report those unknown or missing.

        Args:
            node: what stands there.
            where: what it describes, as `team 'kita'`.
            keys: the keys that work.
            required: those of them that must be there.
            missing_at: where a missing key is reported, when not at the mapping.
        """
        if not isinstance(node, Mapping):
            self.wrong(node, said("a mapping for %(where)s", where=where))
            return {}
        allowed, meant = frozenset(keys), set[str | None]()
        for key, (place, _) in node.pairs.items():
            if key not in allowed:
                likely = likeliest(key, allowed)
                meant.add(likely)
                hint, within = meaning(likely), where
                text = said("unknown key %(key)s in %(where)s%(hint)s", key=quoted(key), where=within, hint=hint)
                self.findings.error(place, Code.UNKNOWN_KEY, text)
        for key in () if node.partial else required:
            if key not in node.pairs and key not in meant:  # a misspelt key is one mistake, not two
                text = said("%(where)s has no '%(key)s'", where=where, key=key)
                self.findings.error(missing_at or node, Code.MISSING_KEY, text)
        return {key: pair for key, pair in node.pairs.items() if key in allowed}

    def items(self, node: Node, expected: str | Said) -> list[Node]:
        if isinstance(node, Sequence):
            return node.items
        self.wrong(node, expected)
        return []

    def scalar(self, node: Node, expected: str | Said) -> Scalar | None:
        """Return a text as it was written; warn of those that other YAML readers take for something else."""
        if not isinstance(node, Scalar) or node.null:
            self.wrong(node, expected)
            return None
        if node.surprising:
            text = said(
                "%(text)s is text here, but a number or truth value in YAML 1.1; quote it", text=quoted(node.text)
            )
            self.findings.warning(node, Code.YAML_1_1, text)
        return node

    def text(self, node: Node, expected: str | Said) -> str | None:
        found = self.scalar(node, expected)
        return None if found is None else found.text

    def scalars(self, node: Node, expected: str | Said) -> list[Scalar]:
        """Return one text or a list of texts as a list."""
        if not isinstance(node, Sequence):
            found = self.scalar(node, expected)
            return [] if found is None else [found]
        if not node.items:
            text = said("an empty list, where this is expected: %(expected)s", expected=_phrase(expected))
            self.findings.error(node, Code.EMPTY, text)
        found_all = (self.scalar(item, expected) for item in node.items)
        return [item for item in found_all if item is not None]

    def flag(self, node: Node) -> bool | None:
        if isinstance(node, Scalar) and node.plain and node.text in _TRUTH:
            return _TRUTH[node.text]
        like = _LIKE_TRUTH.get(node.text.lower()) if isinstance(node, Scalar) else None
        text = said("expected true or false, found %(found)s%(hint)s", found=kind(node), hint=meaning(like))
        self.findings.error(node, Code.WRONG_KIND, text)
        return None

    def word(self, node: Node, what: str, words: Iterable[str]) -> str | None:
        """Return one of a few words."""
        if not isinstance(node, Scalar) or node.null:
            self.wrong(node, Said("%(what)s: %(choice)s", (("what", what), ("choice", choice(words)))))
            return None
        if node.text in words:
            return node.text
        found, hint = quoted(node.text), nearest(node.text, words)
        text = said(
            "%(what)s is %(choice)s, not %(found)s%(hint)s", what=what, choice=choice(words), found=found, hint=hint
        )
        self.findings.error(node, Code.UNKNOWN_VALUE, text)
        return None

    def name(self, scalar: Scalar, what: str) -> str | None:
        """Check an identifier of the author's choice: of a team, list, template or rule."""
        if _NAME.fullmatch(scalar.text):
            return scalar.text
        text = said(
            "%(what)s %(name)s: only a-z, 0-9, '.', '-' and '_', at most 64, first a letter or digit",
            what=said(what),
            name=quoted(scalar.text),
        )
        self.findings.error(scalar, Code.BAD_NAME, text)
        return None

    def day(self, node: Node) -> date | None:
        found = self.scalar(node, "a date such as 2026-12-24")
        if found is None:
            return None
        try:
            if _DAY.fullmatch(found.text):
                return date.fromisoformat(found.text)
        except ValueError:  # the 31st of a month that has none
            pass
        text = said("%(text)s is no date; write it as 2026-12-24", text=quoted(found.text))
        self.findings.error(found, Code.BAD_DATE, text)
        return None

    def moment(self, node: Node) -> tuple[date, time | None] | None:
        """Return a day and, when one is said, the time of day: `2026-12-24`, `2026-12-24 09:30`."""
        found = self.scalar(node, "a date such as 2026-12-24, or with its time 2026-12-24 09:30")
        if found is None:
            return None
        try:
            if (parts := _MOMENT.fullmatch(found.text)) is not None:
                return date.fromisoformat(parts[1]), time.fromisoformat(parts[2]) if parts[2] else None
        except ValueError:  # the 31st of a month that has none, the 25th hour
            pass
        text = said(
            "%(text)s is no date, nor one with its time; write 2026-12-24 or 2026-12-24 09:30", text=quoted(found.text)
        )
        self.findings.error(found, Code.BAD_DATE, text)
        return None

    def size(self, node: Node) -> int | None:
        """Return octets: `5MB` is 5,000,000."""
        if not isinstance(node, Scalar) or node.null:
            self.wrong(node, "a size such as 5MB")
            return None
        found = _SIZE.fullmatch(node.text)
        if found is None:
            text = said("%(text)s is no size; write octets, or as 200kB or 5MB", text=quoted(node.text))
            self.findings.error(node, Code.BAD_SIZE, text)
            return None
        unit = found[2]
        return int(found[1]) * _UNITS[unit.lower() if unit else None]

    def domain(self, scalar: Scalar) -> str | None:
        try:
            return parse_domain(scalar.text)
        except AddressError:
            self.findings.error(scalar, Code.BAD_DOMAIN, said("%(text)s is no domain name", text=quoted(scalar.text)))
            return None

    def own_address(self, place: Place, text: str) -> tuple[str, str | None] | None:
        """Read `local` or `local@domain` of an address of ours, folded; a detail is not part of it."""
        if "+" in text.rpartition("@")[0] or ("@" not in text and "+" in text):
            wrong = said(
                "%(text)s: '+' begins a detail, which reaches the address anyway; leave it out", text=quoted(text)
            )
            self.findings.error(place, Code.BAD_ADDRESS, wrong)
            return None
        try:
            found = parse_address(text if "@" in text else f"{text}@{_ANY_DOMAIN}")
        except AddressError as error:
            self._no_address(place, text, error)
            return None
        return fold(found.local), found.domain if "@" in text else None

    def address(self, scalar: Scalar) -> Address | None:
        """Read any address, ours or not."""
        try:
            return parse_address(scalar.text)
        except AddressError as error:
            self._no_address(scalar, scalar.text, error)
            return None

    def _no_address(self, place: Place, text: str, error: AddressError) -> None:
        reason = said("%(text)s is no address: %(reason)s", text=quoted(text), reason=said(str(error)))
        self.findings.error(place, Code.BAD_ADDRESS, reason)
