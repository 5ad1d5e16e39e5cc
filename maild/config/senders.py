"""The settings about who sends: what is checked, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from maild.config.kinds import BOOLEAN, NAMES, NETWORKS, choice, seconds, setting
from maild.mail.networks import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """Who really sent a letter: SPF, DKIM, DMARC and ARC."""

    check: bool = setting(
        True,
        BOOLEAN,
        "Evaluate what the mail system proves about a sender. Without, only what `trusted_relays` report is known.",
    )
    own_networks: tuple[Network, ...] = setting(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        NETWORKS,
        "Networks of your own machines, such as printers and applications: what they hand over is not checked. "
        "Mail servers in front of maild belong in `smtp.trusted_relays` instead.",
    )
    dmarc: str = setting(
        "refuse",
        choice("refuse", "suspicious", "note"),
        "What becomes of a letter that fails DMARC. "
        '"refuse": as the domain asks: one that asks for refusal has it (550), one that asks for care (`quarantine`) '
        'gets the tag `verdacht` (`suspicious` where the organisation speaks English). "suspicious": both get the tag. '
        '"note": the page says so, and nothing else.',
    )
    trusted_sealers: tuple[str, ...] = setting(
        (),
        NAMES,
        "Domains whose ARC seals are believed: mailing lists and forwarders, whose changes break the sender's own "
        "proof. A letter that fails DMARC is not refused when only these have sealed it, and it passed before.",
    )
    limit_s: float = setting(
        10.0,
        seconds(1),
        "For all of it, however slow the DNS of others is. What is not known by then is not known (`temperror`), "
        "and nothing is refused for it.",
    )
