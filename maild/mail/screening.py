"""What spam filters, virus scanners and block lists said of a mail before it was ours, as it is kept with it for good.

`maild.screening` asks them; the router files by it, the pages and `maild trace` say it, and its JSON lies in the
archive. A version of maild that finds a member more must still read what an earlier one has written.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

CLEAN, SPAM, SUSPECT, VIRUS, LISTED, UNAVAILABLE = "clean", "spam", "suspect", "virus", "listed", "unavailable"
AGAINST = frozenset({SPAM, SUSPECT, VIRUS, LISTED})
VIRUS_TAG = "virus"  # of a letter that is held because of one


class Finding(NamedTuple):
    """What one of them said.

    `by` is `rspamd`, `clamav`, or the zone of a block list. `verdict`: clean | spam | suspect (what is to be marked
    as spam, and not refused) | virus | listed | unavailable. `score` is rspamd's, or the weight of a list. `names`:
    rspamd's symbols, the viruses, the codes of a list, or why nobody answered.
    """

    by: str
    verdict: str
    score: float | None = None
    names: tuple[str, ...] = ()


_DEFAULTS = Finding._field_defaults


class Screening(NamedTuple):
    """All of it, for one message. `filed`: `spam` or `virus` when it was accepted to lie in spam; else empty."""

    findings: tuple[Finding, ...] = ()
    filed: str = ""

    @property
    def against(self) -> tuple[Finding, ...]:
        """What spoke against it."""
        return tuple(finding for finding in self.findings if finding.verdict in AGAINST)

    @property
    def unasked(self) -> tuple[Finding, ...]:
        """Who could not say anything."""
        return tuple(finding for finding in self.findings if finding.verdict == UNAVAILABLE)


NOT_LOOKED = Screening()


def told(finding: Finding) -> str:
    """Say a finding in a few words that need no translation: `rspamd 15.2 (GTUBE)`."""
    score = "" if finding.score is None else f" {finding.score:g}"
    names = f" ({', '.join(finding.names)})" if finding.names else ""
    return f"{finding.by}{score}{names}"


def to_json(screening: Screening) -> str:
    """Write it for the archive. Members that say nothing are left out."""
    findings = [
        {k: v for k, v in finding._asdict().items() if k not in _DEFAULTS or v != _DEFAULTS[k]}
        for finding in screening.findings
    ]
    form: dict[str, Any] = {"findings": findings}
    if screening.filed:
        form["filed"] = screening.filed
    return json.dumps(form, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Screening:
    """Read what `to_json` has written; members it does not know are passed over."""
    found = json.loads(text)
    return Screening(
        findings=tuple(_finding(each) for each in found.get("findings", ())), filed=str(found.get("filed", ""))
    )


def _finding(found: dict[str, Any]) -> Finding:
    score = found.get("score")
    return Finding(
        by=str(found.get("by", "")),
        verdict=str(found.get("verdict", UNAVAILABLE)),
        score=float(score) if isinstance(score, int | float) and math.isfinite(score) else None,
        names=tuple(str(name) for name in found.get("names", ())),
    )
