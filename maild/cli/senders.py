"""How the sender of a letter stands, on a terminal and for programs."""

from __future__ import annotations

from typing import Any

from maild.authentication.standing import Standing
from maild.cli.rules import read_rules
from maild.config import Settings
from maild.mail.evidence import Evidence


def our_domains(settings: Settings) -> frozenset[str]:
    """Return the domains of the rules on disk; none when they cannot be read: a broken file hides no letter."""
    ruleset = read_rules(settings).ruleset
    return frozenset() if ruleset is None else ruleset.domains


def line(standing: Standing) -> str:
    """Say it in a few words: `confirmed stadtwerke.example (dkim)`."""
    by = f"({standing.by})" if standing.by else ""
    return " ".join(filter(None, (standing.kind.value, standing.domain, by)))


def to_json(standing: Standing, evidence: Evidence | None) -> dict[str, Any] | None:
    """Return the form for programs; None for a letter that nobody has looked at."""
    if evidence is None:
        return None
    said = {"kind": standing.kind.value, "domain": standing.domain or None, "by": standing.by or None}
    return said | evidence.verdicts._asdict() | {"arc": evidence.arc.result}
