"""The tables of copies: who wants those of which team in their own mailbox, and which were made.

Times as in `maild.archive.schema`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

from maild.archive.metadata import metadata

# A row: this person wants copies of this team's letters. Without one, nobody gets any.
copy_choices = Table(
    "copy_choices",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True),
    Column("team", Text, primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
    Index("copy_choices_team", "team"),
)

# A copy of a letter, made for one person: what its reply address claims. The address itself is in no database.
copies = Table(
    "copies",
    metadata,
    Column("message_id", BigInteger, ForeignKey("messages.id"), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True),
    Column("team", Text, nullable=False),  # in whose name the answer goes out
    Column("recipient", Text, nullable=False),  # the mailbox it was sent to
    Column("made_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),  # no answer to it is taken from then on
    Column("revoked_ms", BigInteger),
    Index("copies_user", "user_id", "team"),
)
