"""By LMTP, to a mail store of our own settings or rules: a TCP port or the path of a socket. One reply a recipient.

Source: RFC 2033.
"""

from __future__ import annotations

import time

from maild.delivery.connections import Connections
from maild.delivery.courier import Attempt, Load
from maild.delivery.dialogue import Dialogue, Lost, Timeouts, connect
from maild.delivery.hosts import Target, Unroutable, named_by_us
from maild.delivery.outcome import Outcome, Result
from maild.delivery.smtp_courier import TOO_LONG
from maild.delivery.transaction import Session, Transaction, extensions_of
from maild.delivery.wire import LINE_OCTETS


class LmtpCourier:
    """Speaks LMTP to `host:port`, `[address]:port` or the socket at an absolute path."""

    def __init__(self, *, helo: str, timeouts: Timeouts | None = None) -> None:
        self._helo = helo
        self._timeouts = timeouts or Timeouts()
        self._connections = Connections(time.monotonic)

    async def deliver(self, load: Load, attempt: Attempt) -> dict[int, Outcome]:
        """See `Courier`."""
        if load.shape.longest > LINE_OCTETS:
            return load.all(Outcome(result=Result.HELD, reply=TOO_LONG, stage="content"))
        try:
            targets = await _targets(load.next_hop)
        except Unroutable as error:
            return load.all(error.outcome)
        last = Outcome(result=Result.DEFERRED, reply="no host was tried", site=True)
        for target in targets:
            found = await self._open(target)
            if isinstance(found, Session):
                outcomes = await Transaction(found, load, attempt).run()
                attempt.on(self._connections.use(None, found))
                return outcomes
            last = found
        return load.all(last)

    def close(self) -> None:
        """See `Courier`."""

    async def _open(self, target: Target) -> Session | Outcome:
        stage, text = "connect", ""
        dialogue: Dialogue | None = None
        try:
            dialogue = await connect(target.address, target.port, self._timeouts.connect_s)
            stage = "banner"
            reply = await dialogue.reply(self._timeouts.banner_s)
            if reply.code == 220:
                stage = "lhlo"
                reply = await dialogue.say(f"LHLO {self._helo}", self._timeouts.hello_s)
                if reply.positive:
                    return Session(
                        dialogue=dialogue,
                        extensions=extensions_of(reply),
                        host=str(target),
                        tls="",
                        timeouts=self._timeouts,
                        lmtp=True,
                    )
            text = reply.text
        except Lost as lost:
            text = str(lost)
        if dialogue is not None:
            dialogue.abort()
        return Outcome(result=Result.DEFERRED, reply=text, host=str(target), stage=stage, site=True)


async def _targets(next_hop: str) -> list[Target]:
    if next_hop.startswith("/"):
        return [Target(host=next_hop, address=next_hop, port=0)]
    host, _, port = next_hop.rpartition(":")
    return await named_by_us(host.strip("[]"), int(port))
