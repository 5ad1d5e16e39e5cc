"""Small rules files and letters, as the tests of the rules need them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from maild.mail.address import Address, parse_address
from maild.mail.authentication import Verdicts
from maild.mail.facts import Attachment, Facts, Mailbox
from maild.mail.header import Field
from maild.mail.reading import facts_of
from maild.rules.loader import load, load_tested
from maild.rules.model import Letter, Ruleset

TODAY = date(2026, 6, 1)
MINIMAL = {
    "version": "version: 1\n",
    "organisation": "organisation: {name: Stadt Musterstadt}\n",
    "domains": "domains: [musterstadt.example]\n",
    "teams": "teams:\n  poststelle: {name: Poststelle}\n",
    "fallback": "fallback: poststelle\n",
}
TEAMS = """teams:
  poststelle: {name: Zentrale Poststelle}
  kita: {name: Kita-Platzvergabe, parent: jugendamt}
  jugendamt: {name: Jugendamt}
  leitung: {name: Leitung, parent: kita}
"""
ADDRESSES = """addresses:
  info: {team: poststelle, aliases: [rathaus]}
  kita.platzvergabe: {team: kita, aliases: [kita, krippe@b.example]}
  nur-b@b.example: {team: leitung}
  info@b.example: {team: jugendamt}
  alt: {retired: {since: 2026-06-30, successor: kita.platzvergabe}}
"""
WHOLE = "domains: [a.example, b.example]\n" + TEAMS + ADDRESSES


def completed(fragment: str) -> str:
    """Return a whole file: what the fragment does not say is as in the smallest file."""
    said = set(re.findall(r"^([a-z_]+):", fragment, re.MULTILINE))
    return "".join(text for key, text in MINIMAL.items() if key not in said) + fragment


def read_list(name: str) -> str:
    if name != "lists/sperrliste.txt":
        raise FileNotFoundError(2, "No such file or directory", name)
    return "# blocked\n@sperre.example\nmax@x.example # since May\n\n"


def read_sample(name: str) -> Facts:
    if name != "samples/eilt.eml":
        raise FileNotFoundError(2, "No such file or directory", name)
    return facts_of(b"From: a@b.example\r\nSubject: Es eilt\r\n\r\nBitte bald.\r\n")


def codes(fragment: str) -> list[str]:
    """Return the codes of everything found in a fragment, completed."""
    return [
        found.code
        for found in load_tested(completed(fragment), "rules.yaml", read_list, read_sample, today=TODAY).diagnostics
    ]


def rules_of(fragment: str) -> Ruleset:
    """Load a fragment that must be good."""
    ruleset, found = load(completed(fragment), "rules.yaml", read_list, today=TODAY)
    assert ruleset is not None, "\n".join(map(str, found))
    return ruleset


def rules_with(when: str, then: str = "{tag: yes-it-did}", more: str = "") -> Ruleset:
    """Load a map with two domains and one rule."""
    return rules_of(f"{WHOLE}{more}rules:\n  - id: r\n    when: {when}\n    then: {then}\n")


def to(text: str = "kita.platzvergabe@a.example") -> Address:
    return parse_address(text)


def letter(*, sender: str | None = "bounce@liste.example", at: datetime | None = None, **facts: Any) -> Letter:
    """Make a letter; `author`, `attachment` and `header` are short for their facts."""
    verdicts, reply = Verdicts(**facts.pop("verdicts", {})), facts.pop("reply", False)
    author = facts.pop("author", "Max@Firma.example")
    facts.setdefault("senders", (Mailbox(name="", mail=author),))
    header = facts.pop("header", {})
    facts.setdefault("fields", tuple(Field(name.lower(), value) for name, value in header.items()))
    attachments = facts.pop("attachment", ())
    facts.setdefault(
        "attachments",
        tuple(Attachment(part="2", name=n, media_type=t, size_bytes=s) for n, t, s in attachments),
    )
    return Letter(
        facts=Facts(**facts),
        reverse_path=None if sender is None else parse_address(sender),
        received_at=at or datetime(2026, 6, 1, 10, tzinfo=UTC),
        verdicts=verdicts,
        reply=reply,
    )
