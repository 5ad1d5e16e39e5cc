"""Rules that change all the time, while mail comes: nothing is lost, and each mail is routed by one whole version."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maild.archive.compression import decompress
from maild.mail.ids import parse_id
from maild.rules.recorded import each_rule
from tests.scenarios.site import RULES, Site
from tests.scenarios.wire import Peer

RELOADS = 100
EACH_FIFTH_IS_BROKEN = 5
EACH_FORTIETH_IS_WRITTEN_IN_PLACE = 40
EACH_FOURTH_ROUTES = 4  # before the next edit: the others may come and go between two batches of the router
INFO = "info@musterstadt.example"
MIDDLE = "".join(f"  - {{id: mitte-{n}, when: {{subject: wort{n}}}, then: {{tag: mitte}}}}\n" for n in range(20))
_PAUSE_S = 0.01


def version(number: int) -> tuple[str, str]:
    """Return the two halves of a rules file: each is whole to look at, and only both together are the file."""
    head = f"{RULES}rules:\n  - {{id: erste, then: {{tag: erste-{number}}}}}\n{MIDDLE}"
    return head, f"  - {{id: letzte, then: {{tag: letzte-{number}}}}}\n"


def wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


class Writer:
    """Whoever sends mail for as long as the test goes on; knows what was accepted."""

    def __init__(self, port: int) -> None:
        self.accepted: list[str] = []
        self.failure: BaseException | None = None
        self._port = port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                with Peer(self._port) as peer:
                    for _ in range(50):
                        octets = f"From: a@b.example\r\nSubject: {len(self.accepted)}\r\n\r\nx\r\n".encode()
                        self.accepted.append(peer.send(octets, to=INFO))
                        if self._ended.wait(_PAUSE_S):
                            return
        except (OSError, AssertionError) as error:
            self.failure = error

    def end(self) -> list[str]:
        self._ended.set()
        self._thread.join()
        assert self.failure is None
        return self.accepted


class Editor:
    """Whoever changes the rules: with `mv`, in place, in two halves, well and badly."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._path = site.directory / "rules.yaml"

    def events(self, name: str) -> int:
        return (self._site.directory / "log").read_text().count(f'"event": "{name}"')

    def has_routed(self, message: str) -> bool:
        lines = (self._site.directory / "log").read_text().splitlines()
        return any(message in line and '"event": "message.routed"' in line for line in lines)

    def edit(self, number: int) -> None:
        head, tail = version(number)
        broken = number % EACH_FIFTH_IS_BROKEN == 0
        text = head + (f"{tail}fallback: nobody\n" if broken else tail)
        event = "rules.refused" if broken else "rules.reloaded"
        before = self.events(event)
        if number % EACH_FORTIETH_IS_WRITTEN_IN_PLACE == 1:
            with self._path.open("w", encoding="utf-8") as file:
                file.write(head)
                file.flush()
                os.fsync(file.fileno())
                file.write(tail)
        else:
            new = self._path.with_name("rules.yaml.editor")
            new.write_text(text, encoding="utf-8")
            new.rename(self._path)
            assert self._site.process is not None
            self._site.process.send_signal(signal.SIGHUP)
        wait(lambda: self.events(event) > before, f"edit {number} was not seen")


def routed(database: Path) -> dict[int, tuple[str, list[str], list[Any]]]:
    """By message: the text of the version that routed it, the tags that it got, and its trace."""
    with sqlite3.connect(database) as connection:
        sources = dict(connection.execute("SELECT digest, source FROM rules_versions").fetchall())
        rows = connection.execute("SELECT message_id, rules_version, trace FROM summaries").fetchall()
    connection.close()
    found = {}
    for message_id, digest, trace in rows:
        (route,) = json.loads(decompress(trace))
        found[message_id] = (sources[digest], route["tags"], each_rule(route))
    return found


def edited_under_way(site: Site, editor: Editor) -> list[str]:
    """Change the rules while mail comes; return the ids of what was accepted."""
    wait(lambda: editor.events("daemon.ready") == 1, "not ready")
    writer = Writer(site.smtp_port)
    try:
        for number in range(1, RELOADS + 1):
            editor.edit(number)
            sent = len(writer.accepted)  # or versions would come and go between two mails, where mail is slow
            wait(lambda sent=sent: len(writer.accepted) > sent or writer.failure is not None, "no mail comes")  # type: ignore[misc]
            if number % EACH_FOURTH_ROUTES == 0 and writer.failure is None:
                wait(lambda sent=sent: editor.has_routed(writer.accepted[sent]), "no mail is routed")  # type: ignore[misc]
    finally:
        accepted = writer.end()
    return accepted


def test_a_hundred_reloads_lose_no_mail_and_none_is_routed_by_half_a_file(tmp_path: Path) -> None:
    site = Site(tmp_path, read_by_admin=())
    site.directory.joinpath("rules.yaml").write_text("".join(version(1_000)), encoding="utf-8")
    site.start()
    editor = Editor(site)
    try:
        accepted = edited_under_way(site, editor)
        wait(lambda: not json.loads(site.maild("status", "--json", expect=1))["waiting"], "mail waits")
    finally:
        assert site.stop() == 0
    assert editor.events("rules.reloaded") >= RELOADS * 4 // 5
    assert editor.events("rules.refused") >= RELOADS // 5
    found = routed(site.directory / "var" / "maild.sqlite3")
    assert {parse_id(each) for each in accepted} == found.keys()
    versions = set()
    for source, tags, trace in found.values():
        which = tags[0].removeprefix("erste-")
        assert tags == [f"erste-{which}", f"letzte-{which}"]
        assert source == "".join(version(int(which)))
        assert len(trace) == 22
        versions.add(which)
    assert len(versions) >= RELOADS // EACH_FOURTH_ROUTES
