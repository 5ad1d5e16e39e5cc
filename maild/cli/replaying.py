"""What `maild rules replay` and `maild rules replays` print. No word of any mail is shown."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import click
from sqlalchemy import Connection

from maild.archive.readers import find_orphans, find_unled, stood_in_for
from maild.archive.replay import Beginning, Replay, Selection, all_replays, replay_to_undo
from maild.archive.replayable import Chosen
from maild.archive.search import search
from maild.archive.search_language import QueryError, parse
from maild.archive.search_query import Query
from maild.cli.account import account
from maild.cli.progress import Progress
from maild.cli.rehearsal import kinds_json, put_kinds
from maild.cli.store import opened, reading, writing
from maild.cli.times import local, now_ms, rfc3339, zone
from maild.cli.verb import counted, note, put_json, put_table, settings
from maild.cli.versions import serving
from maild.mail.ids import format_id
from maild.mail.inbox import unled
from maild.policy.visible import OPERATOR
from maild.router.replaying import Replaying, Tally, Undone, undo

_FOUND_AT_ONCE = 1_000
_SHORT = 12
_MOST_LEFT = 100


def run(selection: Selection, since_ms: int | None, *, yes: bool, as_json: bool) -> bool:
    """File archived mail anew, or say what that would do; return whether nothing is left to be done."""
    here = settings()
    named = serving(here)
    rules = named.ruleset
    query = _parsed(selection.query)
    number: int | None = None
    with writing(here) if yes else opened(here) as database:
        with database.read() as connection:
            chosen = _chosen(connection, since_ms or 0, query)
            unread = stood_in_for(find_orphans(connection, rules, now_ms()))
            unread |= frozenset(map(unled, find_unled(connection, rules, now_ms())))
        replaying = Replaying(database, rules, relays=here.trusted_relays, unread=unread)
        total = replaying.count(chosen)
        with Progress("replaying" if yes else "looking", total) as progress:
            progress.say(counted(total, "message"))
            if yes:
                beginning = Beginning(
                    at_ms=now_ms(), author=account(), selection=selection, rules_version=rules.version
                )
                number, tally = replaying.run(chosen, beginning, progress.advance)
            else:
                tally = replaying.rehearse(chosen, progress.advance)
    if as_json:
        put_json({"replay": number, "rules": {"name": named.name, "digest": rules.version}, **_tally_json(tally)})
    else:
        put_kinds(tally.kinds)
        _note_tally(tally, number, named.name)
    return yes or not tally.moved


def _parsed(text: str) -> Query | None:
    if not text:
        return None
    try:
        return parse(text)
    except QueryError as error:
        note(f"  {text}\n  {' ' * error.position}^")
        raise click.UsageError(f"the query cannot be read: {error}") from None


def _chosen(connection: Connection, since_ms: int, query: Query | None) -> Chosen:
    span = since_ms, now_ms() + 1
    if query is None:
        return Chosen(*span)
    return Chosen(*span, ids=tuple(sorted(_found(connection, query))))


def _found(connection: Connection, query: Query) -> Iterator[int]:
    before: int | None = None
    at_ms = now_ms()
    while hits := search(
        connection, OPERATOR, query, limit=_FOUND_AT_ONCE, before_id=before, now_ms=at_ms, zone=zone()
    ):
        yield from (hit.message_id for hit in hits)
        before = hits[-1].message_id


def _note_tally(tally: Tally, number: int | None, rules: str) -> None:
    looked = f"{rules}: {counted(tally.messages, 'message')} looked at"
    if number is None:
        note(f"{looked}: {tally.moved:,} would be filed anew; --yes does it")
    else:
        note(f"{looked}: {tally.moved:,} filed anew; `maild rules replay --undo {number} --yes` takes it back")
    if tally.kept:
        stay = "stays" if number is not None else "would stay"
        note(f"{tally.kept:,} of them: a copy {stay} with a team where somebody has worked on it")
    if tally.by_envelope:
        note(f"{counted(tally.by_envelope, 'message')} could not be read; their envelopes spoke for them")


def _tally_json(tally: Tally) -> dict[str, Any]:
    return {
        "messages": tally.messages,
        "changed": tally.moved,
        "kept": tally.kept,
        "unread": tally.by_envelope,
        "changes": kinds_json(tally.kinds),
    }


def run_undo(number: int | None, *, yes: bool, as_json: bool) -> bool:
    """Take a replay back, or say what that would do; return whether nothing is left as the replay put it."""
    here = settings()
    with reading(here) as connection:
        replay = replay_to_undo(connection, number)
    if not yes:
        if as_json:
            put_json(_replay_json(replay))
        else:
            note(f"{_title(replay)}: {counted(replay.messages, 'message')} would be put back; --yes does it")
        return not replay.messages
    with writing(here) as database, Progress("taking back", replay.messages) as progress:
        progress.say(counted(replay.messages, "message"))
        undone = undo(database, replay.id, now_ms(), progress.advance, by=account())
    if as_json:
        put_json({"replay": replay.id, "restored": undone.restored, "left": [format_id(n) for n in undone.left]})
    else:
        _put_undone(replay, undone)
    return not undone.left


def _put_undone(replay: Replay, undone: Undone) -> None:
    for number in undone.left[:_MOST_LEFT]:
        click.echo(format_id(number))
    note(f"{_title(replay)}: {counted(undone.restored, 'message')} put back")
    if undone.left:
        note(f"{counted(len(undone.left), 'message')} left where they are: something was changed there since")


def put_replays(*, as_json: bool) -> None:
    """Print all replays; exit with 1 when there was none."""
    with reading(settings()) as connection:
        found = all_replays(connection)
    if as_json:
        for replay in found:
            put_json(_replay_json(replay))
    elif found:
        put_table(("REPLAY", "AT", "BY", "RULES", "SELECTION", "MESSAGES", "STATE"), [_row(replay) for replay in found])
    if not found:
        note("nothing has been filed anew yet")
        raise click.exceptions.Exit(1)


def _title(replay: Replay) -> str:
    return f"replay {replay.id} of {local(replay.at_ms)} by {replay.author}"


def _rules(replay: Replay) -> str:
    return f"version {replay.rules_number}" if replay.rules_number is not None else replay.rules_version[:_SHORT]


def _row(replay: Replay) -> tuple[str, ...]:
    return (
        str(replay.id),
        local(replay.at_ms),
        replay.author,
        _rules(replay),
        _said(replay.selection),
        f"{replay.messages:,}",
        _state(replay),
    )


def _said(selection: Selection) -> str:
    since = f"--since {selection.since} " if selection.since else ""
    return f"{since}{f'--query {shlex.quote(selection.query)}' if selection.query else ''}".strip()


def _state(replay: Replay) -> str:
    if replay.taken_back_ms is not None:
        return f"taken back {local(replay.taken_back_ms)}"
    return "holds" if replay.ended else "cut off"


def _replay_json(replay: Replay) -> dict[str, Any]:
    back = replay.taken_back_ms
    return {
        "replay": replay.id,
        "date": rfc3339(replay.at_ms),
        "author": replay.author,
        "rules": {"number": replay.rules_number, "digest": replay.rules_version},
        "since": replay.selection.since or None,
        "query": replay.selection.query or None,
        "messages": replay.messages,
        "ended": replay.ended,
        "taken_back": None if back is None else rfc3339(back),
    }
