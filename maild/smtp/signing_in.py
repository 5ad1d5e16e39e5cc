"""Submission: the dialogue with mail programs of staff. They sign in, and may then write to anybody.

The same session as for the public, but for four things: AUTH is offered where nobody can listen in, MAIL asks for it,
recipients are outside, and the message goes to the desk of the account instead of the reception.

Source: RFC 6409; RFC 4954 (AUTH), RFC 4616 (PLAIN), RFC 8314 §3.3 (TLS from the start).
"""

from __future__ import annotations

import binascii
import ssl
from base64 import b64decode
from collections.abc import Callable
from typing import Protocol

from maild.mail.address import Address
from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.smtp.limits import is_loopback
from maild.smtp.reception import SpoolLike
from maild.smtp.service import GoneError, Service
from maild.smtp.session import Session, Transaction

_MAX_OCTETS = 1_024  # of a login or a password, before base64
_SIGNED_IN = b"235 2.7.0 Signed in\r\n"
_ASK_LOGIN = b"334 VXNlcm5hbWU6\r\n"
_ASK_PASSWORD = b"334 UGFzc3dvcmQ6\r\n"


class Account(Protocol):
    """Who has signed in."""

    @property
    def login(self) -> str: ...


class Desk(Protocol):
    """What the session asks about accounts. Whatever it raises becomes `451 4.3.0`."""

    async def sign_in(self, ip: str, login: str, password: str, /) -> Account | Reply:
        """Return the account, or what the mail program is told: 535 5.7.8, or 454 4.7.0 for now."""

    def admit(self, account: Account, address: Address, /) -> Reply:
        """Decide on one recipient."""

    async def submit(self, account: Account, envelope: Envelope, spool: SpoolLike, /) -> Reply:
        """Take the message; as for `Reception.accept`."""


class SubmissionSession(Session):
    """The dialogue with a mail program. With `tls_first` it begins with the handshake."""

    def __init__(self, service: Service, *, desk: Desk, tls_first: bool = False) -> None:
        """Begin before the greeting."""
        super().__init__(service)
        self._desk = desk
        self._tls_first = tls_first
        self._account: Account | None = None
        self._answer: Callable[[str], None] | None = None  # takes the next line, which is no command

    def begin(self) -> None:
        if not self._tls_first:
            super().begin()
        elif self.service.tls is None:
            self.abort()  # a socket of systemd's without a certificate for it
        else:
            self.let_wait(self._secure_first(self.service.tls.context()))

    async def _secure_first(self, context: ssl.SSLContext) -> None:
        self._tls = await self.start_tls(context, first=True)
        self._greet()

    def receive_line(self, line: bytes) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            super().receive_line(line)
        elif line == b"*\r\n":
            self._wrong(b"501 5.0.0 Cancelled")
        else:
            answer(line.decode("ascii", "replace").rstrip("\r\n"))

    def _extensions(self) -> list[str]:
        # Neither DSN nor SMTPUTF8: what is promised here would have to be kept by every server on the way out.
        found = ["PIPELINING", f"SIZE {self.limits.max_message_bytes}", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING"]
        return [*found, "AUTH PLAIN LOGIN"] if self._is_private() and self._account is None else found

    def _is_private(self) -> bool:
        return self._tls is not None or is_loopback(self.ip)

    def smtp_STARTTLS(self, arg: str) -> None:
        self._account = None  # RFC 3207 §4.2: nothing of what was said in the clear holds
        super().smtp_STARTTLS(arg)

    # --- signing in

    def smtp_AUTH(self, arg: str) -> None:
        mechanism, _, initial = arg.partition(" ")
        methods = {"PLAIN": self._plain, "LOGIN": self._login}
        method = methods.get(mechanism.upper())
        if not self._extended:
            self._wrong(b"503 5.5.1 Say EHLO first")
        elif self._account is not None or self._transaction is not None:
            self._wrong(b"503 5.5.1 Not now")
        elif not self._is_private():
            # Security: said before the password is asked for; one that came along was heard by whoever listens.
            self._wrong(b"538 5.7.11 Turn to TLS first: passwords are not taken in the clear")
        elif method is None:
            self._wrong(b"504 5.5.4 Only PLAIN and LOGIN are offered")
        else:
            method(initial.strip())

    def _plain(self, initial: str) -> None:
        if initial:
            self._take_plain(initial)
        else:
            self._ask(b"334 \r\n", self._take_plain)

    def _login(self, initial: str) -> None:
        if initial:
            self._take_login(initial)
        else:
            self._ask(_ASK_LOGIN, self._take_login)

    def _ask(self, challenge: bytes, answer: Callable[[str], None]) -> None:
        self.say(challenge)
        self._answer = answer

    def _take_plain(self, said: str) -> None:
        text = self._decoded(said)
        if text is None:
            return
        acts_as, login, password = (*text.split("\0"), "", "")[:3]
        if text.count("\0") != 2 or acts_as not in {"", login}:
            self._wrong(b"501 5.5.2 PLAIN wants a login and a password")
            return
        self._try(login, password)

    def _take_login(self, said: str) -> None:
        login = self._decoded(said)
        if login is None:
            return

        def take_password(said: str) -> None:
            password = self._decoded(said)
            if password is not None:
                self._try(login, password)

        self._ask(_ASK_PASSWORD, take_password)

    def _decoded(self, said: str) -> str | None:
        try:
            octets = b64decode("" if said == "=" else said, validate=True)
            if len(octets) <= 2 * _MAX_OCTETS:
                return octets.decode()
        except (binascii.Error, ValueError):
            pass
        self._wrong(b"501 5.5.2 Not base64, or not UTF-8")
        return None

    def _try(self, login: str, password: str) -> None:
        self.let_wait(self._sign_in(login, password))

    async def _sign_in(self, login: str, password: str) -> None:
        found = await self._desk.sign_in(self.ip, login, password)
        if isinstance(found, Reply):
            self._wrong(str(found).encode("ascii"))
            return
        self._account = found
        self.say(_SIGNED_IN)

    # --- mail

    def smtp_MAIL(self, arg: str) -> None:
        if self._account is None:
            self._wrong(b"530 5.7.0 Sign in first")
            return
        super().smtp_MAIL(arg)

    def _admit(self, address: Address, transaction: Transaction) -> Reply:
        del transaction
        return self._desk.admit(self._signed_in(), address)

    async def _hand_over(self, envelope: Envelope, spool: SpoolLike) -> Reply:
        return await self._desk.submit(self._signed_in(), envelope, spool)

    def _signed_in(self) -> Account:
        if self._account is None:
            raise GoneError  # a transaction begins only after signing in
        return self._account
