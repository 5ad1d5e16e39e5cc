"""Somebody at a desk: opens pages, fills in forms, and notes what they did, for the audit log to be held to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import httpx2

from tests.year.pages import Form, Page, Row
from tests.year.town import PASSWORD, Town

Fields = dict[str, str]
_STAYS = re.compile(
    r'<th scope="row"><a href="/c/([0-9A-Z-]+)">(?:(?!</tr>).)*?value="stay"( checked)?>([^<]*)</label>', re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """One act that the page said was done; `reference` is of a conversation."""

    day: date
    login: str
    act: str
    reference: str = ""
    about: str = ""


@dataclass
class Ledger:
    """Every act of the year, in order."""

    done: list[Did] = field(default_factory=list)


class Person:
    """One browser, and who sits before it."""

    def __init__(self, town: Town, ledger: Ledger, login: str, name: str = "") -> None:
        """Sit down."""
        self.town = town
        self.ledger = ledger
        self.login = login
        self.name = name or login.capitalize()
        self.client = httpx2.Client(base_url=town.url, timeout=60, headers={"Accept-Language": "de"})
        self.requests = 0

    def did(self, act: str, reference: str = "", about: str = "") -> None:
        """Write down what was done."""
        day = self.town.clock.now.date()
        self.ledger.done.append(Did(day=day, login=self.login, act=act, reference=reference, about=about))

    # --- pages and forms --------------------------------------------------------------------------------------

    def open(self, path: str, *, expect: int = 200) -> Page:
        """Open a page; sign in where it is asked for."""
        answer = self.client.get(path)
        if answer.headers.get("location", "").startswith("/login"):
            return self._sign_in(self._follow(answer), expect)
        return self._follow(answer, expect)

    def _follow(self, answer: httpx2.Response, expect: int = 200) -> Page:
        self.requests += 1
        while answer.status_code in {302, 303}:
            self.requests += 1
            answer = self.client.get(answer.headers["location"])
        page = Page(str(answer.url), answer.text)
        assert answer.status_code == expect, (self.login, page.url, answer.status_code, page.said)
        return page

    def _sign_in(self, page: Page, expect: int) -> Page:
        """Sign in; returns the page that was asked for, to which that leads."""
        names = {"login": self.login, "password": PASSWORD}
        found = self.send(page, page.form("/login", names), names, expect=expect)
        assert found.path != "/login", (self.login, found.url, found.said)
        self.did("signed-in", about=self.login)
        return found

    def is_turned_away(self) -> bool:
        """Try to sign in; tell whether it is refused."""
        page = self._follow(self.client.get("/login"))
        form = page.form("/login", {"login": "", "password": ""})
        answer = self.client.post("/login", data={**form.fields, "login": self.login, "password": PASSWORD})
        return answer.status_code not in {302, 303}

    def press(self, page: Page, action: str, *, of: str = "", **names: str) -> Page:
        """Fill in a form of a page and send it off; proves again who sits there where that is asked."""
        return self.send(page, page.form(action, names, of), names)

    def send(self, page: Page, form: Form, names: Fields, *, expect: int = 200) -> Page:
        target = urljoin(page.url, form.action)
        found = self._follow(self.client.post(target, data=form.fields | names), expect)
        if any("confirm-password" in each.known for each in found.forms):
            again = next(each for each in found.forms if "confirm-password" in each.known)
            return self.send(found, again, {"confirm-password": PASSWORD}, expect=expect)
        return found

    # --- lists ------------------------------------------------------------------------------------------------

    def listing(self, team: str, state: str = "open", most_pages: int = 1_000) -> list[Row]:
        """Read a list to its end."""
        return [row for page in self.pages(team, state, most_pages) for row in page.rows]

    def pages(self, team: str, state: str = "open", most_pages: int = 1_000) -> Iterable[Page]:
        here: str | None = f"/inbox/{quote(team)}?state={state}"
        while here is not None and most_pages:
            page = self.open(here)
            yield page
            here, most_pages = page.older, most_pages - 1

    def find(self, team: str, subject: str, state: str = "open") -> str:
        """Return the reference of the newest conversation in a list whose subject has these words."""
        for page in self.pages(team, state):
            for row in page.rows:
                if subject in row.subject:
                    return row.reference
        raise AssertionError(f"{self.login} finds no {subject!r} in {team}?state={state}")

    # --- letters ----------------------------------------------------------------------------------------------

    def answer(self, reference: str, text: str, *, after: str = "closed", also: Fields | None = None) -> None:
        """Read a conversation and answer its newest letter."""
        page = self.open(f"/c/{reference}")
        page = self.open(page.link(rf"/c/{reference}/reply\?to=(?!.*kind=)"))
        form = page.form(urlsplit(page.url).path, {"text": "", "do": "send"})
        known = {name: "1" for name in form.known if name.startswith("ok:")}
        found = self.send(page, form, {"text": text, "after": after, "do": "send", **known, **(also or {})})
        assert "/drafts/" not in found.url, (self.login, found.url, found.said)
        self.did("answered", reference)

    def write(self, sender: str, to: str, subject: str, text: str) -> None:
        """Write to somebody who has not written."""
        page = self.open("/write")
        form = page.form("/write", {"to": "", "do": "send"})
        address = next(value for name, value, _ in form.offered if name == "from" and sender in value)
        found = self.send(page, form, {"from": address, "to": to, "subject": subject, "text": text, "do": "send"})
        assert "/drafts/" not in found.url, (self.login, found.url, found.said)
        self.did("answered", re.sub(r".*/c/([0-9A-Z-]+).*", r"\1", found.url))

    def note(self, reference: str, text: str, mention: str = "") -> None:
        page = self.open(f"/c/{reference}")
        names = {"note": text} | ({"mention": mention} if mention else {})
        self.press(page, "/note", **names)
        self.did("noted", reference)

    # --- entries ----------------------------------------------------------------------------------------------

    def take(self, reference: str, team: str) -> None:
        self._act(reference, "/assignee", team, "assigned", assignee=self.login)

    def assign(self, reference: str, team: str, login: str) -> None:
        self._act(reference, "/assignee", team, "assigned", assignee=login)

    def set_state(self, reference: str, team: str, state: str) -> None:
        self._act(reference, "/state", team, "state", state=state)

    def wait_until(self, reference: str, team: str, day: date) -> None:
        self._act(reference, "/state", team, "state", until=day.isoformat(), state="waiting")

    def tag(self, reference: str, team: str, tag: str) -> None:
        self._act(reference, "/marks", team, "tagged", tag=tag)

    def raise_priority(self, reference: str, team: str) -> None:
        self._act(reference, "/marks", team, "priority", priority="2")

    def _act(self, reference: str, action: str, team: str, act: str, **names: str) -> None:
        page = self.open(f"/c/{reference}")
        self.press(page, action, of=team, **names)
        self.did(act, reference)

    def select(self, team: str, state: str, rows: Iterable[Row], act: str, **names: str) -> None:
        """Do something with a selection of what the first page of a list shows."""
        wanted = {row.reference for row in rows}
        page = self.open(f"/inbox/{quote(team)}?state={state}")
        picked = {f"pick-{row.reference}": row.revision or "" for row in page.rows if row.reference in wanted}
        form = page.form("/selection", names)
        found = self.send(page, form, {**picked, **names})
        assert "left=" not in found.url, found.said
        for name in picked:
            self.did(act, name.removeprefix("pick-"))

    def hand(self, reference: str, team: str, to: str, reason: str) -> None:
        """Hand over, or back to where it came from."""
        page = self.open(f"/c/{reference}/hand?team={quote(team)}")
        is_back = f'<option value="{to}"' in page.text.partition("</optgroup>")[0] and "Zurück an" in page.text
        self.press(page, "/hand", to=to, reason=reason)
        self.did("noted", reference)  # the reason
        for _ in (team, to):  # it stands in the log of both
            self.did("handed-back" if is_back else "handed-over", reference)

    def merge(self, reference: str, team: str, other: str) -> None:
        page = self.open(f"/c/{reference}/join?team={quote(team)}")
        form = next(each for each in page.forms if each.action.endswith("/merge") and each.known.get("with") == ["*"])
        self.send(page, form, {"with": other})
        self.did("merged", reference)

    def undo(self, page: Page) -> None:
        self.press(page, "/undo")

    def offered(self, team: str) -> tuple[str, str] | None:
        """Ask for something to do; returns its reference and in which inbox it lies."""
        page = self.open(f"/offer?team={quote(team)}")
        found = re.match(r"/c/([0-9A-Z-]+)", page.path)
        return (found[1], parse_qs(urlsplit(page.url).query)["team"][0]) if found else None

    # --- people -----------------------------------------------------------------------------------------------

    def make_account(self, login: str, name: str) -> str:
        """Make an account; returns the path of the link to its first password."""
        page = self.press(self.open("/people"), "/people/accounts", login=login, name=name)
        found = re.search(r"/welcome/[\w-]+", page.text)
        assert found is not None, page.said
        self.did("account", about=login)
        self.did("credential", about=login)  # the link
        return found[0]

    def begin(self) -> None:
        """Come in for the first time, and go on to the inbox."""
        page = self.open("/")
        assert page.path == "/welcome", page.url
        self.press(page, "/welcome")

    def grant(self, login: str, role: str, team: str, first: date | None = None, last: date | None = None) -> None:
        page = self.open("/people")
        dates = {"first": first.isoformat() if first else "", "last": last.isoformat() if last else ""}
        found = self.press(page, "/people/grants", login=login, role=role, team=team, **dates)
        assert "said=granted" in found.url, found.said
        self.did("granted", about=login)

    def enter(self, link: str) -> Page:
        """Set the first password by a link, which signs in."""
        page = self._follow(self.client.get(link))
        found = self.press(page, link, new=PASSWORD, again=PASSWORD)
        self.did("credential", about=self.login)
        self.did("signed-in", about=self.login)
        return found

    def mark_absent(self, login: str, *, first: date | None = None, last: date | None = None, deputy: str = "") -> None:
        page = self.open("/absences")
        dates = {"first": first.isoformat() if first else "", "last": last.isoformat() if last else ""}
        found = self.press(page, "/absences", login=login, deputy=deputy, **dates)
        assert "said=marked" in found.url, found.said
        self.did("absent", about=login)

    def come_back(self, what: str) -> Page:
        """Say that one is back, and what of one's conversations one takes: all-back, all-stay, chosen."""
        page = self.open("/absences")
        if page.path == "/absences":
            page = self.press(page, "/absences/end")
            self.did("returned", about=self.login)
        return self.settle(what, page)

    def settle(self, what: str, page: Page | None = None) -> Page:
        page = self.open("/absences/return") if page is None else page
        assert page.path == "/absences/return", (page.url, page.said)
        button = what if f'value="{what}"' in page.text else "chosen"
        found = self.press(page, "/absences/return", do=button)
        for reference, checked, word in _STAYS.findall(page.text):
            stays = button == "all-stay" or (button == "chosen" and checked)
            if stays and word.strip() != "bleibt, wie es ist":  # with the deputy, or the team: it changes hands
                self.did("assigned", reference)
        self.did("returned", about=self.login)
        return found
