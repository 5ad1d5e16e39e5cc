"""The rules file as the verbs read it: by the settings, under the name an editor here can open."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from maild.config import Settings
from maild.errors import ConfigurationError, Diagnostic
from maild.rules.model import Ruleset
from maild.rules.rulebook import Loaded
from maild.rules.rulebook import read_rules as read_file


def read_rules(settings: Settings) -> Loaded:
    """Return the rules on disk, with everything that was found."""
    path = settings.server.rules
    shown = os.path.relpath(path)
    today = datetime.now(UTC).astimezone().date()
    return read_file(path, shown=str(path) if shown.startswith("..") else shown, today=today)


def load_rules(settings: Settings) -> Ruleset:
    """Return the rules; raises ConfigurationError with every error when they are refused."""
    loaded = read_rules(settings)
    if loaded.ruleset is None:
        raise ConfigurationError(errors_of(loaded.diagnostics))
    return loaded.ruleset


def errors_of(diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Return what the rules are refused for."""
    return tuple(d for d in diagnostics if d.severity == "error")
