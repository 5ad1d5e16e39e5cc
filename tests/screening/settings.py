"""Settings with some sections about screening in them."""

from __future__ import annotations

from typing import Any

from maild.config import Settings


def settings(**sections: Any) -> Settings:
    return Settings(**sections)
