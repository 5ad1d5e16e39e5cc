"""What rules and teams may ask for beyond a place in an inbox: values, part of `maild.rules.model`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from maild.mail.address import Address
from maild.mail.imap_place import ImapPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Keep the letter where it is, open, until somebody releases it. `reason` is for colleagues; "": none is given."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Send the letter on; none of the addresses is ours."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer the sender by a template. The key is `reply`; a `Reply` is what SMTP answers."""

    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    login: str  # folded; people are not in the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Confide:
    """Put the mail where only the manager of each team and people named for it read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    text: str  # for the SMTP reply: ASCII, one line


class AccountMail(StrEnum):
    """Who sees mail that looks as if it handed over an account elsewhere (`maild.mail.account_mail`)."""

    LEADS = "leads"
    TEAM = "team"


Request = Hold | Forward | Answer | Assign


@dataclass(frozen=True, slots=True, kw_only=True)
class Maildir:
    path: str  # absolute


@dataclass(frozen=True, slots=True, kw_only=True)
class Lmtp:
    next_hop: str  # host:port, or the absolute path of a socket


NextPlace = Maildir | Lmtp | ImapPlace | Forward
