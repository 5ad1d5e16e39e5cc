"""The certificates that a server has shown, whether anybody believes them or not."""

from __future__ import annotations

import ssl
import sys


def shown_chain(session: ssl.SSLObject) -> tuple[bytes, ...]:
    """Return them as DER, the server's own first; none where there was no handshake."""
    if sys.version_info >= (3, 13):
        return tuple(session.get_unverified_chain())
    # Until Python 3.13 the chain is there, but has no public name.
    import _ssl  # noqa: PLC0415

    inner = getattr(session, "_sslobj", None)
    chain = None if inner is None else inner.get_unverified_chain()
    return tuple(each.public_bytes(_ssl.ENCODING_DER) for each in chain or ())
