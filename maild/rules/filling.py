"""Templates filled in: each placeholder becomes what it stands for, once; what stands in a value is not read."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\{\{|\{([^{}\n]*)\}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a template's text with its placeholders filled; one without a value is left empty, `{{` is a brace."""
    return _PLACEHOLDER.sub(lambda found: "{" if found[1] is None else values.get(found[1], ""), text)
