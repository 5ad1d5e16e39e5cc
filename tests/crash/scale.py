"""How much of the crash tests runs: a quick slice in the suite, all of it with `make crash`."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")
WHOLE = os.environ.get("MAILD_CRASH") == "whole"


def scaled(quick: T, whole: T) -> T:
    """Choose by the environment."""
    return whole if WHOLE else quick
