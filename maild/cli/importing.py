"""What `maild import` does: recognise every path first, then take in one source after the other."""

from __future__ import annotations

import random
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from maild.archive.audit import note_acts
from maild.archive.database import Database
from maild.archive.sources import Item, Source, SourceError, recognise
from maild.archive.transfer import Target, import_messages
from maild.cli.explain import os_error
from maild.cli.progress import Progress
from maild.cli.rules import load_rules
from maild.cli.state import running
from maild.cli.store import by_operator, writing
from maild.cli.times import now_ms
from maild.cli.verb import note, read_address
from maild.config import Settings
from maild.mail.acts import Act
from maild.rules.findings import nearest
from maild.rules.nearby import Nearby


def target_of(settings: Settings, address: str | None, team: str | None, sent_by: str | None) -> Target:
    """Return where the mail goes; raises UsageError when the rules know no such place."""
    rules = load_rules(settings)
    goal = None if address is None else read_address(address)
    if goal is not None and not rules.accepts(goal):
        meant = Nearby(rules).meant(goal)
        hint = f"did you mean {meant}?" if meant is not None else f"`maild check` reads {settings.server.rules}"
        raise click.UsageError(f"{goal} is no address of ours; {hint}")
    if team is not None and team not in rules.teams:
        raise click.UsageError(f"team '{team}' is not in the rules{nearest(team, rules.teams)}")
    return Target(address=goal, team=team, sent_by=None if sent_by is None else read_address(sent_by))


def run(settings: Settings, paths: tuple[Path, ...], target: Target) -> bool:
    """Import everything that can be; say what cannot. Returns whether all was."""
    sources, complete = _recognise(paths)
    if not complete:
        # Nothing at all is better than half of what was meant, when it shows before the start.
        note("nothing was imported: take out what is no mail, and repeat")
        return False
    counts = {"new": 0, "known": 0}
    chance = random.Random(secrets.randbits(128))  # for ids, not for secrets; the system's own costs a call each
    with writing(settings) as database, Progress("importing", sum(s.size for s in sources)) as progress:
        _note(database, target, what="began", files=len(sources))
        for source in sources:
            items = _watched(source, progress)
            try:
                for taken in import_messages(
                    database.writer, items, target, now_ms=now_ms(), chance=lambda: chance.getrandbits(21)
                ):
                    counts["known" if taken.message_id is None else "new"] += 1
                    progress.say(f"{counts['new'] + counts['known']:,} messages")
            except (SourceError, OSError) as error:
                _complain(error)
                complete = False
        _note(database, target, what="ended" if complete else "ended early", **counts)
    sys.stdout.write(f"imported {counts['new']:,}, there already {counts['known']:,}\n")
    if not complete:
        note("not everything was imported; see above. What was is safe, and is left out when this is repeated.")
    if counts["new"] and running(settings.server.data_dir) is None:
        note("the daemon is not running: it will route them into the inboxes when it is")
    return complete


def _note(database: Database, target: Target, **details: Any) -> None:
    """Write into the audit log who imports, before the first message and after the last."""
    done = by_operator(Act.IMPORTED, str(target.address or ""), team=target.team or "", **details)
    database.writer.submit(note_acts, done).result()


def _recognise(paths: tuple[Path, ...]) -> tuple[list[Source], bool]:
    sources: list[Source] = []
    complete = True
    for path in paths:
        try:
            sources += recognise(path)
        except (SourceError, OSError) as error:
            _complain(error)
            complete = False
    return sources, complete


def _complain(error: SourceError | OSError) -> None:
    note(f"maild: {os_error(error) if isinstance(error, OSError) else error}")


def _watched(source: Source, progress: Progress) -> Iterator[Item]:
    done = 0
    for item in source.items():
        progress.advance(item.consumed - done)
        done = item.consumed
        yield item
    progress.advance(source.size - done)
