"""The table of what a team's letters are made of: its signature, and texts to put in.

Times as in `maild.archive.schema`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, SmallInteger, Table, Text

from maild.archive.metadata import metadata

# Every version of every text, never updated: the newest is the one that counts; without a text it was removed.
team_texts = Table(
    "team_texts",
    metadata,
    Column("team", Text, primary_key=True),
    Column("name", Text, primary_key=True),  # as people choose it; "": the signature
    Column("version", Integer, primary_key=True),  # 1, 2, 3 …
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("formatted", SmallInteger, nullable=False),  # 1, of the signature: the team's letters begin with formatting
    Column("author", Text, nullable=False),  # login
    Column("at_ms", BigInteger, nullable=False),
)
