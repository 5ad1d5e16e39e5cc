"""The tables about who sends: evidence kept with a message, what scanners said, and the reports about our domains.

Times and JSON as in `maild.archive.schema`.
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

# What was found out about a message's sender and content, by whom it was asked: `maild.mail.evidence` and
# `maild.mail.screening` have the shapes. NULL: nobody has looked.
examinations = Table(
    "examinations",
    metadata,
    Column("message_id", Identity64, ForeignKey("messages.id"), primary_key=True, autoincrement=False),
    Column("evidence", Text),  # JSON: SPF, DKIM, DMARC, ARC
    Column("screening", Text),  # JSON: spam and virus scanners
)

# Peers, senders and recipients that were asked to come again. `key` is a digest of the three.
greylist = Table(
    "greylist",
    metadata,
    Column("key", LargeBinary(16), primary_key=True),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("passed", SmallInteger, nullable=False),  # 1: it came again, in time
    Index("greylist_last", "last_ms"),
)

# What staff said of a message, for the spam filter to learn. Done when it has.
lessons = Table(
    "lessons",
    metadata,
    Column("message_id", Identity64, ForeignKey("messages.id"), primary_key=True, autoincrement=False),
    Column("spam", SmallInteger, nullable=False),  # 1 spam, 0 not
    Column("taught_by", Text, nullable=False),  # login
    Column("made_ms", BigInteger, nullable=False),
    Column("done_ms", BigInteger),
    Index("lessons_waiting", "message_id", sqlite_where=text("done_ms IS NULL"),
          postgresql_where=text("done_ms IS NULL")),
)  # fmt: skip

# Aggregate reports of DMARC about our domains (RFC 9990): one row a report, and one for each machine it names.
dmarc_reports = Table(
    "dmarc_reports",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("message_id", BigInteger, ForeignKey("messages.id"), nullable=False),
    Column("domain", Text, nullable=False),
    Column("organisation", Text, nullable=False),  # who reports
    Column("report", Text, nullable=False),  # its id there; behind a line end, the domain that is proven of who sent it
    Column("begin_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("policy", Text, nullable=False),  # JSON: as the reporter saw it
    UniqueConstraint("organisation", "report", "domain"),
    Index("dmarc_reports_domain", "domain", "end_ms"),
)
dmarc_sources = Table(
    "dmarc_sources",
    metadata,
    Column("report_id", BigInteger, ForeignKey("dmarc_reports.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("ip", Text, nullable=False),
    Column("messages", BigInteger, nullable=False),  # how many
    Column("disposition", Text, nullable=False),  # none | pass | quarantine | reject
    Column("dkim", Text, nullable=False),  # pass | fail, aligned
    Column("spf", Text, nullable=False),
    Column("header_from", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON: what authenticated, and why it was overridden
)

# Reports about TLS to our domains (RFC 8460), one row for each policy a report speaks of.
tls_reports = Table(
    "tls_reports",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("message_id", BigInteger, ForeignKey("messages.id"), nullable=False),
    Column("domain", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("report", Text, nullable=False),  # as above
    Column("begin_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("policy_type", Text, nullable=False),  # tlsa | sts | no-policy-found
    Column("successes", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("details", Text, nullable=False),  # JSON: each kind of failure
    UniqueConstraint("organisation", "report", "domain", "policy_type"),
    Index("tls_reports_domain", "domain", "end_ms"),
)
