"""The settings about mail that leaves."""

from __future__ import annotations

from dataclasses import dataclass

from maild.config.kinds import BOOLEAN, NETWORKS, TEXT, Kind, choice, integer, setting
from maild.mail.networks import Network


def _next_hop(value: object) -> str:
    text = value if isinstance(value, str) else None
    if text is None or any(ord(c) <= 32 for c in text):
        raise ValueError
    host, _, port = text.rpartition(":")
    if text and (not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65_536):
        raise ValueError
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError
    return text


_SMARTHOST: Kind[str] = Kind(expects='a host and its port such as "mail.provider.example:587"', read=_next_hop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """How mail leaves: to the mail hosts of each domain, or all of it to one that sends it on."""

    smarthost: str = setting(
        "",
        _SMARTHOST,
        "The server that takes all mail that leaves, such as that of a provider; port 465 speaks TLS from the start. "
        "Empty: mail goes to the mail hosts that the DNS names for each domain.",
    )
    login: str = setting(
        "",
        TEXT,
        "The name to sign in to the smarthost with. Mail then goes over TLS with a valid certificate, or not at all.",
    )
    password: str = setting("", TEXT, "The password for `login`.", secret=True)
    allow_private: tuple[Network, ...] = setting(
        (),
        NETWORKS,
        "Networks that are not of the public Internet, and that a domain's DNS may nevertheless lead to, such as the "
        "one of your own mail servers. Without, nobody can make maild speak to machines inside by what their DNS says. "
        "Smarthost and LMTP need no entry.",
    )
    max_connections: int = setting(20, integer(1, 1_000), "Connections to other servers at the same time.")
    per_destination: int = setting(2, integer(1, 100), "Connections to the same destination at the same time.")
    envelope_tokens: bool = setting(
        True,
        BOOLEAN,
        "Give each recipient's copy a reverse-path of its own (`bounces+…` at the sender's domain), so that a report "
        "about it is tied to the letter for certain. Some smarthosts take known senders only: then false, and reports "
        "are tied by the Message-ID.",
    )
    forward_from: str = setting(
        "keep",
        choice("keep", "rewrite"),
        "What becomes of From in letters that are sent on: `keep` leaves it; with `rewrite` it becomes the address of "
        "yours that the letter came to, where the author's domain asks receivers to refuse what is not proven, and no "
        "signature of that domain proves it. The author then stands in Reply-To.",
    )
    helo: str = setting(
        "", TEXT, "The name that maild greets other servers with; it must lead back to this machine. Empty: `hostname`."
    )
    expire_days: int = setting(
        5,
        integer(1, 30),
        "For so long a delivery is tried before it is given up. A clock that jumps, or a time switched off, does not "
        "count.",
    )
