"""The tables of what a team knows: its handbook, the conversations it shows as models, who has seen the first page.

Times as in `maild.archive.schema`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from maild.archive.metadata import metadata

# Every version of every page, never updated: the newest is the page, and one without a text says that it was removed.
handbook = Table(
    "handbook",
    metadata,
    Column("team", Text, primary_key=True),
    Column("page", Text, primary_key=True),  # its name in addresses
    Column("version", Integer, primary_key=True),  # 1, 2, 3 …
    Column("title", Text, nullable=False),
    Column("address", Text, nullable=False),  # the function address that it is about; "": the team
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),  # login
    Column("at_ms", BigInteger, nullable=False),
)

# Conversations that a team shows as good answers to usual questions.
models = Table(
    "models",
    metadata,
    Column("team", Text, primary_key=True),
    Column("conversation_id", BigInteger, ForeignKey("conversations.id"), primary_key=True),
    Column("why", Text, nullable=False),
    Column("author", Text, nullable=False),  # login
    Column("at_ms", BigInteger, nullable=False),
    Index("models_conversation", "conversation_id"),
)

# Who needs the first page of a new member no more.
welcomed = Table(
    "welcomed",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
)
