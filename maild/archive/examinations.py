"""What was found out about a message's sender: written with its acceptance or its filing, read by pages and rules.

Nothing here decides who may see a message: whoever asks has found it by a query with `visible` before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, Executable, bindparam, select

from maild.archive.prepared import Prepared
from maild.archive.questions import Question
from maild.archive.schema_senders import examinations
from maild.archive.upserting import inserting
from maild.mail.authentication import Verdicts
from maild.mail.evidence import Evidence, from_json


def keep_evidence(connection: Connection, found: Mapping[int, str]) -> None:
    """Write the evidence (JSON) of messages by their ids; what scanners said of them stays."""
    if found:
        _KEEP.run(connection, [{"message": message_id, "found": text} for message_id, text in found.items()])


def evidence_of(connection: Connection, ids: Iterable[int]) -> dict[int, Evidence]:
    """Return the evidence of messages; nothing for those at which nobody has looked."""
    return {message_id: from_json(text) for message_id, text in _EVIDENCE.rows(connection, ids=tuple(ids))}


_EVIDENCE = Question(
    lambda: select(examinations.c.message_id, examinations.c.evidence).where(
        examinations.c.message_id.in_(bindparam("ids", expanding=True)), examinations.c.evidence.is_not(None)
    )
)


def verdicts_between(connection: Connection, first: int, last: int) -> dict[int, Verdicts]:
    """Return the verdicts of the messages from one id to another, both included."""
    table = examinations.c
    rows = connection.execute(
        select(table.message_id, table.evidence).where(
            table.message_id.between(first, last), table.evidence.is_not(None)
        )
    )
    return {message_id: from_json(text).verdicts for message_id, text in rows}


def _keep(dialect: str) -> Executable:
    insert = inserting(examinations, dialect).values(message_id=bindparam("message"), evidence=bindparam("found"))
    return insert.on_conflict_do_update(
        index_elements=[examinations.c.message_id], set_={"evidence": insert.excluded.evidence}
    )


_KEEP = Prepared(_keep)
