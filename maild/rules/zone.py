"""The organisation's time zone, out of a rules file of which nothing else is asked.

A list of half a million entries need not be read to say what time it is, nor need the rest of the file be right.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from maild.rules.fields import Fields
from maild.rules.findings import Findings
from maild.rules.organisation import DEFAULT_ZONE, zone_of
from maild.rules.yaml_nodes import Mapping, parse

# Down to the next key in the first column; what closes a bracket may stand there, too.
_SECTION = re.compile(r"^organisation[ \t]*:.*?(?=^[^\s#}\]]|\Z)", re.MULTILINE | re.DOTALL)


def organisation_zone(source: str) -> ZoneInfo | None:
    """Return the time zone that a rules file names, or means by naming none; None where it cannot be read."""
    section = _SECTION.search(source)
    findings = Findings("")
    root = None if section is None else parse(section[0], findings)
    found = root.pairs["organisation"][1] if isinstance(root, Mapping) and "organisation" in root.pairs else None
    if not isinstance(found, Mapping) or findings.refused:
        return None
    return (
        zone_of(Fields(findings), found.pairs["timezone"][1]) if "timezone" in found.pairs else ZoneInfo(DEFAULT_ZONE)
    )
