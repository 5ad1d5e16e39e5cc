"""DKIM for mail that leaves: the field that is put above it.

Mail is signed as it goes out, with CRLF and in its transfer encoding: whatever changes later breaks the signature.
Fields that nobody may add are signed once more than they are there, so that one more breaks the signature, too.

Source: RFC 6376 §3.5, §5; RFC 8301 §3 (RSA with SHA-256, 2,048 bits); RFC 8463 (Ed25519).
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from maild.authentication.canonical import RELAXED, BodyHash, Mail, SignedField, body_hash, chosen, read_mail
from maild.authentication.signatures import header_digest, signed_names
from maild.authentication.tags import Tags, write_field
from maild.errors import MaildError

RSA_BITS = 2048
_PADDING, _HASH = PKCS1v15(), Prehashed(SHA256())
# RFC 6376 §5.4.1: what a reader sees, what an answer goes by, and what decides how the body is shown. A second one of
# these would deceive, so there must be none (§8.15).
_CLOSED = (
    *("from", "to", "cc", "subject", "date", "reply-to", "message-id", "in-reply-to", "references"),
    *("mime-version", "content-type", "content-transfer-encoding"),
)
# Lists and forwarders add these for good reasons.
_OPEN = (
    *("sender", "content-language", "content-disposition", "auto-submitted", "list-id", "list-help", "list-post"),
    *("list-owner", "list-archive", "list-subscribe", "list-unsubscribe", "list-unsubscribe-post", "feedback-id"),
    *("resent-date", "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-message-id"),
)


class UnsignableError(MaildError):
    """A header that verifiers would read otherwise than it is meant: no signature of it would hold."""


class SigningKey(NamedTuple):
    """Who signs, and with what."""

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def signature_size(self) -> int:
        """Return the octets of its signatures."""
        return self.private.key_size // 8 if isinstance(self.private, RSAPrivateKey) else 64

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a digest (SHA-256); Ed25519 takes it for the message (RFC 8463 §3)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, _PADDING, _HASH)
        return self.private.sign(digest)

    @property
    def record(self) -> str:
        """The TXT record that belongs to `SELECTOR._domainkey.DOMAIN`."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            octets, kind = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "rsa"
        else:
            octets, kind = public.public_bytes(Encoding.Raw, PublicFormat.Raw), "ed25519"
        return f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode('ascii')}"


def new_private_key(kind: str) -> RSAPrivateKey | Ed25519PrivateKey:
    """Return a new key of a kind: `rsa` (2,048 bits) or `ed25519`."""
    return generate_private_key(65537, RSA_BITS) if kind == "rsa" else Ed25519PrivateKey.generate()


def read_private_key(pem: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    """Read a private key without a passphrase.

    Raises:
        ValueError: it is none, or of another kind.
    """
    private = load_pem_private_key(pem, None)
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("a private key is of RSA or of Ed25519")  # noqa: TRY004 - the file is wrong, not the program
    return private


def sign(
    content: bytes,
    key: SigningKey,
    *,
    now_s: int,
    lifetime_s: int | None = None,
    forms: tuple[str, str] = (RELAXED,) * 2,
) -> bytes:
    """Return the DKIM-Signature of a mail, with its CRLF: to be put above it.

    Args:
        content: the mail as it goes out, with CRLF.
        key: who signs.
        now_s: seconds of the epoch.
        lifetime_s: how long the signature is to hold; None for ever.
        forms: the canonical forms of header and body.

    Raises:
        UnsignableError: its header has line ends that are no CRLF, or lines that are no field.
    """
    mail = read_mail(content)
    if mail.flaw:
        raise UnsignableError(mail.flaw)
    body = body_hash(content, mail.body_start, forms[1])
    return sign_hashed(mail, body, key, now_s=now_s, lifetime_s=lifetime_s, forms=forms)


def sign_hashed(
    mail: Mail,
    body: BodyHash,
    key: SigningKey,
    *,
    now_s: int,
    lifetime_s: int | None = None,
    forms: tuple[str, str] = (RELAXED,) * 2,
) -> bytes:
    """Return the DKIM-Signature of a mail without a flaw whose body was hashed, in `forms[1]`, as it was read."""
    tags = {"v": "1"} | signature_tags(body, key, now_s=now_s, names=names_to_sign(mail), forms=forms)
    if lifetime_s is not None:
        tags["x"] = str(now_s + lifetime_s)
    return signed_field("DKIM-Signature", tags, mail, key, form=forms[0])


def names_to_sign(mail: Mail) -> list[str]:
    """Return the names for h=, each as often as it is signed."""
    count = Counter(field.key.decode("latin-1") for field in mail.fields)
    return [name for name in _CLOSED for _ in range(count[name] + 1)] + [
        name for name in _OPEN for _ in range(count[name])
    ]


def signature_tags(
    body: BodyHash, key: SigningKey, *, now_s: int, names: Iterable[str], forms: tuple[str, str]
) -> dict[str, str]:
    """Return the tags that a DKIM-Signature and an ARC-Message-Signature have in common, in their alphabet's order."""
    return {
        "a": key.algorithm,
        "b": "",
        "bh": base64.b64encode(body.digest).decode("ascii"),
        "c": "/".join(forms),
        "d": key.domain,
        "h": ":".join(names),
        "s": key.selector,
        "t": str(now_s),
    }


def signed_field(name: str, tags: dict[str, str], mail: Mail, key: SigningKey, *, form: str = RELAXED) -> bytes:
    """Return a field that signs what its h= says of the mail, and itself, with its CRLF."""
    # The field is folded as it will be with its signature, which has this length.
    blank = write_field(name, tags | {"b": base64.b64encode(bytes(key.signature_size())).decode("ascii")})
    own = SignedField(name.lower().encode("ascii"), blank.removesuffix(b"\r\n"))
    above = Mail((own, *mail.fields), mail.body_start)
    digest = header_digest(above, 0, form, chosen(above.fields, signed_names(Tags(tags)), 0))
    return write_field(name, tags | {"b": base64.b64encode(key.sign_digest(digest)).decode("ascii")})
