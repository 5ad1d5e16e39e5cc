"""Reading what a condition compares with: an operator and one value, several, or a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from maild.errors import AddressError, Said, said
from maild.mail.address import compared, fold, parse_domain
from maild.mail.authentication import RESULTS
from maild.mail.language import LANGUAGES
from maild.rules.conditions import NULL_PATH
from maild.rules.fields import Fields
from maild.rules.findings import Code, Place, choice, likeliest, meaning, nearest, quoted
from maild.rules.names import Names
from maild.rules.operators import (
    CACHED_PATTERNS,
    Contains,
    Ends,
    Matches,
    OneOf,
    PatternError,
    Regex,
    Starts,
    Test,
    compiled,
)
from maild.rules.yaml_nodes import Mapping, Node, Scalar

_PLAIN: dict[str, Callable[[tuple[str, ...]], Test]] = {
    "is": lambda values: OneOf(values=frozenset(values)),
    "contains": lambda values: Contains(values=values),
    "starts": lambda values: Starts(values=values),
    "ends": lambda values: Ends(values=values),
    "matches": lambda values: Matches(values=values),
}
OPERATORS = (*_PLAIN, "regex")
_MAX_LABEL = 120
_ADDRESSES = ("to", "from", "sender")
_JUDGED_BY_KEY = frozenset({*_ADDRESSES, "language", *RESULTS})  # what may stand there depends on the key
# What authors write instead of a code of ISO 639-1.
_CODES = {
    "german": "de",
    "deutsch": "de",
    "english": "en",
    "englisch": "en",
    "französisch": "fr",
    "türkisch": "tr",
    "russisch": "ru",
    "ua": "uk",
    "ukrainisch": "uk",
    "arabisch": "ar",
    "polnisch": "pl",
    "no": "nb",
}


class _Value(NamedTuple):
    """One value and where it stands; an entry of a list stands where the condition names the list."""

    text: str
    place: Place


class OperandReader:
    """Reads the right-hand sides of conditions of one file."""

    def __init__(self, fields: Fields, names: Names) -> None:
        self._fields = fields
        self._names = names
        self._of_lists: dict[tuple[str, str, str], Test] = {}
        self._pattern_count = 0

    def tests(self, key: str, bare: str, node: Node) -> list[tuple[Test, str]]:
        """Return each test that stands there with its label; all of them must hold.

        Args:
            key: the condition: addresses are checked for `to`, `from` and `sender`.
            bare: the operator that a value without one means.
            node: a text, a list of texts, {list: NAME}, or a mapping of operators.
        """
        found = [self._test(key, operator, value) for operator, value in self._written(key, bare, node)]
        return [(test, label) for test, label in found if test is not None]

    def _written(self, key: str, bare: str, node: Node) -> list[tuple[str, Node]]:
        if not isinstance(node, Mapping) or set(node.pairs) == {"list"}:
            return [(bare, node)]
        if not node.pairs:
            self._fields.findings.error(node, Code.EMPTY, said("'%(key)s' is compared with nothing", key=key))
        pairs = self._fields.known(node, f"'{key}'", keys=("is",) if key == "language" or key in RESULTS else OPERATORS)
        return [(operator, value) for operator, (_, value) in pairs.items()]

    def _test(self, key: str, operator: str, node: Node) -> tuple[Test | None, str]:
        if isinstance(node, Mapping):
            return self._list_test(key, operator, node)
        values = [_Value(text=scalar.text, place=scalar) for scalar in self._fields.scalars(node, "a text")]
        return self._test_of(key, operator, values), _label(operator, " | ".join(value.text for value in values))

    def _list_test(self, key: str, operator: str, node: Mapping) -> tuple[Test, str]:
        name = self._list_name(node)
        if name is None:
            return OneOf(values=frozenset()), _label(operator, "")
        # A list that many rules name is read once, and what is wrong in it is told once, where the first of them names
        # it: a mistake anywhere in the file must not make a thousand copies of a hundred thousand entries.
        known = key if key in _JUDGED_BY_KEY else "", operator, name.text
        if known not in self._of_lists:
            values = [_Value(text=entry, place=name) for entry in self._names.lists[name.text].entries]
            self._of_lists[known] = self._test_of(key, operator, values) or OneOf(values=frozenset())
        return self._of_lists[known], _label(operator, f"{{list: {name.text}}}")

    def _list_name(self, node: Mapping) -> Scalar | None:
        pairs = self._fields.known(node, said("the value"), keys=("list",), required=("list",))
        name = self._fields.scalar(pairs["list"][1], "the name of a list") if "list" in pairs else None
        return name if name is not None and self._names.refer("list", name) else None

    def _test_of(self, key: str, operator: str, values: list[_Value]) -> Test | None:
        self._bound_patterns(operator, values)
        if operator == "regex":
            texts = tuple(value.text for value in values if self._linear(value))
            return Regex(values=texts) if texts else None
        found = (self._comparable(key, operator, value) for value in values)
        texts = tuple(dict.fromkeys(text for text in found if text is not None))
        return _PLAIN[operator](texts) if texts else None

    def _bound_patterns(self, operator: str, values: list[_Value]) -> None:
        if operator not in ("regex", "matches") or not values:
            return
        before, self._pattern_count = self._pattern_count, self._pattern_count + len(values)
        if before <= CACHED_PATTERNS < self._pattern_count:
            text = said(
                "more than %(most)s patterns in one file; 'is', 'contains', 'starts' and 'ends' may be more",
                most=CACHED_PATTERNS,
            )
            self._fields.findings.error(values[0].place, Code.TOO_LARGE, text)

    def _comparable(self, key: str, operator: str, value: _Value) -> str | None:
        """Return a value in the form in which it is compared; None when it was refused."""
        if key in RESULTS and not self._result(key, value):
            return None
        if operator != "is" or key not in _ADDRESSES:
            return fold(value.text) if key != "language" or self._language(value) else None
        if key == "to":
            return _address_key(value.text) or fold(value.text) if self._ours(value) else None
        return NULL_PATH if value.text == NULL_PATH else self._mailbox(value)

    def _linear(self, value: _Value) -> bool:
        try:
            compiled(value.text)
        except (PatternError, UnicodeError) as error:
            reason = error.args[0].decode(errors="replace") if isinstance(error, PatternError) else str(error)
            text = said(
                "the linear engine (RE2) refuses %(text)s: %(reason)s", text=quoted(value.text), reason=_refusal(reason)
            )
            self._fields.findings.error(value.place, Code.BAD_REGEX, text)
            return False
        return True

    def _ours(self, value: _Value) -> bool:
        text = value.text
        if text.startswith("@"):
            try:
                return self._names.served(value.place, parse_domain(text[1:]))
            except AddressError:
                return self._names.served(value.place, text[1:])
        found = self._fields.own_address(value.place, text)
        if found is None:
            return False
        if self._names.entry(*found) is None:
            self._names.unknown_address(value.place, text)
            return False
        return True

    def _language(self, value: _Value) -> bool:
        code = fold(value.text)
        if code in LANGUAGES:
            return True
        likely = likeliest(_CODES.get(code, code), LANGUAGES)
        hint = said("; known are %(known)s", known=", ".join(LANGUAGES)) if likely is None else meaning(likely)
        text = said("%(text)s is no language that maild can tell%(hint)s", text=quoted(value.text), hint=hint)
        self._fields.findings.error(value.place, Code.UNKNOWN_VALUE, text)
        return False

    def _result(self, method: str, value: _Value) -> bool:
        word, words = fold(value.text), RESULTS[method]
        if word in words:
            return True
        text = said(
            "%(text)s is no result of %(method)s: %(choice)s%(hint)s",
            text=quoted(value.text),
            method=method,
            choice=choice(words),
            hint=nearest(word, words),
        )
        self._fields.findings.error(value.place, Code.UNKNOWN_VALUE, text)
        return False

    def _mailbox(self, value: _Value) -> str | None:
        if (found := _address_key(value.text)) is not None:
            return found
        hint = said("; for a whole domain write '@%(text)s'", text=value.text) if "@" not in value.text else said("")
        text = said("%(text)s is no address%(hint)s", text=quoted(value.text), hint=hint)
        self._fields.findings.error(value.place, Code.BAD_ADDRESS, text)
        return None


def _refusal(reason: str) -> Said:
    """Return what RE2 says: a phrase, and the piece of the expression that it is about."""
    phrase, colon, piece = reason.partition(": ")
    return said("%(phrase)s: %(piece)s", phrase=said(phrase), piece=piece) if colon else said(phrase)


def _address_key(text: str) -> str | None:
    """Return an address or @domain in the form in which it is compared; None when it is neither."""
    try:
        return f"@{parse_domain(text[1:])}" if text.startswith("@") else compared(text)
    except AddressError:
        return None


def _label(operator: str, shown: str) -> str:
    label = f"{operator} {shown}"
    return label if len(label) <= _MAX_LABEL else label[: _MAX_LABEL - 1] + "…"
