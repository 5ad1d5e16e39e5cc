"""The JSON Schema of the rules file, with which editors complete and check it while one types.

Which keys there are is asked of the readers' own tables; what each is for is said here. The schema takes what
docs/rules.md describes; what only the loader can know (which teams there are) it leaves to `maild check`.

Source: JSON Schema 2020-12
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from maild.mail.language import LANGUAGES
from maild.rules import loader, rule_reader, rule_tests, when
from maild.rules.addresses import KEYS as ADDRESS_KEYS
from maild.rules.model import Priority, State, UnknownRecipient
from maild.rules.next_places import IMAP_KEYS
from maild.rules.operands import OPERATORS
from maild.rules.organisation import COPIES, DEFAULT_ZONE, MOST_DAYS, ORGANISATION_KEYS, PAGE_LANGUAGES, TEAM_KEYS
from maild.rules.requested import AccountMail

Schema = dict[str, Any]

_PRIORITIES = [priority.name.lower() for priority in Priority]
_NAME = "^[a-z0-9][a-z0-9._-]{0,63}$"
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_MOMENT = "^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2})?$"
_SIZE = "^[0-9]{1,12}\\s*([bB]|[kKmMgG][bB])?$"
_SPAN = "^([01]?[0-9]|2[0-4]):[0-5][0-9]\\s*-\\s*([01]?[0-9]|2[0-4]):[0-5][0-9]$"
_TEXT: Schema = {"type": ["string", "number"]}  # a tag may be 2026
_FLAG: Schema = {"type": "boolean"}


def rules_schema() -> Schema:
    """Return the schema of a whole rules file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "maild rules, version 1",
        "description": "The mail map of an organisation: domains, teams, function addresses, rules and their tests.",
        **_object(loader.KEYS, _SECTIONS, required=loader.REQUIRED),
        "$defs": {
            "team": _named("The id of a team, as under 'teams'."),
            "texts": _one_or_more(_TEXT),
            "operand": {"anyOf": [_TEXT, _several(_TEXT), _list_reference()]},
            "comparison": {"anyOf": [_ref("operand"), _object(OPERATORS, _OPERATORS, least=1)]},
            "conditions": _object(when.KEYS, _CONDITIONS, least=1),
            "group": {"anyOf": [_several(_ref("conditions")), _ref("conditions")]},
            "rule": _object(rule_reader.KEYS, _RULE, required=("id", "then")),
            "test": _object(("name", "mail", "expect"), _TEST, required=("name", "mail", "expect")),
        },
    }


def _object(
    keys: Iterable[str], described: Mapping[str, Schema], *, required: Iterable[str] = (), least: int = 0
) -> Schema:
    """Return the schema of a mapping with fixed keys."""
    found: Schema = {"type": "object", "properties": {key: described.get(key, {}) for key in keys}}
    found["additionalProperties"] = False
    if required:
        found["required"] = list(required)
    return found | ({"minProperties": least} if least else {})


def _map(names: Schema, values: Schema, text: str) -> Schema:
    return {"description": text, "type": "object", "propertyNames": names, "additionalProperties": values}


def _ref(name: str, text: str = "") -> Schema:
    return {"$ref": f"#/$defs/{name}"} | ({"description": text} if text else {})


def _several(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


def _one_or_more(item: Schema, text: str = "") -> Schema:
    return {"anyOf": [item, _several(item)]} | ({"description": text} if text else {})


def _named(text: str) -> Schema:
    return {"description": text, "type": ["string", "integer"], "pattern": _NAME}


def _text(text: str) -> Schema:
    return _TEXT | {"description": text}


def _flag(text: str, *, default: bool | None = None) -> Schema:
    return _FLAG | {"description": text} | ({} if default is None else {"default": default})


def _word(words: Iterable[str], text: str) -> Schema:
    return {"description": text, "enum": [str(word) for word in words]}


def _pattern(pattern: str, text: str) -> Schema:
    return {"description": text, "type": ["string", "integer"], "pattern": pattern}


def _list_reference() -> Schema:
    return _object(("list",), {"list": _named("The id of a list, as under 'lists'.")}, required=("list",))


def _group(text: str) -> Schema:
    return _ref("group", text)


_OPERATORS: dict[str, Schema] = {
    "is": _ref("operand", "The value is the same."),
    "contains": _ref("operand", "The value has it somewhere."),
    "starts": _ref("operand", "The value begins with it."),
    "ends": _ref("operand", "The value ends with it."),
    "matches": _ref("operand", "The value fits the pattern as a whole: * any text, ? one character."),
    "regex": _ref("operand", "The expression (RE2) has a match somewhere in the value."),
}
_BOUNDS: dict[str, Schema] = {
    "larger_than": _pattern(_SIZE, "More octets than this: 200kB, 5MB."),
    "smaller_than": _pattern(_SIZE, "Fewer octets than this: 200kB, 5MB."),
}
_LANGUAGE = _one_or_more({"enum": list(LANGUAGES)})
_VERDICT = "by maild itself, or a trusted relay in front: pass, fail, none, permerror"
_OF = {"spf": "softfail, neutral, policy", "dkim": "neutral, policy"}
_CONDITIONS: dict[str, Schema] = {
    "to": _ref("comparison", "Our address that the letter came by. A bare value: is."),
    "detail": _ref("comparison", "What stands behind the + of our address. A bare value: is."),
    "from": _ref("comparison", "The addresses of the header field From: an address, @domain. A bare value: is."),
    "sender": _ref("comparison", "The envelope's MAIL FROM; <> is that of delivery reports. A bare value: is."),
    "subject": _ref("comparison", "The decoded subject. A bare value: contains."),
    "text": _ref("comparison", "The decoded text of the body. A bare value: contains."),
    "language": {
        "description": "The language of the text, by its code.",
        "anyOf": [_LANGUAGE, _list_reference(), _object(("is",), {"is": {"anyOf": [_LANGUAGE, _list_reference()]}})],
    },
    "header": {
        "description": "Header fields by name, decoded. A bare value: contains.",
        "type": "object",
        "additionalProperties": _ref("comparison"),
        "minProperties": 1,
    },
    "attachment": _object(
        ("name", "type", "larger_than", "smaller_than"),
        {
            "name": _ref("comparison", "The file's name. A bare value: matches, as *.pdf."),
            "type": _ref("comparison", "The media type. A bare value: matches, as application/pdf."),
            **_BOUNDS,
        },
        least=1,
    )
    | {"description": "Any one attachment for which all of this holds."},
    "size": _object(tuple(_BOUNDS), _BOUNDS, least=1) | {"description": "Octets of the message."},
    "list": _flag("It came through a mailing list (List-Id)."),
    "auto_submitted": _flag("No person wrote it (RFC 3834)."),
    "bounce": _flag("It is a delivery report."),
    "account_mail": _flag("It looks as if it handed over an account elsewhere: a code, a link to a new password."),
    "reply": _flag("It belongs to a conversation that is here already."),
    "office_hours": _flag("It came while the recipient's team was at work."),
    "spf": _ref("comparison", f"What was found of SPF {_VERDICT}, {_OF['spf']}."),
    "dkim": _ref("comparison", f"What was found of DKIM {_VERDICT}, {_OF['dkim']}."),
    "dmarc": _ref("comparison", f"What was found of DMARC {_VERDICT}."),
    "all": _group("All of these hold."),
    "any": _group("At least one of these holds."),
    "none": _group("None of these holds."),
}
_TEAMS = _one_or_more(_ref("team"))
_ACTIONS: dict[str, Schema] = {
    "deliver": _TEAMS | {"description": "The team, or teams, where the letter goes. Decides the place."},
    "file": _word(("closed",), "The letter comes to lie among the closed ones. Decides the place."),
    "hold": {"description": "The letter waits for somebody to release it; the reason.", "type": ["string", "boolean"]},
    "copy": _TEAMS | {"description": "In that inbox too."},
    "tag": _ref("texts", "A tag, or several; without commas."),
    "priority": _word(_PRIORITIES, "The last one counts."),
    "assign": _text("The login of who shall answer."),
    "forward": _ref("texts", "An address outside, or several."),
    "reply": _named("The id of a template that answers."),
    "confidential": _flag("The confidential inbox of each of its teams has it, and no other.", default=False),
    "reject": _text("The letter is refused at the door, with this text for its sender."),
}
_RULE: dict[str, Schema] = {
    "id": _named("Traces and statistics name the rule by it: a-z, 0-9, '.', '-', '_'."),
    "note": _text("Why the rule is there."),
    "when": _ref("conditions", "Conditions that must all hold; without it the rule takes every letter."),
    "unless": _ref("conditions", "Conditions of which none may hold."),
    "then": _object(rule_reader.ACTIONS, _ACTIONS, least=1) | {"description": "What is done."},
    "mode": _word(rule_reader.MODES, "observe: the trace records what it would do, and nothing is done."),
    "active": _object(
        ("from", "until"),
        {
            "from": _pattern(_DATE, "The first day: 2026-12-24."),
            "until": _pattern(_DATE, "The last day: 2026-12-31."),
        },
        least=1,
    )
    | {"description": "The days on which the rule holds."},
    "continue": _flag("Later rules are tried although this one decided the place.", default=False),
    "stop": _flag("No later rule is tried when this one matches.", default=False),
}
_ATTACHMENT = _object(
    ("name", "type", "size"),
    {"name": _text("The file's name."), "type": _text("The media type."), "size": _pattern(_SIZE, "Decoded octets.")},
)
_MAIL: dict[str, Schema] = {
    "to": _ref("texts", "The recipient, or several."),
    "from": _text("The author's address."),
    "sender": _text("The envelope's MAIL FROM; <> for none. Without it, the author."),
    "subject": _text("The subject."),
    "text": _text("The text of the body."),
    "header": {"description": "Header fields.", "type": "object", "additionalProperties": _TEXT},
    "attachment": {"description": "An attachment, or several.", "anyOf": [_ATTACHMENT, _several(_ATTACHMENT)]},
    "size": _pattern(_SIZE, "Octets of the message: 200kB, 5MB."),
    "list": _flag("It came through a mailing list."),
    "auto_submitted": _flag("No person wrote it."),
    "bounce": _flag("It is a delivery report."),
    "account_mail": _flag("It looks as if it handed over an account elsewhere."),
    "reply": _flag("It belongs to a conversation that is here already."),
    "received": _pattern(_MOMENT, "When it comes: 2026-12-24, or with its time 2026-12-24 09:30."),
    "file": _text("The letter itself: a file beside the rules or below them, such as samples/x.eml."),
    "spf": _text(f"What was found of SPF {_VERDICT}, {_OF['spf']}."),
    "dkim": _text(f"What was found of DKIM {_VERDICT}, {_OF['dkim']}."),
    "dmarc": _text(f"What was found of DMARC {_VERDICT}."),
}
_NONE_OR_MORE: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_EXPECT: dict[str, Schema] = {
    "teams": _NONE_OR_MORE | {"description": "All the teams that have the letter, in any order."},
    "tags": _NONE_OR_MORE | {"description": "All its tags, in any order."},
    "rules": _NONE_OR_MORE | {"description": "All the rules that matched, in any order."},
    "priority": _word(_PRIORITIES, "The highest of all inboxes."),
    "state": _word(State, "closed when it is closed in all inboxes."),
    "confidential": _flag("Whether it is in a confidential inbox."),
    "rejected": _flag("Whether every recipient is refused at the door.", default=False),
}
_TEST: dict[str, Schema] = {
    "name": _text("What is tested, in a sentence."),
    "mail": _object(rule_tests.MAIL_KEYS, _MAIL, required=("to",)) | {"description": "The letter."},
    "expect": _object(rule_tests.EXPECT_KEYS, _EXPECT) | {"description": "What must become of it."},
}
_HOURS = _map(
    {"pattern": "^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$"},
    _one_or_more({"type": "string", "pattern": _SPAN}),
    "When somebody is there: {mon-thu: 08:00-16:00, fri: [08:00-12:00, 13:00-15:00]}.",
)
_NEXT_PLACE = _object(
    ("maildir", "lmtp", "imap", "forward"),
    {
        "maildir": _pattern("^/", "The absolute path of a Maildir."),
        "lmtp": _text("host:port, or the absolute path of a socket."),
        "imap": _object(
            IMAP_KEYS,
            {
                "host": _text("The server; with :port where that is not 993."),
                "user": _text("Whom maild signs in as. The password lies in the data directory, in imap/USER@HOST."),
                "folder": _text("The folder, with its parents as the server writes them."),
            },
            required=IMAP_KEYS,
        )
        | {"description": "A folder on an IMAP server, which must exist."},
        "forward": _ref("texts", "An address elsewhere, or several."),
    },
    least=1,
)
_ACCOUNT_MAIL = tuple(map(str, AccountMail))
_TEAM: dict[str, Schema] = {
    "name": _text("How people call it."),
    "office": _text("The office it belongs to."),
    "parent": _ref("team", "The team above: who may read that one may read this one."),
    "deputy": _ref("team", "Takes over when nobody of the team can."),
    "hours": _HOURS,
    "answer_within": {
        "description": "Working days of the team after which what is not answered is overdue.",
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_DAYS,
        "default": 3,
    },
    "also_deliver": _several(_NEXT_PLACE) | {"description": "Delivery besides the inbox; each on its own."},
    "copies": _word(COPIES, "Whether members may have copies of its letters in their own mailboxes.")
    | {"default": COPIES[0]},
    "figures": _text("The agreement by which figures are shown also when fewer than five people write in the team."),
    "closed": _flag("Only the team's own managers give roles in it; administrators do not.", default=False),
    "reference_in_subject": _flag(
        "The subject of letters in its name ends with the reference of the conversation: [7K3F-9Q2A].", default=False
    ),
    "account_mail": _word(_ACCOUNT_MAIL, "Who sees mail that looks as if it handed over an account: a code, a link.")
    | {"default": _ACCOUNT_MAIL[0]},
    "domain_control": _flag(
        "It may have the addresses whose reader others take for the domain's master: admin, webmaster.", default=False
    ),
}
_RETIRED = _object(
    ("since", "successor"),
    {
        "since": _pattern(_DATE, "The day: 2026-06-30."),
        "successor": _text("The address whose team receives from now on."),
    },
)
_ADDRESS: dict[str, Schema] = {
    "team": _ref("team", "Where its mail goes."),
    "title": _text("What the address is for."),
    "aliases": _ref("texts", "Other names of it."),
    "listed": _flag("Whether it is in the public directory.", default=True),
    "retired": _RETIRED | {"description": "It is given out no more, and goes on receiving for ever."},
    "acknowledge": _named("The id of a template that is sent once per conversation and sender."),
    "account_mail": _word(
        _ACCOUNT_MAIL, "Who sees mail that looks as if it handed over an account; else as the team has it."
    ),
}
_ORGANISATION: dict[str, Schema] = {
    "name": _text("As it stands on pages and in mail."),
    "language": _word(PAGE_LANGUAGES, "Of generated mail and pages.") | {"default": PAGE_LANGUAGES[0]},
    "timezone": _text("Such as Europe/Berlin.") | {"default": DEFAULT_ZONE},
    "holidays": _ref("texts", "Days (2026-05-15), days of every year (12-24), the holidays of a state (DE-NW)."),
}
_FILE = _object(("file",), {"file": _text("One entry a line; # begins a comment.")}, required=("file",))
_TEMPLATE: dict[str, Schema] = {
    "subject": _text("With placeholders such as {address.title}."),
    "text": _text("With placeholders such as {team.name} and {conversation.reference}; {{ is a brace."),
}
_SECTIONS: dict[str, Schema] = {
    "version": {"description": "Of the rules language.", "const": 1},
    "organisation": _object(ORGANISATION_KEYS, _ORGANISATION, required=("name",)) | {"description": "Whose map it is."},
    "domains": _ref("texts", "Mail is accepted for these and no others."),
    "teams": _map(
        {"pattern": _NAME}, _object(TEAM_KEYS, _TEAM, required=("name",)), "Those who share an inbox, by id."
    ),
    "fallback": _ref("team", "Receives what nothing else claims."),
    "unknown_recipient": _word(UnknownRecipient, "reject: 550 at the door; fallback: the fallback receives it."),
    "addresses": _map({}, _object(ADDRESS_KEYS, _ADDRESS), "The function addresses; without @ in every domain."),
    "lists": _map(
        {"pattern": _NAME}, {"anyOf": [{"type": "array", "items": _TEXT, "minItems": 1}, _FILE]}, "Words and addresses."
    ),
    "templates": _map({"pattern": _NAME}, _object(("subject", "text"), _TEMPLATE, required=("text",)), "Reply texts."),
    "rules": {"description": "Tried from top to bottom.", "type": "array", "items": _ref("rule")},
    "tests": {"description": "Run at every load.", "type": "array", "items": _ref("test")},
}
