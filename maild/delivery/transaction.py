"""One message on an open connection: MAIL, a RCPT for each recipient, DATA, the content, its end.

Promises: `begin` is awaited before DATA. A recipient is delivered when the reply to the end of the content says so, and
by nothing else. When the connection breaks before the end was sent, nothing has arrived; behind it, nobody knows.
Nothing is said after the last reply: what follows it is the business of whoever records what became of the message.

Source: RFC 5321 §3.3, §4.1.1, §4.5.3.1.10; RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531
(SMTPUTF8), RFC 3461 (DSN), RFC 2033 (LMTP: a reply for each recipient).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from maild.delivery.courier import Attempt, Load
from maild.delivery.deliveries import Delivery
from maild.delivery.dialogue import Dialogue, Lost, Timeouts
from maild.delivery.outcome import Outcome, Result, SmtpReply, answered
from maild.delivery.wire import END, Dots, Lines

_SMALL = 16_384  # octets that go out at once, whatever the other side does


@dataclass(slots=True, kw_only=True)
class Session:
    """A connection on which the other server has been greeted. `extensions`: keyword in capitals → its parameters.

    `messages` counts what was sent on it; `clean`: all of it was taken, and another may follow. `unrecorded`: of so
    many it is not on the disk what became of them; `ending`: when it is, goodbye.
    """

    dialogue: Dialogue
    extensions: Mapping[str, str]
    host: str
    tls: str
    timeouts: Timeouts
    lmtp: bool = False
    since_s: float = 0.0
    messages: int = 0
    clean: bool = True
    unrecorded: int = 0
    ending: bool = False


def extensions_of(reply: SmtpReply) -> dict[str, str]:
    """Return what EHLO or LHLO was answered with."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, parameters = line.strip().partition(" ")
        found.setdefault(keyword.upper(), parameters.strip())
    return found


class _Stopped(Exception):  # noqa: N818 - the transaction ends here, with an outcome
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reply)
        self.outcome = outcome


class Stale(Exception):  # noqa: N818 - what was found out about a connection
    """A connection that was used before is of no more use, and nothing of this load was said on it that counts."""


class Transaction:
    """One load on one session. `run` once."""

    def __init__(self, session: Session, load: Load, attempt: Attempt) -> None:
        self._session = session
        self._load = load
        self._attempt = attempt
        self._again = session.messages > 0
        self._begun = False
        self._outcomes: dict[int, Outcome] = {}
        self._stage = "mail"

    async def run(self) -> dict[int, Outcome]:
        """Return the outcome of each delivery; the session says whether it may be used again. Raises Stale."""
        dialogue, session = self._session.dialogue, self._session
        session.messages += 1
        session.clean = False
        try:
            await self._envelope()
            session.clean = all(outcome.result is Result.DELIVERED for outcome in self._outcomes.values())
        except _Stopped as stop:
            self._rest(stop.outcome)
        except Stale:
            dialogue.abort()
            raise
        except Lost as lost:
            if self._again and self._stage == "mail":
                dialogue.abort()
                raise Stale from lost
            unknown = self._stage == "end"
            self._rest(self._outcome(Result.UNKNOWN if unknown else Result.DEFERRED, str(lost)))
            dialogue.abort()
        except BaseException:
            dialogue.abort()  # Invariant: half a content is never followed by a goodbye
            raise
        return self._outcomes

    def _rest(self, outcome: Outcome) -> None:
        for delivery in self._load.deliveries:
            self._outcomes.setdefault(delivery.id, outcome)

    def _outcome(self, result: Result, reply: str) -> Outcome:
        session = self._session
        reports = "DSN" in session.extensions
        return Outcome(
            result=result, reply=reply, host=session.host, tls=session.tls, stage=self._stage, reports=reports
        )

    def _answered(self, reply: SmtpReply) -> Outcome:
        return answered(reply, self._stage, host=self._session.host, tls=self._session.tls)

    def _refuse(self, text: str) -> _Stopped:
        return _Stopped(self._outcome(Result.FAILED, text))

    async def _envelope(self) -> None:
        dialogue, timeouts = self._session.dialogue, self._session.timeouts
        mail = f"MAIL FROM:<{self._load.reverse_path or ''}>{self._mail_parameters()}"
        named = self._named()
        if "PIPELINING" in self._session.extensions:
            data = ["DATA"] if await self._is_begun_at_once(named) else []
            dialogue.put(mail, *(line for _, line in named), *data)
            mail, named = "", [(delivery, "") for delivery, _ in named]
        reply = await dialogue.say(mail, timeouts.mail_s)
        if reply.code == 421 and self._again:
            raise Stale
        if not reply.positive:
            raise _Stopped(self._answered(reply))
        taken = await self._recipients(named)
        if taken or self._begun:
            await self._content(taken)

    async def _is_begun_at_once(self, named: list[tuple[Delivery, str]]) -> bool:
        """Begin before the other side has heard of the message, so that DATA may go with MAIL and RCPT.

        Where it has taken the message before, it mostly takes this one, and two waits are saved, one of them for the
        disk: what became of the message before is recorded in the same commit. A try that was cut off is in doubt from
        here on: what must not be sent twice is begun as late as can be.
        """
        if not self._again or not named or any(delivery.once for delivery, _ in named):
            return False
        await self._begin([delivery for delivery, _ in named])
        return True

    async def _begin(self, deliveries: list[Delivery]) -> None:
        session = self._session
        if not await self._attempt.begin(deliveries, session.host, session.tls):
            raise _Stopped(self._outcome(Result.DEFERRED, "somebody changed the delivery meanwhile"))
        if session.unrecorded:
            # What became of the message before could not be recorded, and DATA would tell that it was (`connections`).
            raise Stale
        self._begun = True

    def _mail_parameters(self) -> str:
        offered, load = self._session.extensions, self._load
        found = []
        if "SIZE" in offered:
            limit = offered["SIZE"]
            if limit.isascii() and limit.isdigit() and 0 < int(limit[:20]) < load.shape.size:
                raise self._refuse(f"5.3.4 the message has {load.shape.size} octets, and the next hop takes {limit}")
            found.append(f" SIZE={load.shape.size}")
        if load.shape.eight_bit:
            if "8BITMIME" not in offered:
                raise self._refuse("5.6.3 the next hop takes no 8-bit content")
            found.append(" BODY=8BITMIME")
        if load.utf8 or not (load.reverse_path or "").isascii():
            if "SMTPUTF8" not in offered:
                raise self._refuse("5.6.7 the next hop takes no internationalised mail")
            found.append(" SMTPUTF8")
        elif "SMTPUTF8" in offered and not all(d.recipient.isascii() for d in load.deliveries):
            found.append(" SMTPUTF8")
        dsn = load.deliveries[0].dsn
        if "DSN" in offered:
            found += [f" RET={dsn.ret}"] if dsn.ret else []
            found += [f" ENVID={dsn.envid}"] if dsn.envid else []
        return "".join(found)

    def _named(self) -> list[tuple[Delivery, str]]:
        """Return the recipients that the next hop can read, each with its command."""
        named = []
        for delivery in self._load.deliveries:
            if not delivery.recipient.isascii() and "SMTPUTF8" not in self._session.extensions:
                text = "5.6.7 the next hop takes no internationalised addresses"
                self._outcomes[delivery.id] = replace(self._outcome(Result.FAILED, text), stage="rcpt")
                continue
            named.append((delivery, f"RCPT TO:<{delivery.recipient}>{self._recipient_parameters(delivery)}"))
        return named

    async def _recipients(self, named: list[tuple[Delivery, str]]) -> list[Delivery]:
        self._stage = "rcpt"
        taken = []
        for delivery, line in named:
            reply = await self._session.dialogue.say(line, self._session.timeouts.recipient_s)
            if reply.code == 421:
                raise _Stopped(self._answered(reply))
            if reply.positive:
                taken.append(delivery)
            elif reply.code == 552:
                # Interop: old servers say so when they have enough recipients (RFC 5321 §4.5.3.1.10).
                self._outcomes[delivery.id] = self._outcome(Result.DEFERRED, reply.text)
            else:
                self._outcomes[delivery.id] = self._answered(reply)
        return taken

    def _recipient_parameters(self, delivery: Delivery) -> str:
        if "DSN" not in self._session.extensions:
            return ""
        notify = f" NOTIFY={','.join(delivery.dsn.notify)}" if delivery.dsn.notify else ""
        return notify + (f" ORCPT={delivery.dsn.orcpt}" if delivery.dsn.orcpt else "")

    async def _content(self, taken: list[Delivery]) -> None:
        session = self._session
        line = ""
        if not self._begun:
            await self._begin(taken)
            line = "DATA"
        self._stage = "data"
        reply = await session.dialogue.say(line, session.timeouts.data_s)
        if reply.code != 354:
            raise _Stopped(self._answered(reply))
        if not taken:
            # Interop: some go on with DATA although they took no recipient; then nothing is sent (RFC 2920 §3.1).
            await session.dialogue.send(END, session.timeouts.block_s)
            await session.dialogue.reply(session.timeouts.end_s)
            return
        self._stage = "content"
        last = await self._all_but_the_last()
        self._stage = "end"
        await session.dialogue.send(last + END, session.timeouts.block_s)
        for delivery in taken if session.lmtp else taken[:1]:
            reply = await session.dialogue.reply(session.timeouts.end_s)
            outcome = self._outcome(Result.DELIVERED, reply.text) if reply.positive else self._answered(reply)
            for each in [delivery] if session.lmtp else taken:
                self._outcomes[each.id] = outcome

    async def _all_but_the_last(self) -> bytes:
        """Send the content; of a small one return what may go together with the end, of others nothing."""
        session, lines, dots = self._session, Lines(), Dots()
        held = b""
        async for piece in self._load.pieces():
            held += dots.feed(lines.feed(piece))
            if len(held) > _SMALL:
                await session.dialogue.send(held, session.timeouts.block_s)
                held = b""
        held += dots.feed(lines.close())
        if self._load.shape.size <= _SMALL:
            return held
        await session.dialogue.send(held, session.timeouts.block_s)
        return b""
