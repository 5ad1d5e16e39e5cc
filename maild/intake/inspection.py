"""The inspection of a sender before the 250: only what the rules, or a domain's own policy, need to refuse a letter.

All else about a sender is found out after it, by the router. What was found out here is kept with the letter.

Promises: a message waits no longer than the limit of the settings; what is not known by then refuses nobody, and
neither does a letter that cannot be read.
"""

from __future__ import annotations

import structlog

from maild.archive.compression import DamagedError
from maild.authentication.disposition import Fate
from maild.authentication.dmarc import Discovered
from maild.authentication.examiner import Dialogue, Examiner, Limit
from maild.authentication.reading import UNREADABLE, Read, read_sender
from maild.confinement import Batches, ConfinementError, Pool, Streamed, StreamError
from maild.intake.spool import Spool
from maild.mail.address import is_implicit
from maild.mail.authentication import TrustedRelays
from maild.mail.envelope import Envelope
from maild.mail.evidence import Evidence
from maild.mail.networks import is_private
from maild.mail.reply import Reply

# A call of a worker costs more than reading so little: the header's syntax and a hash, linear, and nothing of MIME.
# Of the body, too, as far as it is held in memory: to hand it over takes about as long as its hash.
_HEADER_HERE_BYTES = 16_384
_READ, _READ_SEVERAL = (f"maild.authentication.reading:{name}" for name in ("read_sender", "read_senders"))
_log = structlog.get_logger()


class Inspector:
    """Inspects the senders of messages."""

    def __init__(self, pool: Pool, examiner: Examiner, relays: TrustedRelays) -> None:
        self.pool = pool
        self.batches = Batches(pool, _READ_SEVERAL)
        self.examiner = examiner
        self._relays = relays

    def begin(self, envelope: Envelope, spool: Spool, received_ms: int) -> Inspection | None:
        """Return the inspection of a message; None for mail of one's own machines and of trusted relays."""
        ip = envelope.peer.ip
        if not self.examiner.concerns(ip) or self._relays.believed(ip):
            return None
        path = envelope.reverse_path
        dialogue = Dialogue(ip, envelope.peer.helo, None if path is None else str(path))
        # What a machine inside hands over came from elsewhere; whether it was proven there nobody can tell any more.
        spared = is_private(ip) or any(is_implicit(recipient.address) for recipient in envelope.recipients)
        return Inspection(self, dialogue, spool, received_ms, spared=spared)


class Inspection:
    """The inspection of one message. What is not asked for is not found out."""

    def __init__(
        self, inspector: Inspector, dialogue: Dialogue, spool: Spool, received_ms: int, *, spared: bool
    ) -> None:
        """Begin; what is `spared` is never refused."""
        self.dialogue = dialogue
        self.read: Read | None = None
        self.evidence: Evidence | None = None
        self._policy: Discovered | None = None
        self._limit: Limit | None = None
        self._inspector = inspector
        self._spool = spool
        self._spared = spared
        self._received_ms = received_ms

    async def find_out(self) -> Evidence:
        """Return all that can be known of the sender."""
        if self.evidence is None:
            read = await self._reading()
            limit = self._limit or self._inspector.examiner.limit()
            examine = self._inspector.examiner.examine
            self.evidence = await examine(self.dialogue, read, self._received_ms, limit, self._policy)
        return self.evidence

    async def refusal(self) -> Reply | None:
        """Return what the sender is told whose domain asks that such a letter be refused; None: it is accepted."""
        inspector = self._inspector
        if self._spared or not inspector.examiner.refuses:
            return None
        if self.evidence is None:
            read = await self._reading()
            self.evidence = inspector.examiner.recognise(self.dialogue, read, self._received_ms)
            if self.evidence is not None:
                return None  # only such are known as are accepted
            self._limit = inspector.examiner.limit()
            self._policy = await inspector.examiner.policy(read.author, self._limit)
            if self._policy.policy != "reject":
                return None  # the router finds out what else there is to know
        disposed = inspector.examiner.dispose(await self.find_out())
        return disposed.reply if disposed.fate is Fate.REFUSE else None

    async def _reading(self) -> Read:
        """Return what the message says; the limit for what the DNS says begins when that is known."""
        if self.read is None:
            self.read = await self._read()
        return self.read

    async def _read(self) -> Read:
        octets = self._spool.octets
        try:
            if octets is not None and _has_short_header(octets):
                return _read_here(octets)
            if octets is not None:
                read: Read = await self._inspector.batches.run(octets)
            else:
                streamed = Streamed(self._spool.size, self._spool.pieces)
                read = await self._inspector.pool.run(_READ, streamed, bulk=True)
        except (ConfinementError, StreamError, DamagedError, OSError, TimeoutError) as error:
            _log.warning("sender.unread", reason=type(error).__name__)
            return UNREADABLE
        return read


def _has_short_header(octets: bytes) -> bool:
    # Security: each of ten signatures may sign the whole header, and what stands in it is a stranger's to choose.
    return len(octets) <= _HEADER_HERE_BYTES or octets.find(b"\r\n\r\n", 0, _HEADER_HERE_BYTES) >= 0


def _read_here(octets: bytes) -> Read:
    """Read a message; a fault of ours keeps none out, as one within a worker would not."""
    try:
        return read_sender(octets)
    except Exception as error:  # noqa: BLE001 - whatever it is, the letter is taken in
        _log.error("sender.check_failed", error=type(error).__name__)
        return UNREADABLE
