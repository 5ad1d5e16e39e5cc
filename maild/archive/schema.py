"""The tables of the archive.

Times are milliseconds since 1970 (UTC) in columns that end in `_ms`: one integer on every database, ordered as
message ids are. Teams are the ids of rules.yaml. Columns that hold JSON say so; no query looks inside them.
What is known of senders and their domains has tables of its own: `maild.archive.schema_senders`.

    content ─┐ the octets, compressed, in chunks, addressed by SHA-256
    messages ┴─ recipients (one work item each) ─ summaries (what the router read)
                                                ├ filings ─ entries ─ conversations
                                                ├ duties, observations, rule_hits (what the rules asked for)
                                                └ replayed ─ replays (what later rules moved)

    rules_proposals ─ rules_versions      users ─ grants, sessions
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

# What the octets are. A chunk is at most CHUNK_BYTES of content before compression; an empty content has one
# empty chunk. `octets` is a zstd frame.
content = Table(
    "content",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("octets", LargeBinary, nullable=False),
)

# One row for each acceptance, in or out. Never updated after its commit: the chain covers it.
messages = Table(
    "messages",
    metadata,
    Column("id", Identity64, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False, unique=True),  # gap-free, in the order of commits
    Column("chain", LargeBinary(32), nullable=False),  # SHA-256 over the previous chain and this row
    Column("direction", Text, nullable=False),  # in | out
    Column("origin", Text, nullable=False),  # smtp | import | submission
    Column("digest", LargeBinary(32), nullable=False),
    Column("size", BigInteger, nullable=False),  # octets of content
    Column("received_ms", BigInteger, nullable=False),
    Column("reverse_path", Text),  # NULL is the null reverse-path
    Column("envelope", Text, nullable=False),  # JSON: peer, TLS, DSN parameters, prepended trace fields
    Index("messages_digest", "digest", "received_ms"),
)

# One work item for each recipient: accepted → filed, duplicate (of another message) or problem (filed to the
# fallback, marked). Imported mail without an address has one recipient with an empty address and a team.
recipients = Table(
    "recipients",
    metadata,
    Column("message_id", BigInteger, ForeignKey("messages.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("address", Text, nullable=False),  # as given at RCPT
    Column("address_key", Text, nullable=False),  # Address.key
    Column("dsn", Text),  # JSON: orcpt, notify
    Column("team", Text),  # filed here without asking the rules (import --team)
    Column("state", Text, nullable=False),  # accepted | filed | duplicate | problem
    Column("duplicate_of", BigInteger),  # the message first accepted with the same octets and envelope
    Index("recipients_accepted", "message_id", sqlite_where=text("state = 'accepted'"),
          postgresql_where=text("state = 'accepted'")),
)  # fmt: skip
Index("recipients_address", recipients.c.address_key, recipients.c.message_id)

# The one row that serialises acceptance on every database: the newest sequence, chain and revision.
chain_head = Table(
    "chain_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("chain", LargeBinary(32), nullable=False),
    Column("revision", BigInteger, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Identity64, primary_key=True, autoincrement=False),  # the id of its first message
    Column("reference", Text, nullable=False, unique=True),  # 7K3F-9Q2A
    Column("subject", Text, nullable=False),
    Column("merged_into", BigInteger),  # followed by old references for ever
)

# What the router read in a message; the list pages need nothing else. `revision` orders the filings: the index
# and live pages ask for what is newer than the last they saw.
summaries = Table(
    "summaries",
    metadata,
    Column("message_id", Identity64, ForeignKey("messages.id"), primary_key=True, autoincrement=False),
    Column("conversation_id", BigInteger, ForeignKey("conversations.id"), nullable=False),
    Column("revision", BigInteger, nullable=False, unique=True),
    Column("date_ms", BigInteger),  # the Date field, when it can be read
    Column("subject", Text, nullable=False),
    Column("from_name", Text, nullable=False),
    Column("from_mail", Text, nullable=False),
    Column("people", Text, nullable=False),  # JSON: keys of From, To, Cc that are not ours
    Column("message_key", Text),  # the Message-ID field as written, without brackets
    Column("excerpt", Text, nullable=False),
    Column("attachments", Integer, nullable=False),
    Column("automatic", Integer, nullable=False),  # 0 a person, 1 automatic, 2 a delivery report, 3 a list
    Column("source_only", Text),  # the limit it broke
    Column("problem", Text),  # why it went to the fallback
    Column("rules_version", Text, nullable=False),  # hash of the rules that routed it
    Column("trace", LargeBinary, nullable=False),  # zstd of JSON: a Route for each recipient
    Index("summaries_conversation", "conversation_id", "message_id"),
    Index("summaries_from", "from_mail", "message_id"),
)

# Message-IDs seen: position 0 is the message's own, others the ones it refers to. A target without a row of
# position 0 is a ghost: a parent that has not arrived. `target` is the first 16 octets of SHA-256 of the id.
message_refs = Table(
    "message_refs",
    metadata,
    Column("target", LargeBinary(16), primary_key=True),
    Column("message_id", BigInteger, ForeignKey("messages.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    sqlite_with_rowid=False,
)

# Which inbox has which message, and as part of which conversation. This table is the truth of access.
filings = Table(
    "filings",
    metadata,
    Column("team", Text, primary_key=True),
    Column("message_id", BigInteger, ForeignKey("messages.id"), primary_key=True),
    Column("conversation_id", BigInteger, ForeignKey("conversations.id"), nullable=False),
    Index("filings_message", "message_id"),
    Index("filings_conversation", "conversation_id", "team"),
    sqlite_with_rowid=False,
)

# A conversation in one team's inbox.
entries = Table(
    "entries",
    metadata,
    Column("conversation_id", BigInteger, ForeignKey("conversations.id"), primary_key=True),
    Column("team", Text, primary_key=True),
    Column("state", Text, nullable=False),  # open | waiting | closed | spam
    Column("assignee", BigInteger),  # users.id
    Column("priority", SmallInteger, nullable=False),  # 0 low, 1 normal, 2 high
    Column("newest_id", BigInteger, nullable=False),  # the newest message filed here: the list's order
    Column("waiting_since_ms", BigInteger),  # the oldest letter from outside that nobody has answered
    Column("seen_ms", BigInteger),  # NULL: nobody of the team has looked at the newest message yet
    # Where it stands in the list, when that is above its newest message: as if one had come then.
    Column("risen_id", BigInteger),
    Column("revision", Integer, nullable=False, server_default=text("0")),  # one more with each change of the entry
    Column("returns_ms", BigInteger),  # when what waits opens by itself
    Index("entries_list", "team", "state", "newest_id"),
    Index("entries_risen", "team", "state", "risen_id", sqlite_where=text("risen_id IS NOT NULL"),
          postgresql_where=text("risen_id IS NOT NULL")),
    Index("entries_assignee", "assignee", "state", sqlite_where=text("assignee IS NOT NULL"),
          postgresql_where=text("assignee IS NOT NULL")),
    Index("entries_returning", "returns_ms", sqlite_where=text("returns_ms IS NOT NULL"),
          postgresql_where=text("returns_ms IS NOT NULL")),
)  # fmt: skip

tags = Table(
    "tags",
    metadata,
    Column("conversation_id", BigInteger, primary_key=True),
    Column("team", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
)
Index("tags_tag", tags.c.tag, tags.c.conversation_id)

# Journal of what was joined or split, so that a person can undo it, and of what was only suggested.
joins = Table(
    "joins",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("kind", Text, nullable=False),  # merged | suggested | split (by a person: nothing joins the two by itself)
    Column("from_id", BigInteger, nullable=False),  # the conversation that was emptied, is like the other, or was split
    Column("into_id", BigInteger, nullable=False),
    Column("message_ids", Text, nullable=False),  # JSON: the messages that moved, or the one that suggests
    Column("at_ms", BigInteger, nullable=False),
    Index("joins_from", "from_id"),
    Index("joins_into", "into_id"),
)

# Every rules file that ever served.
rules_versions = Table(
    "rules_versions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("digest", Text, nullable=False),  # hex SHA-256 of the text, and of its list files
    Column("source", Text, nullable=False),
    Column("loaded_ms", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("approved_by", Text),  # the second person, where `rules.approval = two`
    Index("rules_versions_digest", "digest"),
)

# A change of the rules that waits for a second person. `base_digest` is the version it was made from.
rules_proposals = Table(
    "rules_proposals",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("base_digest", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("author", Text, nullable=False),  # login
    Column("reason", Text, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("decision", Text),  # NULL: waits; approved | rejected | withdrawn
    Column("answer", Text),  # why it was declined
    Column("decided_by", Text),
    Column("decided_ms", BigInteger),
)

# How often a rule has matched a recipient, by day (days since 1970, UTC). Days without a match have no row.
rule_hits = Table(
    "rule_hits",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("hits", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What a rule in `mode: observe` would have done to a message's recipient.
observations = Table(
    "observations",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("message_id", BigInteger, ForeignKey("messages.id"), primary_key=True),
    Column("recipient", Text, primary_key=True),  # as given
    Column("would", Text, nullable=False),  # JSON: a list of actions, as in a trace
    sqlite_with_rowid=False,
)

# What the rules ask for beyond a place in an inbox: recorded with the filing, done later, seen until then.
duties = Table(
    "duties",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("message_id", BigInteger, ForeignKey("messages.id"), nullable=False),
    Column("team", Text, nullable=False),  # whose inbox answers for it
    Column("kind", Text, nullable=False),  # a word of maild.rules.duties.KINDS
    Column("target", Text, nullable=False),  # an address, a template, a login, a next place, the reason of a hold
    Column("rule", Text, nullable=False),  # "": by the address, the team, or maild itself
    Column("state", Text, nullable=False),  # waiting | done | dropped
    Column("made_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("ended_by", Text),
    UniqueConstraint("message_id", "team", "kind", "target"),
    Index("duties_waiting", "kind", "id", sqlite_where=text("state = 'waiting'"),
          postgresql_where=text("state = 'waiting'")),
)  # fmt: skip

# Archived mail that was filed anew by later rules, and where each message lay before: one command takes it back.
replays = Table(
    "replays",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("since", Text, nullable=False),  # as given; "": of all time
    Column("query", Text, nullable=False),  # as given; "": all
    Column("rules_version", Text, nullable=False),
    Column("ended", SmallInteger, nullable=False),  # 0: it was cut off, and can be taken up again
    Column("taken_back_ms", BigInteger),
)
replayed = Table(
    "replayed",
    metadata,
    Column("replay_id", BigInteger, ForeignKey("replays.id"), primary_key=True),
    Column("message_id", BigInteger, ForeignKey("messages.id"), primary_key=True),
    Column("before", Text, nullable=False),  # JSON: what was changed, as it was
    Column("after", Text, nullable=False),  # JSON: and as it became
    sqlite_with_rowid=False,
)

users = Table(
    "users",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("login", Text, nullable=False, unique=True),  # folded
    Column("name", Text, nullable=False),
    Column("mail", Text),
    Column("password", Text),  # Argon2id in PHC form; NULL: cannot sign in by password
    Column("language", Text),  # de | en | NULL: the browser's
    Column("last_path", Text),  # where `/` leads: the inbox one left last
    Column("created_ms", BigInteger, nullable=False),
    Column("disabled_ms", BigInteger),
)

# A dated permission. `team` NULL belongs to roles that are not about a team (administrator, rule-editor).
grants = Table(
    "grants",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("team", Text),
    Column("role", Text, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),
    Column("granted_by", Text, nullable=False),
    Column("revoked_ms", BigInteger),
    # Of entries that are assigned to the person at that moment, and of no others.
    Column("only_assigned", Integer, nullable=False, server_default=text("0")),
    Index("grants_user", "user_id"),
    Index("grants_team", "team"),
)

# Security: only the SHA-256 of a session's token is kept; a stolen database opens no session.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("client", Text, nullable=False),  # the browser, in a word, for the list of sessions
    Column("way", Text, nullable=False, server_default="password"),  # as `maild.archive.sessions.Session` has it
    Column("confirmed_ms", BigInteger, nullable=False, server_default="0"),  # when the person last proved to be there
    Index("sessions_user", "user_id"),
)
