"""Ten people at once before one inbox of 5,000 open entries, with 100,000 messages in the archive.

    python -m bench.browsers [--messages 100000] [--open 5000] [--seconds 60] [--races 40] [--aside]

The browsers use the server's two cores. With `--aside` they get of them what the server leaves over: that is nearer to
what people have whose browsers run elsewhere, for the pages; not for the screens, which are painted late.

Three things are measured, each against the real daemon:

- what the server needs for a list and for a conversation: alone, and while ten browsers are at work (a client in this
  process asks, one request after the other; beside the clock, the daemon's processor time for each);
- how long it takes until a letter that came by SMTP, and a tag that a colleague has put on, stand on ten people's
  screens (Chromium; an observer in each page notes when the text appears);
- whether an act is ever lost: two people who have the same entry before their eyes close, assign and tag it at the same
  moment. Of two acts one is done, and the other is told of the first; what was told to be done is in the database.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import smtplib
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx2
from playwright.async_api import Browser, Page, async_playwright

from bench import big_inbox
from bench.big_inbox import ADDRESS, PASSWORD, PEOPLE, TEAM
from bench.processes import session_cpu_s
from maild.mail.ids import format_reference
from tests.browser.chromium import CHROMIUM, arguments

LIST = f"/inbox/{TEAM}"
# Notes when each word that begins with "Neu-" or "marke-" first stands in the page; kept across pages of one tab.
OBSERVER = """
(() => {
  const seen = JSON.parse(sessionStorage.getItem("bench") || "{}");
  const look = () => {
    const list = document.getElementById("list");
    for (const [word] of (list ? list.textContent : "").matchAll(/(?:Neu|marke)-\\d+/g))
      if (!(word in seen)) { seen[word] = Date.now(); sessionStorage.setItem("bench", JSON.stringify(seen)); }
  };
  addEventListener("DOMContentLoaded", () => {
    look();
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  });
})();
"""


@dataclass
class Times:
    """Milliseconds of one kind."""

    name: str
    each_ms: list[float] = field(default_factory=list)

    def p(self, share: float) -> float:
        return sorted(self.each_ms)[min(len(self.each_ms) - 1, int(len(self.each_ms) * share))]

    def line(self) -> str:
        if not self.each_ms:
            return f"{self.name:44} -"
        middle = statistics.median(self.each_ms)
        return f"{self.name:44} {middle:8.1f} {self.p(0.95):8.1f} {max(self.each_ms):8.1f}  {len(self.each_ms):5}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Site:
    """The daemon on an archive that was made for it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.smtp_port, self.web_port = directory, free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        (directory / "rules.yaml").write_text(big_inbox.RULES)
        (directory / "maild.toml").write_text(
            f'[server]\nhostname = "mx.musterstadt.example"\n[smtp]\nlisten = ["127.0.0.1:{self.smtp_port}"]\n'
            f'[web]\nlisten = "127.0.0.1:{self.web_port}"\n'
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def data_dir(self) -> Path:
        return self.directory / "var"

    def start(self) -> None:
        log = self.directory / "log"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "maild", "serve"], stderr=file, stdout=file, start_new_session=True,
                env=os.environ | {"MAILD_CONFIG": str(self.directory / "maild.toml")},
            )  # fmt: skip
        while '"daemon.ready"' not in log.read_text():
            if self.process.poll() is not None:
                raise RuntimeError(log.read_text()[-2000:])
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=60)

    @property
    def cpu_s(self) -> float:
        assert self.process is not None
        return session_cpu_s(self.process.pid)

    def complaints(self) -> list[str]:
        lines = (self.directory / "log").read_text().splitlines()
        return [line for line in lines if '"level": "error"' in line]


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page[:500]
    return found[1]


def signed_in(site: Site, login: str) -> httpx2.Client:
    client = httpx2.Client(base_url=site.url, timeout=60)
    fields = {"token": hidden(client.get("/login").text, "token"), "login": login, "password": PASSWORD}
    assert client.post("/login", data=fields).status_code == 303
    return client


# --- what the server needs ------------------------------------------------------------------------------------------


def ask(site: Site, client: httpx2.Client, name: str, paths: Sequence[str]) -> tuple[Times, float]:
    """Ask for pages, one after the other; returns their times, and the daemon's processor time for each in ms."""
    times, before_s = Times(name), site.cpu_s
    for path in paths:
        began = time.perf_counter()
        answer = client.get(path)
        times.each_ms.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
    return times, (site.cpu_s - before_s) * 1000 / len(paths)


def pages(total: int, opened: int, count: int, chance: random.Random) -> dict[str, list[str]]:
    numbers = [chance.randrange(total - opened + 1, total) for _ in range(count)]
    return {
        "list, open": [LIST] * count,
        "list, unassigned": [f"{LIST}?state=unassigned"] * count,
        "list, mine": [f"{LIST}?state=mine"] * count,
        "list, closed": [f"{LIST}?state=closed"] * count,
        "conversation, with the list beside it": [
            f"/c/{format_reference(n)}?team={quote(TEAM)}&state=open" for n in numbers
        ],
    }


# --- ten browsers ---------------------------------------------------------------------------------------------------


class Screens:
    """Ten people's browsers, each on its list or on a conversation with the list beside it."""

    def __init__(self, site: Site, opened: tuple[int, int]) -> None:
        self._site, self._opened = site, opened
        self._chance = random.Random(11)
        self.pages: list[Page] = []
        self.stopping = False
        self.marks: dict[str, float] = {}  # tag → when its act was answered, ms
        self.letters: dict[str, float] = {}
        self.acts = 0

    async def open(self, browser: Browser) -> None:
        for login in PEOPLE:
            context = await browser.new_context(viewport={"width": 1280, "height": 860}, locale="de")
            await context.add_init_script(OBSERVER)
            page = await context.new_page()
            page.set_default_timeout(120_000)
            await page.goto(f"{self._site.url}/login?next={LIST}")
            await page.fill("#login", login)
            await page.fill("#password", PASSWORD)
            await page.press("#password", "Enter")
            await page.goto(self._site.url + LIST)
            await page.wait_for_selector("html[data-live=yes]")
            self.pages.append(page)

    async def work(self) -> None:
        """Let letters come and people act until told to stop."""
        await asyncio.gather(self._letters(), *(self._person(number, page) for number, page in enumerate(self.pages)))

    async def _letters(self) -> None:
        number = 0
        while not self.stopping:
            number += 1
            word = f"Neu-{number}"
            await asyncio.to_thread(self._send, word)
            self.letters[word] = time.time() * 1000
            await asyncio.sleep(2)

    def _send(self, word: str) -> None:
        with smtplib.SMTP("127.0.0.1", self._site.smtp_port, timeout=60) as smtp:
            key = f"{word}.{self._chance.getrandbits(40)}"
            letter = (
                f"From: a@post.example\r\nTo: {ADDRESS}\r\nSubject: {word} Frage\r\n"
                f"Message-ID: <{key}@post.example>\r\n\r\nGuten Tag\r\n"
            )
            smtp.sendmail("a@post.example", [ADDRESS], letter)

    async def _person(self, number: int, page: Page) -> None:
        """Take something from the top of the list, put a mark on it, and go back to the list."""
        count = 0
        while not self.stopping:
            await asyncio.sleep(self._chance.uniform(4, 12))
            rows = page.locator("#list a.subject")
            link = await rows.nth(self._chance.randrange(8)).get_attribute("href")
            await page.goto(self._site.url + str(link))
            count += 1
            tag = f"marke-{number * 1000 + count}"
            await page.locator("section.entry details.moreacts > summary").first.click()
            await page.locator("section.entry input[name=tag]").first.fill(tag)
            await page.locator("section.entry input[name=tag]").first.press("Enter")
            await page.wait_for_load_state("domcontentloaded")
            self.marks[tag] = time.time() * 1000
            self.acts += 1
            await page.goto(self._site.url + LIST)

    async def delays(self, told: dict[str, float]) -> Times:
        """Return how long each page had to wait for each word, in ms; what scrolled off the first page is left out."""
        times = Times("")
        for page in self.pages:
            seen = await page.evaluate("JSON.parse(sessionStorage.getItem('bench') || '{}')")
            times.each_ms += [max(0.0, seen[word] - at_ms) for word, at_ms in told.items() if word in seen]
        return times


# --- two at once ----------------------------------------------------------------------------------------------------


@dataclass
class Raced:
    """What became of two acts on one entry at the same moment, many times."""

    both_done: int = 0
    told: int = 0
    untold: int = 0  # one was done, and the other was not told whose act it was
    lost: int = 0  # told to be done, and not in the database


async def race(site: Site, numbers: Sequence[int]) -> Raced:
    """Have two people act on each entry at the same moment, each having seen the same page."""
    found = Raced()
    async with httpx2.AsyncClient(base_url=site.url, timeout=60) as one, \
            httpx2.AsyncClient(base_url=site.url, timeout=60) as two:  # fmt: skip
        for client, login in ((one, PEOPLE[0]), (two, PEOPLE[1])):
            page = (await client.get("/login")).text
            await client.post(
                "/login", data={"token": hidden(page, "token"), "login": login, "password": PASSWORD}
            )  # fmt: skip
        for count, number in enumerate(numbers):
            await _race_once(site, (one, two), format_reference(number), count, found)
    return found


async def _race_once(
    site: Site, clients: tuple[httpx2.AsyncClient, ...], reference: str, count: int, found: Raced
) -> None:
    acts: list[tuple[str, dict[str, str], Callable[[sqlite3.Connection], bool]]] = []
    for who, client in enumerate(clients):
        page = (await client.get(f"/c/{reference}?team={TEAM}&state=open")).text
        entry = page[page.index('class="entry') :]
        common = {"token": hidden(entry, "token"), "shown": hidden(entry, "shown"), "team": TEAM, "place": "open"}
        acts.append(_act(reference, common, who, count))
    sent: list[Awaitable[httpx2.Response]] = [
        client.post(f"/c/{reference}/{path}", data=fields)
        for client, (path, fields, _) in zip(clients, acts, strict=True)
    ]
    answers = await asyncio.gather(*sent)
    done = [answer.status_code == 303 for answer in answers]
    found.both_done += all(done)
    for who, answer in enumerate(answers):
        if not done[who]:
            other = PEOPLE[1 - who].title()
            is_told = answer.status_code == 409 and other in answer.text
            found.told += is_told
            found.untold += not is_told
    connection = sqlite3.connect(f"file:{site.data_dir}/maild.sqlite3?mode=ro", uri=True, timeout=20)
    found.lost += sum(was and not holds(connection) for was, (_, _, holds) in zip(done, acts, strict=True))
    connection.close()


def _act(
    reference: str, common: dict[str, str], who: int, count: int
) -> tuple[str, dict[str, str], Callable[[sqlite3.Connection], bool]]:
    """Return an act: its path, its form, and the question whether the database has it."""
    at = "FROM entries e JOIN conversations c ON c.id = e.conversation_id WHERE c.reference = ? AND e.team = ?"

    def entry(connection: sqlite3.Connection) -> tuple[str, int | None, int]:
        row = connection.execute(f"SELECT e.state, e.assignee, e.conversation_id {at}", (reference, TEAM)).fetchone()
        return row[0], row[1], row[2]

    match (count + who) % 3:
        case 0:
            return "state", {**common, "state": "closed"}, lambda c: entry(c)[0] == "closed"
        case 1:
            login = PEOPLE[who]
            asked = "SELECT id FROM users WHERE login = ?"
            return (
                "assignee",
                {**common, "assignee": login},
                lambda c: entry(c)[1] == c.execute(asked, (login,)).fetchone()[0],
            )
        case _:
            tag = f"wettlauf-{who}"
            asked = "SELECT count(*) FROM tags WHERE conversation_id = ? AND tag = ?"
            return "marks", {**common, "tag": tag}, lambda c: bool(c.execute(asked, (entry(c)[2], tag)).fetchone()[0])


# --- all of it ------------------------------------------------------------------------------------------------------


async def at_work(site: Site, given: argparse.Namespace) -> tuple[Screens, Times, Times, list[Times]]:
    """Let ten browsers work for a while; returns what they saw, and what a client beside them had to wait."""
    screens = Screens(site, (given.messages - given.open + 1, given.messages))
    async with async_playwright() as playwright:
        program = _aside(site.data_dir) if given.aside else CHROMIUM
        browser = await playwright.chromium.launch(executable_path=program, args=arguments())
        await screens.open(browser)
        print(f"ten browsers are open; at work for {given.seconds} s")
        working = asyncio.create_task(screens.work())
        beside = await asyncio.to_thread(_beside, site, given)
        screens.stopping = True
        await working
        await asyncio.sleep(5)
        letters, marks = await screens.delays(screens.letters), await screens.delays(screens.marks)
        await browser.close()
    letters.name, marks.name = (
        "a letter: from its 250 to the screen",
        "a colleague's tag: from the answer to the screen",
    )
    return screens, letters, marks, beside


def _aside(folder: Path) -> Path:
    """Return a program that starts Chromium behind all others; the kernel weighs sessions first, and then processes."""
    program = folder / "chromium-aside"
    program.write_text(
        f'#!/bin/sh\necho 19 > /proc/self/autogroup\nexec nice -n 19 {CHROMIUM} "$@"\n', encoding="utf-8"
    )
    program.chmod(0o700)
    return program


def _beside(site: Site, given: argparse.Namespace) -> list[Times]:
    until, chance = time.monotonic() + given.seconds, random.Random(3)
    asked = pages(given.messages, given.open, 2, chance)
    found = {name: Times(name) for name in ("list, open", "conversation, with the list beside it")}
    with closing(signed_in(site, PEOPLE[-1])) as client:
        while time.monotonic() < until:
            for name, times in found.items():
                times.each_ms += ask(site, client, name, asked[name])[0].each_ms
            time.sleep(0.5)
    return list(found.values())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--messages", type=int, default=100_000)
    arguments.add_argument("--open", type=int, default=5_000)
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--requests", type=int, default=200)
    arguments.add_argument("--races", type=int, default=40)
    arguments.add_argument("--aside", action="store_true", help="browsers get what the server leaves over")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="maild-bench-", dir="/var/tmp") as folder:
        site = Site(Path(folder))
        began = time.monotonic()
        site.data_dir.mkdir(mode=0o700)
        big_inbox.fill(site.data_dir, total=given.messages, opened=given.open, now_ms=int(time.time() * 1000))
        print(f"{given.messages} messages, {given.open} open in one inbox: made in {time.monotonic() - began:.0f} s")
        site.start()
        try:
            measure(site, given)
        finally:
            site.stop()


def measure(site: Site, given: argparse.Namespace) -> None:
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'milliseconds':44} {'median':>8} {'p95':>8} {'most':>8}  {'times':>5}")
    with closing(signed_in(site, PEOPLE[0])) as client:
        for name, paths in pages(given.messages, given.open, given.requests, random.Random(2)).items():
            client.get(paths[0])
            times, cpu_ms = ask(site, client, name, paths)
            print(f"{times.line()}   of the daemon's processor {cpu_ms:.1f} each")
    screens, letters, marks, beside = asyncio.run(at_work(site, given))
    print(f"while ten browsers worked: {len(screens.letters)} letters, {screens.acts} acts")
    for times in (*beside, letters, marks):
        print(times.line())
    raced = asyncio.run(race(site, range(given.messages - given.open + 500, given.messages)[: given.races]))
    print(
        f"two at once on {given.races} entries: lost {raced.lost}; both done {raced.both_done}; "
        f"the later was told of the earlier {raced.told} times, and not told {raced.untold} times"
    )
    print(f"load of the machine: {os.getloadavg()[0]:.1f}; errors in the log: {len(site.complaints())}")


if __name__ == "__main__":
    main()
