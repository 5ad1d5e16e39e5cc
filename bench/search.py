"""How quick is a search: 100,000 messages, the newest 50 hits, for readers of many, of some, of few messages.

    python -m bench.search [--messages 100000] [--cpu] [--postgresql URL]

The words follow Zipf's law, so that the commonest are in nearly every message and the rarest in one. Each class of
queries is asked with words drawn anew, so that no page is warm by chance; the table gives milliseconds. On a machine
that does other things besides, `--cpu` counts the processor's time of this process and not the clock's, which on
SQLite is all of the work.
"""

from __future__ import annotations

import argparse
import bisect
import hashlib
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, insert, text

from maild.archive.documents import IndexDocument
from maild.archive.index import PostgresIndex, SearchIndex, SqliteIndex, create_tables
from maild.archive.metadata import metadata
from maild.archive.schema import conversations, entries, filings, messages, summaries, tags
from maild.archive.search import count, search
from maild.archive.search_language import parse
from maild.mail.ids import format_reference, message_id_at
from maild.policy.visible import OPERATOR, Visible

NOW_MS = 1_790_000_000_000
WORDS_EACH = 90
BATCH = 5_000
# Which share of the messages each team holds; the rest lies with thirty others.
SHARES = {"gross": 0.5, "mittel": 0.05, "klein": 0.005}
OTHERS = tuple(f"amt{n}" for n in range(30))
READERS = {
    "operator": OPERATOR,
    "all teams": Visible(teams=frozenset((*SHARES, *OTHERS))),
    "gross 50%": Visible(teams=frozenset({"gross"})),
    "mittel 5%": Visible(teams=frozenset({"mittel"})),
    "klein 0.5%": Visible(teams=frozenset({"klein"})),
}


class Vocabulary:
    """Pronounceable words, drawn by Zipf's law."""

    def __init__(self, chance: random.Random, size: int = 60_000) -> None:
        self.chance = chance
        syllables = [a + b for a in "bdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "en", "at")]
        words: dict[str, None] = {}
        while len(words) < size:
            words["".join(chance.choices(syllables, k=chance.choice((1, 2, 2, 3, 3, 4))))] = None
        self.words = list(words)
        self.sums = list(itertools.accumulate(1 / (n + 3) for n in range(size)))

    def draw(self, many: int) -> list[str]:
        return self.chance.choices(self.words, cum_weights=self.sums, k=many)

    def ranked(self, low: int, high: int) -> str:
        return self.words[self.chance.randrange(low, high)]


def team_of(chance: random.Random) -> str:
    bounds = list(itertools.accumulate(SHARES.values()))
    place = bisect.bisect(bounds, chance.random())
    return tuple(SHARES)[place] if place < len(SHARES) else chance.choice(OTHERS)


def rows_of(
    number: int, total: int, vocabulary: Vocabulary
) -> tuple[dict[str, list[dict[str, object]]], IndexDocument]:
    chance = vocabulary.chance
    message_id = message_id_at(NOW_MS - (total - number) * 300_000, number)
    words = vocabulary.draw(WORDS_EACH)
    digest = hashlib.sha256(str(number).encode()).digest()
    team = team_of(chance)
    sender = f"{vocabulary.ranked(0, 5_000)} buerger example"
    rows: dict[str, list[dict[str, object]]] = {
        "messages": [{
            "id": message_id, "sequence": number, "chain": digest, "direction": "in", "origin": "smtp",
            "digest": digest, "size": 4_000, "received_ms": NOW_MS, "reverse_path": sender, "envelope": "{}" * 100,
        }],
        "conversations": [{"id": message_id, "reference": format_reference(number), "subject": words[0]}],
        "summaries": [{
            "message_id": message_id, "conversation_id": message_id, "revision": number, "date_ms": NOW_MS,
            "subject": " ".join(words[:5]), "from_name": sender, "from_mail": sender, "people": "[]",
            "message_key": f"{number}@x", "excerpt": " ".join(words[5:25]), "attachments": int(number % 7 == 0),
            "automatic": 0, "rules_version": "0" * 64, "trace": b"0" * 200,
        }],
        "filings": [{"team": team, "message_id": message_id, "conversation_id": message_id}],
        "entries": [{
            "conversation_id": message_id, "team": team, "state": "open" if total - number < 2_000 else "closed",
            "priority": 1, "newest_id": message_id,
        }],
        "tags": [{"conversation_id": message_id, "team": team, "tag": "presse"}] if number % 1_000 == 0 else [],
    }  # fmt: skip
    document = IndexDocument(
        message_id=message_id, revision=number, subject=" ".join(words[:5]), sender=sender,
        recipients="poststelle stadt example", envelope="poststelle stadt example", body=" ".join(words[5:]),
    )  # fmt: skip
    return rows, document


def fill(engine: Engine, index: SearchIndex, total: int, vocabulary: Vocabulary) -> None:
    tables = (messages, conversations, summaries, filings, entries, tags)
    spent: list[float] = []
    for start in range(1, total + 1, BATCH):
        made = [rows_of(n, total, vocabulary) for n in range(start, min(start + BATCH, total + 1))]
        with engine.begin() as connection:
            for table in tables:
                rows = [row for each, _ in made for row in each[table.name]]
                if rows:
                    connection.execute(insert(table), rows)
        began = time.perf_counter()
        index.add([document for _, document in made])
        spent.append(time.perf_counter() - began)
    print(
        f"index: {sum(spent) / total * 1000:.3f} ms a message; a commit of {BATCH}:"
        f" median {statistics.median(spent):.2f} s, longest {max(spent):.2f} s"
    )


def classes(v: Vocabulary) -> dict[str, Callable[[], str]]:
    return {
        "common word": lambda: v.ranked(0, 30),
        "middling word": lambda: v.ranked(200, 2_000),
        "rare word": lambda: v.ranked(20_000, 60_000),
        "phrase, common": lambda: f'"{v.ranked(0, 6)} {v.ranked(0, 6)}"',
        "phrase, rare": lambda: f'"{v.ranked(0, 100)} {v.ranked(0, 100)}"',
        "two words": lambda: f"{v.ranked(0, 100)} {v.ranked(100, 1_000)}",
        "word without": lambda: f"{v.ranked(0, 100)} -{v.ranked(0, 20)}",
        "from: and word": lambda: f"from:{v.ranked(0, 5_000)} {v.ranked(0, 20)}",
        "subject:": lambda: f"subject:{v.ranked(0, 300)}",
        "word, tag:": lambda: f"tag:presse {v.ranked(0, 30)}",
        "word, is:open": lambda: f"is:open {v.ranked(0, 100)}",
        "word after:30d": lambda: f"after:30d {v.ranked(0, 100)}",
        "prefix of 4": lambda: f"{v.ranked(0, 2_000)[:4].ljust(3, 'a')}*",
        "only -word": lambda: f"-{v.ranked(0, 5)}",
        "tag:": lambda: "tag:presse",
        "has:attachment": lambda: "has:attachment",
        "is:open": lambda: "is:open",
    }


def milliseconds(asked: Iterable[float]) -> str:
    each = sorted(asked)
    return f"{statistics.median(each) * 1000:6.1f} {each[int(len(each) * 0.95)] * 1000:6.1f}"


def measure(
    connection: Connection, visible: Visible, make: Callable[[], str], given: argparse.Namespace, job: str
) -> str:
    spent = []
    clock = time.process_time if given.cpu else time.perf_counter
    for _ in range(given.times):
        query = parse(make())
        began = clock()
        if job == "search":
            search(connection, visible, query, now_ms=NOW_MS)
        else:
            count(connection, visible, query, now_ms=NOW_MS)
        spent.append(clock() - began)
    return milliseconds(spent)


@contextmanager
def archive(url: str) -> Iterator[tuple[Engine, SearchIndex]]:
    with tempfile.TemporaryDirectory(prefix="maild-bench-") as folder:
        if url:
            engine = create_engine(url)
            with engine.begin() as connection:
                create_tables(connection)
                metadata.create_all(connection)
            index: SearchIndex = PostgresIndex(engine)
        else:
            index = SqliteIndex(Path(folder) / "index.sqlite3")
            engine = create_engine(f"sqlite:///{folder}/maild.sqlite3", connect_args={"uri": True})

            @event.listens_for(engine, "connect")
            def _attach(raw: object, _record: object) -> None:
                raw.execute("PRAGMA journal_mode=WAL")  # type: ignore[attr-defined]
                raw.execute("PRAGMA mmap_size=268435456")  # type: ignore[attr-defined]
                raw.execute("ATTACH DATABASE ? AS idx", (f"file:{folder}/index.sqlite3?mode=ro",))  # type: ignore[attr-defined]
                raw.execute("PRAGMA idx.mmap_size=268435456")  # type: ignore[attr-defined]

            metadata.create_all(engine)
        yield engine, index
        engine.dispose()
        index.close()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--messages", type=int, default=100_000)
    arguments.add_argument("--times", type=int, default=40)
    arguments.add_argument("--postgresql", default="", metavar="URL", help="of an empty database")
    arguments.add_argument("--cpu", action="store_true", help="the processor's time, not the clock's")
    given = arguments.parse_args()
    vocabulary = Vocabulary(random.Random(1))
    with archive(given.postgresql) as (engine, index):
        fill(engine, index, given.messages, vocabulary)
        if given.postgresql:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
        print(f"{'p50 and p95 in ms':18}" + "".join(f"{reader:>14} " for reader in READERS))
        with engine.connect() as connection:
            for name, make in classes(vocabulary).items():
                row = [measure(connection, visible, make, given, "search") for visible in READERS.values()]
                print(f"{name:18}" + "  ".join(row), flush=True)
            row = [
                measure(connection, visible, classes(vocabulary)["common word"], given, "count")
                for visible in READERS.values()
            ]
            print(f"{'count to 1000':18}" + "  ".join(row))


if __name__ == "__main__":
    main()
