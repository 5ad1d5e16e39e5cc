"""The tables of the ways in besides a password: invitations, second factors, passkeys, other houses' accounts.

Times as in `maild.archive.schema`. Of every secret that a person shows there is only a hash here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, SmallInteger, Table, Text

from maild.archive.metadata import Identity64, metadata

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
    Column("forgets_second", SmallInteger, nullable=False, server_default="0"),  # 1: what is lost goes when it opens
    Column("agreed_by", Text),  # login of the second person, where one is asked for
    Column("agreed_ms", BigInteger),
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

# Passkeys (WebAuthn): what proves who somebody is lies in their device; here is the public half alone.
passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("credential", LargeBinary, nullable=False),  # the id that the device drew, at most 1,023 octets
    Column("handle", LargeBinary, nullable=False),  # whose it is, as the device knows it: drawn once, says nothing
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("counter", BigInteger, nullable=False),  # as the device last told it; 0 where it does not count
    Column("name", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Index("passkeys_credential", "credential", unique=True),
    Index("passkeys_user", "user_id"),
)

# Challenges that were answered: none is answered twice. They stay until they would have run out.
spent_challenges = Table(
    "spent_challenges",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("expires_ms", BigInteger, nullable=False),
    Index("spent_challenges_expiry", "expires_ms"),
)

# What a person is to know about the own ways in: what somebody else did to them, and what looks like a copied passkey.
sign_in_notices = Table(
    "sign_in_notices",
    metadata,
    Column("id", Identity64, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("what", Text, nullable=False),  # a word of maild.archive.sign_in_notices
    Column("by", Text, nullable=False),  # login; "operator": the command line; "": maild itself
    Column("at_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger),
    Index("sign_in_notices_user", "user_id", "seen_ms"),
)
