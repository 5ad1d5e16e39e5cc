"""Which names a rules file defines, and which it refers to."""

from __future__ import annotations

from collections.abc import Iterable

from maild.errors import Said, said
from maild.mail.address import IMPLICIT
from maild.rules.fields import Pairs
from maild.rules.findings import Code, Findings, Place, nearest, quoted
from maild.rules.model import TextList
from maild.rules.yaml_nodes import Scalar


class Names:
    """What is defined where, and what was referred to: the checks of undefined and unused things."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.domains: frozenset[str] = frozenset()
        self.domains_unread = False  # some of them: then nothing is known to be foreign
        self.defined: dict[str, dict[str, Scalar]] = {"team": {}, "list": {}, "template": {}, "rule": {}}
        self.used: set[tuple[str, str]] = set()
        self._unread: set[str] = set()
        self.claims: dict[tuple[str, str | None], str] = {}  # (local, domain) → name of the entry
        self.owners: dict[tuple[str, str | None], Scalar] = {}  # where each was claimed first
        self.lists: dict[str, TextList] = {}

    def define(self, what: str, pairs: Pairs | None) -> None:
        """Note what a section defines; None when it could not be read: then nothing is known to be undefined."""
        if pairs is None:
            self._unread.add(what)
        else:
            self.defined[what] = {key: place for key, (place, _) in pairs.items()}

    def refer(self, what: str, name: Scalar) -> bool:
        """Note a reference to a team, list, template or rule; report one that does not exist."""
        known = self.defined[what]
        self.used.add((what, name.text))
        if name.text in known:
            return True
        if what in self._unread:
            return False
        code = Code(f"unknown-{what}")
        self._findings.error(name, code, _undefined(what, name.text, known))
        return False

    def entry(self, local: str, domain: str | None) -> str | None:
        """Return the name of the address entry that claims this address of ours."""
        found = self.claims.get((local, domain)) or self.claims.get((local, None))
        return found or (local if local in IMPLICIT else None)

    def unknown_address(self, place: Place, text: str) -> None:
        if "address" in self._unread:
            return
        known = (local if domain is None else f"{local}@{domain}" for local, domain in self.claims)
        self._findings.error(place, Code.UNKNOWN_ADDRESS, _undefined("address", text, known))

    def served(self, place: Place, domain: str) -> bool:
        if domain in self.domains or self.domains_unread:
            return domain in self.domains
        hint = nearest(domain, self.domains)
        text = said("%(domain)s is not one of 'domains'%(hint)s", domain=quoted(domain), hint=hint)
        self._findings.error(place, Code.UNKNOWN_DOMAIN, text)
        return False


def _undefined(what: str, name: str, known: Iterable[str]) -> Said:
    hint = nearest(name, known)
    return said("%(what)s %(name)s is not defined%(hint)s", what=said(what), name=quoted(name), hint=hint)
