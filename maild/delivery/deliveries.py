"""A recipient's way out, as a value."""

from __future__ import annotations

import json
from dataclasses import dataclass

SMTP, LMTP, MAILDIR, IMAP = "smtp", "lmtp", "maildir", "imap"
COPY = "copy"  # by SMTP, of a letter for one member: each has a header of its own
KINDS = (SMTP, LMTP, MAILDIR, IMAP, COPY)
OPEN = ("queued", "deferred", "held")
ENDED_BADLY = ("failed", "expired")
WAITING = ("queued", "deferred")
COLLISION = "a colleague has answered meanwhile"  # why one is held that came from a mail program
STATES = (*OPEN, "delivered", "failed", "expired", "dropped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dsn:
    """What a sender asked for about reports (RFC 3461 §4). `ret` and `envid` are the same for a whole message."""

    notify: tuple[str, ...] = ()
    orcpt: str = ""
    ret: str = ""
    envid: str = ""

    def to_json(self) -> str:
        return json.dumps({"notify": self.notify, "orcpt": self.orcpt, "ret": self.ret, "envid": self.envid})

    @staticmethod
    def from_json(text: str) -> Dsn:
        """Read what `to_json` wrote; "" is nothing asked for."""
        found = json.loads(text or "{}")
        return Dsn(
            notify=tuple(found.get("notify") or ()),
            orcpt=found.get("orcpt") or "",
            ret=found.get("ret") or "",
            envid=found.get("envid") or "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """One recipient's way out that is to begin. `next_hop`: see the table. `once`: nobody wrote the message."""

    message_id: int
    recipient: str
    reverse_path: str | None
    next_hop: str
    kind: str = SMTP
    dsn: Dsn = Dsn()
    once: bool = False
    made_ms: int
    due_ms: int
    expires_ms: int
    held: str | None = None  # why it must wait for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One recipient's way out that a worker has claimed. `lease_ms` proves that it is still ours."""

    id: int
    message_id: int
    kind: str
    recipient: str
    reverse_path: str | None
    next_hop: str
    dsn: Dsn
    once: bool
    attempts: int
    made_ms: int
    expires_ms: int
    lease_ms: int
