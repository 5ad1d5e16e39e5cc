"""Why an answer that came by mail was not sent, in plain words."""

from __future__ import annotations

from maild.mail.member_answer import Why
from maild.web.language import catalogue


def _(text: str) -> str:
    """Mark words for translation."""
    return text


REFUSED = {
    Why.SENDER: _("It is not from the mailbox to which the copy was sent: somebody else may have written it."),
    Why.UNPROVEN: _("It is not proven that it is from the mailbox of the copy: anybody may have written it."),
    Why.SUSPICIOUS: _("A filter took it for spam, or found a virus."),
    Why.SEVERAL: _("It was sent to several reply addresses at once."),
    Why.EXPIRED: _("It came more than 30 days after the copy."),
    Why.REVOKED: _("Copies had been turned off before it came."),
    Why.RIGHT: _("Who it is from may not answer for this team any more, or the letter does not lie here any more."),
    Why.UNREADABLE: _("It is encrypted, or could not be read whole."),
    Why.EMPTY: _("There is nothing in it besides quotation and signature."),
    Why.RECIPIENTS: _("It would go to an address that nobody wrote from."),
    Why.FILE: _("An attachment holds the reply address, and was left out."),
    Why.LARGE: _("It is too large."),
    Why.COLLISION: _("Somebody else had answered meanwhile."),
    Why.AGAIN: _("The same answer came before."),
}


def refused_text(language: str, why: str) -> str:
    """Return why a draft was refused; "" for any other reason that a draft waits."""
    words = {str(each): text for each, text in REFUSED.items() if each is not Why.COLLISION}
    return catalogue(language).gettext(words[why]) if why in words else ""
