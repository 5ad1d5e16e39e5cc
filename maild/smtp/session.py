"""Mail transactions: MAIL, RCPT, DATA and BDAT.

Source: RFC 5321 §3.3; RFC 1870 (SIZE), 3030 (BDAT), 3461 (DSN), 6152 (8-bit), 6531 (SMTPUTF8).
"""

from __future__ import annotations

import re

import structlog

from maild.errors import AddressError
from maild.mail.address import MAILBOX_OCTETS, Address, parse_path, split_path
from maild.mail.envelope import Envelope, Peer, Recipient
from maild.mail.reply import Reply
from maild.smtp.content import TOO_LARGE, ChunkReader, Content, DataReader
from maild.smtp.dialogue import OK, TOO_MANY_ERRORS, Dialogue
from maild.smtp.parameters import MailParameters, parse_mail, parse_rcpt
from maild.smtp.reception import SpoolLike
from maild.smtp.service import Service

_SENDER_OK = b"250 2.1.0 Ok\r\n"
_DATA_GO = b"354 End data with <CR><LF>.<CR><LF>\r\n"
_BDAT = re.compile(r"([0-9]{1,20})( LAST)?", re.IGNORECASE)
_NAMED_IN_LOG = 320
_PATIENCE = 10

_TOO_MANY_RECIPIENTS = Reply(code=452, enhanced="4.5.3", text="Too many recipients, send the rest separately")
_NO_TRANSACTION = Reply(code=503, enhanced="5.5.1", text="Say MAIL and RCPT first")
_log = structlog.get_logger()


class _Void:
    """A spool for what is refused before it comes."""

    size = 0

    def write(self, data: bytes, /) -> None: ...

    def discard(self) -> None: ...


_VOID = _Void()


def _split(arg: str, keyword: str) -> tuple[str, str]:
    """Split the argument of MAIL or RCPT into its path and its parameters."""
    if arg[: len(keyword)].upper() != keyword:
        raise AddressError("the keyword is missing")
    # Interop: many a program writes a space after the colon.
    path, rest = split_path(arg[len(keyword) :].lstrip(" "))
    if rest and rest[0] != " ":
        raise AddressError("something follows the path")
    return path, rest


class Transaction:
    """One mail transaction, from MAIL to its end."""

    __slots__ = ("content", "parameters", "recipients", "reverse_path")

    def __init__(self, reverse_path: Address | None, parameters: MailParameters) -> None:
        """Begin with no recipients."""
        self.reverse_path = reverse_path
        self.parameters = parameters
        self.recipients: dict[Address, Recipient] = {}
        self.content: Content | None = None  # of the BDAT chunks so far


class Session(Dialogue):
    """The dialogue, and the mail transactions in it."""

    def __init__(self, service: Service) -> None:
        """Begin before the greeting."""
        super().__init__(service)
        self._transaction: Transaction | None = None
        self._last_chunk = False
        self._refused = 0

    def reset(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction and transaction.content:
            transaction.content.spool.discard()

    def smtp_MAIL(self, arg: str) -> None:
        if self._helo is None:
            self._wrong(b"503 5.5.1 Say HELO or EHLO first")
            return
        if self._transaction:
            self._wrong(b"503 5.5.1 A transaction has begun already")
            return
        try:
            path, rest = _split(arg, "FROM:")
            # Interop: forwarders (SRS) and bulk senders (VERP) write local parts far longer than 64 octets.
            reverse_path = parse_path(path, local_octets=MAILBOX_OCTETS)
        except AddressError:
            self._wrong(b"501 5.1.7 Say MAIL FROM:<address>")
            return
        if reverse_path is not None and not reverse_path.domain:
            self._wrong(b"501 5.1.7 The sender's address has no domain")
            return
        parameters = parse_mail(rest)
        if isinstance(parameters, Reply):
            self._wrong(str(parameters).encode("ascii"))
            return
        if reverse_path is not None and not reverse_path.is_ascii and not parameters.smtputf8:
            self._wrong(b"553 5.6.7 This address needs SMTPUTF8")
            return
        size = parameters.size
        refusal = TOO_LARGE if size and size > self.limits.max_message_bytes else self.service.reception.ready(size)
        if refusal:
            self._say(refusal)
            self._log_refusal(refusal)
            return
        self._transaction = Transaction(reverse_path, parameters)
        self.say(_SENDER_OK)

    def smtp_RCPT(self, arg: str) -> None:
        transaction = self._transaction
        if transaction is None or transaction.content:
            self._wrong(b"503 5.5.1 Say MAIL first")
            return
        try:
            path, rest = _split(arg, "TO:")
            address = parse_path(path)
        except AddressError:
            address = None
        if address is None:
            self._wrong(b"501 5.1.3 Say RCPT TO:<address>")
            return
        parameters = parse_rcpt(rest)
        if isinstance(parameters, Reply):
            self._wrong(str(parameters).encode("ascii"))
            return
        if not address.is_ascii and not transaction.parameters.smtputf8:
            self._wrong(b"553 5.6.7 This address needs SMTPUTF8")
            return
        if len(transaction.recipients) >= self.limits.max_recipients and address not in transaction.recipients:
            self._refuse_recipient(_TOO_MANY_RECIPIENTS, address, transaction)
            return
        reply = self._admit(address, transaction)
        if not reply.accepted:
            self._refuse_recipient(reply, address, transaction)
            return
        transaction.recipients.setdefault(
            address, Recipient(address=address, orcpt=parameters.orcpt, notify=parameters.notify)
        )
        self._say(reply)

    def _admit(self, address: Address, transaction: Transaction) -> Reply:
        return self.service.reception.admit(address, transaction.reverse_path)

    def _refuse_recipient(self, reply: Reply, address: Address, transaction: Transaction) -> None:
        _log.info(
            "recipient.refused",
            ip=self.ip,
            recipient=str(address)[:_NAMED_IN_LOG],
            sender=str(transaction.reverse_path or "")[:_NAMED_IN_LOG],
            reply=str(reply),
        )
        self._say(reply)
        self._refused += 1
        # A newsletter with a hundred dead addresses and one that lives would never arrive if we hung up on it.
        allowed = self.limits.max_refused * (_PATIENCE if transaction.recipients else 1)
        if self._refused >= allowed:
            self.hang_up(TOO_MANY_ERRORS)

    def smtp_DATA(self, arg: str) -> None:
        transaction = self._transaction
        if arg:
            self._wrong(b"501 5.5.4 DATA takes no argument")
        elif transaction is None or transaction.content:
            self._wrong(b"503 5.5.1 Say MAIL and RCPT first")
        elif not transaction.recipients:
            self._wrong(b"554 5.5.1 No valid recipients")
        else:
            content = self._begin(transaction)
            if content.refusal:
                self._complete(transaction, content)
                return
            self.say(_DATA_GO)
            self._last_chunk = True
            self.read_content(DataReader(content))

    def smtp_BDAT(self, arg: str) -> None:
        match = _BDAT.fullmatch(arg)
        if not match:
            # Security: what follows may be the chunk; to read it as commands would be to be talked into mail.
            self.hang_up(Reply(code=501, enhanced="5.5.4", text="Say BDAT size, or BDAT size LAST"))
        transaction = self._transaction
        content = transaction.content if transaction else None
        if transaction is None or not transaction.recipients:
            content = Content(_VOID, self.limits)
            content.refuse(_NO_TRANSACTION)
        elif content is None:
            content = self._begin(transaction)
        self._last_chunk = match[2] is not None
        self.read_content(ChunkReader(content, int(match[1])))

    def receive_content(self, content: Content) -> None:
        transaction = self._transaction
        if content.overrun:
            self._log_refusal(content.refusal or TOO_LARGE)
            self.hang_up(content.refusal or TOO_LARGE)
        if content.refusal is _NO_TRANSACTION or transaction is None:
            self._wrong(str(_NO_TRANSACTION).encode("ascii"))
        elif self._last_chunk or content.refusal:
            self._complete(transaction, content)
        else:
            self.say(OK)

    def _begin(self, transaction: Transaction) -> Content:
        refusal = self.service.reception.ready(transaction.parameters.size)
        content = Content(_VOID if refusal else self.service.reception.spool(), self.limits)
        if refusal:
            content.refuse(refusal)
        transaction.content = content
        return content

    def _complete(self, transaction: Transaction, content: Content) -> None:
        """Hand the message over, or say why not."""
        self._transaction = None
        if content.refusal is None:
            self.let_wait(self._store(transaction, content))
            return
        if content.error:
            self.service.spool_failed(self.ip, content.error)
        self._log_refusal(content.refusal, transaction)
        self._say(content.refusal)

    async def _store(self, transaction: Transaction, content: Content) -> None:
        reply = await self._hand_over(self._envelope(transaction), content.spool)
        self._say(reply)
        if reply.accepted:
            self.progress()
            self._idle_commands = self._refused = self._errors = 0
        else:
            self._log_refusal(reply, transaction)

    async def _hand_over(self, envelope: Envelope, spool: SpoolLike) -> Reply:
        return await self.service.reception.accept(envelope, spool)

    def _envelope(self, transaction: Transaction) -> Envelope:
        parameters = transaction.parameters
        return Envelope(
            reverse_path=transaction.reverse_path,
            recipients=tuple(transaction.recipients.values()),
            peer=self._who(smtputf8=parameters.smtputf8),
            smtputf8=parameters.smtputf8,
            eight_bit=parameters.eight_bit,
            ret=parameters.ret,
            envid=parameters.envid,
        )

    def _who(self, *, smtputf8: bool) -> Peer:
        """Return the peer under the `with` keyword of this transaction (RFC 3848, RFC 6531 §3.7.3)."""
        protocol = ("UTF8SMTP" if smtputf8 else "ESMTP") if self._extended else "SMTP"
        if self._tls:
            protocol += "S"
        if self._peer is None or self._peer.protocol != protocol:
            self._peer = Peer(ip=self.ip, port=self.port, helo=self._helo or "", protocol=protocol, tls=self._tls)
        return self._peer

    def _log_refusal(self, reply: Reply, transaction: Transaction | None = None) -> None:
        sender = str(transaction.reverse_path or "") if transaction else ""
        _log.info("message.refused", ip=self.ip, sender=sender[:_NAMED_IN_LOG], reply=str(reply))
