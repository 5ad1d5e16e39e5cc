"""An archive for searching, with rows as the router would leave them, on either database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, insert

from maild.archive.documents import IndexDocument, document_of
from maild.archive.index import PostgresIndex, SearchIndex, SqliteIndex, create_tables
from maild.archive.metadata import metadata
from maild.archive.schema import (
    conversations,
    entries,
    filings,
    message_refs,
    messages,
    recipients,
    summaries,
    tags,
)
from maild.archive.search_filter import message_key_target
from maild.mail.facts import Attachment, Facts, Mailbox
from maild.mail.ids import format_reference, id_ms, message_id_at

NOW_MS = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message to put on the shelf. `age_ms` is before NOW_MS."""

    subject: str = "Anfrage"
    text: str = "Guten Tag"
    sender: tuple[str, str] = ("Petra Weber", "petra@buerger.example")
    to: tuple[tuple[str, str], ...] = (("Poststelle", "info@stadt.example"),)
    cc: tuple[tuple[str, str], ...] = ()
    envelope: tuple[str, ...] = ("info@stadt.example",)
    files: tuple[str, ...] = ()
    teams: tuple[str, ...] = ("poststelle",)
    tags: tuple[str, ...] = ()
    state: str = "open"
    waiting: bool = True
    assignee: int | None = None
    direction: str = "in"
    size: int = 4_000
    age_ms: int | None = None
    message_key: str | None = None
    conversation_id: int | None = None
    filed: bool = True

    def facts(self) -> Facts:
        return Facts(
            subject=self.subject,
            senders=(Mailbox(name=self.sender[0], mail=self.sender[1]),),
            to=tuple(Mailbox(name=n, mail=m) for n, m in self.to),
            cc=tuple(Mailbox(name=n, mail=m) for n, m in self.cc),
            attachments=tuple(
                Attachment(part=str(i), name=n, media_type="application/pdf", size_bytes=1)
                for i, n in enumerate(self.files, 2)
            ),
            text=self.text,
            excerpt=self.text[:160],
        )


@dataclass
class Shelf:
    """The archive, its index, and a way to fill both."""

    database: Engine
    index: SearchIndex
    connect: Callable[[], AbstractContextManager[Connection]]
    count: int = 0
    documents: list[IndexDocument] = field(default_factory=list)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self.connect() as connection:
            yield connection

    def put(self, *letters: Letter, indexed: bool = True) -> list[int]:
        """File letters, the first the oldest, and index them."""
        ids = []
        documents = []
        with self.database.begin() as connection:
            for letter in letters:
                self.count += 1
                age_ms = letter.age_ms if letter.age_ms is not None else DAY_MS - self.count * 1_000
                message_id = message_id_at(NOW_MS - age_ms, self.count)
                self._write(connection, letter, message_id)
                ids.append(message_id)
                documents.append(document_of(letter.facts(), letter.envelope, message_id, self.count))
        self.documents += documents
        if indexed:
            self.index.add([d for d, letter in zip(documents, letters, strict=True) if letter.filed])
        return ids

    def read_documents(self, after: int, most: int) -> Sequence[IndexDocument]:
        return [d for d in self.documents if d.revision > after][:most]

    def _write(self, connection: Connection, letter: Letter, message_id: int) -> None:
        digest = hashlib.sha256(str(message_id).encode()).digest()
        connection.execute(
            insert(messages).values(
                id=message_id, sequence=self.count, chain=digest, direction=letter.direction, origin="smtp",
                digest=digest, size=letter.size, received_ms=id_ms(message_id), reverse_path=letter.sender[1],
                envelope="{}",
            )
        )  # fmt: skip
        for position, address in enumerate(letter.envelope):
            connection.execute(
                insert(recipients).values(
                    message_id=message_id, position=position, address=address, address_key=address,
                    state="filed" if letter.filed else "accepted",
                )
            )  # fmt: skip
        if letter.filed:
            self._file(connection, letter, message_id)

    def _file(self, connection: Connection, letter: Letter, message_id: int) -> None:
        conversation_id = letter.conversation_id or message_id
        if letter.conversation_id is None:
            connection.execute(
                insert(conversations).values(
                    id=message_id, reference=format_reference(self.count), subject=letter.subject
                )
            )
        facts = letter.facts()
        connection.execute(
            insert(summaries).values(
                message_id=message_id, conversation_id=conversation_id, revision=self.count, date_ms=None,
                subject=facts.subject, from_name=letter.sender[0], from_mail=letter.sender[1],
                people=json.dumps([]), message_key=letter.message_key, excerpt=facts.excerpt,
                attachments=len(letter.files), automatic=0, rules_version="0", trace=b"",
            )
        )  # fmt: skip
        if letter.message_key:
            connection.execute(
                insert(message_refs).values(
                    target=message_key_target(letter.message_key), message_id=message_id, position=0
                )
            )
        for team in letter.teams:
            connection.execute(
                insert(filings).values(team=team, message_id=message_id, conversation_id=conversation_id)
            )
            if letter.conversation_id is None:
                connection.execute(
                    insert(entries).values(
                        conversation_id=conversation_id, team=team, state=letter.state, assignee=letter.assignee,
                        priority=1, newest_id=message_id, waiting_since_ms=NOW_MS if letter.waiting else None,
                    )
                )  # fmt: skip
                for tag in letter.tags:
                    connection.execute(insert(tags).values(conversation_id=conversation_id, team=team, tag=tag))


def aged(letter: Letter, days: float) -> Letter:
    return replace(letter, age_ms=int(days * DAY_MS))


@contextmanager
def sqlite_shelf(folder: Path) -> Iterator[Shelf]:
    index = SqliteIndex(folder / "index.sqlite3")
    engine = create_engine(f"sqlite:///{folder / 'maild.sqlite3'}", connect_args={"uri": True})
    metadata.create_all(engine)

    @event.listens_for(engine, "connect")
    def _attach(raw: object, _record: object) -> None:
        raw.execute("ATTACH DATABASE ? AS idx", (f"file:{folder / 'index.sqlite3'}?mode=ro",))  # type: ignore[attr-defined]

    engine.dispose()
    yield Shelf(database=engine, index=index, connect=engine.connect)
    engine.dispose()
    index.close()


@contextmanager
def postgres_shelf(url: str) -> Iterator[Shelf]:
    engine = create_engine(url)
    with engine.begin() as connection:
        metadata.create_all(connection)
        create_tables(connection)
    index = PostgresIndex(engine)
    yield Shelf(database=engine, index=index, connect=engine.connect)
    engine.dispose()
