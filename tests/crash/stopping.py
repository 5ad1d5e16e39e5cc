"""maild that kills itself at one step of putting an approved change of the rules in force.

`python -m tests.crash.stopping STEP serve …`
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deciding() -> None:
    """The decision is made, and not committed."""
    from maild.web import rules_review

    rules_review.decide = _uncommitted(rules_review.decide)  # type: ignore[assignment, attr-defined]  # the fault


def decided() -> None:
    """The decision is committed, and nothing else done."""
    from maild.rules import rules_file

    rules_file.replace = _die


def replacing() -> None:
    """The new file is written, beside the old one."""
    original = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name == "rules.yaml.new":
            _die()
        return original(self, target)

    Path.rename = rename  # type: ignore[method-assign, assignment]  # the fault


def placed() -> None:
    """The new file is in its place, and was not read."""
    from maild.rules import rules_file

    original = rules_file.replace

    def replace(target: Path, there: bytes | None, source: str, *, unknown: bool) -> None:
        original(target, there, source, unknown=unknown)
        _die()

    rules_file.replace = replace


def signing() -> None:
    """The new rules serve, and whose they are is not committed."""
    from maild.archive import versions
    from maild.web import rules_review

    rules_review.sign = _uncommitted(versions.sign)  # type: ignore[assignment, attr-defined]  # the fault


def _uncommitted(unit: Callable[[Connection, list[Any]], Any]) -> Callable[[Connection, list[Any]], Any]:
    def carried_out(connection: Connection, arguments: list[Any]) -> Any:
        unit(connection, arguments)
        _die()

    return carried_out


STEPS = {step.__name__: step for step in (deciding, decided, replacing, placed, signing)}

if __name__ == "__main__":
    STEPS[sys.argv.pop(1)]()
    from maild.__main__ import main

    sys.exit(main())
