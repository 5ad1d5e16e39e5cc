"""What rules in `mode: observe` would have done: written with the filing. `maild.archive.observations` reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, insert

from maild.archive.prepared import Prepared
from maild.archive.schema import observations


class Observation(NamedTuple):
    """A rule that only observes has matched a message's recipient. `would`: actions as in a trace."""

    rule: str
    recipient: str
    would: tuple[str, ...]


_INSERT = Prepared(insert(observations))


def observe(connection: Connection, found: Iterable[tuple[int, tuple[Observation, ...]]]) -> None:
    """Write what was observed of messages that are being filed."""
    rows = [
        {"rule": each.rule, "message_id": message_id, "recipient": each.recipient, "would": json.dumps(each.would)}
        for message_id, observed in found
        for each in observed
    ]
    _INSERT.run(connection, rows)
