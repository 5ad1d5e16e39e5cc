"""A browser without script: pages with their forms, which somebody fills in and sends off."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

_PICK = re.compile(r'name="pick-([0-9A-Z-]+)" value="(\d+)"')
_SUBJECT = re.compile(r'<a class="subject" href="/c/([0-9A-Z-]+)[^"]*"[^>]*>([^<]*)</a>')
_NEXT = re.compile(r'<a rel="next" href="([^"]+)"')


@dataclass
class Form:
    """What can be filled in and pressed."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)  # as they are sent when nobody changes anything
    known: dict[str, list[str]] = field(default_factory=dict)  # every name, with the values that are offered
    offered: list[tuple[str, str, str]] = field(default_factory=list)  # the choices of lists: name, value, word

    def offers(self, names: dict[str, str]) -> bool:
        """Tell whether it has all of these, and those that are chosen from a list are on it."""
        return all(
            name in self.known and (value in self.known[name] or "*" in self.known[name])
            for name, value in names.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A conversation in a list; `revision` is what the box in front of it says."""

    reference: str
    subject: str
    revision: str | None


@dataclass(frozen=True)
class Page:
    """One page as it came."""

    url: str
    text: str

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def forms(self) -> list[Form]:
        reader = _Reader(self.path)
        reader.feed(self.text)
        return reader.forms

    def form(self, action: str, names: dict[str, str], team: str = "") -> Form:
        """Return the first form that leads there and offers all that is to be filled in; of a `team`, where it says."""
        found = [each for each in self.forms if urlsplit(each.action).path.endswith(action)]
        for each in found:
            if each.offers(names) and team in {"", each.fields.get("team")}:
                return each
        raise AssertionError(f"{self.url} has no form to {action} for {names}; it has {found}\n{self.said}")

    @property
    def said(self) -> str:
        """The notices of the page, as text."""
        found = re.findall(r'class="(?:notice|problem|alarm)[^>]*>(.*?)</(?:p|section|div)>', self.text, re.DOTALL)
        title = re.findall(r"<h1[^>]*>(.*?)</h1>", self.text, re.DOTALL)
        return " | ".join(" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in [*title, *found])

    @property
    def rows(self) -> list[Row]:
        revisions = dict(_PICK.findall(self.text))
        return [
            Row(reference=reference, subject=html.unescape(subject), revision=revisions.get(reference))
            for reference, subject in _SUBJECT.findall(self.text)
        ]

    @property
    def older(self) -> str | None:
        found = _NEXT.search(self.text)
        return html.unescape(found[1]) if found else None

    def link(self, pattern: str) -> str:
        """Return the first link whose address matches."""
        for each in re.findall(r'href="([^"]+)"', self.text):
            if re.search(pattern, html.unescape(each)):
                return html.unescape(each)
        raise AssertionError(f"{self.url} has no link {pattern}: {self.said}")


class _Reader(HTMLParser):
    """Collects forms; a control may stand outside of its form and name it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.forms: list[Form] = []
        self._inside: Form | None = None
        self._select = ""
        self._area = ""
        self._text = ""
        self._option: tuple[str, bool] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = Form(given.get("action") or self._path)
            self.forms.append(self._inside)
        if self._inside is None:
            return
        name, value = given.get("name", ""), given.get("value", "")
        match tag:
            case "input" if name:
                self._input(name, value, given)
            case "button" if name:
                self._inside.known.setdefault(name, []).append(value)
            case "textarea" if name:
                self._area, self._text = name, ""
                self._inside.known[name] = ["*"]
            case "select":
                self._select = name
                self._inside.known.setdefault(name, [])
            case "option" if self._select:
                self._choose("value" in given, value, "selected" in given)

    def _input(self, name: str, value: str, given: dict[str, str]) -> None:
        assert self._inside is not None
        kind = given.get("type", "text")
        if kind in {"checkbox", "radio"}:
            self._inside.known.setdefault(name, []).append(value)
            if "checked" in given:
                self._inside.fields[name] = value
            return
        self._inside.known[name] = ["*"]
        if kind != "file":
            self._inside.fields[name] = value

    def _choose(self, valued: bool, value: str, selected: bool) -> None:
        assert self._inside is not None
        if valued:
            self._inside.known[self._select].append(value)
            if selected or self._select not in self._inside.fields:
                self._inside.fields[self._select] = value
        self._option = (value, valued)
        self._text = ""

    def handle_data(self, data: str) -> None:
        if self._area or self._option:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = None
        if self._inside is None:
            return
        if tag == "textarea" and self._area:
            self._inside.fields[self._area] = self._text.removeprefix("\n")
            self._area = ""
        elif tag == "option" and self._option:
            value, valued = self._option
            word = " ".join(self._text.split())
            self._inside.offered.append((self._select, value if valued else word, word))
            if not valued:
                self._inside.known[self._select].append(word)
                self._inside.fields.setdefault(self._select, word)
            self._option = None
        elif tag == "select":
            self._select = ""
