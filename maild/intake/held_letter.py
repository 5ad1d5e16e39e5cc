"""What an author is told whose letter waits because a colleague was quicker: that it does, and how to let it go.

It names no citizen and quotes nothing: it goes to a mailbox outside.
"""

from __future__ import annotations

_WORDS = {
    "de": (
        "Wartet: Ihr Brief zu {0}",
        (
            "Guten Tag,\n\nIhr Brief zum Vorgang {0} ist nicht gesendet: Jemand anderes hatte schon geantwortet, als "
            "er ankam. Er ist abgelegt und wartet.\n\nAnsehen, trotzdem senden oder nicht senden:\n{1}\n\n"
            "Diese Nachricht kommt von einem Programm. Antworten darauf liest niemand.\n"
        ),
    ),
    "en": (
        "Waiting: your letter about {0}",
        (
            "Hello,\n\nyour letter in the conversation {0} was not sent: somebody else had answered when it came. It "
            "is filed, and waits.\n\nLook at it, send it all the same, or do not send it:\n{1}\n\n"
            "This message comes from a program. Nobody reads answers to it.\n"
        ),
    ),
}


def held_letter(language: str, reference: str, url: str) -> tuple[str, str]:
    """Return subject and text."""
    subject, text = _WORDS.get(language, _WORDS["en"])
    return subject.format(reference), text.format(reference, url)
