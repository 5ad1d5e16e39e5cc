"""A running maild with a reader in each of two teams, for attacks by mail and what of them a person sees."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from httpx2 import Client

from maild.archive.accounts import NewGrant, NewUser, add_grants, add_users
from maild.archive.database import Database
from maild.archive.passwords import Cost, hash_password
from maild.policy.roles import Role
from tests.scenarios.site import PASSWORD, Site
from tests.scenarios.wire import Peer

KITA = "kita.platzvergabe@musterstadt.example"
INFO = "info@musterstadt.example"
_REFERENCE = re.compile(r"/c/([0-9A-Z]{4}-[0-9A-Z]{4})")
_WITHIN_S = 60.0


class Town:
    """The program, `kira` who reads kita, `paul` who reads the office of the town, and `anna` who reads both."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.kira: Client = site.browser("kira")
        self.paul: Client = site.browser("paul")
        self.anna: Client = site.browser("anna")

    def mail(self, *fields: str, to: str, author: str, text: str = "x", filed: bool = True) -> str:
        """Send a letter; returns its id as soon as it has been filed."""
        head = (f"From: {author}", f"To: {to}", *fields)
        octets = "\r\n".join([*head, "", text, ""]).encode()
        with Peer(self.site.smtp_port) as peer:
            message_id = peer.send(octets, to=to, sender=author)
        if filed:
            self.wait_filed(message_id)
        return message_id

    def wait_filed(self, message_id: str) -> None:
        deadline = time.monotonic() + _WITHIN_S
        while self.anna.get(f"/m/{message_id}").status_code == 404:
            assert time.monotonic() < deadline, "the mail was not filed"
            time.sleep(0.02)

    def conversation(self, message_id: str) -> str:
        """Return the reference of the conversation that a message is in."""
        answer = self.anna.get(f"/m/{message_id}", follow_redirects=True)
        found = _REFERENCE.search(str(answer.url)) or _REFERENCE.search(answer.text)
        assert found is not None, answer.text[:2000]
        return found[1]


def _settle(site: Site, people: dict[str, tuple[str, ...]]) -> None:
    """Add readers, before the daemon runs."""
    database = Database("", site.directory / "var")
    database.start()
    password = hash_password(PASSWORD, Cost(memory_kib=64, iterations=1))
    for login, teams in people.items():
        database.writer.submit(add_users, NewUser(login=login, name="", mail=None, password=password, created_ms=1))
        for team in teams:
            grant = NewGrant(login=login, role=Role.READER, team=team, from_ms=0, until_ms=None, granted_by="test")
            database.writer.submit(add_grants, grant).result()
    database.close()


@contextmanager
def town_in(directory: Path) -> Iterator[Town]:
    """Found a town in a directory."""
    site = Site(directory, read_by_admin=())
    _settle(site, {"kira": ("kita",), "paul": ("poststelle",), "anna": ("kita", "poststelle")})
    site.start()
    try:
        yield Town(site)
    finally:
        site.stop()
