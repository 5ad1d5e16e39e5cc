"""How acts are called on the page of the audit log, and their details."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maild.archive.audit_search import Entry
from maild.mail.acts import Act
from maild.web import times
from maild.web.language import catalogue
from maild.web.people_words import ROLES
from maild.web.refused_words import REFUSED
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
    Act.FOLDER: _("changed a search that is kept"),
    Act.CONFIDENTIAL: _("changed who may read it"),
    Act.RELEASED: _("released"),
    Act.DELIVERY: _("decided on a delivery"),
    Act.TAKEN_OVER: _("took a draft over"),
    Act.IMPORTED: _("imported mail"),
    Act.ACCOUNT: _("made or changed an account"),
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
    "deputy": _("deputy"),
    "begun": _("had begun"),
    "taken_back": _("taken back"),
    "leaves_ms": _("until"),
    "conversations": _("conversations"),
    "drafts": _("drafts"),
    "grants": _("roles"),
    "closes": _("the account closes"),
    "called_off": _("called off"),
    "open": _("open again"),
    "signature": _("signature"),
    "digest": _("digests by mail"),
    "subjects": _("with subjects"),
    "silent": _("not of"),
    "copies": _("copies"),
    "model": _("good answer"),
    "why": _("reason"),
    "proven": _("sender proven"),
    "name": _("name"),
    "issuer": _("provider"),
    "subject": _("name there"),
    "counted": _("counted"),
    "made_by": _("made by"),
    "second_factor_removed": _("takes the second factor away"),
    "author": _("author"),
    "approved_by": _("approved by"),
    "lines": _("lines"),
    "letters": _("letters"),
    "into": _("into"),
    "keep": _("stays here as well"),
    "since": _("since"),
    "kept": _("kept"),
    "dropped": _("removed"),
    "priority": _("priority"),
    "returns_ms": _("until"),
    "selector": _("selector"),
}
# Which an act went by, and numbers that lead nowhere on pages: of use to maild alone.
_INNER = frozenset({"revision", "note", "mentioned", "absence", "id", "assignee"})
_STATES = {"open": _("open"), "waiting": _("waiting"), "closed": _("closed"), "spam": _("spam")}
_PRIORITIES = {"0": _("low"), "1": _("normal"), "2": _("high")}
# What `from` and `to` are in some acts; in others they are people, teams and conversations.
_ENDS: dict[str, dict[str, str]] = {Act.STATE: _STATES, Act.PRIORITY: _PRIORITIES}
# Words of the log, by the key at which they stand. What is none of them is a name or a number.
VALUES = {
    "role": ROLES,
    "state": _STATES,
    "was": _STATES,
    "priority": _PRIORITIES,
    "why": {str(why): text for why, text in REFUSED.items()},
    "kind": {
        "new": _("a new letter"),
        "answer": _("an answer"),
        "forward": _("a letter sent on"),
        "notice": _("a notice"),
        "reply": _("an automatic answer"),
        "acknowledge": _("a confirmation of receipt"),
        "also-deliver": _("a delivery to another mailbox"),
        "assign": _("an assignment"),
        "member-copy": _("a copy for a member"),
        "member-answer": _("an answer to a copy"),
        "hold": _("held mail"),
    },
    "way": {
        "password": _("password"),
        "totp": _("password and app"),
        "recovery": _("password and a code on paper"),
        "passkey": _("passkey"),
        "passkey-second": _("password and passkey"),
        "provider": _("sign-in of the house"),
        "over": _("to another team"),
        "back": _("back to where it came from"),
        "fetched": _("fetched back"),
    },
    "by": {"mail": _("mail"), "invitation": _("link"), "oidc": _("sign-in of the house")},
    "copies": {"on": _("on"), "off": _("off")},
    "digest": {"off": _("off"), "daily": _("daily"), "at-once": _("at once")},
    "what": {
        "agreed": _("agreed"),
        "app password": _("password of a mail program"),
        "app password revoked": _("password of a mail program taken back"),
        "approved": _("approved"),
        "asked to see readings": _("asked to see what was read"),
        "began": _("began"),
        "code": _("code"),
        "could not be put in force, waits again": _("could not be put in force, waits again"),
        "declined": _("declined"),
        "dkim key made": _("made a key to sign with"),
        "dkim key retired": _("retired a key to sign with"),
        "draft": _("draft"),
        "drop": _("given up"),
        "ended": _("ended"),
        "ended early": _("ended early"),
        "filed mail anew": _("filed mail anew"),
        "handed over": _("given to a colleague"),
        "held mail": _("held mail"),
        "hold": _("held back"),
        "identity": _("account of the house"),
        "invitation": _("link to a new password"),
        "invitation agreed to": _("link to a new password: agreed"),
        "invitation refused": _("link to a new password: refused"),
        "made": _("made"),
        "made a test": _("made a test of it"),
        "mail program": _("mail program"),
        "merged": _("merging"),
        "passkey": _("passkey"),
        "passkey counter": _("passkey that counted backwards"),
        "passkey removed": _("passkey removed"),
        "password": _("password"),
        "proposed": _("proposed"),
        "put in force": _("put in force"),
        "recovery code used": _("code on paper used"),
        "recovery codes": _("new codes on paper"),
        "release": _("let go"),
        "retry": _("tried again"),
        "second factor": _("app added"),
        "second factor removed": _("second factor removed"),
        "second factor replaced": _("app replaced"),
        "split": _("splitting"),
        "taken up from the file": _("taken up from the file"),
        "took back what was filed anew": _("took back what was filed anew"),
        "trace": _("way of a letter"),
        "rejected": _("declined"),
        "went back": _("put an earlier version in force"),
        "withdrawn": _("withdrawn"),
    },
}
FAULTS = {
    "purpose": _("State a purpose: the second person decides by it, and it stays in the log."),
    "whom": _("Name one person by their login, or one conversation by its reference, and not both."),
}


def told(entry: Entry, visit: Visit) -> list[tuple[str, str]]:
    """Return the details of a record as words and values, in order; "" for what is simply so."""
    return _told(entry.act, entry.details, visit)


def _told(act: str, details: Mapping[str, Any], visit: Visit) -> list[tuple[str, str]]:
    say = catalogue(visit.language).gettext
    return [
        (say(_KEYS[key]) if key in _KEYS else key, _value(act, key, value, visit))
        for key, value in details.items()
        if key not in _INNER and not (value is None or value is False or value in ("", []))
    ]


def _value(act: str, key: str, value: Any, visit: Visit) -> str:
    if value is True:
        return ""
    if isinstance(value, dict):  # what an entry was put back to
        return ", ".join(f"{name} {text}" for name, text in _told(act, value, visit))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if key.endswith("_ms") and isinstance(value, int):
        return times.full(value, visit.zone, visit.language)
    words = _ENDS.get(act, {}) if key in ("from", "to") else VALUES.get(key, {})
    return catalogue(visit.language).gettext(words[str(value)]) if str(value) in words else str(value)
