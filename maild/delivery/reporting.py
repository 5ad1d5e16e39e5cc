"""What the log is told of deliveries: numbers, hosts and codes, never who writes to whom."""

from __future__ import annotations

import re

import structlog

from maild.delivery.deliveries import Delivery
from maild.delivery.outcome import Outcome
from maild.delivery.queue.claiming import Claimed
from maild.delivery.queue.working import Recorded
from maild.mail.ids import format_id

_log = structlog.get_logger()
_CODE = re.compile(r"(?:[2-5][0-9]{2})?(?: ?[245]\.[0-9]{1,3}\.[0-9]{1,3})?")


def report_claimed(claimed: Claimed) -> None:
    """Tell of deliveries that an earlier worker left in doubt."""
    again = sum(len(load) for load in claimed.loads)
    if claimed.doubtful:
        _log.warning("delivery.in_doubt", deliveries=list(claimed.doubtful), given_up=len(claimed.ended), claimed=again)


def report(delivery: Delivery, outcome: Outcome, recorded: Recorded) -> None:
    """Tell how a try ended."""
    number, message = delivery.id, format_id(delivery.message_id)
    host, tries = outcome.host or delivery.next_hop, recorded.attempts
    code, stage = _code(outcome.reply), outcome.stage
    doubtful = recorded.doubtful
    match recorded.state:
        case "delivered":
            tls = outcome.tls
            _log.info("delivery.delivered", delivery=number, id=message, host=host, tries=tries, tls=tls,
                      doubtful=doubtful)  # fmt: skip
        case "failed":
            _log.warning("delivery.failed", delivery=number, id=message, host=host, tries=tries, code=code, stage=stage,
                         doubtful=doubtful)  # fmt: skip
        case "expired":
            _log.warning("delivery.expired", delivery=number, id=message, host=host, tries=tries, code=code,
                         stage=stage)  # fmt: skip
        case "held":
            _log.warning("delivery.held", delivery=number, id=message, code=code, stage=stage)
        case _:
            late = recorded.late
            _log.info("delivery.deferred", delivery=number, id=message, host=host, tries=tries, code=code, stage=stage,
                      doubtful=doubtful, late=late)  # fmt: skip


def _code(reply: str) -> str:
    match = _CODE.match(reply)
    return match[0].strip() if match else ""
