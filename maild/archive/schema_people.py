"""The tables of what people do with mail and with each other's rights.

Times and JSON as in `maild.archive.schema`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, SmallInteger, Table, Text

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
)

# The one row that says where the log ends, so that its newest rows cannot be cut off unnoticed.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("chain", LargeBinary(32), nullable=False),
)
