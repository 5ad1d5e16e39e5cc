"""A DMARC record, as it is published under `_dmarc`.

Tags of RFC 7489's time that RFC 9989 has dropped (`pct`, `rf`, `ri`) are not read; a record that has them still means
what its other tags say. `dropped`, `unknown` and `broken` are for who is to be told how to publish a better one.

Promises: never raises; linear.

Source: RFC 9989 §4.7 (tags), §4.8 (grammar), §4.10.1 (records without a valid policy), appendix A.6 (`pct` and `t`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from maild.mail.authentication import NONE

QUARANTINE, REJECT = "quarantine", "reject"
_RECORD_OCTETS = 8_192
_POLICIES = (NONE, QUARANTINE, REJECT)
_VERSION = re.compile(rb"[vV][ \t]*+=[ \t]*+DMARC1[ \t]*+(?:;|\Z)")
_TAG = re.compile(r"([A-Za-z]++)[ \t]*+=[ \t]*+([ -:<-~]++)")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:[!-;=?-Z_a-z~\[\]@]++")
_MAILTO = re.compile(r"mailto:[^@,!]++@[^@,!]++", re.IGNORECASE)
_OLD_SIZE = re.compile(r"![0-9]++[kmgt]?+$", re.IGNORECASE)
_FAILURE_OPTIONS = re.compile(
    r"(?!.{0,6}([01ds]).{0,6}\1)(?!.{0,6}0.{0,6}1)(?!.{0,6}1.{0,6}0)[01ds](?::[01ds]){0,2}", re.IGNORECASE
)
_DROPPED = frozenset({"pct", "rf", "ri"})
_KNOWN = frozenset({"v", "p", "sp", "np", "psd", "t", "adkim", "aspf", "fo", "rua", "ruf"})
_TEXT_LIMIT = 2_000
_BLANKS = " \t\r\n"


class Record(NamedTuple):
    """What a record says; what it does not say, or says wrongly, has its default.

    `p`, `sp` and `np` are "" where the tag is absent or wrong. `broken` names tags whose value is wrong or stands there
    twice with different values, `dropped` those that are no longer read, `unknown` all others.
    """

    text: str  # as published, for people; what cannot be printed is replaced
    p: str = ""
    sp: str = ""
    np: str = ""
    psd: str = "u"
    testing: bool = False
    adkim: str = "r"
    aspf: str = "r"
    fo: str = "0"
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def applies(self) -> bool:
        """Whether mail is to be measured by it: not when it has no valid policy, and nobody to report to."""
        return self.settled or bool(self.rua)

    @property
    def settled(self) -> bool:
        """Whether its policies are valid; those of any other are taken for `none`."""
        return bool(self.p) and not {"sp", "np"}.intersection(self.broken)

    @property
    def of_domain(self) -> str:
        """The policy for the name under which it is published."""
        return self.p if self.settled else NONE

    @property
    def of_subdomain(self) -> str:
        """The policy for names below that exist."""
        return self.sp or self.p if self.settled else NONE

    @property
    def of_nothing(self) -> str:
        """The policy for names below that do not exist."""
        return self.np or self.sp or self.p if self.settled else NONE


def softened(policy: str) -> str:
    """Return the policy one step below, which a domain that tests (`t=y`) asks for."""
    return _POLICIES[max(0, _POLICIES.index(policy) - 1)]


def weaker(one: str, other: str) -> str:
    """Return the policy that asks for less."""
    return min(one, other, key=_POLICIES.index)


def is_record(octets: bytes) -> bool:
    """Tell whether a TXT is a DMARC record at all: `v=DMARC1` comes first, in capitals."""
    return _VERSION.match(octets) is not None


def parse_record(octets: bytes) -> Record | None:
    """Read a TXT; None for one that is no DMARC record, or longer than any that is meant."""
    # Security: a walk reads eight of them, and so does that of each domain that is proven, in the event loop.
    return _parse(octets) if len(octets) <= _RECORD_OCTETS else None


@lru_cache(maxsize=128)  # a domain says the same of all its mail
def _parse(octets: bytes) -> Record | None:
    version = _VERSION.match(octets)
    if version is None:
        return None
    values, broken = _tags(octets[version.end() :].decode("ascii", "replace"))
    found: dict[str, str] = {}
    for name, check in _CHECKS.items():
        value = values.get(name)
        if value is None:
            continue
        if check.fullmatch(value):
            found[name] = value.lower()
        else:
            broken.append(name)
    lists = {name: _uris(values[name]) for name in ("rua", "ruf") if name in values}
    broken.extend([name for name, uris in lists.items() if not uris])
    if "ruf" not in values:
        found.pop("fo", None)  # RFC 9989 §4.7: without somebody to tell, what to tell has no meaning
    return Record(
        text=_shown(octets),
        testing=found.pop("t", "n") == "y",
        rua=lists.get("rua", ()),
        ruf=lists.get("ruf", ()),
        broken=tuple(sorted(set(broken))),
        dropped=tuple(sorted(_DROPPED.intersection(values))),
        unknown=tuple(sorted(set(values) - _DROPPED - _KNOWN))[:20],
        **found,
    )


_POLICY = re.compile("|".join(_POLICIES), re.IGNORECASE)
_MODE = re.compile("[rs]", re.IGNORECASE)
_CHECKS = {
    "p": _POLICY,
    "sp": _POLICY,
    "np": _POLICY,
    "psd": re.compile("[ynu]", re.IGNORECASE),
    "t": re.compile("[yn]", re.IGNORECASE),
    "adkim": _MODE,
    "aspf": _MODE,
    "fo": _FAILURE_OPTIONS,
}


def _tags(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the tags behind the version, and those that stand there twice with different values: these have none."""
    values: dict[str, str] = {}
    doubled: set[str] = set()
    broken: list[str] = []
    for part in text.replace("\t", " ").split(";"):
        tag = part.strip(_BLANKS)
        match = _TAG.fullmatch(tag)
        if match is None:
            name = tag.partition("=")[0].rstrip(_BLANKS).lower()
            broken.extend([name] if name in _KNOWN else [])
            continue
        name, value = match[1].lower(), match[2].rstrip(" ")
        if values.setdefault(name, value).lower() != value.lower():
            doubled.add(name)
    for name in doubled:
        del values[name]
    return values, [*broken, *doubled.intersection(_KNOWN)]


def _uris(value: str) -> tuple[str, ...]:
    """Return the addresses for reports that are valid, without the limit of size of former times."""
    found: list[str] = []
    for part in value.split(","):
        uri = _OLD_SIZE.sub("", part.strip(" "))
        if _URI.fullmatch(uri) and "!" not in uri and (uri[:7].lower() != "mailto:" or _MAILTO.fullmatch(uri)):
            found.append(uri)
    return tuple(found)


def _shown(octets: bytes) -> str:
    text = octets[:_TEXT_LIMIT].decode("ascii", "replace")
    return text if text.isprintable() else "".join([c if c.isprintable() else "\ufffd" for c in text])
