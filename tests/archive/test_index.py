from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from maild.archive import index_writer
from maild.archive.documents import BODY_CHARACTERS, IndexDocument, document_of
from maild.archive.index import VECTOR_BYTES, PostgresIndex, SearchIndex, SqliteIndex, create_tables, vector_of
from maild.archive.index_writer import IndexWriter
from maild.mail.facts import Attachment, Facts, Mailbox

FACTS = Facts(
    subject="Anfrage: Straße",
    senders=(Mailbox(name="Jörg Weiß", mail="j.weiss@x.example"),),
    reply_to=(Mailbox(name="", mail="antwort@x.example"),),
    to=(Mailbox(name="Kita", mail="kita@stadt.example"),),
    cc=(Mailbox(name="", mail="chef@stadt.example"),),
    attachments=(Attachment(part="2", name="Scan_01.pdf", media_type="application/pdf", size_bytes=1),),
    text="Guten Tag,\nfreier Platz?",
)


def document(number: int, *, body: str = "wort", message_id: int | None = None) -> IndexDocument:
    return IndexDocument(message_id=message_id or number * 10, revision=number, subject=f"brief{number}", body=body)


def open_sqlite(folder: Path) -> SqliteIndex:
    return SqliteIndex(folder / "index.sqlite3")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SearchIndex]:
    if request.param == "sqlite":
        made = open_sqlite(tmp_path)
        yield made
        made.close()
        return
    engine = create_engine(request.getfixturevalue("postgresql"))
    with engine.begin() as connection:
        create_tables(connection)
    yield PostgresIndex(engine)
    engine.dispose()


def found(index: SearchIndex, word: str) -> list[int]:
    """Ask the database itself, newest first."""
    if isinstance(index, SqliteIndex):
        rows = index._connection.execute(
            "SELECT rowid FROM search_index WHERE search_index MATCH ? ORDER BY rowid DESC", (f'"{word}"',)
        )
        return [row[0] for row in rows]
    assert isinstance(index, PostgresIndex)
    with index._engine.connect() as connection:
        query = "SELECT message_id FROM search_index WHERE document @@ CAST(:q AS tsquery) ORDER BY 1 DESC"
        return list(connection.scalars(text(query), {"q": f"'{word}'"}))


def test_a_document_has_a_field_for_each_thing_one_asks_for() -> None:
    assert document_of(FACTS, ("kita@stadt.example", "rat@stadt.example"), 7, 3) == IndexDocument(
        message_id=7,
        revision=3,
        subject="anfrage strasse",
        sender="jorg weiss j weiss x example antwort x example",
        recipients="kita kita stadt example",
        cc="chef stadt example",
        envelope="kita stadt example rat stadt example",
        filenames="scan 01 pdf",
        body="guten tag freier platz",
    )


def test_a_very_long_text_is_indexed_to_its_limit() -> None:
    long = document_of(Facts(text="x " * BODY_CHARACTERS), (), 1)
    assert len(long.body) == BODY_CHARACTERS - 1


def test_what_was_added_is_found_and_counted(index: SearchIndex) -> None:
    assert index.watermark() == 0
    index.add([document(2), document(1)])
    assert index.watermark() == 2
    assert found(index, "wort") == [20, 10]
    assert found(index, "brief2") == [20]
    index.add([document(3, message_id=5)])  # imported: older than what is there
    assert found(index, "wort") == [20, 10, 5]
    index.add([])
    assert index.watermark() == 3


def test_a_document_added_twice_is_found_once(index: SearchIndex) -> None:
    index.add([document(1)])
    index.add([document(1), document(2)])
    index.add([document(1)._replace(revision=3)])
    index.optimize()
    assert found(index, "wort") == [20, 10]
    assert index.watermark() == 3


def test_a_failed_batch_leaves_no_row_and_no_watermark(index: SearchIndex) -> None:
    index.add([document(1)])
    broken = document(3)._replace(message_id=None)  # type: ignore[arg-type] # no database takes it
    broken = broken._replace(message_id="x")  # type: ignore[arg-type]
    with pytest.raises(Exception):  # noqa: B017, PT011 - each driver has its own
        index.add([document(2, message_id=1), broken])
    assert found(index, "wort") == [10]
    assert index.watermark() == 1
    index.add([document(2)])
    assert found(index, "wort") == [20, 10]


def test_an_emptied_index_begins_at_zero(index: SearchIndex) -> None:
    index.add([document(n) for n in range(1, 50)])
    index.clear()
    assert index.watermark() == 0
    assert found(index, "wort") == []
    index.add([document(1)])
    assert found(index, "wort") == [10]


def test_the_index_of_another_format_is_emptied(tmp_path: Path) -> None:
    index = open_sqlite(tmp_path)
    index.add([document(1)])
    index._connection.execute("PRAGMA user_version=1")
    index.close()
    again = open_sqlite(tmp_path)
    assert (again.watermark(), found(again, "wort")) == (0, [])
    again.close()


@pytest.mark.needs("postgresql")
def test_the_table_of_another_format_is_emptied(postgresql: str) -> None:
    engine = create_engine(postgresql)
    with engine.begin() as connection:
        create_tables(connection)
    PostgresIndex(engine).add([document(1)])
    assert PostgresIndex(engine).watermark() == 1
    with engine.begin() as connection:
        connection.execute(text("UPDATE search_state SET format = 0"))
    assert PostgresIndex(engine).watermark() == 0
    engine.dispose()


@pytest.mark.parametrize("damage", [b"not a database at all" * 100, b""])
def test_a_damaged_index_begins_anew(tmp_path: Path, damage: bytes) -> None:
    index = open_sqlite(tmp_path)
    index.add([document(1)])
    index.close()
    (tmp_path / "index.sqlite3").write_bytes(damage)
    again = open_sqlite(tmp_path)
    assert again.watermark() == 0
    again.add([document(1)])
    assert found(again, "wort") == [10]
    again.close()


def test_readers_are_not_held_up_by_the_writer_nor_it_by_them(tmp_path: Path) -> None:
    index = open_sqlite(tmp_path)
    index.add([document(1)])
    reader = sqlite3.connect(f"file:{tmp_path / 'index.sqlite3'}?mode=ro", uri=True, timeout=0)
    reader.execute("BEGIN")
    rows = "SELECT count(*) FROM search_index WHERE search_index MATCH 'wort'"
    assert reader.execute(rows).fetchone() == (1,)
    index.add([document(2)])
    index.clear()
    assert reader.execute(rows).fetchone() == (1,)
    reader.execute("COMMIT")
    assert reader.execute(rows).fetchone() == (0,)
    reader.close()
    index.close()


def test_a_batch_out_of_order_makes_one_segment(tmp_path: Path) -> None:
    index = open_sqlite(tmp_path)
    documents = [document(n) for n in range(1, 2_001)]
    random.Random(1).shuffle(documents)
    index.add(documents)
    segments = index._connection.execute("SELECT count(DISTINCT segid) FROM search_index_idx").fetchone()
    assert segments == (1,)
    index.close()


def test_a_vector_never_outgrows_what_postgresql_holds() -> None:
    everything = IndexDocument(
        message_id=1,
        subject=" ".join(chr(n) for n in range(0x20000, 0x21000)),
        body=" ".join(chr(n) + chr(n + 1) for n in range(0x20000, 0x2A000)) + " x" * 100_000,
    )
    assert len(vector_of(everything).encode()) < 3 * VECTOR_BYTES
    assert sum(len(lexeme.encode()) for lexeme in vector_of(everything).split()) < 3 * VECTOR_BYTES


@pytest.mark.needs("postgresql")
def test_postgresql_takes_the_longest_text_there_is(postgresql: str) -> None:
    engine = create_engine(postgresql)
    with engine.begin() as connection:
        create_tables(connection)
    index = PostgresIndex(engine)
    wide = "".join(f"{chr(n)}{chr(n + 7)} " for n in range(0x10400, 0x10400 + BODY_CHARACTERS // 3))
    index.add([
        document_of(Facts(subject=wide, text=wide), (wide,), 1, 1),
        document_of(Facts(text=" ".join(f"w{n}" for n in range(BODY_CHARACTERS))), (), 2, 2),
        document_of(Facts(text="wort " * BODY_CHARACTERS), (), 3, 3),
    ])  # fmt: skip
    assert found(index, "wort") == [3]
    engine.dispose()


# The writer


class Archive:
    """What was filed: the documents that can be read again, and how often they were."""

    def __init__(self, count: int) -> None:
        self.documents = [document(n) for n in range(1, count + 1)]
        self.reads: list[int] = []

    def read(self, after: int, most: int) -> Sequence[IndexDocument]:
        self.reads.append(after)
        return [d for d in self.documents if d.revision > after][:most]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteIndex]:
    index = open_sqlite(tmp_path)
    yield index
    index.close()


def writing(index: SearchIndex, archive: Archive) -> IndexWriter:
    return IndexWriter(index, archive.read, batch_s=0.01)


def wait_for(index: SearchIndex, revision: int) -> None:
    deadline = time.monotonic() + 60
    while index.watermark() < revision:
        assert time.monotonic() < deadline, f"the index stays at {index.watermark()}"
        threading.Event().wait(0.005)


def test_what_is_offered_is_found_soon(store: SqliteIndex) -> None:
    archive = Archive(0)
    writer = writing(store, archive)
    writer.start()
    assert writer.flush()
    writer.add([document(1)])
    writer.add([document(2)])
    assert writer.flush()
    assert found(store, "wort") == [20, 10]
    assert archive.reads == [0]
    writer.close()


def test_what_was_filed_before_the_start_is_read_from_the_archive(store: SqliteIndex) -> None:
    store.add([document(1)])
    writer = writing(store, Archive(1_700))
    writer.start(newest_revision=1_700)
    assert writer.flush()
    assert len(found(store, "wort")) == 1_700
    writer.close()


def test_an_index_ahead_of_its_archive_begins_anew(store: SqliteIndex) -> None:
    store.add([document(9, body="gibt es nicht mehr")])
    writer = writing(store, Archive(3))
    writer.start(newest_revision=3)
    assert writer.flush()
    assert found(store, "wort") == [30, 20, 10]
    assert found(store, "mehr") == []
    writer.close()


def test_documents_may_come_in_any_order_and_twice(store: SqliteIndex) -> None:
    archive = Archive(0)
    writer = writing(store, archive)
    writer.start()
    documents = [document(n) for n in range(1, 301)]
    random.Random(2).shuffle(documents)
    for each in documents:
        writer.add([each])
    writer.add(documents[:50])
    assert writer.flush()
    assert len(found(store, "wort")) == 300
    writer.close()


def test_what_was_never_offered_is_read_after_a_while(store: SqliteIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_writer, "_GAP_S", 0.05)
    archive = Archive(0)
    writer = writing(store, archive)
    writer.start()
    assert writer.flush()
    archive.documents = [document(n) for n in range(1, 6)]
    writer.add([document(1), document(2), document(4), document(5)])  # 3 was lost on its way
    wait_for(store, 5)
    assert found(store, "wort") == [50, 40, 30, 20, 10]
    writer.close()


def test_a_number_that_belongs_to_no_message_does_not_stop_the_index(
    store: SqliteIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_writer, "_GAP_S", 0.05)
    archive = Archive(0)
    writer = writing(store, archive)
    writer.start()
    archive.documents = [document(1), document(3)]
    writer.add(archive.documents)
    wait_for(store, 3)
    assert found(store, "wort") == [30, 10]
    writer.close()


def test_too_much_at_once_is_forgotten_and_read_again(store: SqliteIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_writer, "HELD_DOCUMENTS", 10)
    archive = Archive(200)
    writer = writing(store, archive)
    for each in archive.documents:
        writer.add([each])
    assert writer.pending <= 10
    writer.start()
    assert writer.flush()
    assert len(found(store, "wort")) == 200
    writer.close()


def test_a_failure_is_tried_again(store: SqliteIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_writer, "_RETRY_S", 0.01)
    archive = Archive(20)
    refusals = [OSError("the archive is away"), RuntimeError("so is the worker")]

    def read(after: int, most: int) -> Sequence[IndexDocument]:
        if refusals:
            raise refusals.pop()
        return archive.read(after, most)

    writer = IndexWriter(store, read, batch_s=0.01)
    writer.start()
    writer.add([document(21)])
    archive.documents.append(document(21))
    wait_for(store, 21)
    assert len(found(store, "wort")) == 21
    writer.close()


def test_a_rebuild_fills_the_index_again(store: SqliteIndex) -> None:
    archive = Archive(40)
    writer = writing(store, archive)
    writer.start()
    assert writer.flush()
    archive.documents = [document(n, body="neu") for n in range(1, 41)]
    writer.rebuild()
    assert writer.flush()
    assert len(found(store, "neu")) == 40
    assert found(store, "wort") == []
    writer.close()


def test_closing_writes_what_is_held(tmp_path: Path) -> None:
    index = open_sqlite(tmp_path)
    writer = IndexWriter(index, Archive(0).read, batch_s=60)
    writer.start()
    assert writer.flush()
    writer.add([document(1), document(2)])
    writer.close()
    again = open_sqlite(tmp_path)
    assert found(again, "wort") == [20, 10]
    again.close()


def test_offering_never_waits_for_the_index(store: SqliteIndex) -> None:
    entered, leave = threading.Event(), threading.Event()

    def read(_after: int, _most: int) -> Sequence[IndexDocument]:
        entered.set()
        assert leave.wait(60)
        return []

    writer = IndexWriter(store, read, batch_s=0.01)
    writer.start()
    assert entered.wait(60)
    start = time.monotonic()
    for n in range(1, 2_000):
        writer.add([document(n)])
    assert time.monotonic() - start < 2
    leave.set()
    assert writer.flush()
    assert store.watermark() == 1_999
    writer.close()
