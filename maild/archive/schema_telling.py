"""The tables of what maild tells its own people by mail: what became of their letters, and what is new.

Times as in `maild.archive.schema`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, SmallInteger, Table, Text, text

from maild.archive.metadata import metadata

# What the author of a letter is to hear of one delivery: recorded with the try that shows it, and told once.
author_reports = Table(
    "author_reports",
    metadata,
    Column("delivery_id", BigInteger, ForeignKey("deliveries.id"), primary_key=True),
    Column("action", Text, primary_key=True),  # failed | delayed | relayed | held (a colleague was quicker)
    Column("message_id", BigInteger, ForeignKey("messages.id"), nullable=False),
    Column("said", Text, nullable=False),  # what the next hop answered
    Column("remote", Text, nullable=False),  # the host that said it
    Column("made_ms", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # waiting | told | dropped
    Column("why", Text, nullable=False),  # it was dropped, in one word
    Column("ended_ms", BigInteger),
    Index("author_reports_waiting", "message_id", sqlite_where=text("state = 'waiting'"),
          postgresql_where=text("state = 'waiting'")),
)  # fmt: skip

# Who wants to be told by mail what is new, and how far they have been told. Without a row, nobody is.
digest_choices = Table(
    "digest_choices",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("mode", Text, nullable=False),  # off | daily | at-once
    Column("hour", SmallInteger, nullable=False),  # of the organisation's clock
    Column("subjects", SmallInteger, nullable=False),  # 1: with subjects, where the team allows it
    Column("slot", Text, nullable=False),  # the day of the last daily one, whether there was anything to tell or not
    Column("told_ms", BigInteger, nullable=False),  # what is older has been told, or was there when it was turned on
    Column("sent_ms", BigInteger),
    Column("message_id", BigInteger),  # the last one
    Column("inboxes", Text, nullable=False, server_default=text("''")),  # JSON: those that it was allowed to tell of
    Column("before_ms", BigInteger),  # `told_ms` before it
)

# Teams of which a person wants to hear nothing that way.
digest_silent = Table(
    "digest_silent",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True),
    Column("team", Text, primary_key=True),
)
