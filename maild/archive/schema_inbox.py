"""The tables of a shared inbox: what went from team to team, what can be undone, who has seen what, who is mentioned.

Times and JSON as in `maild.archive.schema`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Table, Text, text

from maild.archive.metadata import Identity64, metadata

# One row each time that a conversation went from one team to another. As long as `ended_ms` is NULL, what comes for
# `from_team` in it goes to `to_team`. Teams are inboxes: a confidential one is handed over to a confidential one,
# or opened to its own team (`maild.archive.account_mail`).
handed = Table(
    "handed",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("conversation_id", BigInteger, nullable=False),
    Column("from_team", Text, nullable=False),
    Column("to_team", Text, nullable=False),
    Column("way", Text, nullable=False),  # over | back (by who had it) | fetched (by who gave it)
    Column("by", Text, nullable=False),  # login
    Column("at_ms", BigInteger, nullable=False),
    Column("kept", SmallInteger, nullable=False),  # 1: the giver goes on reading what he had
    Column("ended_ms", BigInteger),  # it came back
    Index("handed_conversation", "conversation_id"),
)

# What an act changed in entries, as it was: whoever did it can undo it, where nobody has changed it since.
undos = Table(
    "undos",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("by", Text, nullable=False),  # login
    Column("at_ms", BigInteger, nullable=False),
    Column("image", Text, nullable=False),  # JSON: of each entry its key, how it was, its revision afterwards
    Column("undone_ms", BigInteger),
    Index("undos_by", "by", "at_ms"),
)

# Up to which message a person has seen a conversation.
seen = Table(
    "seen",
    metadata,
    Column("user_id", BigInteger, primary_key=True),
    Column("conversation_id", BigInteger, primary_key=True),
    Column("newest_id", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Who is mentioned in an internal note, and whether they have looked at it since.
mentions = Table(
    "mentions",
    metadata,
    Column("note_id", BigInteger, primary_key=True),
    Column("user_id", BigInteger, primary_key=True),
    Column("conversation_id", BigInteger, nullable=False),
    Column("team", Text, nullable=False),  # the note's: who reads there no more sees no mention
    Column("seen_ms", BigInteger),
    Index("mentions_user", "user_id", "conversation_id", sqlite_where=text("seen_ms IS NULL"),
          postgresql_where=text("seen_ms IS NULL")),
    sqlite_with_rowid=False,
)  # fmt: skip

# Searches that somebody keeps, for themselves or for a team.
folders = Table(
    "folders",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("user_id", BigInteger),  # whose; NULL: the team's
    Column("team", Text),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("made_by", Text, nullable=False),  # login
    Index("folders_user", "user_id"),
    Index("folders_team", "team"),
)
