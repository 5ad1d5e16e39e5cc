"""The stages of a worker and of the index, each measured alone, in one process and in CPU time."""

from __future__ import annotations

import cProfile
import pickle
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.load import Load
from bench.material import SHAPES, Writer
from bench.ranking import Functions, by_own_time, functions_of
from bench.site import write_site
from maild.archive.analysis import analyse
from maild.archive.compression import compress
from maild.archive.documents import BODY_CHARACTERS, IndexDocument, document_of
from maild.archive.index import SqliteIndex
from maild.cli.rules import load_rules
from maild.config import load_settings
from maild.confinement import child
from maild.confinement.worker import read_answer
from maild.mail.address import parse_address
from maild.mail.facts import Facts
from maild.mail.message import parse
from maild.mail.reading import facts_of
from maild.router.pace import BATCH
from maild.router.reading import Addressed, Order, read_batch
from maild.rules.engine import merge, route_all
from maild.rules.model import Letter, Ruleset
from maild.rules.trace_form import trace_json

_INDEX_BATCH = 500  # what 0.2 s of a busy daemon brings
_FIRST_ID = 1 << 40


class Stages:
    """CPU time by stage."""

    def __init__(self) -> None:
        self._used_s: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began_s = time.thread_time()
        yield
        self._used_s[name] += time.thread_time() - began_s

    def table(self, count: int) -> str:
        return "\n".join(f"{used_s / count * 1e6:8.0f}  {name}" for name, used_s in self._used_s.items())


def orders_of(shape: str, count: int) -> list[tuple[Order, bytes]]:
    """Return mails of a shape as the router hands them to a worker."""
    orders = []
    for number, mail in enumerate(Writer(seed=92).mails(SHAPES[shape], count)):
        content = mail.data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
        order = Order(
            message_id=_FIRST_ID + number,
            direction="in",
            received_ms=1_760_000_000_000 + number,
            reverse_path=mail.sender.decode(),
            addressed=(Addressed(as_given=mail.recipient.decode(), team=None),),
            reference_bits=number,
            size=len(content),
        )
        orders.append((order, content))
    return orders


def _ruleset() -> Ruleset:
    with TemporaryDirectory() as name:
        return load_rules(load_settings(write_site(Path(name), smtp_port=8025, web_port=8080), {}))


def profile_worker(shape: str, count: int) -> tuple[str, Functions]:
    """Return the stages of a worker for each message, and a profile of its function."""
    ruleset, orders, stages = _ruleset(), orders_of(shape, count), Stages()
    batches = [orders[n : n + BATCH] for n in range(0, count, BATCH)]
    read_batch(ruleset.version, pickle.dumps(ruleset), *_arguments(batches[0]))  # as the daemon's first call leaves it
    for batch in batches:
        with stages("daemon: pickle the orders"):
            asked = child.frame((15.0, "x", ruleset.version, None, *_arguments(batch)))
        with stages("unpickle the orders"):
            _unpickle(asked)
        with stages("the whole of read_batch"):
            answer = read_batch(ruleset.version, None, *_arguments(batch))
        with stages("pickle the answer"):
            answered = child.frame(("value", answer))
        with stages("daemon: unpickle the answer"):
            meta, beside = _taken_apart(answered)
            read_answer(meta, len(beside), beside)
    for order, content in orders:
        _read(stages, ruleset, order, content)
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    for batch in batches:
        read_batch(ruleset.version, None, *_arguments(batch))
    profile.disable()
    return stages.table(count), functions_of(profile)


def _arguments(batch: list[tuple[Order, bytes]]) -> tuple[Any, ...]:
    return (frozenset[str](), [order for order, _ in batch], *[content for _, content in batch])


def _taken_apart(frame: list[bytes | child.Streamed]) -> tuple[bytes, list[bytes]]:
    """Return the meta block of a frame, and the octets beside it: those of a large mail."""
    meta, *beside = [piece for piece in frame if isinstance(piece, bytes)]
    return meta[child.HEAD.size :], beside


def _unpickle(frame: list[bytes | child.Streamed]) -> None:
    meta, beside = _taken_apart(frame)
    pickle.loads(memoryview(meta)[8 * len(beside) :], buffers=beside)


def _read(stages: Stages, ruleset: Ruleset, order: Order, content: bytes) -> Facts:
    with stages("of read_batch: facts_of"):
        facts = facts_of(content)
    with stages("of facts_of: parse"):
        parse(content)
    with stages("of read_batch: route_all and merge"):
        received_at = datetime.fromtimestamp(order.received_ms / 1000, UTC)
        letter = Letter(facts=facts, reverse_path=parse_address(order.reverse_path or ""), received_at=received_at)
        routes = route_all(ruleset, letter, [parse_address(a.as_given) for a in order.addressed])
        merge(routes)
    with stages("of read_batch: the trace, as compressed JSON"):
        compress("".join(map(trace_json, routes)).encode())
    with stages("of read_batch: document_of"):
        document_of(facts, (), order.message_id)
    with stages("of document_of: analyse the body"):
        analyse(facts.text[:BODY_CHARACTERS])
    return facts


def profile_rows(directory: Path, load: Load) -> None:
    """Print what a row of the index costs, from the facts to the commit, for each fifth of the rows."""
    documents: list[IndexDocument] = []
    profile = cProfile.Profile(time.thread_time)
    for number, (order, content) in enumerate(orders_of(load.shape, load.messages), 1):
        facts = facts_of(content)
        profile.enable()
        documents.append(document_of(facts, (), order.message_id, number))
        profile.disable()
    print(
        f"\n## row: CPU µs for each row of {load.shape}, {_INDEX_BATCH} a commit; {_tokens(documents)} tokens a row\n"
    )
    share = max(_INDEX_BATCH, load.messages // 5 // _INDEX_BATCH * _INDEX_BATCH)
    index = SqliteIndex(directory / "row.sqlite3")
    for start in range(0, len(documents), share):
        part = documents[start : start + share]
        began_s = time.thread_time()
        for first in range(0, len(part), _INDEX_BATCH):
            index.add(part[first : first + _INDEX_BATCH])
        used_us = (time.thread_time() - began_s) / len(part) * 1e6
        print(f"{used_us:8.0f}  SqliteIndex.add, rows {start + 1} to {start + len(part)}")
    began_s = time.thread_time()
    index.optimize()
    print(f"{(time.thread_time() - began_s) / len(documents) * 1e6:8.0f}  merging all of them at the end")
    index.close()
    octets = (directory / "row.sqlite3").stat().st_size
    print(f"{octets / len(documents):8.0f}  octets a row on disk")
    print(f"\n### row: the analysis\n\n{by_own_time(functions_of(profile), len(documents), 'row')}")


def _tokens(documents: Sequence[IndexDocument]) -> int:
    return sum(d.body.count(" ") + 1 for d in documents) // len(documents)
