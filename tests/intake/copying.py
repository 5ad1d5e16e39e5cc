"""An exchange by copies, driven by hand: letters and answers are really read, routed and filed; the clock stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from maild.archive.accounts import NewGrant, NewUser, Revocation, add_grants, add_users, revoke_grants
from maild.archive.commit import accept
from maild.archive.copies import Choice, choose
from maild.archive.database import Database
from maild.archive.drafts import Editor, being_written
from maild.archive.duties import duties_of
from maild.archive.examinations import keep_evidence
from maild.archive.filing import Filed, file
from maild.archive.lists import inbox
from maild.archive.notes import Note, notes_of
from maild.archive.schema import filings
from maild.archive.schema_outgoing import deliveries, outgoing
from maild.archive.schema_people import audit
from maild.delivery.copying import Copying
from maild.intake.member_answers import MemberAnswers
from maild.intake.submission import Sent, Submission
from maild.mail.address import Address
from maild.mail.answer_reading import Answer, read_answer
from maild.mail.evidence import Dmarc, Evidence, to_json
from maild.mail.facts import Facts
from maild.mail.reading import facts_of
from maild.mail.reply_token import Claim, ends_ms, reply_address
from maild.policy.roles import Role
from maild.policy.visible import OPERATOR
from maild.router.reading import Addressed, Order, read_one
from maild.router.tokens import tied
from maild.rules.model import Ruleset
from tests.archive.samples import acceptance
from tests.intake.test_submit import Door
from tests.web.office import RULES, rules

KEY = b"the secret of this town, 32 octs"
KITA = "kita.platzvergabe@musterstadt.example"
CITIZEN = "petra@citizen.example"
MEMBER = "kira@rathaus.example"
BOOK = rules(RULES.replace("    office: Amt 51, Jugendamt\n", "    office: Amt 51, Jugendamt\n    copies: allowed\n"))
LETTER = (
    f"From: Petra <{CITIZEN}>\r\nTo: {KITA}\r\nMessage-ID: <frage@citizen.example>\r\nSubject: Ein Platz\r\n\r\n"
    "Ist ein Platz frei?\r\n"
)


def proven(domain: str = "rathaus.example") -> Evidence:
    return Evidence(checked_ms=1, dmarc=Dmarc(result="pass", domain=domain, dkim_aligned=True))


def written(text: str, *fields: str, author: str = MEMBER, to: object = "x@musterstadt.example") -> bytes:
    """Return an answer as a mail program sends it; each has a Message-ID of its own."""
    key = f"{abs(hash((text, fields, author)))}@rathaus.example"
    head = (f"From: Kira <{author}>", f"To: {to}", f"Message-ID: <{key}>", "Subject: AW: Ein Platz", *fields)
    return "\r\n".join([*head, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "", text, ""]).encode()


@dataclass
class Exchange:
    """`kira` has copies of the letters to kita, and may answer; so may `jonas`, who wants none."""

    database: Database
    book: Ruleset = BOOK
    sent: list[Submission] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        self.door = Door(self.database)
        submit = self.door.submitter.submit

        async def seen(asked: Submission) -> Any:
            done = await submit(asked)
            if isinstance(done, Sent):
                self.sent.append(asked)
            return done

        self.door.submitter.submit = seen  # type: ignore[method-assign]
        self.kira = self.person("kira", MEMBER, Role.RESPONDER)
        self.jonas = self.person("jonas", None, Role.RESPONDER)
        self.choose("kira", on=True)
        self.copying = Copying(
            database=self.database, rules=lambda: self.book, lifetime_ms=1_000_000, now_ms=self.now,
            on_made=lambda: None,
        )  # fmt: skip
        self.answers = self.task()

    def now(self) -> int:
        return self.door.now_ms

    def task(self) -> MemberAnswers:
        async def letter(octets: bytes) -> Facts:
            return facts_of(octets)

        async def answer(octets: bytes, instead: str) -> Answer:
            return read_answer(octets, instead)

        return MemberAnswers(
            database=self.database, rules=lambda: self.book, submitter=self.door.submitter, read_letter=letter,
            read_answer=answer, key=KEY, max_message_bytes=1_000_000, now_ms=self.now,
        )  # fmt: skip

    def person(self, login: str, mail: str | None, role: Role, team: str = "kita") -> int:
        new = NewUser(login=login, name=login.title(), mail=mail, password=None, created_ms=1)
        user_id = self.database.writer.submit(add_users, new).result()
        self.grant(login, role, team)
        return user_id

    def grant(self, login: str, role: Role, team: str = "kita") -> None:
        new = NewGrant(login=login, role=role, team=team, from_ms=0, until_ms=None, granted_by="test")
        self.database.writer.submit(add_grants, new).result()

    def withdraw(self, login: str, role: Role, at_ms: int) -> None:
        self.database.writer.submit(revoke_grants, Revocation(login=login, role=role, team="kita", revoked_ms=at_ms)
                                    ).result()  # fmt: skip

    def choose(self, login: str, *, on: bool, team: str = "kita") -> bool:
        asked = Choice(
            login=login, team=team, on=on, by=login, at_ms=self.now(), domains=self.book.domains,
            allowed=frozenset(each.id for each in self.book.teams.values() if each.copies),
            parents={each.id: each.parent for each in self.book.teams.values()},
        )  # fmt: skip
        return self.database.writer.submit(choose, asked).result()

    def came(self, octets: bytes, to: tuple[str, ...], *, sender: str | None, evidence: Evidence | None = None,
             mark: str = "") -> Filed:  # fmt: skip
        """Have a mail accepted, read, routed and filed."""
        self.number += 1
        self.door.now_ms += 1_000
        arrived = acceptance(self.number, octets=octets, sender=sender, to=to, at_ms=self.now())
        message_id = self.database.writer.submit(accept, arrived).result().message_id
        order = Order(
            message_id=message_id, direction="in", received_ms=self.now(), reverse_path=sender,
            addressed=tuple(Addressed(as_given=each, team=None) for each in to),
            reference_bits=message_id * 2654435761 % (1 << 40), size=len(octets), mark=mark,
            verdicts=None if evidence is None else evidence.verdicts,
        )  # fmt: skip
        reading = tied(order, read_one(self.book, order, octets), KEY)
        filed = self.database.writer.submit(file, reading.filing._replace(at_ms=self.now())).result()
        assert filed is not None
        if evidence is not None:
            with self.database.writing.begin() as connection:
                keep_evidence(connection, {message_id: to_json(evidence)})
        return filed

    async def letter(self, octets: str = LETTER, **how: Any) -> int:
        """Have the citizen write, and the copy made; returns the letter's id."""
        filed = self.came(octets.encode(), (KITA,), sender=CITIZEN, **how)
        await self.copying.once()
        return filed.message_id

    def address(self, letter_id: int, user_id: int | None = None, until_ms: int | None = None) -> Address:
        claim = Claim(letter_id=letter_id, user_id=self.kira if user_id is None else user_id,
                      until_ms=ends_ms(self.now()) if until_ms is None else until_ms)  # fmt: skip
        return reply_address(claim, "musterstadt.example", KEY)

    async def answer(self, to: Address, octets: bytes, *, evidence: Evidence | None = None, sender: str | None = MEMBER,
                     also: tuple[str, ...] = ()) -> Filed:  # fmt: skip
        """Have a mail to a reply address filed and carried out; its sender is proven unless told."""
        filed = self.came(octets, (str(to), *also), sender=sender, evidence=proven() if evidence is None else evidence)
        await self.answers.once()
        return filed

    # --- what became of it

    def to_citizens(self) -> list[Submission]:
        return [each for each in self.sent if each.kind == "answer"]

    def notices(self) -> list[Submission]:
        return [each for each in self.sent if each.kind == "notice"]

    def drafts(self, login: str = "jonas") -> list[tuple[str, str]]:
        """Return author and reason of the drafts that somebody who may answer can open."""
        with self.database.read() as connection:
            by = Editor(login=login, releasing=frozenset({"kita"}))
            found = being_written(connection, visible=OPERATOR, by=by)
        return [(each.author, each.why) for each in found if each.may_open]

    def fate(self, message_id: int) -> tuple[str, str | None] | None:
        with self.database.read() as connection:
            found = duties_of(connection, visible=OPERATOR, message_ids=[message_id])
        return next(((duty.state, duty.ended_by) for duty in found.get(message_id, ())), None)

    def acts(self) -> list[tuple[str, str, str]]:
        with self.database.read() as connection:
            rows = connection.execute(select(audit.c.actor, audit.c.act, audit.c.details).order_by(audit.c.sequence))
            return [tuple(row) for row in rows if row.act != "account"]

    def copies(self) -> list[tuple[str, str | None, str]]:
        with self.database.read() as connection:
            columns = (deliveries.c.recipient, deliveries.c.reverse_path, deliveries.c.state)
            return [tuple(row) for row in connection.execute(select(*columns).where(deliveries.c.kind == "copy"))]

    def outgoing(self) -> list[str]:
        with self.database.read() as connection:
            return list(connection.scalars(select(outgoing.c.kind).order_by(outgoing.c.message_id)))

    def notes(self, conversation_id: int) -> tuple[Note, ...]:
        with self.database.read() as connection:
            return notes_of(connection, visible=OPERATOR, conversation_id=conversation_id)

    def lies(self, message_id: int) -> list[str]:
        with self.database.read() as connection:
            return list(connection.scalars(select(filings.c.team).where(filings.c.message_id == message_id)))

    def subjects(self, state: str) -> list[str]:
        with self.database.read() as connection:
            found = inbox(connection, visible=OPERATOR, team="kita", state=state, user_id=0, before=None).rows
        return [each.subject for each in found]
