"""What `maild status` prints."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from maild.archive.duties import waiting_duty_counts
from maild.archive.overview import Overview, overview
from maild.archive.readers import find_orphans
from maild.cli.readers import sentence
from maild.cli.rules import errors_of, read_rules
from maild.cli.store import reading
from maild.cli.times import now_ms, rfc3339
from maild.cli.verb import counted, put_json
from maild.config import Settings
from maild.delivery.queue.listing import delivery_counts
from maild.policy.visible import OPERATOR
from maild.rules.duties import HOLD
from maild.rules.rulebook import read_kept

_BACKLOG = 1_000


def run(settings: Settings, *, as_json: bool) -> bool:
    """Print how maild is; return whether all is well."""
    state = _state(settings)
    if as_json:
        put_json(state)
    else:
        for line in _lines(state):
            click.echo(line)
    return not state["wrong"]


def running(data_dir: Path) -> int | None:
    """Return the process that serves this data directory, None when there is none."""
    try:
        number = int((data_dir / "lock").read_text(encoding="ascii"))
        # The file outlives its process, and numbers are given out again: ask what the process is.
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return number if b"maild" in command else None


def reloadable(data_dir: Path) -> int | None:
    """Return the process to which SIGHUP means `reload`: the one that holds the lock, and no other of its number."""
    number = running(data_dir)
    try:
        file = (data_dir / "lock").stat().st_ino
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return None
    # 1: FLOCK  ADVISORY  WRITE 4711 fd:01:131085 0 EOF
    held = [line.split() for line in locks.splitlines()]
    holds = any(w[1] == "FLOCK" and w[4] == str(number) and w[5].endswith(f":{file}") for w in held if len(w) > 5)
    return number if holds else None


def _state(settings: Settings) -> dict[str, Any]:
    data_dir = settings.server.data_dir
    process = running(data_dir)
    loaded = read_rules(settings)
    refused = errors_of(loaded.diagnostics)
    kept = _kept_version(settings)
    free = shutil.disk_usage(data_dir).free
    with reading(settings) as connection:
        figures = overview(connection)
        orphans = () if loaded.ruleset is None else find_orphans(connection, loaded.ruleset, now_ms())
        to_do = waiting_duty_counts(connection, visible=OPERATOR)
        leaving = delivery_counts(connection, visible=OPERATOR)
    newest = figures.newest_received_ms
    wrong = []
    if process is None:
        wrong.append("the daemon is not running; `maild serve` starts it")
    if refused:
        older = "an older one serves" if process is not None else _prospect(kept)
        wrong.append(f"the rules file has {counted(len(refused), 'error')}, and {older}; `maild check` lists them")
    if process is not None and kept != figures.rules_digest:
        wrong.append(
            f"the rules serve, but their copy in {data_dir} could not be written; the log's rules.unkept says why"
        )
    wrong += _wrong_with_mail(figures)
    wrong += [sentence(orphan) for orphan in orphans]
    if free < settings.server.min_free_bytes:
        wrong.append(f"the disk has only {free // 1_000_000} MB left; new mail is refused for now")
    return {
        "process": process,
        "messages": figures.messages,
        "newest": None if newest is None else rfc3339(newest),
        "waiting": figures.waiting,
        "problems": figures.problems,
        "unindexed": figures.unindexed,
        "to_do": to_do,
        "leaving": leaving,
        "rules_version": figures.rules_number,
        "rules_refused": [str(d) for d in refused],
        "people": figures.people,
        "orphan_teams": [orphan.team.id for orphan in orphans],
        "free_bytes": free,
        "wrong": wrong,
    }


def _wrong_with_mail(figures: Overview) -> Iterator[str]:
    if figures.problems:
        marked = counted(figures.problems, "message")
        yield f"{marked} need a look: the rules failed there, or meant to refuse what was accepted"
    if figures.waiting > _BACKLOG:
        yield f"{figures.waiting} messages wait to be routed"
    if figures.unindexed and not figures.has_index:
        yield (
            "there is no full-text index, or the making of it was cut off: a search finds the newest letters alone; "
            "`maild serve` makes it when it starts"
        )


def _kept_version(settings: Settings) -> str | None:
    """Return the version of the rules that would serve after a restart with a broken file."""
    kept = read_kept(settings.server.data_dir, str(settings.server.rules))
    return None if kept is None or kept.ruleset is None else kept.ruleset.version


def _prospect(kept: str | None) -> str:
    return "`maild serve` will not start" if kept is None else "an older one will serve"


def _lines(state: dict[str, Any]) -> list[str]:
    process = "not running" if state["process"] is None else f"running, process {state['process']}"
    lines = [
        f"daemon    {process}",
        f"mail      {state['messages']:,} accepted, the newest {state['newest'] or 'never'}",
        f"routing   {state['waiting']:,} waiting, {state['problems']:,} with a problem",
        f"queue     {sum(state['to_do'].values()):,} to do, {state['to_do'].get(HOLD, 0):,} of it held mail",
        f"sending   {sum(state['leaving'].values()):,} on their way, {state['leaving'].get('held', 0):,} of them held",
        f"index     {state['unindexed']:,} behind",
        f"rules     version {state['rules_version'] or '-'}",
        f"people    {state['people']:,}",
        f"disk      {state['free_bytes'] / 1e9:,.1f} GB free",
    ]
    return [*lines, *(f"!         {text}" for text in state["wrong"])]
