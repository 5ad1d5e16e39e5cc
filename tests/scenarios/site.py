"""The whole program as its users have it: `maild init`, `maild serve`, the command line and a browser's requests."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from pathlib import Path

import httpx2
import pytest

from maild.cli.main import main
from tests import copies
from tests.ports import free_port

PASSWORD = "a long pass phrase for tests"
RULES = """\
version: 1
organisation: {name: Stadt Musterstadt, language: de, timezone: Europe/Berlin}
domains: [musterstadt.example]
teams:
  poststelle: {name: Zentrale Poststelle}
  kita: {name: Kita-Platzvergabe}
fallback: poststelle
addresses:
  info: {team: poststelle, title: Allgemeine Anfragen}
  kita.platzvergabe: {team: kita, title: Kita-Platzvergabe}
"""


class Site:
    """A running maild in a directory of its own, with an administrator who reads every team, or as many as told."""

    def __init__(self, directory: Path, *, read_by_admin: tuple[str, ...] = ("poststelle", "kita")) -> None:
        self.directory = directory / "site"
        password = directory / "password"
        password.write_text(PASSWORD)
        self.smtp_port, self.web_port = free_port(), free_port()
        self.process: copies.Copy | None = None
        self._browsers: list[httpx2.Client] = []
        self.maild("init", str(self.directory), "--domain", "musterstadt.example", "--admin", "admin",
                   "--password-file", str(password), configured=False)  # fmt: skip
        (self.directory / "rules.yaml").write_text(RULES)
        settings = self.directory / "maild.toml"
        text = settings.read_text().replace("127.0.0.1:8025", f"127.0.0.1:{self.smtp_port}")
        settings.write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{self.web_port}"))
        for team in read_by_admin:
            self.maild("grant", "admin", team, "reader")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def maild(self, *arguments: str, configured: bool = True, expect: int = 0, stdin: bytes = b"") -> bytes:
        """Run a verb in this process, which is not the daemon's; return what it printed."""
        with pytest.MonkeyPatch.context() as patch, io.TextIOWrapper(io.BytesIO()) as out, io.StringIO() as err:
            patch.setenv("MAILD_CONFIG", str(self.directory / "maild.toml") if configured else "")
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            umask = os.umask(0o022)
            code = main(arguments)
            os.umask(umask)
            out.flush()
            printed = out.buffer.getvalue()
            assert code == expect, (arguments, code, printed[-2000:], err.getvalue()[-2000:])
        return printed

    def start(self) -> None:
        environment = os.environ | {"MAILD_CONFIG": str(self.directory / "maild.toml")}
        before = self._ready_count()
        with (self.directory / "log").open("ab") as log:
            self.process = copies.start(
                ("serve",), environ=environment, cwd=Path.cwd(), out=log.fileno(), err=log.fileno()
            )
        deadline = time.monotonic() + 60
        while self._ready_count() == before:  # of its doors, the pages open first
            assert self.process.poll() is None, (self.directory / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the site did not start"
            time.sleep(0.05)

    def _ready_count(self) -> int:
        log = self.directory / "log"
        return log.read_text().count("daemon.ready") if log.exists() else 0

    def stop(self) -> int:
        for browser in self._browsers:
            browser.close()
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=60)

    def browser(self, login: str = "admin") -> httpx2.Client:
        """Return a client that has signed in."""
        client = httpx2.Client(
            base_url=self.url, headers={"Origin": self.url, "Sec-Fetch-Site": "same-origin"}, timeout=60
        )
        self._browsers.append(client)
        page = client.get("/login").text
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        answer = client.post("/login", data=fields | {"login": login, "password": PASSWORD})
        assert answer.status_code in (302, 303), answer.text
        return client
