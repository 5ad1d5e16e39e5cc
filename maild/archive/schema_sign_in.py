"""The tables of the ways in besides a password: invitations, second factors, other houses' accounts.

Times as in `maild.archive.schema`. Of every secret that a person shows there is only a hash here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text

from maild.archive.metadata import metadata

# Links by which a person sets the first password, or a new one. The newest of a person is the only one that holds.
invitations = Table(
    "invitations",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # SHA-256 of the token in the link
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("made_by", Text, nullable=False),  # login; "operator": the command line
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Index("invitations_user", "user_id"),
)

# The secret of a person's authenticator app (RFC 6238), sealed with a key that is not in the database.
totp = Table(
    "totp",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("last_step", BigInteger, nullable=False),  # the newest step whose code was used: none opens twice
)

# Codes on paper, for when the app is gone; each opens once.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("used_ms", BigInteger),
)

# Who an account is at an identity provider: issuer and subject, never a mail address, which can pass to another.
identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("identities_user", "user_id"),
)
