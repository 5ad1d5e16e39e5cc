"""MTA-STS: what a domain promises of the TLS of its mail hosts, as read from its record and its policy. Pure.

Source: RFC 8461 §3.1 (record), §3.2 (policy), §4.1 (which host a pattern names).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

ENFORCE, TESTING, NONE = "enforce", "testing", "none"
MODES = (ENFORCE, TESTING, NONE)
LONGEST_AGE_S = 31_557_600
MOST_OCTETS = 64_000
_MOST_LINES = 1_000
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TEXT = re.compile(rb"v=STSv1[ \t]*;")
_AGE = re.compile(r"[0-9]{1,10}", re.ASCII)


class Policy(NamedTuple):
    """What holds for `max_age_s` from the moment it was fetched. `mx`: names of hosts, `*.` for any one label."""

    mode: str
    mx: tuple[str, ...]
    max_age_s: int

    def names(self, host: str) -> bool:
        """Tell whether a mail host is one of the domain's, by this policy."""
        return any(covers(pattern, host) for pattern in self.mx)


def url_of(domain: str) -> str:
    """Return where a domain's policy is."""
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


def records_of(texts: Iterable[bytes]) -> list[bytes]:
    """Return the TXT records that are of MTA-STS; several count as none."""
    return [each for each in texts if _TEXT.match(each)]


def id_of(record: bytes) -> str | None:
    """Return the id of a record; None for one that has none."""
    pairs = (part.partition("=") for part in record.decode("ascii", "replace").split(";"))
    tags = {name.strip().lower(): value.strip() for name, _, value in pairs}
    found = tags.get("id", "")
    return found if _ID.fullmatch(found) else None


def parse_policy(text: str) -> Policy:
    """Read a policy.

    Raises:
        ValueError: it is none; the text says what is wrong with it, for people.
    """
    fields: dict[str, list[str]] = {}
    for line in text[:MOST_OCTETS].splitlines()[:_MOST_LINES]:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), []).append(value.strip().lower())
    mode, age = fields.get("mode", [""])[0], fields.get("max_age", [""])[0]
    if fields.get("version", [""])[0] != "stsv1" or mode not in MODES:
        raise ValueError("the policy has no valid version: or mode:")
    if not _AGE.fullmatch(age) or int(age) > LONGEST_AGE_S:
        raise ValueError("the policy has no valid max_age:")
    hosts = tuple(dict.fromkeys(each.rstrip(".") for each in fields.get("mx", ()) if each))
    if not hosts and mode != NONE:
        raise ValueError("the policy names no mx:")
    return Policy(mode, hosts, int(age))


def covers(pattern: str, host: str) -> bool:
    """Tell whether a pattern in lower case names a host: `*.` stands for exactly one label."""
    if pattern.startswith("*."):
        label, _, rest = host.partition(".")
        return bool(label and rest) and rest == pattern[2:]
    return host == pattern.rstrip(".")
