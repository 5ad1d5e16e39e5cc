"""An archive of many messages with a long inbox, made in a minute: rows as intake and router write them, in big groups.

Of a team's messages so many are open conversations, a third of them somebody's; all others lie closed in six teams.
The chain is not made: nothing here is for `maild verify`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, Table, insert, update

from bench.search import Vocabulary
from maild.archive.accounts import NewGrant, NewUser, add_grants, add_users
from maild.archive.compression import compress
from maild.archive.database import Database
from maild.archive.documents import IndexDocument
from maild.archive.index_writer import open_index
from maild.archive.passwords import Cost, hash_password
from maild.archive.schema import (
    chain_head,
    content,
    conversations,
    entries,
    filings,
    message_refs,
    messages,
    recipients,
    summaries,
    tags,
)
from maild.archive.threading import target_of
from maild.archive.upgrade import upgrade
from maild.mail.ids import format_reference, message_id_at
from maild.policy.roles import Role

TEAM, OTHERS = "buergerbuero", ("kita", "bauamt", "standesamt", "ordnung", "kasse")
PEOPLE = tuple(f"person{n}" for n in range(10))
PASSWORD = "zehn Leute an einem Posteingang"
ADDRESS = f"{TEAM}@musterstadt.example"
RULES = f"""\
version: 1
organisation: {{name: Stadt Musterstadt, language: de, timezone: Europe/Berlin}}
domains: [musterstadt.example]
teams:
{"".join(f"  {team}: {{name: {team.title()}}}{chr(10)}" for team in (TEAM, *OTHERS))}
fallback: {TEAM}
addresses:
{"".join(f"  {team}: {{team: {team}, title: {team.title()}}}{chr(10)}" for team in (TEAM, *OTHERS))}
"""
_BATCH = 5_000
_EACH_MS = 300_000  # between two messages
_CHEAP = Cost(memory_kib=64, iterations=1)
_ORDER: tuple[Table, ...] = (
    content, messages, recipients, conversations, summaries, message_refs, filings, entries, tags,
)  # fmt: skip


def fill(data_dir: Path, *, total: int, opened: int, now_ms: int) -> None:
    """Make the archive, its index and ten people who may answer in the team."""
    database = Database("", data_dir)
    upgrade(database.writing)
    database.start()
    index = open_index(database)
    vocabulary = Vocabulary(random.Random(5))
    people = [_person(database, login) for login in PEOPLE]
    try:
        for start in range(1, total + 1, _BATCH):
            made = [
                _Message(
                    number,
                    vocabulary,
                    people,
                    at_ms=now_ms - (total - number + 1) * _EACH_MS,
                    is_open=number > total - opened,
                )
                for number in range(start, min(start + _BATCH, total + 1))
            ]
            with database.writing.begin() as connection:
                for table in _ORDER:
                    _insert(connection, table, (row for each in made for row in each.rows[table.name]))
                head = {"sequence": made[-1].number, "revision": made[-1].number}
                connection.execute(update(chain_head).values(head))
            index.add([each.document for each in made])
    finally:
        index.close()
        database.close()


def _person(database: Database, login: str) -> int:
    user = NewUser(
        login=login, name=login.title(), mail=None, password=hash_password(PASSWORD, _CHEAP), created_ms=0
    )  # fmt: skip
    number = database.writer.submit(add_users, user).result()
    grant = NewGrant(login=login, role=Role.COORDINATOR, team=TEAM, from_ms=0, until_ms=None, granted_by="bench")
    database.writer.submit(add_grants, grant).result()
    return int(number)


def _insert(connection: Connection, table: Table, rows: Iterable[dict[str, object]]) -> None:
    if found := list(rows):
        connection.execute(insert(table), found)


class _Message:
    """One message with all its rows, a conversation of its own."""

    def __init__(self, number: int, vocabulary: Vocabulary, people: list[int], *, at_ms: int, is_open: bool) -> None:
        chance = vocabulary.chance
        self.number = number
        message_id = message_id_at(at_ms, number)
        team = TEAM if is_open else chance.choice((TEAM, *OTHERS))
        words = vocabulary.draw(90)
        sender, key = f"mitbuerger{chance.randrange(20_000)}@post.example", f"{number}.brief@post.example"
        subject, body = " ".join(words[:6]), " ".join(words)
        octets = (
            f"From: Mitbürger <{sender}>\r\nTo: {team}@musterstadt.example\r\nSubject: {subject}\r\n"
            f"Message-ID: <{key}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Transfer-Encoding: 8bit\r\n\r\nGuten Tag,\r\n\r\n{body}\r\n"
        ).encode()
        digest = hashlib.sha256(octets).digest()
        own = {"message_id": message_id}
        talk = {"conversation_id": message_id}
        self.rows: dict[str, list[dict[str, object]]] = {
            "content": [{"digest": digest, "chunk": 0, "octets": compress(octets)}],
            "messages": [{
                "id": message_id, "sequence": number, "chain": digest, "direction": "in", "origin": "smtp",
                "digest": digest, "size": len(octets), "received_ms": at_ms, "reverse_path": sender, "envelope": "{}",
            }],
            "recipients": [{
                **own, "position": 0, "address": f"{team}@musterstadt.example",
                "address_key": f"{team}@musterstadt.example", "state": "filed",
            }],
            "conversations": [{"id": message_id, "reference": format_reference(number), "subject": subject}],
            "summaries": [{
                **own, **talk, "revision": number, "date_ms": at_ms, "subject": subject, "from_name": "Mitbürger",
                "from_mail": sender, "people": f'["{sender}"]', "message_key": key, "excerpt": body[:160],
                "attachments": 0, "automatic": 0, "rules_version": "0" * 64, "trace": compress(b"[]"),
            }],
            "message_refs": [{"target": target_of(key), **own, "position": 0}],
            "filings": [{"team": team, **own, **talk}],
            "entries": [{
                **talk, "team": team, "state": "open" if is_open else "closed", "priority": 1,
                "assignee": chance.choice(people) if number % 3 == 0 else None, "newest_id": message_id,
                "waiting_since_ms": at_ms if is_open else None, "seen_ms": at_ms if number % 2 else None,
            }],
            "tags": [{**talk, "team": team, "tag": f"thema{number % 40}"}] if number % 5 == 0 else [],
        }  # fmt: skip
        self.document = IndexDocument(
            message_id=message_id, revision=number, subject=subject, sender=sender, recipients=f"{team} musterstadt",
            envelope=team, body=body,
        )  # fmt: skip
