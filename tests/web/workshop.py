"""An office whose rules lie in a file and can be changed in the browser, as the daemon has them."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from pathlib import Path

from httpx2 import Response
from starlette.testclient import TestClient

from maild.archive.versions import BY_HAND, Recorded, Version, history, record
from maild.policy.roles import Role
from maild.rules.model import Ruleset
from maild.rules.rulebook import Rulebook
from tests.web.office import RULES, Office, token_in

TESTED = (
    RULES
    + """\
tests:
  - name: Dringendes eilt
    mail: {from: a@b.example, to: kita@musterstadt.example, subject: Dringend}
    expect: {tags: [eilt], rules: [eilt]}
"""
)


@dataclass
class Shop:
    """The office, its rulebook and the file."""

    office: Office
    rulebook: Rulebook
    path: Path
    folder: Path

    @property
    def text(self) -> str:
        return self.path.read_bytes().decode()

    def history(self) -> list[Recorded]:
        with self.office.database.read() as connection:
            return history(connection)

    def by_hand(self, text: str | bytes, *, reload: bool = False) -> None:
        """Change the file as an administrator does; with `reload` maild has noticed."""
        self.path.write_bytes(text.encode() if isinstance(text, str) else text)
        if reload:
            self.rulebook.reload()


def open_shop(office: Office, text: str = TESTED, *, approval: str = "one", people: bool = True) -> Shop:
    """Give an office a rules file; people: rita and ralf edit rules, petra manages a team, ada is administrator."""
    folder = office.database.data_dir / "site"
    folder.mkdir(exist_ok=True)
    path = folder / "rules.yaml"
    path.write_bytes(text.encode())
    rulebook = Rulebook(path, folder)
    rulebook.load_at_start()

    def keep(ruleset: Ruleset) -> None:
        office.book.current = ruleset
        version = Version(
            digest=ruleset.version, source=rulebook.source, loaded_ms=office.clock.ms, author=BY_HAND, reason=""
        )
        office.database.writer.submit(record, version).result()

    keep(rulebook.current)
    rulebook.on_change(keep)

    async def reload() -> None:
        rulebook.reload()

    settings = replace(office.services.settings, approval=approval)
    office.services = replace(office.services, rulebook=rulebook, settings=settings, reload_rules=reload)
    if people:
        for login in ("rita", "ralf"):
            office.user(login, (Role.RULE_EDITOR, None))
        office.user("petra", (Role.MANAGER, "kita"))
        office.user("ada", (Role.ADMINISTRATOR, None))
    return Shop(office=office, rulebook=rulebook, path=path, folder=folder)


def words(page: str) -> str:
    """Return the words of a page."""
    main = page[page.index("<main") : page.index("</main>")]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))


def fields(page: str, action: str) -> dict[str, str]:
    """Return what a browser would send of a form of the page, buttons left out."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}[^"]*"[^>]*>(.*?)</form>', page, re.DOTALL)
    assert form is not None, page
    found: dict[str, str] = {}
    for tag in re.finditer(r"<input\b([^>]*)>|<(textarea|select)\b([^>]*)>(.*?)</\2>", form[1], re.DOTALL):
        attributes = dict(re.findall(r'([\w-]+)(?:="([^"]*)")?', tag[1] or tag[3]))
        name = attributes.get("name")
        if not name or (attributes.get("type") == "checkbox" and "checked" not in attributes):
            continue
        value = attributes.get("value", "")
        if tag[2] == "textarea":
            value = tag[4].removeprefix("\n")
        if tag[2] == "select":
            chosen = re.search(r"<option(?: value=\"([^\"]*)\")? selected>([^<]*)", tag[4])
            value = "" if chosen is None else chosen[1] if chosen[1] is not None else chosen[2]
        # A browser sends every line end as CRLF.
        found[name] = re.sub(r"\r\n|\r|\n", "\r\n", html.unescape(value))
    return found


def review(client: TestClient, text: str, **more: str) -> Response:
    """Edit the text and go on to the review."""
    page = client.get("/rules/edit").text
    sent = {**fields(page, "/rules/review"), "text": text.replace("\r\n", "\n").replace("\n", "\r\n"), **more}
    return client.post("/rules/review", data=sent)


def save(client: TestClient, reviewed: Response, reason: str = "Weil es so ist", **more: str) -> Response:
    """Press Save on a review page."""
    return client.post("/rules/save", data={**fields(reviewed.text, "/rules/save"), "reason": reason, **more})


def token(client: TestClient) -> str:
    return token_in(client.get("/sessions").text)
