"""The rules that serve, for who only reads them."""

from __future__ import annotations

from typing import Protocol

from maild.rules.model import Ruleset


class Serving(Protocol):
    """Holds the rules that serve now."""

    @property
    def current(self) -> Ruleset: ...
