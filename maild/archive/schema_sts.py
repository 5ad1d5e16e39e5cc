"""The table of what other domains promise of their TLS (MTA-STS).

Times as in `maild.archive.schema`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from maild.archive.metadata import metadata

# The newest policy of each domain that has one. It holds until `expires_ms`, whatever DNS and web say meanwhile.
sts_policies = Table(
    "sts_policies",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("record", Text, nullable=False),  # the id in the DNS when it was fetched
    Column("mode", Text, nullable=False),  # enforce | testing | none
    Column("mx", Text, nullable=False),  # JSON: patterns
    Column("max_age_s", Integer, nullable=False),
    Column("fetched_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=False),  # when mail was last sent by it, as far as a day
    Index("sts_policies_expires", "expires_ms"),
)
