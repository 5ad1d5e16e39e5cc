"""Addresses as people type them into a field, and as they are put there: read without guessing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from maild.mail.address import Address, as_address
from maild.mail.answering import Party
from maild.mail.header_writing import plain
from maild.mail.mailboxes import parse_mailboxes

MAX_RECIPIENTS = 100
_MAX_CHARACTERS = 50_000
_SPECIAL = re.compile(r'[",;:<>()@\\\[\]]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was read: the mailboxes, each once, and the pieces that are none."""

    parties: tuple[Party, ...] = ()
    wrong: tuple[str, ...] = ()


def read_typed(text: str) -> Typed:
    """Read a field of addresses, divided by commas, semicolons or lines."""
    joined = ",".join(line.strip().rstrip(",;") for line in text[:_MAX_CHARACTERS].splitlines() if line.strip())
    mailboxes, over = parse_mailboxes(joined, MAX_RECIPIENTS)
    parties: dict[str, Party] = {}
    wrong: list[str] = []
    for mailbox in mailboxes:
        # Two addresses without a comma: one of them would pass for a name.
        address = None if "@" in mailbox.name else _address(mailbox.mail)
        if address is None:
            wrong.append(plain(f"{mailbox.name} {mailbox.mail}")[:200])
        else:
            parties.setdefault(address.key, (plain(mailbox.name)[:200], address))
    if over or len(text) > _MAX_CHARACTERS:
        wrong.append("…")
    return Typed(parties=tuple(parties.values()), wrong=tuple(wrong))


def _address(text: str) -> Address | None:
    address = as_address(text)
    return address if address is not None and address.is_ascii and address.domain else None


def typed(parties: Iterable[Party]) -> str:
    """Return mailboxes as one would type them; `read_typed` reads them back."""
    return ", ".join(_one(plain(name), address) for name, address in parties)


def _one(name: str, address: Address) -> str:
    if not name or "@" in name or "=?" in name:
        return str(address)  # a name that looks like an address says who else it could be: left out
    if _SPECIAL.search(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{name} <{address}>"
