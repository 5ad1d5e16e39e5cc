"""Into a folder on an IMAP server (APPEND), such as one that a team shares already.

APPEND can be repeated, and then there are two. So each copy bears a field that names its delivery, and before a second
try the folder is searched for it. The folder must be there: none is made. Nothing is refused for good by a folder: the
place stands in our own rules, and whatever is wrong with it can be set right.

Security: passwords lie in files named by user and host. Who writes the rules can name any host, and makes nobody send
it a password that was meant for another. Beyond this machine they are only said over TLS with a valid certificate.

Source: RFC 3501 §6.3.11 (APPEND), §6.4.4 (SEARCH); RFC 8314 §3.2 (implicit TLS).
"""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from maild.delivery.courier import Attempt, Load
from maild.delivery.deliveries import Delivery
from maild.delivery.outcome import Outcome, Result, shown
from maild.delivery.tls import Contexts
from maild.delivery.wire import Lines
from maild.mail.imap_place import TLS_PORT, ImapPlace, parse_place, wire_folder

FIELD = "Maild-Delivery"
_WITHIN_S = 60.0
_MOST_PASSWORD = 1_024


class _Unusable(Exception):  # noqa: N818 - what was found out about a place
    def __init__(self, stage: str, text: str) -> None:
        super().__init__(text)
        self.stage = stage


class ImapCourier:
    """Appends. `passwords` is the folder of their files; `hostname` is part of the field."""

    def __init__(self, *, hostname: str, passwords: Path, contexts: Contexts) -> None:
        self._hostname = hostname
        self._passwords = passwords
        self._contexts = contexts

    async def deliver(self, load: Load, attempt: Attempt) -> dict[int, Outcome]:
        """See `Courier`."""
        return {delivery.id: await self._deliver(delivery, load, attempt) for delivery in load.deliveries}

    def close(self) -> None:
        """See `Courier`."""

    async def _deliver(self, delivery: Delivery, load: Load, attempt: Attempt) -> Outcome:
        host, tls = "", ""
        try:
            place = parse_place(delivery.next_hop)
            host, session = f"{place.host}:{place.port}", await asyncio.to_thread(self._session, place)
            try:
                tls = _tls_of(session)
                if delivery.attempts and await asyncio.to_thread(self._is_there, session, place, delivery):
                    return Outcome(result=Result.DELIVERED, reply="there already, from the try before", host=host,
                                   tls=tls, stage="append")  # fmt: skip
                if not await attempt.begin([delivery], host, tls):
                    raise _Unusable("append", "somebody changed the delivery meanwhile")
                reply = await asyncio.to_thread(_append, session, place, await self._octets(delivery, load))
            finally:
                await asyncio.to_thread(_leave, session)
        except (_Unusable, imaplib.IMAP4.error, OSError, ValueError) as error:
            stage = error.stage if isinstance(error, _Unusable) else "append"
            reply = shown(str(error)) or type(error).__name__
            # What may be there all the same is looked for before the next try.
            return Outcome(result=Result.DEFERRED, reply=reply, host=host, tls=tls, stage=stage, site=stage != "append")
        return Outcome(result=Result.DELIVERED, reply=reply, host=host, tls=tls, stage="append")

    def _name(self, delivery: Delivery) -> str:
        return f"D{delivery.id}.{delivery.made_ms}@{self._hostname}"

    async def _octets(self, delivery: Delivery, load: Load) -> bytes:
        lines = Lines()
        found = [f"{FIELD}: {self._name(delivery)}\r\n".encode()]
        found += [lines.feed(piece) async for piece in load.pieces()]
        return b"".join([*found, lines.close()])

    def _session(self, place: ImapPlace) -> imaplib.IMAP4:
        password = self._password(place)
        try:
            if place.port == TLS_PORT:
                session: imaplib.IMAP4 = imaplib.IMAP4_SSL(
                    place.host, place.port, ssl_context=self._contexts.verified, timeout=_WITHIN_S
                )
            else:
                session = imaplib.IMAP4(place.host, place.port, timeout=_WITHIN_S)
        except (imaplib.IMAP4.error, OSError) as error:
            raise _Unusable("connect", shown(str(error)) or type(error).__name__) from error
        try:
            if place.port != TLS_PORT and not _is_here(session):
                session.starttls(self._contexts.verified)
            secret = f"\0{place.user}\0{password}".encode()
            session.authenticate("PLAIN", lambda _challenge: secret)
        except (imaplib.IMAP4.error, OSError) as error:
            _leave(session)
            raise _Unusable("login", shown(str(error)) or type(error).__name__) from error
        return session

    def _password(self, place: ImapPlace) -> str:
        name = place.password_name
        if "/" in name or name.startswith("."):
            raise _Unusable("login", "no file with a password could have this name")
        try:
            with (self._passwords / name).open("rb") as file:
                found = file.read(_MOST_PASSWORD).decode().partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise _Unusable("login", f"the password cannot be read from imap/{name} in the data directory") from error
        return found

    def _is_there(self, session: imaplib.IMAP4, place: ImapPlace, delivery: Delivery) -> bool:
        status, said = session.select(wire_folder(place.folder), readonly=True)
        if status != "OK":
            raise _Unusable("select", _text(said))
        # A day more, for clocks and time zones that differ.
        since = datetime.fromtimestamp(delivery.made_ms / 1000, UTC) - timedelta(days=2)
        asked = f'SINCE {since.day}-{_MONTHS[since.month - 1]}-{since.year} HEADER {FIELD} "{self._name(delivery)}"'
        status, said = session.search(None, asked)
        if status != "OK":
            raise _Unusable("search", _text(said))
        return any(each for each in said if each)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _append(session: imaplib.IMAP4, place: ImapPlace, octets: bytes) -> str:
    status, said = session.append(wire_folder(place.folder), "", "", octets)
    if status != "OK":
        raise _Unusable("append", _text(said))
    return _text(said) or "OK"


def _text(said: Sequence[object]) -> str:
    return shown(" ".join(each.decode("utf-8", "replace") for each in said if isinstance(each, bytes)))


def _is_here(session: imaplib.IMAP4) -> bool:
    """Tell whether the server is on this machine: by the address that was connected to."""
    return ip_address(str(session.sock.getpeername()[0]).partition("%")[0]).is_loopback


def _tls_of(session: imaplib.IMAP4) -> str:
    return f"{session.sock.version()} verified" if isinstance(session.sock, ssl.SSLSocket) else ""


def _leave(session: imaplib.IMAP4) -> None:
    with contextlib.suppress(imaplib.IMAP4.error, OSError):
        session.logout()
    with contextlib.suppress(imaplib.IMAP4.error, OSError):
        session.shutdown()
