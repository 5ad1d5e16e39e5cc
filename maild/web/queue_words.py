"""How the queue is told: its lists, the states of deliveries, how tries ended, and what can be done."""

from __future__ import annotations

from maild.delivery.outcome import Result
from maild.delivery.queue.acts import Act


def _(text: str) -> str:
    """Mark words for translation."""
    return text


# In the order of the page.
LISTS = {
    "open": _("On its way out"),
    "queued": _("not tried yet"),
    "deferred": _("to be tried again"),
    "held": _("held back"),
    "failed": _("refused"),
    "expired": _("tried for too long"),
    "duties": _("Still to be done"),
}
STATES = {
    "queued": _("not tried yet"),
    "deferred": _("to be tried again"),
    "held": _("held back"),
    "delivered": _("delivered"),
    "failed": _("refused"),
    "expired": _("tried for too long"),
    "dropped": _("given up"),
}
RESULTS = {
    Result.DELIVERED.value: _("delivered"),
    Result.DEFERRED.value: _("put off"),
    Result.FAILED.value: _("refused"),
    Result.HELD.value: _("held back"),
    Result.UNKNOWN.value: _("nobody knows"),
}
ACTS = {
    Act.RETRY: _("Try now"),
    Act.HOLD: _("Hold it back"),
    Act.RELEASE: _("Let it go"),
    Act.DROP: _("Give it up …"),
}
DONE = {
    "retry": _("It is tried as soon as there is room."),
    "hold": _("It is held back until somebody lets it go."),
    "release": _("It is let go, and tried as soon as there is room."),
    "drop": _("It is given up. The letter itself stays in the archive."),
}
QUICKER = _("a colleague has answered meanwhile")
TOO_LATE = "too-late"
