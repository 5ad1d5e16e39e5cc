"""What `maild rules make-test` prints: a test of an archived message, with its people replaced."""

from __future__ import annotations

import pickle

import click

from maild.archive import content
from maild.archive.examinations import verdicts_between
from maild.archive.queries import message
from maild.archive.replayable import addressed
from maild.archive.replies import replies_between
from maild.cli.store import by_operator, reading, remember_acts
from maild.cli.verb import note, settings
from maild.cli.versions import serving
from maild.confinement import ConfinementError, Worker
from maild.errors import MaildError
from maild.mail.acts import Act
from maild.mail.ids import format_id, parse_id
from maild.policy.visible import OPERATOR
from maild.router.making_tests import MAKE, Wanted
from maild.rules.making_tests import Written

_WHY_NONE = "no test can have its outcome: rules look at what a test cannot say, or were never asked about it"


def run(text: str) -> None:
    """Print the entry to stdout, what it still has of the message to stderr; exit with 1 when there can be none."""
    number = parse_id(text)
    if number is None:
        raise click.UsageError(f"'{text}' is not the id of a message; ids look like {format_id(1 << 62)}")
    here = settings()
    rules = serving(here).ruleset
    with reading(here) as connection:
        found = message(connection, visible=OPERATOR, message_id=number)
        octets = content.read(connection, found.digest)
        addresses = addressed(connection, [number]).get(number, ())
        joined = replies_between(connection, number, number).get(number)
        verdicts = verdicts_between(connection, number, number).get(number)
    believed = here.trusted_relays.believed(found.envelope.get("ip"))
    wanted = Wanted(
        received_ms=found.received_ms,
        reverse_path=found.reverse_path or None,
        addresses=addresses,
        size=found.size,
        believed=believed,
        verdicts=verdicts,
        reply=joined,
    )
    written = _made(rules.version, pickle.dumps(rules, protocol=5), wanted, octets)
    if not written.entry:
        note(f"{format_id(number)}: {_WHY_NONE}")
        raise click.exceptions.Exit(1)
    team, conversation_id = next(iter(found.teams), ""), found.conversation_id or None
    made = by_operator(Act.EXPORTED, format_id(number), team=team, conversation_id=conversation_id, what="made a test")
    remember_acts(here, made)
    click.echo(written.entry, nl=False)
    for part, looking in written.kept:
        sake = f", which {', '.join(looking)} looked at" if looking else ""
        note(f"'{part}' holds something of the message{sake}")


def _made(version: str, rules: bytes, wanted: Wanted, octets: bytes) -> Written:
    worker = Worker(preload=("maild.router.making_tests",))
    try:
        written: Written = worker.call(MAKE, version, rules, wanted, octets)
    except ConfinementError as error:
        raise MaildError(f"the message cannot be read within the limits ({error.kind})") from error
    finally:
        worker.kill()
    return written
