"""The SMTP dialogue but for the mail in it: commands, errors, greeting, TLS.

Every reply has an enhanced code where RFC 2034 wants one, is ASCII, and says nothing of our inside. What we do wrong
ourselves is 451.

Source: RFC 5321; RFC 2034, 2920, 3207.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl

import structlog

from maild.mail.envelope import Peer, Tls
from maild.mail.networks import is_in
from maild.mail.reply import Reply
from maild.smtp.connection import Connection
from maild.smtp.limits import is_loopback
from maild.smtp.proxy import Origin
from maild.smtp.service import GoneError, Service

OK = b"250 2.0.0 Ok\r\n"
TOO_MANY_ERRORS = Reply(code=421, enhanced="4.7.0", text="Too many errors, closing the connection")
# RFC 5321 §3.1 lets a server that is not to be had greet with 554. Not 521: that would say that here is none at all
# (RFC 7504), and mail programs remember it for the machine, not for the session.
_EARLY = Reply(code=554, enhanced="5.5.1", text="You spoke before the greeting: mail servers wait for it")
_NO_PROGRESS = Reply(code=421, enhanced="4.7.0", text="Too many commands without a message")
_VERBS = ("HELO", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "EXPN", "AUTH", "HELP",
          "QUIT")  # fmt: skip
_METHODS = {verb: f"smtp_{verb}" for verb in _VERBS}
# Security: a web page can make a browser post lines to any port; what looks like HTTP is not heard to its end.
_WEB_VERBS = frozenset({"GET", "POST", "PUT", "CONNECT"})
_NOT_THE_WEB = Reply(code=421, enhanced="4.7.0", text="This is a mail server")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_HELO_LIMIT = 255

_log = structlog.get_logger()


def _read_command(line: bytes) -> tuple[str, str]:
    """Split a line into its verb and its argument.

    Raises:
        ValueError: with the reply as its text.

    """
    if line[-2:] != b"\r\n":
        raise ValueError("500 5.5.2 A line ends with CR LF" if line else "500 5.5.2 Line too long")
    try:
        text = line[:-2].decode()
    except UnicodeDecodeError:
        raise ValueError("500 5.5.2 Not UTF-8") from None
    if _CONTROLS.search(text):
        raise ValueError("500 5.5.2 Control character in a command")
    verb, _, arg = text.partition(" ")
    return verb.upper(), arg.strip(" ")


class Dialogue(Connection):
    """What is said on one connection."""

    def __init__(self, service: Service) -> None:
        """Begin before the greeting."""
        super().__init__(service)
        self._helo: str | None = None
        self._extended = False
        self._tls: Tls | None = None
        self._peer: Peer | None = None  # as long as it calls itself the same
        self._errors = 0
        self._idle_commands = 0

    def begin(self) -> None:
        if is_in(self.ip, self.limits.trusted_proxies):
            self.read_origin()
        elif self.limits.greet_delay_s and not self._is_familiar():
            self.let_wait(self._greet_late())
        else:
            self._greet()

    def _is_familiar(self) -> bool:
        return is_loopback(self.ip) or is_in(self.ip, self.limits.trusted_relays)

    async def _greet_late(self) -> None:
        """Greet after a while; a program that only pretends to be a mail server has said its lines by then."""
        await asyncio.sleep(self.limits.greet_delay_s)
        if self.has_spoken():
            _log.info("smtp.early_talker", ip=self.ip)
            self.hang_up(_EARLY)
        self._greet()

    def receive_origin(self, origin: Origin) -> None:
        if origin.ip:
            self.ip, self.port = origin.ip, origin.port
        refusal = self.service.registry.name(self, self.ip)
        if refusal:
            self.hang_up(refusal)
        self._greet()

    def _greet(self) -> None:
        _log.debug("smtp.connected", ip=self.ip, port=self.port)
        self.say(f"220 {self.service.hostname} ESMTP maild\r\n".encode("ascii"))

    def receive_line(self, line: bytes) -> None:
        try:
            verb, arg = _read_command(line)
        except ValueError as error:
            self._wrong(str(error).encode("ascii"))
            return
        method = _METHODS.get(verb)
        if method is None:
            if verb in _WEB_VERBS:
                self.hang_up(_NOT_THE_WEB)
            self._wrong(b"500 5.5.2 Command not recognized")
            return
        if verb != "RCPT":
            self._idle_commands += 1
            if self._idle_commands > self.limits.max_idle_commands:
                self.hang_up(_NO_PROGRESS)
        getattr(self, method)(arg)

    def failed(self, error: Exception) -> None:
        """Log a failure of ours and say what the peer may know of it."""
        failure_id = secrets.token_hex(4).upper()
        _log.error("smtp.failed", failure=failure_id, ip=self.ip, exc_info=error)
        self.say(f"451 4.3.0 Try again later (id {failure_id})\r\n".encode("ascii"))

    def _wrong(self, reply: bytes) -> None:
        self.say(reply + b"\r\n")
        self._errors += 1
        if self._errors >= self.limits.max_errors:
            _log.info("smtp.errors", ip=self.ip, errors=self._errors)
            self.hang_up(TOO_MANY_ERRORS)

    def _say(self, reply: Reply) -> None:
        self.say(f"{reply}\r\n".encode("ascii"))

    # --- greeting

    def smtp_HELO(self, arg: str) -> None:
        if self._greeted(arg, extended=False):
            self.say(f"250 {self.service.hostname}\r\n".encode("ascii"))

    def smtp_EHLO(self, arg: str) -> None:
        if not self._greeted(arg, extended=True):
            return
        lines = [self.service.hostname, *self._extensions()]
        if self.service.tls and not self._tls:
            lines.append("STARTTLS")
        self.say("".join(f"250-{line}\r\n" for line in lines).encode("ascii") + b"250 HELP\r\n")

    def _extensions(self) -> list[str]:
        size = f"SIZE {self.limits.max_message_bytes}"
        return ["PIPELINING", size, "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN"]

    def _greeted(self, arg: str, *, extended: bool) -> bool:
        if not arg or len(arg) > _HELO_LIMIT or " " in arg:
            self._wrong(b"501 5.5.4 Say HELO or EHLO with your host name")
            return False
        self.reset()
        self._helo = arg
        self._extended = extended
        self._peer = None
        return True

    def smtp_STARTTLS(self, arg: str) -> None:
        if self.service.tls is None or self._tls:
            self._wrong(b"503 5.5.1 TLS is not offered")
            return
        if arg:
            self._wrong(b"501 5.5.4 STARTTLS takes no argument")
            return
        context = self.service.tls.context()
        self.say(b"220 2.0.0 Ready to start TLS\r\n")
        self.reset()
        self._helo = None
        self.let_wait(self._secure(context))

    async def _secure(self, context: ssl.SSLContext) -> None:
        self._tls = await self.start_tls(context)

    # --- the rest

    def smtp_RSET(self, arg: str) -> None:
        if arg:
            self._wrong(b"501 5.5.4 RSET takes no argument")
            return
        self.reset()
        self.say(OK)

    def smtp_NOOP(self, arg: str) -> None:  # noqa: ARG002 - RFC 5321 §4.1.1.9: the argument is ignored
        self.say(OK)

    def smtp_VRFY(self, arg: str) -> None:
        if not arg:
            self._wrong(b"501 5.5.4 VRFY takes an argument")
            return
        self.say(b"252 2.5.0 Send mail and see\r\n")

    def smtp_EXPN(self, arg: str) -> None:  # noqa: ARG002 - the same answer whatever is asked for
        self._wrong(b"502 5.5.1 EXPN is not offered")

    def smtp_AUTH(self, arg: str) -> None:  # noqa: ARG002 - nobody signs in where the public hands in mail
        self._wrong(b"502 5.5.1 AUTH is not offered")

    def smtp_HELP(self, arg: str) -> None:  # noqa: ARG002 - the same answer whatever is asked for
        self.say(b"214 2.0.0 See RFC 5321\r\n")

    def smtp_QUIT(self, arg: str) -> None:  # noqa: ARG002 - whoever wants to go may go
        self.say(b"221 2.0.0 Bye\r\n")
        raise GoneError
