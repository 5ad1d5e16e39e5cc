"""One thing that `maild doctor` has looked at on this machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `state` is good, doubt or bad."""

    state: str
    what: str
    text: str


def good(what: str, text: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(state="good", what=what, text=text)


def doubt(what: str, text: str) -> Finding:
    """Return that something works, and may not be meant so."""
    return Finding(state="doubt", what=what, text=text)


def bad(what: str, text: str) -> Finding:
    """Return that something must not stay so."""
    return Finding(state="bad", what=what, text=text)
