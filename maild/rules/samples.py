"""Letters in files, as the tests of the rules name them: read beside the rules, in a confined process, with limits."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from maild.mail.facts import Facts

if TYPE_CHECKING:
    from maild.confinement import Worker

MAX_BYTES = 10_000_000
_READ = "maild.mail.reading:facts_of"


class SampleReader:
    """Reads letters one after the other. Its process begins with the first of them: most files have none."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._worker is not None:
            self._worker.kill()

    def read(self, octets: bytes) -> Facts:
        """Return the reading of a letter; one that breaks the limits is source only, as in the daemon."""
        # Dear to import, and most files have no letters.
        from maild.confinement import ConfinementError, Worker  # noqa: PLC0415

        if self._worker is None or self._worker.dead:
            self._worker = Worker(preload=("maild.mail.reading",))
        try:
            facts: Facts = self._worker.call(_READ, octets)
        except ConfinementError as error:
            self._worker.kill()
            self._worker = None
            return Facts(source_only=error.kind, size_bytes=len(octets))
        return facts
