"""An office to test the site with: a real store, real rules, mail that was really read, routed and filed."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.testclient import TestClient

from maild.archive.accounts import NewGrant, NewUser, add_grants, add_users
from maild.archive.commit import Acceptance, Addressee, accept
from maild.archive.content import held
from maild.archive.database import FILE_NAME, Database
from maild.archive.drafts import Editor, Save, save_drafts
from maild.archive.examinations import keep_evidence
from maild.archive.filing import file
from maild.archive.handling import NOBODY
from maild.archive.index import SearchIndex
from maild.archive.index_writer import open_index
from maild.archive.passwords import Cost, hash_password
from maild.archive.sessions import Lifetime
from maild.archive.upgrade import upgrade
from maild.confinement import Pool
from maild.errors import Diagnostic
from maild.intake.subject_references import SubjectReferences
from maild.intake.submit import Submitter
from maild.mail.evidence import Evidence, to_json
from maild.mail.ids import format_id, message_id_at
from maild.mail.screening import Screening
from maild.mail.screening import to_json as screening_json
from maild.policy.roles import Role
from maild.router.outgoing import OutgoingReader
from maild.router.reading import Addressed, Order, read_one
from maild.rules.loader import load
from maild.rules.model import Ruleset
from maild.web.feed import Feed
from maild.web.services import Services, WebSettings
from maild.web.site import create_site
from maild.web.visit import form_token
from tests.archive.handled import act_on
from tests.web.transport import Whole

NOW_MS = 1_790_000_000_000
PASSWORD = "korrekt pferd batterie"
CHEAP = Cost(memory_kib=64, iterations=1)
_VISITOR = ("203.0.113.9", 50000)

RULES = """
version: 1
organisation: {name: Stadt Musterstadt, language: de, timezone: Europe/Berlin}
domains: [musterstadt.example]
teams:
  poststelle: {name: Zentrale Poststelle, office: Amt 10}
  kita:
    name: Kita-Platzvergabe
    office: Amt 51, Jugendamt
    hours: {mon-thu: 08:00-16:00, fri: 08:00-12:00}
  bauamt: {name: Bauamt, office: Amt 63}
  mitglieder: {name: Mitgliederbetreuung Bund}
  mitglieder.by: {name: Mitgliederbetreuung Bayern, parent: mitglieder}
fallback: poststelle
addresses:
  info: {team: poststelle, title: Allgemeine Anfragen}
  kita.platzvergabe: {team: kita, title: Kita-Platzvergabe, aliases: [kita]}
  bauamt: {team: bauamt, title: Bauanträge}
  intern: {team: bauamt, title: Geheime Adresse, listed: false}
  mitglieder-by: {team: mitglieder.by, title: Mitglieder Bayern}
rules:
  - id: eilt
    when: {subject: dringend}
    then: {tag: eilt, priority: high}
  - id: newsletter
    when: {list: true}
    then: {file: closed, tag: newsletter}
"""


def rules(text: str = RULES) -> Ruleset:
    """Load rules that are known to be good."""
    loaded, findings = load(text, "rules.yaml")
    assert loaded is not None, findings
    return loaded


@dataclass
class Book:
    """The rules that serve now; a test may change them."""

    current: Ruleset
    source: str = RULES
    path: Path = Path("rules.yaml")
    refused: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


@dataclass
class Clock:
    """A clock that a test sets."""

    ms: int = NOW_MS
    runs: bool = False  # it shows the true time

    def __call__(self) -> int:
        return int(time.time() * 1000) if self.runs else self.ms


@dataclass
class Office:
    """The store and what is served from it."""

    database: Database
    index: SearchIndex
    services: Services
    book: Book
    clock: Clock
    loop: BlockingPortal
    ready: list[str] = field(default_factory=list)
    _number: int = 0

    def user(self, login: str, *grants: tuple[Role, str | None], name: str = "") -> int:
        """Make a person with permissions."""
        new = NewUser(
            login=login, name=name, mail=None, password=hash_password(PASSWORD, CHEAP), created_ms=self.clock.ms
        )
        user_id = self.database.writer.submit(add_users, new).result()
        for role, team in grants:
            self.grant(login, role, team)
        return user_id

    def grant(
        self,
        login: str,
        role: Role,
        team: str | None,
        *,
        from_ms: int = 0,
        until_ms: int | None = None,
        only_assigned: bool = False,
    ) -> None:
        """Give a permission."""
        new = NewGrant(
            login=login, role=role, team=team, from_ms=from_ms, until_ms=until_ms, granted_by="test",
            only_assigned=only_assigned,
        )  # fmt: skip
        self.database.writer.submit(add_grants, new).result()

    def mail(
        self,
        content: str | bytes,
        to: str | tuple[str, ...] = "kita.platzvergabe@musterstadt.example",
        *,
        sender: str | None = "petra.mustermann@citizen.example",
        age_s: int = 3600,
        direction: str = "in",
        origin: str = "smtp",
        team: str | None = None,
        lost: bool = False,
        unread: frozenset[str] = frozenset(),
        screening: Screening | None = None,
    ) -> int:
        """Have a message accepted, read, routed, filed and indexed; returns its id.

        With a `team` it is put there without asking the rules; one that is `lost` is routed by its envelope alone.
        `unread` are teams that nobody can read at that time.
        """
        octets = content.replace("\n", "\r\n").encode() if isinstance(content, str) else content
        recipients = (to,) if isinstance(to, str) else to
        self._number += 1
        at_ms = self.clock.ms - age_s * 1000
        accepted = self.database.writer.submit(
            accept,
            Acceptance(
                message_id=message_id_at(at_ms, self._number),
                direction=direction,
                origin=origin,
                content=held(octets),
                received_ms=at_ms,
                reverse_path=sender,
                envelope='{"ip": "192.0.2.7", "helo": "mx.citizen.example", "tls": ["TLSv1.3", "X"]}',
                addressees=tuple(
                    Addressee(address=a, address_key=a.lower())
                    if team is None
                    else Addressee(address="", address_key="", team=team)
                    for a in recipients
                ),
                screening=None if screening is None else screening_json(screening),
            ),
        ).result()
        if accepted.to_route:
            self._route(
                Order(
                    message_id=accepted.message_id,
                    direction=direction,
                    received_ms=at_ms,
                    reverse_path=sender,
                    addressed=tuple(Addressed(as_given="" if team else a, team=team) for a in recipients),
                    reference_bits=accepted.message_id * 2654435761 % (1 << 40),
                    size=len(octets),
                    source_only="crash" if lost else None,
                    state="closed" if origin == "import" else None,
                    screening=None if screening is None else screening_json(screening),
                ),
                None if lost else octets,
                unread,
            )
        return accepted.message_id

    def _route(self, order: Order, octets: bytes | None, unread: frozenset[str]) -> None:
        reading = read_one(self.book.current, order, octets, unread)
        filed = self.database.writer.submit(file, reading.filing._replace(at_ms=self.clock.ms)).result()
        assert filed is not None
        self.index.add([reading.document._replace(revision=filed.revision)])

    def examine(self, message_id: int, evidence: Evidence) -> None:
        """Keep what was found out about a message's sender."""
        with self.database.writing.begin() as connection:
            keep_evidence(connection, {message_id: to_json(evidence)})

    def assign(self, message_id: int, team: str, user_id: int | None) -> None:
        """Give the conversation of a letter to somebody, in a team's inbox."""
        with self.database.read() as connection:
            asked = f"SELECT conversation_id FROM filings WHERE message_id = {message_id}"
            number = int(connection.exec_driver_sql(asked).scalar_one())
        assert act_on(self.database, number, team, at_ms=self.clock.ms, assignee=NOBODY if user_id is None else user_id)

    def draft(self, author: str, message_id: int, team: str, text: str, **fields: str) -> int:
        """Have somebody begin an answer to a letter; returns the draft's id."""
        with self.database.read() as connection:
            talk_id = connection.exec_driver_sql(
                f"SELECT conversation_id FROM summaries WHERE message_id = {message_id}"
            ).scalar_one()
        self._number += 1
        save = Save(
            id=message_id_at(self.clock(), self._number), by=Editor(login=author), team=team, kind="answer",
            conversation_id=talk_id, answers_id=message_id, seen_id=message_id, fields={"text": text, **fields},
            at_ms=self.clock(),
        )  # fmt: skip
        self.database.writer.submit(save_drafts, save).result()
        return save.id

    def reference(self, message_id: int) -> str:
        """Return the reference of the conversation that a message is in."""
        with self.database.read() as connection:
            return str(
                connection.exec_driver_sql(
                    "SELECT c.reference FROM summaries s JOIN conversations c ON c.id = s.conversation_id "
                    f"WHERE s.message_id = {message_id}"
                ).scalar_one()
            )

    def client(self, login: str | None = None, **headers: str) -> TestClient:
        """Return a browser, signed in when a login is given. All of an office share its loop, as in the daemon."""
        client = TestClient(
            site := create_site(self.services),
            base_url=self.services.settings.base_url,
            follow_redirects=False,
            raise_server_exceptions=False,
            client=_VISITOR,
            headers={"accept-language": "de", **headers},
        )
        client.portal = self.loop  # else each request would start a loop, and threads for it
        client._transport = Whole(site, self.loop, _VISITOR, client._transport)
        if login is not None:
            sign_in(client, login)
        return client


def token_in(page: str) -> str:
    """Return the token of a page's forms."""
    found = re.search(r'name="token" value="([0-9a-f]{64})"', page)
    assert found is not None, page[:2000]
    return found[1]


def own_token(client: TestClient) -> str:
    """Return the token that the forms of who is signed in have now, without a page of theirs: where there are many."""
    return form_token(next(value for name, value in client.cookies.items() if name.endswith("-session")))


def sign_in(client: TestClient, login: str, password: str = PASSWORD) -> None:
    """Sign in as a person does."""
    page = client.get("/login")
    answer = client.post("/login", data={"token": token_in(page.text), "login": login, "password": password})
    assert answer.status_code == 303, answer.text


_idle: list[Pool] = []  # pools of offices that have closed; their workers end with the process of the tests


@cache
def _empty_store() -> bytes:
    with TemporaryDirectory() as name:
        database = Database("", Path(name))
        upgrade(database.writing)
        database.close()
        return (Path(name) / FILE_NAME).read_bytes()


@contextmanager
def office_in(folder: Path, *, base_url: str = "https://post.musterstadt.example") -> Iterator[Office]:
    """Open an office in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE_NAME).write_bytes(_empty_store())
    database = Database("", folder)
    database.start()
    index = open_index(database)
    # Starting a worker costs more than all that most tests ask of one.
    pool = _idle.pop() if _idle else Pool(1, preload=("maild.web.letter", "maild.router.reading"))
    book, clock, ready = Book(rules()), Clock(), list[str]()
    services = Services(
        database=database,
        rulebook=book,
        pool=pool,
        settings=WebSettings(base_url=base_url, password_cost=CHEAP, lifetime=Lifetime()),
        now_ms=clock,
        feed=(feed := Feed()),
        submitter=Submitter(
            writer=database.writer,
            read=OutgoingReader(pool=pool, rules=lambda: book.current, chance=secrets.randbits),
            index=index.add,
            on_sent=feed.publish,
            is_ours=lambda address: book.current.serves(address.domain),
            hostname="mx.musterstadt.example",
            now_ms=clock,
            chance=lambda: secrets.randbits(21),
            references=SubjectReferences(database=database, rules=lambda: book.current),
        ),
        readiness=lambda: tuple(ready),
        metrics=lambda: b"maild_up 1\n",
    )
    try:
        with start_blocking_portal() as loop:
            yield Office(
                database=database, index=index, services=services, book=book, clock=clock, loop=loop, ready=ready
            )
    finally:
        if not pool._busy:  # a call that its test did not wait for
            _idle.append(pool)
        index.close()
        database.close()


def letter(
    subject: str = "Frage zum Kitaplatz",
    text: str = "Guten Tag,\n\nwann wird entschieden?\n\nPetra Mustermann\n",
    *,
    sender: str = "Petra Mustermann <petra.mustermann@citizen.example>",
    key: str = "",
    parent: str = "",
    extra: str = "",
) -> str:
    """Write a small letter."""
    fields = [f"From: {sender}", "To: kita.platzvergabe@musterstadt.example", f"Subject: {subject}"]
    fields += [f"Message-ID: <{key}>"] if key else []
    fields += [f"In-Reply-To: <{parent}>"] if parent else []
    fields += ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    return "\n".join(fields) + "\n" + extra + "\n" + text


HTML_LETTER = """From: Bauträger <plan@bau.example>
To: kita.platzvergabe@musterstadt.example
Subject: Gestaltet
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

<p>Guten <b>Tag</b></p><script>alert(1)</script><img src="http://zaehler.example/pixel.gif">
"""


def shown_id(number: int) -> str:
    """Return an id as addresses have it."""
    return format_id(number)
