"""The tables of people who are away or leave, and of teams that others cover.

Times as in `maild.archive.schema`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

from maild.archive.metadata import Identity64, metadata

absences = Table(
    "absences",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),  # NULL: until somebody says that they are back
    Column("deputy_id", BigInteger, ForeignKey("users.id")),  # NULL: the team
    Column("marked_by", Text, nullable=False),  # login; "operator": the command line
    Column("marked_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),  # ended, or called off, before its time
    Column("settled_ms", BigInteger),  # the person has seen what happened meanwhile, and chosen
    Index("absences_user", "user_id", "from_ms"),
)

# Which team covers which, as the log knows it. What anybody may see does not depend on it.
team_covers = Table(
    "team_covers",
    metadata,
    Column("team", Text, primary_key=True),
    Column("deputy", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# People who leave: on that day their account closes by itself.
leavings = Table(
    "leavings",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("leaves_ms", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("closed_ms", BigInteger),
    Index("leavings_due", "closed_ms", "leaves_ms"),
)

# What somebody got from who leaves: a letter to them that stays within maild.
handovers = Table(
    "handovers",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),  # who got it
    Column("from_login", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("got", Text, nullable=False),  # JSON: [conversation id, inbox, what] …
    Column("seen_ms", BigInteger),
    Index("handovers_user", "user_id", "seen_ms"),
)
