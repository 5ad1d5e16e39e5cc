"""rspamd: asked about a mail at `/checkv2`, and taught by staff at its controller.

Source: the HTTP protocol as rspamd 3.4 of Debian 12 speaks it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.mail.screening import CLEAN, SPAM, SUSPECT, Finding
from maild.screening.asked import Octets, Opinion, RspamdSettings, UnavailableError, Wish, shown, unavailable
from maild.screening.exchange import post, within

NAME = "rspamd"
_MOST_SYMBOLS = 8
_MOST_RECIPIENTS = 100
_MARKS = frozenset({"add header", "rewrite subject"})
_TEACH_S = 30.0

_REFUSED = Reply(code=554, enhanced="5.7.1", text="This message was taken for spam and is not accepted")
_LATER = Reply(code=451, enhanced="4.7.1", text="The spam filter asks you to try again later")


class DeclinedError(Exception):
    """rspamd does not learn this mail, now or ever: it knows it, or there is too little in it."""


class Rspamd:
    """Asks one rspamd."""

    def __init__(self, settings: RspamdSettings) -> None:
        """Ask whom the settings name."""
        self._settings = settings

    async def opinion(self, envelope: Envelope, octets: Octets) -> Opinion:
        """Return what rspamd says of a mail."""
        settings = self._settings
        try:
            asked = post(settings.address, "/checkv2", _circumstances(envelope), octets)
            status, answer = await within(settings.timeout_s, asked)
            if status != 200:
                raise UnavailableError(f"status {status}")
            return _opinion(answer, settings)
        except UnavailableError as error:
            return unavailable(NAME, error.reason, settings.if_unavailable)

    async def greet(self) -> str:
        """Return what the worker says to a ping. Raises UnavailableError."""
        status, answer = await within(self._settings.timeout_s, post(self._settings.address, "/ping", ()))
        return f"{status} {shown(answer[:40].decode('ascii', 'replace'))}"

    async def greet_controller(self) -> None:
        """Prove that the controller would let itself be taught. Raises UnavailableError."""
        asked = post(self._settings.controller, "/auth", self._password())
        status, _ = await within(self._settings.timeout_s, asked)
        if status != 200:
            raise UnavailableError("wrong password" if status in {401, 403} else f"status {status}")

    async def teach(self, octets: Octets, *, spam: bool) -> None:
        """Have a mail learnt as spam, or as none.

        Raises:
            DeclinedError: it will not be learnt; asking again is of no use.
            UnavailableError: it may be learnt another time.
        """
        path = "/learnspam" if spam else "/learnham"
        status, answer = await within(_TEACH_S, post(self._settings.controller, path, self._password(), octets))
        if status in {200, 204, 208} or b"already learned" in answer:
            return
        if status in {401, 403}:
            raise UnavailableError("wrong password")
        if b"cannot find statfile" in answer:
            raise UnavailableError("it could not open the files that it learns into when it was started")
        # Interop: rspamd 3.4 says 404 of a mail that it cannot learn, with the reason in its words.
        if status in {400, 404, 413}:
            raise DeclinedError
        raise UnavailableError(f"status {status}")

    def _password(self) -> list[tuple[str, str]]:
        return [("Password", self._settings.password)] if self._settings.password else []


def _circumstances(envelope: Envelope) -> Iterator[tuple[str, str]]:
    peer = envelope.peer
    yield "From", str(envelope.reverse_path or "")
    for recipient in envelope.recipients[:_MOST_RECIPIENTS]:
        yield "Rcpt", str(recipient.address)
    if peer.ip:
        yield "IP", peer.ip
    yield "Helo", peer.helo
    if peer.login is not None:
        yield "User", peer.login
    if peer.tls is not None:
        yield "TLS-Version", peer.tls.version
        yield "TLS-Cipher", peer.tls.cipher


def _opinion(answer: bytes, settings: RspamdSettings) -> Opinion:
    try:
        found = json.loads(answer)
        action, score = found["action"], float(found["score"])
        names = _names(found.get("symbols") or {})
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise UnavailableError("the answer cannot be read") from None
    if not math.isfinite(score) or not isinstance(action, str):
        raise UnavailableError("the answer cannot be read")
    score = round(score, 2)
    if action == "reject" if not settings.refuse_score else score >= settings.refuse_score:
        finding = Finding(NAME, SPAM, score, names)
        if settings.action == "refuse":
            return Opinion((finding,), Wish.REFUSE, _REFUSED)
        return Opinion((finding,), Wish.FILE)
    if action == "soft reject":
        return Opinion((Finding(NAME, SUSPECT, score, names),), Wish.DEFER, _LATER)
    if action in _MARKS | {"reject"} if not settings.file_score else score >= settings.file_score:
        return Opinion((Finding(NAME, SUSPECT, score, names),), Wish.FILE)
    return Opinion((Finding(NAME, CLEAN, score),))


def _names(symbols: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the symbols that counted most, the greatest first."""
    scores = {name: float(about.get("score", 0)) for name, about in symbols.items()}
    counted = sorted(scores, key=lambda name: (-scores[name], name))
    return tuple(shown(name) for name in counted if scores[name] >= 0)[:_MOST_SYMBOLS]
