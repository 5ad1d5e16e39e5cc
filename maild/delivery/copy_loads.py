"""What a copy for a member says above the letter: read from the archive and the rules when it is sent, never stored.

Security: the reply address is in no database and no backup; it is made of the secret each time the copy is sent.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from sqlalchemy import Connection, select

from maild.archive.accounts import names
from maild.archive.copies import copy_to
from maild.archive.schema import summaries
from maild.delivery.deliveries import Delivery
from maild.delivery.queue.messages import Leaving
from maild.errors import NotFoundError
from maild.mail.address import as_address, parse_address
from maild.mail.answering import chained
from maild.mail.copying import CopyHead, copy_header
from maild.mail.header import newline_of, read_header
from maild.mail.ids import format_id
from maild.mail.local_time import local_time
from maild.mail.reading import references_of
from maild.mail.reply_token import Claim, reply_address
from maild.rules.authorship import preset, senders
from maild.rules.model import Ruleset

# (the archive, the delivery, its letter, the letter's first octets) → the header, and how many octets it replaces.
HeadOfCopy = Callable[[Connection, Delivery, Leaving, bytes], tuple[bytes, int]]


def no_copies(_connection: Connection, _delivery: Delivery, _message: Leaving, _first: bytes) -> tuple[bytes, int]:
    """Refuse: this worker makes none."""
    raise NotFoundError("copies are not made here")


class CopyHeads:
    """Writes the headers of copies."""

    def __init__(self, rules: Callable[[], Ruleset], key: bytes) -> None:
        self._rules = rules
        self._key = key

    def __call__(self, connection: Connection, delivery: Delivery, message: Leaving, first: bytes) -> tuple[bytes, int]:
        """Return the header of a copy. Raises NotFoundError where there is none to be sent any more."""
        rules = self._rules()
        copy = copy_to(connection, message.id, delivery.recipient)
        header = read_header(first, 0, len(first), newline_of(first))
        if copy is None or copy.revoked_ms is not None or header.over is not None:
            raise NotFoundError("the copy was withdrawn, or its letter cannot be read")
        came_to = list(filter(None, map(as_address, message.recipients)))
        chosen = preset(rules, senders(rules, [copy.team]), came_to)
        if chosen is None:
            raise NotFoundError("the team has no address to be answered from")
        letter = connection.execute(select(summaries).where(summaries.c.message_id == message.id)).one()
        claim = Claim(letter_id=message.id, user_id=copy.user_id, until_ms=copy.until_ms)
        raw = {f.key: f.raw for f in reversed(header.fields) if f.key in ("references", "in-reply-to")}
        references = references_of(raw.get("references", ""), raw.get("in-reply-to", ""), letter.message_key)
        organisation = rules.organisation
        head = CopyHead(
            author=letter.from_name or letter.from_mail or "?",
            office=chosen.function.title or rules.teams[chosen.function.team].name,
            language=organisation.language,
            sender=chosen.address,
            reply_to=reply_address(claim, chosen.address.domain, self._key),
            to=(names(connection, {copy.user_id}).get(copy.user_id, ""), parse_address(copy.recipient)),
            subject=letter.subject,
            message_id=f"{self._name(claim)}@{chosen.address.domain}",
            in_reply_to=letter.message_key,
            references=chained(references, letter.message_key),
            date=local_time(message.received_ms, organisation.timezone),
        )
        return copy_header(head, first[: header.end]), header.body_start

    def _name(self, claim: Claim) -> str:
        """Return a name for the copy that each try has in common and that says nothing of its reply address."""
        said = f"maild copy 1\0{format_id(claim.letter_id)}\0{claim.user_id}".encode()
        return f"copy.{hmac.new(self._key, said, hashlib.sha256).hexdigest()[:24]}"
