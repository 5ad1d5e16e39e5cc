"""The tables of what leaves: deliveries and their attempts, drafts, notes, what came back, passwords of mail programs.

Times and JSON as in `maild.archive.schema`. A message that leaves is archived like any other (`messages.direction` is
`out`); its deliveries are made in the same transaction.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from maild.archive.metadata import Identity64, metadata

# What is known of a message that left, beside its octets: whose it is and what it answers.
outgoing = Table(
    "outgoing",
    metadata,
    Column("message_id", Identity64, ForeignKey("messages.id"), primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),  # answer | new | forward | automatic | notice | copy | digest
    Column("team", Text, nullable=False),  # in whose name; "": maild's own
    Column("author", Text, nullable=False),  # login; "": maild itself
    Column("answers_id", BigInteger),  # the message it answers, sends on or reports about
    Column("duty_id", BigInteger),  # the duty it carries out
    # 1: its author wrote it in a mail program, and is told by mail what becomes of it
    Column("by_mail", SmallInteger, nullable=False, server_default=text("0")),
)

# One recipient's way out. `lease_ms`: until then a worker has it. `due_ms`: not before. Recipients of one message
# with the same next hop go together in one transaction.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("message_id", BigInteger, ForeignKey("messages.id"), nullable=False),
    Column("kind", Text, nullable=False),  # smtp | lmtp | maildir | imap | copy (by smtp, for a member)
    Column("recipient", Text, nullable=False),
    Column("reverse_path", Text),  # NULL is the null reverse-path
    Column("next_hop", Text, nullable=False),  # the recipient's domain; host:port or socket of LMTP; path of a Maildir
    Column("state", Text, nullable=False),  # queued | deferred | held | delivered | failed | expired | dropped
    Column("dsn", Text, nullable=False),  # JSON: notify, orcpt, ret, envid
    Column("once", SmallInteger, nullable=False),  # 1: nobody wrote it; an attempt that may have arrived is the last
    Column("attempts", Integer, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("lease_ms", BigInteger),
    Column("notified_ms", BigInteger),  # its author was told that it takes long
    Column("outcome", Text, nullable=False),  # what the next hop said last, or why there was none; "": not tried
    Column("doubtful", SmallInteger, nullable=False),  # 1: it may have been delivered twice
    Column("ended_ms", BigInteger),
    Column("ended_by", Text),  # login of who dropped it, else NULL
    UniqueConstraint("message_id", "kind", "recipient", "next_hop"),
    Index("deliveries_due", "due_ms", "id", sqlite_where=text("state IN ('queued', 'deferred')"),
          postgresql_where=text("state IN ('queued', 'deferred')")),
    Index("deliveries_open", "id", sqlite_where=text("state IN ('queued', 'deferred', 'held')"),
          postgresql_where=text("state IN ('queued', 'deferred', 'held')")),
    Index("deliveries_failed", "id", sqlite_where=text("state IN ('failed', 'expired')"),
          postgresql_where=text("state IN ('failed', 'expired')")),
)  # fmt: skip

# Each try, recorded before the content is sent. One without an end was cut off.
attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", BigInteger, ForeignKey("deliveries.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("host", Text, nullable=False),  # name and address, as far as it came
    Column("tls", Text, nullable=False),  # version, and how it was verified; "": none
    Column("outcome", Text, nullable=False),  # as `maild.delivery.outcome.Result` has it
    Column("reply", Text, nullable=False),
)

# What somebody is writing. `fields` is JSON: from, to, cc, bcc, subject, text, markup.
drafts = Table(
    "drafts",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("author", Text, nullable=False),  # login
    Column("team", Text, nullable=False),
    Column("kind", Text, nullable=False),  # answer | new | forward
    Column("conversation_id", BigInteger),  # NULL: it opens one
    Column("answers_id", BigInteger),
    Column("seen_id", BigInteger),  # the newest message of the conversation that its author had before the eyes
    Column("fields", Text, nullable=False),
    Column("state", Text, nullable=False),  # writing | held (somebody else answered) | refused | sent | discarded
    Column("why", Text, nullable=False),  # for held and refused, in one word
    Column("made_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("message_id", BigInteger),  # what became of it
    Index("drafts_conversation", "conversation_id"),
    Index("drafts_author", "author", "state"),
)
draft_files = Table(
    "draft_files",
    metadata,
    Column("draft_id", BigInteger, ForeignKey("drafts.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # of its octets, in `content`
)

# Internal notes: never in any outgoing octet.
notes = Table(
    "notes",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("conversation_id", BigInteger, ForeignKey("conversations.id"), nullable=False),
    Column("team", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Index("notes_conversation", "conversation_id", "team"),
)

# What delivery reports said: one row for each recipient that a report names. `about_id`: our message; NULL: not known.
returns = Table(
    "returns",
    metadata,
    Column("report_id", BigInteger, ForeignKey("messages.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("recipient", Text, nullable=False),  # folded
    Column("about_id", BigInteger),
    Column("delivery_id", BigInteger),
    Column("team", Text, nullable=False),  # responsible for what was sent; "": of the inbox the report came to
    Column("action", Text, nullable=False),  # failed | delayed | delivered | relayed | expanded
    Column("code", Text, nullable=False),  # 5.1.1; "": none was given
    Column("hard", SmallInteger, nullable=False),  # 1: will not get better by itself
    Column("reason", Text, nullable=False),  # one word of `maild.mail.dsn`
    Column("text", Text, nullable=False),  # what the other server said
    Column("mailing", Text, nullable=False),  # what returns of one mass mailing have in common; "": nothing
    Column("at_ms", BigInteger, nullable=False),
    Index("returns_about", "about_id"),
    Index("returns_team", "team", "mailing", "recipient"),
)

# Passwords for mail programs: one a device, to be revoked one by one.
app_passwords = Table(
    "app_passwords",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("password", Text, nullable=False),  # Argon2id in PHC form
    Column("created_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    Index("app_passwords_user", "user_id"),
)
