"""Mail servers under the same load, each an instance of its own: own configuration, own data, own port, own pid.

Nothing of the system's Postfix or Dovecot is used but their programs. Both are configured to their advantage as long
as a 250 stays durable; bench/README.md says how and why.
"""

from __future__ import annotations

import abc
import contextlib
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.material import DOMAIN, MAILBOX_COUNT, mailbox
from bench.processes import session_cpu_s
from bench.site import write_site
from maild.archive.database import FILE_NAME, INDEX_NAME

_START_S = 60.0
_STOP_S = 30.0
_MAIL_OWNER = "nobody"
_POSTFIX_PROGRAMS = ("/usr/lib/postfix/sbin", "/usr/libexec/postfix")


class PeerError(Exception):
    """A peer that is not installed, does not start, or loses mail."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Peer(abc.ABC):
    """A server that takes mail on `port` and says how much of it has arrived where its readers find it."""

    name: str

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @abc.abstractmethod
    def start(self) -> None:
        """Configure and start the server; return when it greets.

        Raises:
            PeerError: it is not installed or does not come up.
        """

    @abc.abstractmethod
    def arrived(self) -> int:
        """Count the messages that readers can find."""

    @abc.abstractmethod
    def clear(self) -> None:
        """Make place for the next round."""

    def verify(self) -> None:  # noqa: B027 - most have nothing to add
        """Look whether what arrived is where it belongs.

        Raises:
            PeerError: it is not.
        """

    def cpu_s(self) -> float:
        """Return the CPU seconds that all processes of the server have used so far."""
        return sum(session_cpu_s(process.pid) for process in self._processes)

    def stop(self) -> None:
        """Stop what `start` started, by pid, and wait for its end."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._processes.clear()

    def launch(self, *command: str, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a process as the leader of its own session, its output in a log beside its data."""
        with (self.directory / f"{self.name}.out").open("ab") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env=os.environ | (environment or {}),
            )  # fmt: skip
        self._processes.append(process)
        return process

    def wait_for_greeting(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self._processes):
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as peer:
                if peer.recv(512).startswith(b"220"):
                    peer.sendall(b"QUIT\r\n")
                    return
            time.sleep(0.05)
        log = self.directory / f"{self.name}.out"
        raise PeerError(f"{self.name} does not greet on port {self.port}:\n{log.read_text()[-2000:]}")


class Postfix(Peer):
    """Postfix that delivers to Maildirs with its own `virtual` agent, which syncs each file."""

    name = "postfix"

    def start(self) -> None:
        if os.geteuid() != 0:
            raise PeerError("Postfix and Dovecot start as root only (they change to users of their own)")
        self.directory.mkdir(parents=True)
        self.directory.chmod(0o755)
        self._start_delivery()
        self._start_postfix()
        self.wait_for_greeting()

    def _start_delivery(self) -> None:
        self._mail_directory().mkdir()
        shutil.chown(self._mail_directory(), _MAIL_OWNER)

    def _mail_directory(self) -> Path:
        return self.directory / "mail"

    def _new_directories(self) -> Iterator[Path]:
        for number in range(MAILBOX_COUNT):
            yield self._mail_directory() / mailbox(number).partition("@")[0] / "new"

    def arrived(self) -> int:
        total = 0
        for new in self._new_directories():
            with contextlib.suppress(FileNotFoundError), os.scandir(new) as entries:
                total += sum(1 for _ in entries)
        return total

    def clear(self) -> None:
        for new in self._new_directories():
            shutil.rmtree(new.parent, ignore_errors=True)

    def _delivery_settings(self) -> dict[str, str]:
        return {"virtual_transport": "virtual"}

    def _start_postfix(self) -> None:
        programs = next((p for p in _POSTFIX_PROGRAMS if Path(p, "master").exists()), None)
        if programs is None:
            raise PeerError("Postfix is not installed (Debian: apt-get install postfix)")
        etc, queue, data = (self.directory / name for name in ("etc", "queue", "postfix-data"))
        for made in (etc, queue, data):
            made.mkdir()
        shutil.chown(data, "postfix")
        (etc / "mailboxes").write_text(
            "".join(f"{mailbox(n)} {mailbox(n).partition('@')[0]}/\n" for n in range(MAILBOX_COUNT))
        )
        settings = self._settings(programs, queue, data) | self._delivery_settings()
        (etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        (etc / "master.cf").write_text(_MASTER.format(port=self.port))
        checked = subprocess.run(["postfix", "-c", str(etc), "check"], capture_output=True, text=True, check=False)
        if checked.returncode:
            raise PeerError(f"postfix check: {checked.stderr}")
        self.launch(f"{programs}/master", "-c", str(etc), "-d", environment={"MAIL_CONFIG": str(etc)})

    def _settings(self, programs: str, queue: Path, data: Path) -> dict[str, str]:
        owner = pwd.getpwnam(_MAIL_OWNER)
        return {
            "compatibility_level": "3.6",
            "command_directory": "/usr/sbin",
            "daemon_directory": programs,
            "queue_directory": str(queue),
            "data_directory": str(data),
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "myhostname": f"mx.{DOMAIN}",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.1/32",
            "mydestination": "",
            "alias_maps": "",
            "local_recipient_maps": "",
            "virtual_mailbox_domains": DOMAIN,
            "virtual_mailbox_maps": f"texthash:{self.directory}/etc/mailboxes",
            "virtual_mailbox_base": str(self._mail_directory()),
            "virtual_uid_maps": f"static:{owner.pw_uid}",
            "virtual_gid_maps": f"static:{owner.pw_gid}",
            "virtual_mailbox_limit": "0",
            "message_size_limit": "35000000",
            # To its advantage: no DNS, no limits on the one client, processes that live long, no artificial waiting.
            "disable_dns_lookups": "yes",
            "smtpd_peername_lookup": "no",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "smtpd_recipient_restrictions": "",
            "smtpd_client_event_limit_exceptions": "127.0.0.0/8",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_tls_security_level": "none",
            "max_use": "100000",
            "max_idle": "1h",
            "in_flow_delay": "0",
            # With no syslog socket each log call costs more than writing the log itself: so it writes a file.
            "maillog_file": str(self.directory / "postfix.log"),
            "maillog_file_prefixes": str(self.directory),
            "default_process_limit": "100",
            "initial_destination_concurrency": "20",
            "default_destination_concurrency_limit": "20",
        }


class PostfixDovecot(Postfix):
    """Postfix that hands each mail to Dovecot's LMTP, as most installations do."""

    name = "postfix-dovecot"

    def _start_delivery(self) -> None:
        program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise PeerError("Dovecot is not installed (Debian: apt-get install dovecot-lmtpd)")
        super()._start_delivery()
        for made in ("run", "state"):
            (self.directory / made).mkdir()
        configuration = self.directory / "dovecot.conf"
        owner = pwd.getpwnam(_MAIL_OWNER)
        configuration.write_text(_DOVECOT.format(directory=self.directory, uid=owner.pw_uid, gid=owner.pw_gid))
        self.launch(program, "-F", "-c", str(configuration))
        deadline = time.monotonic() + _START_S
        while not (self.directory / "run" / "lmtp").is_socket():
            if time.monotonic() > deadline or self._processes[-1].poll() is not None:
                raise PeerError(f"dovecot does not start: see {self.directory}")
            time.sleep(0.05)

    def _delivery_settings(self) -> dict[str, str]:
        return {"virtual_transport": f"lmtp:unix:{self.directory}/run/lmtp"}


class Maild(Peer):
    """The whole daemon with its defaults: SMTP, router, index and pages. Mail has arrived when a search finds it."""

    name = "maild"
    program: tuple[str, ...] = ("-m", "maild")
    _archive: sqlite3.Connection | None = None
    _index: sqlite3.Connection | None = None

    @property
    def settings(self) -> Path:
        return self.directory / "maild.toml"

    @property
    def data_dir(self) -> Path:
        return self.directory / "var"

    def start(self) -> None:
        if not self.directory.exists():
            self.directory.mkdir(parents=True)
            write_site(self.directory, smtp_port=self.port, web_port=free_port())
        self.launch(sys.executable, *self.program, "serve", environment={"MAILD_CONFIG": str(self.settings)})
        self.wait_for_greeting()
        self._archive = self._connect(FILE_NAME)
        self._index = self._connect(INDEX_NAME)

    def _connect(self, name: str) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.data_dir / name}?mode=ro", uri=True, isolation_level=None, timeout=30)

    def stop(self) -> None:
        for connection in (self._archive, self._index):
            if connection is not None:
                connection.close()
        self._archive = self._index = None
        super().stop()

    def arrived(self) -> int:
        """Count what was accepted, less what waits for the router, less what is filed and not yet in the index.

        Every filing raises the revision by one, and the index takes revisions without a gap. The index is asked
        first: what it takes in meanwhile is counted the next time.
        """
        assert self._archive is not None
        assert self._index is not None
        (watermark,) = self._index.execute("SELECT revision FROM search_state").fetchone()
        sequence, revision, waiting = self._archive.execute(
            "SELECT sequence, revision, (SELECT count(*) FROM recipients WHERE state = 'accepted') FROM chain_head"
        ).fetchone()
        return int(sequence - waiting - max(0, revision - watermark))

    def clear(self) -> None:
        """Keep everything: an archive grows."""

    def verify(self) -> None:
        assert self._archive is not None
        odd = self._archive.execute(
            "SELECT state, count(*) FROM recipients WHERE state NOT IN ('accepted', 'filed') GROUP BY state"
        ).fetchall()
        if odd:
            raise PeerError(f"maild did not file everything: {dict(odd)}")


# The services of Postfix's own master.cf that this way needs; no chroot, and room for twice the sessions.
_MASTER = """\
127.0.0.1:{port} inet n - n - 40 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_DOVECOT = """\
protocols = lmtp
base_dir = {directory}/run
state_dir = {directory}/state
ssl = no
log_path = {directory}/dovecot.log
mail_location = maildir:{directory}/mail/%n
mailbox_list_index = no
maildir_very_dirty_syncs = yes
mail_fsync = optimized
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
auth_username_format = %Ln
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}/mail/%n
}}
service lmtp {{
  client_limit = 1
  process_min_avail = 20
  process_limit = 40
  service_count = 0
  unix_listener lmtp {{
    mode = 0666
  }}
}}
"""
