"""Read a message for a person at the terminal: confined, as the daemon does."""

from __future__ import annotations

from maild.confinement import ConfinementError, Worker
from maild.mail.facts import Facts


def read_facts(octets: bytes) -> Facts:
    """Return the reading of a message; one that breaks the limits is source only."""
    worker = Worker(preload=("maild.mail.reading",))
    try:
        facts: Facts = worker.call("maild.mail.reading:facts_of", octets)
    except ConfinementError as error:
        return Facts(source_only=error.kind, size_bytes=len(octets))
    finally:
        worker.kill()
    return facts
