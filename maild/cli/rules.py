"""The rules file as the verbs read it: by the settings, under the name an editor here can open."""

from __future__ import annotations

import os
from pathlib import Path

from maild.cli.times import today
from maild.config import Settings
from maild.errors import ConfigurationError, Diagnostic
from maild.rules.model import Ruleset
from maild.rules.rulebook import Loaded
from maild.rules.rulebook import read_rules as read_file


def read_rules(settings: Settings) -> Loaded:
    """Return the rules on disk, with everything that was found."""
    return read_file(settings.server.rules, shown=shown_path(settings.server.rules), today=today())


def shown_path(path: Path) -> str:
    """Return the name under which an editor here opens a file."""
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown


def load_rules(settings: Settings) -> Ruleset:
    """Return the rules; raises ConfigurationError with every error when they are refused."""
    loaded = read_rules(settings)
    if loaded.ruleset is None:
        raise ConfigurationError(errors_of(loaded.diagnostics))
    return loaded.ruleset


def errors_of(diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Return what the rules are refused for."""
    return tuple(d for d in diagnostics if d.severity == "error")
