"""The tables of what people do with mail and with each other's rights.

Times and JSON as in `maild.archive.schema`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, SmallInteger, Table, Text, text

from maild.archive.metadata import Identity64, metadata

# Who did what, in order, one row an act, in the transaction of the act itself. Never updated: the chain covers it.
audit = Table(
    "audit",
    metadata,
    Column("sequence", Identity64, primary_key=True, autoincrement=False),  # gap-free
    Column("chain", LargeBinary(32), nullable=False),  # SHA-256 over the previous chain and this row
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # login; "": maild itself; "operator": the command line
    Column("act", Text, nullable=False),  # a word of maild.mail.acts
    Column("team", Text, nullable=False),  # "": of no team
    Column("conversation_id", BigInteger),
    Column("about", Text, nullable=False),  # what it was done to: a login, an id, a query; "": the conversation
    Column("details", Text, nullable=False),  # JSON: the values, as they were and as they became
    Index("audit_conversation", "conversation_id"),
    Index("audit_actor", "actor", "sequence"),
    Index("audit_assigned", "at_ms", sqlite_where=text("act = 'assigned'"), postgresql_where=text("act = 'assigned'")),
)

# The one row that says where the log ends, so that its newest rows cannot be cut off unnoticed.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("chain", LargeBinary(32), nullable=False),
)

# What a team's managers are to know: a role in their team that somebody gave who does not manage it.
rights_notices = Table(
    "rights_notices",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("team", Text, nullable=False),
    Column("login", Text, nullable=False),  # who got the role
    Column("role", Text, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("seen_by", Text),  # the manager who has taken note of it
    Column("seen_ms", BigInteger),
    Index("rights_notices_team", "team", "seen_ms"),
)

# Auditors who ask to see what a person has read and searched, or who has read a conversation. It takes a second person.
audit_requests = Table(
    "audit_requests",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("asked_by", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("login", Text, nullable=False),  # whose acts; "": those of everybody, on the conversation
    Column("conversation_id", BigInteger),
    Column("days", Integer, nullable=False),  # how long it is to hold
    Column("asked_ms", BigInteger, nullable=False),
    Column("agreed", SmallInteger),  # 1, 0: declined, NULL: waits
    Column("decided_by", Text),
    Column("decided_ms", BigInteger),
    Column("until_ms", BigInteger),  # to that moment, where it was agreed to
    Index("audit_requests_asker", "asked_by", "id"),
)
