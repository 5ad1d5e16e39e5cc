"""Read a message for a person at the terminal: confined, as the daemon does."""

from __future__ import annotations

from typing import Any

from maild.authentication.author import Author
from maild.confinement import ConfinementError, Worker
from maild.mail.facts import Facts


def read_facts(octets: bytes) -> Facts:
    """Return the reading of a message; one that breaks the limits is source only."""
    try:
        facts: Facts = _confined("maild.mail.reading", "facts_of", octets)
    except ConfinementError as error:
        return Facts(source_only=error.kind, size_bytes=len(octets))
    return facts


def read_author(octets: bytes) -> Author:
    """Return the one author that a message names for certain, or why there is none."""
    try:
        author: Author = _confined("maild.authentication.author", "author_of", octets)
    except ConfinementError:
        return Author(problem="unread")
    return author


def _confined(module: str, function: str, octets: bytes) -> Any:
    worker = Worker(preload=(module,))
    try:
        return worker.call(f"{module}:{function}", octets)
    finally:
        worker.kill()
