"""Why a new password is refused, in a sentence that says what to do."""

from __future__ import annotations


def _(text: str) -> str:
    """Mark words for translation; the template translates them."""
    return text


OBJECTIONS = {
    "short": _("The password is too short. It has at least 12 characters; a short sentence is good."),
    "long": _("The password is too long. It has at most 256 characters."),
    "personal": _("The password is made of your name or that of the house. Take other words."),
    "common": _("The password is among the first that others would try. Take other words."),
    "differs": _("The two passwords are not the same. Type the new one twice."),
}
