"""Run a demo: the daemon, the sample mail through its own door, and the words that say where to look."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import smtplib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from maild.app import run_daemon
from maild.archive.sources import Item
from maild.archive.transfer import Target, import_messages
from maild.cli.demo_mail.build import Sample, samples
from maild.cli.demo_site import DOMAIN, PEOPLE, Person, prepare
from maild.cli.serve import ROLES
from maild.cli.store import writing
from maild.cli.times import now_ms
from maild.cli.verb import note
from maild.config import Endpoint, Settings
from maild.errors import TemporaryError
from maild.mail.address import parse_address
from maild.policy.roles import Role

_START_S = 30.0


def run(folder: Path) -> None:
    """Make the demo if it is not there, and run it until Ctrl-C."""
    settings, passwords, is_new = prepare(folder)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, folder, passwords, is_new=is_new))


async def _run(settings: Settings, folder: Path, passwords: dict[str, str], *, is_new: bool) -> None:
    # Nothing of a demo leaves this machine, whatever its rules ask for.
    daemon = asyncio.create_task(run_daemon(settings, frozenset(ROLES) - {"delivery"}))
    try:
        await _until_open(daemon, settings)
        if is_new:
            await asyncio.to_thread(_send_all, settings)
        _tell(settings, folder, passwords)
        await daemon
    finally:
        daemon.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await daemon
    note("stopped; `maild demo` goes on with the same mail")


async def _until_open(daemon: asyncio.Task[None], settings: Settings) -> None:
    deadline = time.monotonic() + _START_S
    for endpoint in (*settings.smtp.listen, settings.web.listen):
        while not await _answers(endpoint):
            if daemon.done():
                await daemon  # raises what kept it from starting
                raise TemporaryError("the daemon ended before it was ready")
            if time.monotonic() > deadline:
                raise TemporaryError(f"the daemon does not answer on {endpoint}")
            await asyncio.sleep(0.05)


async def _answers(endpoint: Endpoint) -> bool:
    try:
        _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except OSError:
        return False
    writer.close()
    return True


def _send_all(settings: Settings) -> None:
    listen = settings.smtp.listen[0]
    with smtplib.SMTP(listen.host, listen.port, local_hostname="post.example", timeout=30) as smtp:
        for sample in samples(DOMAIN, datetime.now(UTC)):
            if sample.outgoing:
                _archive_answer(settings, sample)
            else:
                smtp.sendmail(sample.sender or "", sample.recipients, sample.octets)


def _archive_answer(settings: Settings, sample: Sample) -> None:
    """Put an answer of the office into its conversation, as an import of sent mail does."""
    office = parse_address(sample.sender or "")
    target = Target(address=office, sent_by=office)
    item = Item(name="demo", octets=sample.octets, consumed=len(sample.octets))
    with writing(settings) as database:
        for _ in import_messages(database.writer, [item], target, now_ms=now_ms(), chance=lambda: secrets.randbits(21)):
            pass


def _tell(settings: Settings, folder: Path, passwords: dict[str, str]) -> None:
    listen = settings.smtp.listen[0]
    recipient = f"info@{DOMAIN}"  # of the inbox that opens first
    lines = [
        "",
        f"  maild is running, in {folder}/",
        "",
        f"  Look:   {settings.base_url}/",
    ]
    lines += [f"          login {who.login:6} password {passwords[who.login]:28} {_may(who)}" for who in PEOPLE]
    lines += [
        "",
        "  Send:   (in another terminal; it appears by itself in the first page that petra sees)",
        f"  {_send_line(listen, recipient)}",
        "",
        f"  Ask:    {_program()} --config {folder / 'maild.toml'} search kitaplatz",
        "",
        "  Answer: in the page. Nothing leaves this machine: in the demo what you send waits on its way out",
        "",
        "  Stop:   Ctrl-C",
        "",
    ]
    for endpoint, usual, what in ((listen, 8025, "mail"), (settings.web.listen, 8080, "pages")):
        if endpoint.port != usual:
            lines.append(f"  (Port {usual} is taken by another program: {what} on {endpoint.port}.)")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _may(person: Person) -> str:
    """Say what somebody may do, in few words: the role is told where it is more than one's own desk."""
    places: dict[Role, list[str]] = {}
    for team, role in person.grants:
        places.setdefault(role, []).extend([team] if team else [])
    return "; ".join(f"{role.value} {', '.join(teams)}".rstrip() for role, teams in places.items())


def _program() -> str:
    """Return how this very program is called from the folder that one is in."""
    called = Path(sys.argv[0])
    if called.name != "maild":
        return f"{sys.executable} -m maild"
    beside = os.path.relpath(called)
    return str(called) if beside.startswith("..") else beside


def _send_line(listen: Endpoint, recipient: str) -> str:
    """Return a command that needs nothing but Python."""
    mail = (
        f"From: Erika Beispiel <erika@post.example>\\nTo: {recipient}\\nSubject: Mein erster Brief\\n\\n"
        "Guten Tag, kommt das an?"
    )
    call = f"smtplib.SMTP('{listen.host}', {listen.port}).sendmail('erika@post.example', '{recipient}', '{mail}')"
    return f'python3 -c "import smtplib; {call}"'
