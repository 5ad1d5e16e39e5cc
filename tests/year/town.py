"""The house of the year: `maild serve` under a moved clock, its command line, and the server that takes its letters."""

from __future__ import annotations

import email
import email.policy
import os
import smtplib
import socketserver
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maild.archive.passwords import Cost, hash_password
from tests.ports import free_port
from tests.year.clock import MovedClock

DOMAIN = "verband.example"
PASSWORD = "ein ganzes Jahr am Schreibtisch"
PATIENCE_S = 90.0
RULES = f"""\
version: 1
organisation: {{name: Verband, language: de, timezone: Europe/Berlin}}
domains: [{DOMAIN}]
teams:
  zentrale: {{name: Mitgliederbetreuung, deputy: zentrale.nord}}
  zentrale.nord: {{name: Region Nord, parent: zentrale}}
  zentrale.sued: {{name: Region Süd, parent: zentrale}}
fallback: zentrale
addresses:
  mitglieder: {{team: zentrale, title: Mitgliederbetreuung}}
  mahnung: {{team: zentrale, title: Beiträge}}
  nord: {{team: zentrale.nord, title: Region Nord}}
  sued: {{team: zentrale.sued, title: Region Süd}}
rules:
  - id: mahnung
    when: {{to: mahnung, bounce: false}}
    then: {{tag: mahnung}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A letter that left: its envelope, its own name, and what it says."""

    sender: str
    recipient: str
    key: str
    subject: str
    octets: bytes


class NextHop:
    """The server that takes everything that leaves, and remembers it."""

    def __init__(self) -> None:
        """Listen."""
        self.taken: list[Taken] = []
        outer = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer._serve(self)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Session)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def to(self, recipient: str) -> list[Taken]:
        """Return what somebody has got, oldest first."""
        return [each for each in list(self.taken) if each.recipient == recipient]

    def _serve(self, session: socketserver.StreamRequestHandler) -> None:
        def say(text: str) -> None:
            session.wfile.write(text.encode() + b"\r\n")

        say("220 mx.draussen.example ESMTP")
        sender, recipients = "", list[str]()
        while line := session.rfile.readline():
            verb = line[:4].upper().strip()
            inside = line.decode(errors="replace").partition("<")[2].partition(">")[0]
            match verb:
                case b"QUIT":
                    say("221 2.0.0 bye")
                    return
                case b"EHLO":
                    say("250-mx.draussen.example\r\n250-8BITMIME\r\n250 SMTPUTF8")
                case b"MAIL":
                    sender, recipients = inside, []
                    say("250 2.1.0 ok")
                case b"RCPT":
                    recipients.append(inside)
                    say("250 2.1.5 ok")
                case b"DATA":
                    say("354 go on")
                    self._keep(session, sender, recipients)
                    say("250 2.0.0 taken")
                case _:
                    say("250 2.0.0 ok")

    def _keep(self, session: socketserver.StreamRequestHandler, sender: str, recipients: list[str]) -> None:
        lines = []
        while (line := session.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b".") else line)
        octets = b"".join(lines)
        header = email.message_from_bytes(octets, policy=email.policy.default)
        for recipient in recipients:
            key, subject = str(header["Message-ID"]).strip("<>"), str(header["Subject"])
            self.taken.append(Taken(sender=sender, recipient=recipient, key=key, subject=subject, octets=octets))


class Town:
    """A maild in a directory of its own."""

    def __init__(self, directory: Path, begins: datetime) -> None:
        """Make it, with an administrator."""
        self.directory = directory / "site"
        self.log = directory / "log"
        self.clock = MovedClock(directory / "clock", begins)
        self.next_hop = NextHop()
        self.smtp_port, self.web_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        password = directory / "password"
        password.write_text(PASSWORD)
        self.maild("init", str(self.directory), "--domain", DOMAIN, "--admin", "technik",
                   "--password-file", str(password), configured=False)  # fmt: skip
        (self.directory / "rules.yaml").write_text(RULES)
        (self.directory / "maild.toml").write_text(
            f'[server]\nhostname = "mail.{DOMAIN}"\n'
            f'[smtp]\nlisten = ["127.0.0.1:{self.smtp_port}"]\n'
            f'[web]\nlisten = "127.0.0.1:{self.web_port}"\nundo_s = 0\n'
            f'[outbound]\nsmarthost = "127.0.0.1:{self.next_hop.port}"\n'
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def database(self) -> Path:
        return self.directory / "var" / "maild.sqlite3"

    def maild(self, *arguments: str, configured: bool = True, expect: int = 0) -> str:
        """Run a verb at the time that it is here; return what it printed."""
        environment = os.environ | self.clock.environment
        if configured:
            environment["MAILD_CONFIG"] = str(self.directory / "maild.toml")
        command = [sys.executable, "-m", "maild", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == expect, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def start(self) -> None:
        """Start the daemon and wait until its doors are open."""
        environment = os.environ | self.clock.environment | {"MAILD_CONFIG": str(self.directory / "maild.toml")}
        before = self._ready()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "maild", "serve"], env=environment, stderr=log, stdout=log,
                start_new_session=True,
            )  # fmt: skip
        self.until(lambda: self._ready() > before, "the doors are open")

    def _ready(self) -> int:
        return self.log.read_text().count('"daemon.ready"') if self.log.exists() else 0

    def stop(self) -> None:
        """End the daemon as systemd does."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(timeout=PATIENCE_S)
        assert code == 0, self.log.read_text()[-3000:]

    def close(self) -> None:
        """Leave nothing running."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.next_hop.close()

    def until(self, condition: object, what: str) -> None:
        """Wait for a condition, with a deadline; a daemon that died will never meet it."""
        assert callable(condition)
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S:.0f} s"
            time.sleep(0.02)

    def send(self, letters: Iterable[tuple[str, str, bytes]]) -> None:
        """Hand letters in as a stranger's server does: sender, recipient, octets. Returns when all are filed."""
        smtp = smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=60)
        for count, (sender, recipient, octets) in enumerate(letters):
            if count and count % 50 == 0:
                smtp.quit()
                smtp = smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=60)
            smtp.sendmail(sender, [recipient], octets)
        smtp.quit()
        self.until(self._is_filed, "everything is filed")

    def _is_filed(self) -> bool:
        return not self._count("SELECT count(*) FROM recipients WHERE state = 'accepted'")

    def wait_sent(self) -> None:
        """Wait until everything that was to leave has left."""
        waiting = "SELECT count(*) FROM deliveries WHERE state IN ('queued', 'deferred')"
        self.until(lambda: not self._count(waiting), "everything has left")

    def wait_for(self, query: str, what: str) -> None:
        """Wait until a query counts something."""
        self.until(lambda: self._count(query) > 0, what)

    def _count(self, query: str) -> int:
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=60)
        try:
            (found,) = connection.execute(query).fetchone()
        finally:
            connection.close()
        return int(found)

    def cheapen_passwords(self) -> None:
        """Have signing in cost next to nothing from now on: a third of a short year is spent on proving passwords."""
        cheap = hash_password(PASSWORD, Cost(memory_kib=64, iterations=1))
        connection = sqlite3.connect(self.database, timeout=PATIENCE_S, isolation_level=None)
        try:
            connection.execute("UPDATE users SET password = ? WHERE password IS NOT NULL", (cheap,))
        finally:
            connection.close()

    def failures(self) -> list[str]:
        """Return what the daemon complained of; that nobody could read anything ended with the first role."""
        found = [line for line in self.log.read_text().splitlines() if not line.startswith('{"')] + [
            line
            for line in self.log.read_text().splitlines()
            if '"level": "error"' in line or '"level": "warning"' in line
        ]
        return found[1:] if found and '"teams.unread"' in found[0] else found
