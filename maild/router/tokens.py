"""What came to addresses of which only we know how they are made: reports to envelope tokens, answers to copies."""

from __future__ import annotations

from maild.archive.as_read import Answering, Filing
from maild.mail.envelope_token import delivery_among, delivery_of
from maild.mail.reply_token import Claim, claim_of
from maild.router.reading import Order, Reading
from maild.rules.in_worker import addresses_of


def tied(order: Order, reading: Reading, key: bytes | None) -> Reading:
    """Note the delivery of ours, or the copy, whose address a message came to; `key` None: we make no such addresses.

    Security: the key stays in this process; what reads mail never has it.
    """
    if key is None or order.direction != "in" or order.state is not None:
        return reading
    if not any("+" in addressed.as_given for addressed in order.addressed):
        return reading  # neither kind is made without one, and hardly any mail comes to an address that has it
    given = addresses_of(addressed.as_given for addressed in order.addressed)
    claims = [claim for each in given if (claim := claim_of(each, key)) is not None]
    if claims:
        return reading._replace(filing=_answering(order, reading.filing, claims))
    if len(given) < len(order.addressed) or any(delivery_of(each, key) is None for each in given):
        return reading  # it came to others as well, and must lie with them; no report does
    found = delivery_among(given, key)
    return reading if found is None else reading._replace(filing=reading.filing._replace(delivery_id=found))


def _answering(order: Order, filing: Filing, claims: list[Claim]) -> Filing:
    alone = len(claims) == len(order.addressed)
    bounced = not order.reverse_path
    claim = claims[0]
    answering = Answering(letter_id=claim.letter_id, user_id=claim.user_id, alone=alone, bounced=bounced)
    return filing._replace(answering=answering)
