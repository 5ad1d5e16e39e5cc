"""How acts are called on the page of the audit log, and their details."""

from __future__ import annotations

from maild.archive.audit_search import Entry
from maild.mail.acts import Act
from maild.web import times
from maild.web.language import catalogue
from maild.web.people_words import ROLES
from maild.web.visit import Visit


def _(text: str) -> str:
    """Mark words for translation."""
    return text


ACTS = {
    Act.READ: _("opened a conversation"),
    Act.SEARCHED: _("searched"),
    Act.EXPORTED: _("exported"),
    Act.ANSWERED: _("sent a letter"),
    Act.NOTED: _("wrote a note"),
    Act.STATE: _("changed the state"),
    Act.ASSIGNED: _("changed the assignee"),
    Act.TAGGED: _("changed tags"),
    Act.PRIORITY: _("changed the priority"),
    Act.HANDED_OVER: _("handed over"),
    Act.HANDED_BACK: _("handed back"),
    Act.MERGED: _("merged"),
    Act.SPLIT: _("split"),
    Act.UNDONE: _("undid something"),
    Act.CONFIDENTIAL: _("changed who may read it"),
    Act.RELEASED: _("released"),
    Act.DELIVERY: _("decided on a delivery"),
    Act.TAKEN_OVER: _("took a draft over"),
    Act.IMPORTED: _("imported mail"),
    Act.ACCOUNT: _("made an account"),
    Act.DISABLED: _("closed or opened an account"),
    Act.GRANTED: _("gave a role"),
    Act.REVOKED: _("took a role back"),
    Act.ABSENT: _("marked an absence"),
    Act.RETURNED: _("ended an absence"),
    Act.LEFT: _("handed a leaver's work over"),
    Act.SIGNED_IN: _("signed in"),
    Act.SIGNED_OUT: _("signed out"),
    Act.CREDENTIAL: _("changed a way to sign in"),
    Act.REFUSED: _("was refused at sign-in"),
    Act.RULES: _("changed the rules"),
    Act.HANDBOOK: _("changed the handbook"),
    Act.TEMPLATE: _("changed a template or the signature"),
    Act.AUDITED: _("used the audit log"),
    Act.MAINTAINED: _("maintained the machine"),
}
_KEYS = {
    "role": _("role"),
    "from_ms": _("from"),
    "until_ms": _("until"),
    "was": _("before"),
    "state": _("state"),
    "what": _("what"),
    "kind": _("kind"),
    "recipients": _("recipients"),
    "purpose": _("purpose"),
    "client": _("network address"),
    "account": _("account of the machine"),
    "asked_by": _("asked by"),
    "from": _("before"),
    "to": _("afterwards"),
    "way": _("way"),
    "browser": _("browser"),
    "by": _("by"),
    "version": _("version"),
    "added": _("added"),
    "removed": _("removed"),
    "tags": _("tags"),
    "teams": _("teams"),
    "sessions": _("sessions"),
    "device": _("device"),
    "times": _("times"),
    "since_ms": _("since"),
    "files": _("files"),
    "new": _("new"),
    "known": _("there already"),
    "replay": _("replay"),
    "query": _("query"),
    "only_assigned": _("only what is assigned"),
}
_INNER = frozenset({"revision"})  # which an act went by: of use to maild alone
FAULTS = {
    "purpose": _("State a purpose: the second person decides by it, and it stays in the log."),
    "whom": _("Name one person by their login, or one conversation by its reference, and not both."),
}


def told(entry: Entry, visit: Visit) -> list[tuple[str, str]]:
    """Return the details of a record as words and values, in order."""
    say = catalogue(visit.language).gettext
    zone = visit.services.rulebook.current.organisation.timezone
    shown = []
    for key, value in entry.details.items():
        if key in _INNER:
            continue
        if value in {None, "", False} if not isinstance(value, list) else not value:
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if key == "role":
            text = say(ROLES.get(text, text))
        if key.endswith("_ms") and isinstance(value, int):
            text = times.full(value, zone, visit.language)
        shown.append((say(_KEYS[key]) if key in _KEYS else key, "" if value is True else text))
    return shown
