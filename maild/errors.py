"""The one tree of errors, by audience.

Whatever is not in this tree is a bug; at the edges it becomes 451 or a plain error page, never a lost mail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


class MaildError(Exception):
    """Root of every error that maild raises on purpose."""


class TemporaryError(MaildError):
    """Something of ours does not work now; the peer is asked to try again (4xx, exit code 75)."""


class DiskFullError(TemporaryError):
    """There is no room for what must be written; nothing of it was."""


class StorageError(TemporaryError):
    """Stable storage failed or cannot be trusted; nothing is acknowledged until it was checked again."""


class AddressError(MaildError, ValueError):
    """A text that is not an address where one is required (RFC 5321 §4.1.2)."""


class NotFoundError(MaildError):
    """What was asked for does not exist, or may not be seen by who asks: the two are never told apart."""


class ForbiddenError(MaildError):
    """The act is not allowed to the principal, on an object that the principal may see."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence as its English template and the values in it: who speaks another language fills that one's template.

    A value is what its author wrote, and stays as it is; a number, written as the language does; another sentence; or
    several.
    """

    template: str  # with %(name)s for each value
    values: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        return self.in_words(lambda english: english)

    def in_words(self, say: Callable[[str], str], thousands: str = ",") -> str:
        """Say it in a language: `say` returns that one's template for an English one."""

        def word(value: Value) -> str:
            match value:
                case Said():
                    return value.in_words(say, thousands)
                case int():
                    return f"{value:,}".replace(",", thousands)
                case tuple():
                    return "; ".join(map(word, value))
            return value

        template = say(self.template)
        return template % {name: word(value) for name, value in self.values} if self.values else template


Value = str | int | Said | tuple[Said, ...]


def said(template: str, **values: Value) -> Said:
    """Say something to the author of a file."""
    return Said(template, tuple(values.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding in a file that a person wrote.

    `line` and `column` count from 1. `code` is a stable kebab-case word with a paragraph in docs/. `text` is English;
    `said` is the same for readers of other languages, None where there is none.
    """

    path: str
    line: int
    column: int
    severity: str  # "error" or "warning"
    code: str
    text: str
    said: Said | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.severity}[{self.code}]: {self.text}"


class ConfigurationError(MaildError):
    """Settings or rules were refused; carries every diagnostic, not the first only (exit code 78)."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = diagnostics
