"""What the site is built from. `app` makes these; tests make them with a database of their own."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes
from typing import Protocol
from urllib.parse import urlsplit

from maild.archive.database import Database
from maild.archive.passwords import STANDARD, Cost
from maild.archive.sessions import Lifetime
from maild.config.sign_in import Oidc
from maild.confinement import Pool
from maild.errors import Diagnostic
from maild.intake.submit import Submitter
from maild.mail.authentication import NO_RELAYS, TrustedRelays
from maild.rules.model import Ruleset
from maild.web.feed import Feed
from maild.web.made_pages import MadePages
from maild.web.presence import Presence
from maild.web.views import Views


class Rulebook(Protocol):
    """Holds the rules that serve now, their text, and what became of the newest file."""

    @property
    def current(self) -> Ruleset: ...
    @property
    def source(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def refused(self) -> tuple[Diagnostic, ...]: ...
    @property
    def warnings(self) -> tuple[Diagnostic, ...]: ...


async def _reload_nothing() -> None:
    """Leave the rules as they are."""


def _wake_nobody() -> None:
    """Leave it to those who carry things out to find what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """How the site presents itself.

    `base_url` has no slash at its end; https makes cookies secure. `hostname` is the name under which maild says what
    it found out about a sender (RFC 8601 §2.5: the authserv-id).
    """

    base_url: str
    hostname: str = "localhost"
    language: str = "de"
    lifetime: Lifetime = field(default_factory=Lifetime)
    password_cost: Cost = STANDARD
    max_body_bytes: int = 64 * 1024
    body_timeout_s: float = 20.0
    max_message_bytes: int = 35_000_000  # of a letter that is written here, with its files
    undo_s: float = 15.0  # in which a letter can be taken back
    approval: str = "one"  # of changes of the rules: "two" people must agree
    oidc: Oidc | None = None  # the provider of the house
    second_factor: str = "optional"  # who must have one: a word of policy.credentials.SECOND_FACTOR

    @property
    def secure(self) -> bool:
        """Tell whether people reach the site by HTTPS."""
        return urlsplit(self.base_url).scheme == "https"

    @property
    def origin(self) -> str:
        """The origin of the site's pages, as a browser writes it."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}".lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that a page may need.

    `now_ms` is the wall clock. `readiness` names what keeps maild from storing durably or from serving the newest
    rules, in single words; nothing when it is ready. `metrics` is the text of /metrics. `relays` are those in front
    whose word on a sender is believed. `reload_rules` takes up the newest rules file. `learns`: a spam filter is
    taught by what staff call spam. `is_own_machine` tells of a peer's address whether the machine is one of ours.
    `submitter` takes what people write. `wake` tells those who carry out what is asked for of a release. `secret` is
    not in the database, and the same after a restart.
    """

    database: Database
    rulebook: Rulebook
    pool: Pool
    settings: WebSettings
    now_ms: Callable[[], int]
    submitter: Submitter
    feed: Feed = field(default_factory=Feed)
    presence: Presence = field(default_factory=Presence)
    made: MadePages = field(default_factory=MadePages)
    views: Views = field(default_factory=Views)
    readiness: Callable[[], tuple[str, ...]] = tuple
    metrics: Callable[[], bytes] = bytes
    relays: TrustedRelays = NO_RELAYS
    reload_rules: Callable[[], Awaitable[None]] = _reload_nothing
    wake: Callable[[], None] = _wake_nobody
    learns: bool = False
    is_own_machine: Callable[[str], bool] = lambda _: False
    secret: bytes = field(default_factory=lambda: token_bytes(32))

    def key(self, purpose: str) -> bytes:
        """Return a key of 32 octets for one purpose, which tells nothing of those for others."""
        return hmac.digest(self.secret, f"maild.web {purpose}".encode(), "sha256")
