"""The settings, each declared once: name, default, kind and the paragraph that docs/settings.md prints.

A key whose name ends in `_s` is in seconds, in `_bytes` in octets. Paths are relative to the settings file.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from maild.config.kinds import (
    BASE_URL,
    DATABASE_URL,
    ENDPOINT,
    ENDPOINTS,
    NAMES,
    NETWORKS,
    OPTIONAL_PATH,
    PATH,
    RESOLVERS,
    TEXT,
    Endpoint,
    choice,
    integer,
    seconds,
    setting,
)
from maild.config.outbound import Outbound
from maild.config.screening import Blocklists, Clamav, Greylisting, Rspamd
from maild.config.senders import Authentication
from maild.config.sign_in import Oidc
from maild.config.submission import Submission
from maild.mail.authentication import TrustedRelays
from maild.mail.networks import Network

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Who this maild is, and where it keeps what it must not lose."""

    hostname: str = setting(
        "",
        TEXT,
        "The name by which this machine is known in the DNS: in the greeting, in EHLO, in Received. "
        "Empty: the machine's own.",
    )
    rules: Path = setting(Path("rules.yaml"), PATH, "The rules file: domains, teams, addresses and rules.")
    data_dir: Path = setting(
        Path("var"),
        PATH,
        "Database, reserve file, last good rules; mode 0700. `/var/lib/maild` when the settings are in `/etc/maild`.",
    )
    min_free_bytes: int = setting(
        200_000_000,
        integer(0),
        "With less room on the file system of `data_dir`, or no inodes, new mail is refused for now (452).",
    )
    reserve_bytes: int = setting(
        64_000_000,
        integer(0),
        "The reserve file, given up when the disk is full all the same, so that maild itself can still work.",
    )
    language: str = setting(
        "de",
        choice("de", "en"),
        "The language of pages for browsers that ask for neither German nor English.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the rules may be changed. Where they are is `rules` under `[server]`."""

    approval: str = setting(
        "one",
        choice("one", "two"),
        '"two": a change made in the browser takes effect when a second rule editor has approved it, and nobody '
        "approves their own. Who may write the file on this machine can still do so; that is recorded as made by hand.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where envelopes, conversations, people and, by default, the octets of mail are kept."""

    url: str = setting(
        "",
        DATABASE_URL,
        'Empty: SQLite in the data directory. Beyond one machine: "postgresql+psycopg://user@host/name"; '
        "a URL with a password belongs in a file (`url_file`).",
        secret=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Where the octets of mail are kept."""

    url: str = setting("database:", choice("database:"), "In the database: the same transaction, one thing to back up.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """Public reception of mail."""

    listen: tuple[Endpoint, ...] = setting(
        (Endpoint(host="127.0.0.1", port=8025),),
        ENDPOINTS,
        'Where mail is received; ["0.0.0.0:25", "[::]:25"] in production. Sockets that systemd passes take precedence.',
    )
    max_message_bytes: int = setting(
        35_000_000,
        integer(10_000, 2_000_000_000),
        "The largest message accepted; announced as SIZE, refused with 552 beyond.",
    )
    max_recipients: int = setting(
        100,
        integer(100, 100_000),
        "Recipients of one message; the sender is asked to bring the others separately (452). RFC 5321 wants 100.",
    )
    max_received_fields: int = setting(
        50,
        integer(20, 1_000),
        "A message with as many `Received` fields goes in a circle and is refused (554).",
    )
    max_errors: int = setting(
        20,
        integer(1),
        "Wrong commands in a session before it is closed.",
    )
    max_refused: int = setting(
        100,
        integer(1),
        "Refused recipients in a session before it is closed.",
    )
    max_idle_commands: int = setting(
        100,
        integer(10),
        "Commands in a session without a message stored; recipients do not count.",
    )
    max_connections: int = setting(
        1_000,
        integer(1),
        "Connections at the same time; 421 beyond.",
    )
    max_connections_per_ip: int = setting(
        20,
        integer(1),
        "Connections from one address.",
    )
    max_connections_per_network: int = setting(
        50,
        integer(1),
        "Connections from one network, IPv4 /24 or IPv6 /64.",
    )
    max_connections_per_minute: int = setting(
        600,
        integer(1),
        "Connections that one network may begin in a minute; further ones are told 421 until it is over.",
    )
    max_connections_loopback: int = setting(
        1_000,
        integer(1),
        "Connections from this machine.",
    )
    command_s: float = setting(
        60.0,
        seconds(1),
        "For a whole command line to arrive, however slowly.",
    )
    content_idle_s: float = setting(
        60.0,
        seconds(1),
        "Without any octet of content.",
    )
    content_s: float = setting(
        3_600.0,
        seconds(10),
        "For the content of one message.",
    )
    session_s: float = setting(
        900.0,
        seconds(10),
        "For a session without a message stored.",
    )
    handshake_s: float = setting(
        30.0,
        seconds(1),
        "For TLS, and for the PROXY header.",
    )
    min_rate_bytes_s: int = setting(
        500,
        integer(0),
        "The slowest content that is borne, averaged over `rate_window_s`.",
    )
    rate_window_s: float = setting(
        60.0,
        seconds(1),
        "See `min_rate_bytes_s`.",
    )
    greet_delay_s: float = setting(
        0.0,
        seconds(0),
        "A stranger is greeted only after so long; who speaks before the greeting is no mail server and is refused "
        "(554). Two or three seconds are enough. 0: everybody is greeted at once. Never delayed: this machine, "
        "`trusted_proxies`, `trusted_relays`.",
    )
    linger_s: float = setting(
        2.0,
        seconds(0),
        "How long a peer that is refused may take to read why.",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        (),
        NETWORKS,
        "Networks whose PROXY protocol header (version 1 or 2) is believed: the load balancers before maild.",
    )
    trusted_relays: tuple[Network, ...] = setting(
        (),
        NETWORKS,
        "Networks of the mail servers in front of maild whose `Authentication-Results` are believed, under the names "
        "in `trusted_authserv_ids`. Such a server must remove fields that bear its own name from the mail that it "
        "receives (RFC 8601 §5), or strangers can write them.",
    )
    trusted_authserv_ids: tuple[str, ...] = setting(
        (),
        NAMES,
        "The names (authserv-id) under which `trusted_relays` write what SPF, DKIM and DMARC came to: what "
        "they hand over is not examined here, for they saw the sender's machine and maild did not.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The pages that staff read."""

    listen: Endpoint = setting(
        Endpoint(host="127.0.0.1", port=8080),
        ENDPOINT,
        "Where pages are served, in plain HTTP: put a reverse proxy that speaks HTTPS before it.",
    )
    base_url: str = setting(
        "",
        BASE_URL,
        'The address that staff type, such as "https://post.musterstadt.example"; sign-in cookies are bound '
        "to it. "
        "Empty: `http://` and `listen`.",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        (ip_network("127.0.0.1/32"), ip_network("::1/128")),
        NETWORKS,
        "Networks of the reverse proxies that say in `X-Forwarded-For` who asks: failed sign-ins are counted by that "
        "address. In a container the proxy of the host comes from the container network's gateway.",
    )
    undo_s: float = setting(
        15.0,
        seconds(0),
        "How long a letter that somebody has sent can be taken back; it leaves only then.",
    )
    second_factor: str = setting(
        "optional",
        choice("optional", "required", "administrators"),
        "Who must have an authenticator app besides the password, and is led to set it up after signing in: nobody, "
        "everybody, or who holds a role that belongs to no team (administrator, rule editor, auditor). The "
        "sign-in of `[oidc]` counts as one. Mail programs have passwords of their own and ask for none.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The certificate that other mail servers and mail programs see. Both files are read again when they change."""

    cert_file: Path | None = setting(None, OPTIONAL_PATH, "Certificate chain, PEM. Empty: STARTTLS is not offered.")
    key_file: Path | None = setting(None, OPTIONAL_PATH, "Its private key, PEM, readable by maild alone.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """How maild asks the DNS: about senders, and about nothing else."""

    resolvers: tuple[Endpoint, ...] = setting(
        (),
        RESOLVERS,
        'The DNS servers to ask, in turn, such as ["127.0.0.1"] or ["192.0.2.53:5353"]. Empty: those of '
        "`/etc/resolv.conf`. Best is a resolver on this machine that validates DNSSEC.",
    )
    timeout_s: float = setting(
        5.0,
        seconds(0.1),
        "For one question, all tries at all servers. Whose answer does not come in time is checked no further: the "
        "mail is accepted, and the result is `temperror`.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Structured events on stderr; docs/logs.md lists them."""

    format: str = setting(
        "auto", choice("auto", "json", "console"), '"auto": for people on a terminal, JSON otherwise.'
    )
    level: str = setting(
        "info", choice("debug", "info", "warning", "error"), "Events below this level are not written."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that maild.toml says, with every path absolute.

    `path` is the file it came from, None when the environment alone spoke.
    """

    path: Path | None = None
    server: Server = field(default_factory=Server)
    rules: Rules = field(default_factory=Rules)
    database: Database = field(default_factory=Database)
    content: Content = field(default_factory=Content)
    smtp: Smtp = field(default_factory=Smtp)
    authentication: Authentication = field(default_factory=Authentication)
    outbound: Outbound = field(default_factory=Outbound)
    submission: Submission = field(default_factory=Submission)
    web: Web = field(default_factory=Web)
    oidc: Oidc = field(default_factory=Oidc)
    tls: Tls = field(default_factory=Tls)
    dns: Dns = field(default_factory=Dns)
    rspamd: Rspamd = field(default_factory=Rspamd)
    clamav: Clamav = field(default_factory=Clamav)
    blocklists: Blocklists = field(default_factory=Blocklists)
    greylisting: Greylisting = field(default_factory=Greylisting)
    log: Log = field(default_factory=Log)

    @property
    def trusted_relays(self) -> TrustedRelays:
        """Who in front of maild is believed when it says who a sender is."""
        return TrustedRelays(networks=self.smtp.trusted_relays, authserv_ids=self.smtp.trusted_authserv_ids)

    @property
    def base_url(self) -> str:
        """The address of the pages, without a slash at its end."""
        # Nobody can type the address of all interfaces.
        place = f"localhost:{self.web.listen.port}" if self.web.listen.host in _EVERYWHERE else self.web.listen
        return self.web.base_url or f"http://{place}"


# Section name → its class, in the order of the reference page.
SECTIONS: dict[str, type[Any]] = {
    f.name: f.default_factory  # type: ignore[misc]  # a class; typeshed calls it any callable
    for f in fields(Settings)
    if f.default_factory is not MISSING
}
