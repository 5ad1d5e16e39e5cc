"""Templates and signatures filled in: each placeholder becomes what it stands for, once; values are not read.

A placeholder that nothing is known for stays as it is in a letter that somebody writes, so that they see it; what
leaves by itself has nothing in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from maild.mail.address import Address
from maild.rules.model import FunctionAddress, Organisation, Ruleset, Team

_PLACEHOLDER = re.compile(r"\{\{|\{([^{}\n]*)\}")
# As people write one; braces around anything else are no question to them.
_BLANK = re.compile(r"\{[^\W\d_][\w .-]{0,48}\}")
_DAYS = {
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a template's text with its placeholders filled; one without a value is left empty, `{{` is a brace."""
    return _PLACEHOLDER.sub(lambda found: "{" if found[1] is None else values.get(found[1], ""), text)


def fill_known(text: str, values: Mapping[str, str]) -> str:
    """Return a template's text with those placeholders filled that have a value; the others stay, to be seen."""
    return _PLACEHOLDER.sub(lambda found: "{" if found[1] is None else values.get(found[1]) or found[0], text)


def fill_lines(text: str, values: Mapping[str, str]) -> str:
    """Return a signature with its placeholders filled; a line that has nothing but empty ones is left out."""
    lines = ((line, fill(line, values).rstrip()) for line in text.strip("\n").split("\n"))
    return "\n".join(filled for line, filled in lines if _has_words(filled) or not _PLACEHOLDER.search(line))


def _has_words(text: str) -> bool:
    return any(c.isalnum() for c in text)


def placeholders_in(text: str) -> tuple[str, ...]:
    """Return the names of all placeholders that stand in a text, each once."""
    return tuple(dict.fromkeys(found[1] for found in _PLACEHOLDER.finditer(text) if found[1] is not None))


def blanks(text: str, known: str = "") -> tuple[str, ...]:
    """Return the placeholders that still stand in a letter, each once; not those that are quoted or stand in `known`.

    `known` is the letter that is answered or sent on: what its author wrote is nobody's to fill in.
    """
    lines = (line for line in text.split("\n") if "{" in line and not line.startswith(">"))
    found = dict.fromkeys(blank for line in lines for blank in _BLANK.findall(line))
    return tuple(blank for blank in found if blank not in known)


def values_of(rules: Ruleset, function: FunctionAddress, address: Address, about: Mapping[str, str]) -> dict[str, str]:
    """Return what placeholders stand for in a letter from a function address; `about` are those of the occasion."""
    team = rules.teams[function.team]
    return {
        "organisation.name": rules.organisation.name,
        "team.name": team.name,
        "team.office": team.office,
        "team.hours": _hours(team, rules.organisation),
        "address.title": function.title,
        "address.mail": str(address),
        **about,
    }


def _hours(team: Team, organisation: Organisation) -> str:
    """Say the hours of a week, days that are alike together: `Montag bis Donnerstag 08:00-16:00, Freitag …`."""
    days: dict[int, list[str]] = {}
    for span in team.hours:
        begins, ends = (f"{minute // 60:02}:{minute % 60:02}" for minute in (span.from_minute, span.until_minute))
        days.setdefault(span.weekday, []).append(f"{begins}-{ends}")
    runs: list[tuple[int, int, str]] = []
    for day, spans in sorted(days.items()):
        text = " ".join(spans)
        if runs and runs[-1][1:] == (day - 1, text):
            runs[-1] = (runs[-1][0], day, text)
        else:
            runs.append((day, day, text))
    names, until = (_DAYS["de"], " bis ") if organisation.language == "de" else (_DAYS["en"], " to ")
    return ", ".join(
        f"{names[first]}{'' if first == last else until + names[last]} {text}" for first, last, text in runs
    )


def signature_of(rules: Ruleset, function: FunctionAddress, address: Address, *, texts: Mapping[str, str],
                 name: str) -> str:  # fmt: skip
    """Return the signature below letters from a function address, as one person writes them; "" where there is none.

    `texts` are the signatures of teams; a team without one has that of the nearest team above it. `name` may be "".
    """
    text = next((texts[team] for team in with_parents(rules, function.team) if texts.get(team)), "")
    return fill_lines(text, values_of(rules, function, address, {"user.name": name}))


def with_parents(rules: Ruleset, team: str) -> Iterable[str]:
    """Return a team and the teams above it, the nearest first."""
    at: str | None = team
    while at is not None:
        yield at
        at = rules.teams[at].parent if at in rules.teams else None
