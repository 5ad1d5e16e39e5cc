"""Make a test of this message: an entry for the rules file, with the message's people replaced.

For who may read the message and edit the rules. The test has the recipients of the reader's inboxes alone: that the
same letter went to others stays unsaid.
"""

from __future__ import annotations

import pickle

from starlette.responses import Response

from maild.archive import content
from maild.archive.audit import Record
from maild.archive.examinations import verdicts_between
from maild.archive.provenance import provenance
from maild.archive.queries import Message
from maild.archive.replies import replies_between
from maild.confinement import ConfinementError
from maild.errors import NotFoundError
from maild.mail.acts import Act
from maild.mail.ids import format_id, parse_id
from maild.policy.roles import Permission
from maild.router.making_tests import MAKE, Wanted
from maild.rules.in_worker import RulesWanted
from maild.rules.making_tests import Written
from maild.rules.tests_section import UnfitError, appended
from maild.web.language import catalogue
from maild.web.recording import remember_act, remember_message
from maild.web.rules_draft import Draft, fresh_draft
from maild.web.shell import shell_of
from maild.web.visit import Visit
from maild.web.why_words import FLAGS, KEYS


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_PARTS = {**KEYS, **FLAGS, "received": _("Received")}


async def page(visit: Visit) -> Response:
    """Show the test of a message."""
    number = parse_id(visit.request.path_params["id"])
    # One answer for what is not there, what may not be read, and who may not edit rules.
    if number is None or not visit.may(Permission.RULES):
        raise NotFoundError("there is nothing here that you may see")
    rules = visit.services.rulebook.current
    found = await visit.read(provenance, visible=visit.visible, rules=rules, message_id=number)
    remember_message(visit, found.message)
    told = [told.route.recipient for told in found.routes or () if told.known]
    message = found.message
    joined = await visit.read(replies_between, number, number)
    verdicts = await visit.read(verdicts_between, number, number)
    wanted = Wanted(
        received_ms=message.received_ms,
        reverse_path=message.reverse_path or None,
        addresses=tuple(dict.fromkeys(told)),
        size=message.size,
        believed=visit.services.relays.believed(str(message.envelope.get("ip"))),
        verdicts=verdicts.get(number),
        reply=joined.get(number),
    )
    written = await _written(visit, wanted, await visit.read(content.read, message.digest))
    if written.entry:
        remember_act(visit, _made(visit, message))
    say = catalogue(visit.language).gettext
    return visit.page(
        "rules_test.html",
        shell=await shell_of(visit),
        message=message,
        entry=written.entry,
        draft=None if not written.entry else _draft(visit, written.entry),
        kept=[(say(_PARTS.get(part, part)), looking) for part, looking in written.kept],
    )


def _made(visit: Visit, message: Message) -> Record:
    """Return the record of it: what stays in a test of a letter leaves the inbox for a file that others read."""
    team, about = next(iter(message.teams), ""), format_id(message.id)
    conversation_id = message.conversation_id or None
    return visit.acted(Act.EXPORTED, team=team, conversation_id=conversation_id, about=about, what="made a test")


def _draft(visit: Visit, entry: str) -> Draft | None:
    """Return the rules with the test in them; None where only a person can put it in."""
    try:
        return fresh_draft(visit, appended(visit.services.rulebook.source, entry))
    except UnfitError:
        return None


async def _written(visit: Visit, wanted: Wanted, octets: bytes) -> Written:
    rules = visit.services.rulebook.current
    pool = visit.services.pool
    try:
        written = await pool.run(MAKE, rules.version, None, wanted, octets)
        if isinstance(written, RulesWanted):
            written = await pool.run(MAKE, rules.version, pickle.dumps(rules, protocol=5), wanted, octets)
    except ConfinementError:
        return Written(entry="", kept=())
    made: Written = written
    return made
