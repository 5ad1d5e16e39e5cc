"""What is doubtful about a letter, in one plain line each, at its place.

The codes are those of `letter_view.Notice`; its values fill the braces in order.
"""

from __future__ import annotations

import re

from maild.web.language import catalogue
from maild.web.letter_view import Notice


def _(text: str) -> str:
    """Mark words for translation."""
    return text


WORDS = {
    "name-contains-address": _("The sender's name “{0}” contains an address. The letter came from {1}."),
    "name-contains-control": _("The sender's name contained invisible characters: “{0}”."),
    "hidden-direction": _("The field {0} contained marks that turn the direction of writing. They are left out."),
    "lookalike-domain": _("The address {0} is written with letters that look like others: {1}."),
    "reply-to-differs": _("An answer would go to {0}, not to the sender."),
    "several-senders": _("The letter names {0} senders."),
    "sender-differs": _("It was sent by {0} in the name of its author."),
    "no-sender": _("The letter names no sender."),
    "own-domain": _("The sender uses an address of ours, {0}, but the letter came from outside. Do not rely on it."),
    "link-lies": _("The link “{0}” leads to {1}."),
    "html-left-out": _("The formatted text is beyond the limits ({0}) and left out; this is the plain text."),
    "html-empty": _("The formatted text is empty; this is the plain text."),
    "text-cut": _("The text is very long and cut here; the original has all of it."),
    "source-only": _(
        "The message is beyond the limits of what maild reads ({0}); this is its source. Nothing of it is lost."
    ),
    "not-all-read": _("Not everything in the header was read ({0}); the source has all of it."),
    "tnef": _("The letter is wrapped in a format of Outlook (winmail.dat); save the attachment to open it there."),
    "smime-encrypted": _("The letter is encrypted (S/MIME); who has the key can open the attachment."),
    "smime-signed": _("The letter is signed (S/MIME); the signature was not checked."),
    "pgp-encrypted": _("The letter is encrypted (PGP); who has the key can open the attachment."),
    "empty": _("The letter has no text."),
    "executable-attachment": _("{0} is a program. Do not open it unless you expected it."),
    "macro-attachment": _("{0} may contain a program (macros). Do not allow it to run."),
    "page-attachment": _("{0} is a page that may pretend to be a sign-in. Do not enter anything into it."),
    "attachment-lies": _("{0} is not what its name says: it is {1}."),
    "virus": _("A virus was found in this letter: {0} ({1}). Only its text is shown, and nothing of it is handed out."),
    "filed-as-spam": _("This letter was filed as spam: {0}. If it is none, press “No spam”."),
    "spoken-against": _("Before it was accepted, this was said against the letter: {0}."),
    "not-examined": _("The letter was accepted without having been examined by: {0}."),
}
# What a message can be beyond, as the parser and the worker processes name it.
LIMITS = {
    "depth": _("nested too deeply"),
    "parts": _("too many parts"),
    "fields": _("too many header fields"),
    "header": _("a header too large"),
    "addresses": _("too many addresses"),
    "parameters": _("too many parameters"),
    "cpu": _("too laborious"),
    "wall": _("too laborious"),
    "memory": _("too large in memory"),
    "crash": _("the reader gave up"),
    "error": _("the reader gave up"),
    "size": _("too large"),
    "missing": _("what is stored of it is damaged"),
    "tags": _("too many elements"),
    "attributes": _("too many attributes"),
    "text": _("too long"),
}
# What an attachment is by its octets, where its name says something else.
KINDS = {
    "archive": _("an archive"),
    "office": _("an office document"),
    "page": _("a web page"),
    "pdf": _("a PDF"),
    "picture": _("a picture"),
    "program": _("a program"),
    "rtf": _("formatted text (RTF)"),
    "script": _("a script"),
    "shortcut": _("a shortcut"),
    "zip": _("an archive"),
}
_ABOUT_LIMITS = frozenset({"html-left-out", "source-only", "not-all-read"})
_BRACES = re.compile(r"\{(\d)\}")
_OTHER = _("Something about this letter is unusual ({0}).")


def notice_text(notice: Notice, language: str) -> str:
    """Return the sentence for a notice."""
    words = WORDS.get(notice.code, _OTHER)
    values = notice.values if notice.code in WORDS else (notice.code,)
    gettext = catalogue(language).gettext
    if notice.code in _ABOUT_LIMITS:
        values = tuple(gettext(LIMITS[value]) if value in LIMITS else value for value in values)
    if notice.code == "attachment-lies" and values[-1] in KINDS:
        values = (*values[:-1], gettext(KINDS[values[-1]]))
    # One pass: a value that itself holds braces, which a stranger wrote, stays as it is.
    return _BRACES.sub(lambda m: _short(values[int(m[1])]) if int(m[1]) < len(values) else "", gettext(words))


def _short(value: str) -> str:
    return value if len(value) <= 200 else value[:200] + "…"
