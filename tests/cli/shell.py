"""What a shell sees of a verb."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PASSWORD = "ein Satz mit sieben Wörtern reicht aus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Maild = Callable[..., Result]
