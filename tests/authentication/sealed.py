"""Whole mails sealed, as suites of tests have them; maild hashes bodies as their octets go by."""

from __future__ import annotations

from collections.abc import Sequence

from maild.authentication import sealing
from maild.authentication.canonical import RELAXED, body_hash, read_mail
from maild.authentication.signing import SigningKey


def seal(
    content: bytes,
    key: SigningKey,
    *,
    authserv_id: str,
    results: str,
    status: str,
    now_s: int,
    names: Sequence[str] | None = None,
) -> bytes:
    """Return the next set of a mail with its body."""
    mail = read_mail(content)
    body = body_hash(content, mail.body_start, RELAXED)
    return sealing.seal(
        mail, body, key, authserv_id=authserv_id, results=results, status=status, now_s=now_s, names=names
    )  # fmt: skip


def results_of(content: bytes, authserv_id: str) -> str:
    """Return what the Authentication-Results under a name say, all in one text (RFC 8617 §5.1, step 2)."""
    found = []
    for field in read_mail(content).fields:
        name, _, text = field.value.decode("utf-8", "replace").partition(";")
        if field.key == b"authentication-results" and name.strip().lower() == authserv_id.lower():
            found.append(text.strip().removesuffix(";"))
    return "; ".join(found)
