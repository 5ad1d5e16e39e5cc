"""Reading where mail goes besides our inboxes: `forward`, and a team's `also_deliver`."""

from __future__ import annotations

import re

from maild.errors import said
from maild.mail.address import Address
from maild.mail.imap_place import TLS_PORT, ImapPlace
from maild.rules.fields import Fields
from maild.rules.findings import Code, quoted
from maild.rules.names import Names
from maild.rules.requested import Forward, Lmtp, Maildir, NextPlace
from maild.rules.yaml_nodes import Mapping, Node, Scalar, Sequence

_KEYS = ("maildir", "lmtp", "imap", "forward")
IMAP_KEYS = ("host", "user", "folder")
_HOST_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?):([0-9]{1,5})")


def read_elsewhere(fields: Fields, names: Names, node: Node) -> tuple[Address, ...]:
    """Read one address, or several, to which mail is sent on; none of them may be ours."""
    found: dict[str, Address] = {}
    for scalar in fields.scalars(node, "an address"):
        address = fields.address(scalar)
        if address is not None and _is_elsewhere(fields, names, scalar, address):
            found.setdefault(address.key, address)
    return tuple(found.values())


def _is_elsewhere(fields: Fields, names: Names, scalar: Scalar, address: Address) -> bool:
    if address.domain not in names.domains:
        return True
    text = said(
        "%(text)s is one of ours: what is sent on there comes back; write 'deliver' or 'copy: TEAM'",
        text=quoted(scalar.text),
    )
    fields.findings.error(scalar, Code.FORWARD_LOOP, text)
    return False


def read_also_deliver(fields: Fields, names: Names, node: Node) -> tuple[NextPlace, ...]:
    """Read `also_deliver`: a list of places, without doubles."""
    items = fields.items(node, "a list such as [maildir: /var/mail/kita]")
    if isinstance(node, Sequence) and not items:
        fields.findings.error(node, Code.EMPTY, said("'also_deliver' names no place; leave it out"))
    found = (_place(fields, names, item) for item in items)
    return tuple(dict.fromkeys(place for place in found if place is not None))


def _place(fields: Fields, names: Names, node: Node) -> NextPlace | None:
    pairs = fields.known(node, said("a place of 'also_deliver'"), keys=_KEYS)
    if isinstance(node, Mapping) and len(node.pairs) != 1:
        fields.findings.error(node, Code.UNKNOWN_VALUE, said("each place is one of maildir, lmtp, imap or forward"))
        return None
    for key, (_, value) in pairs.items():
        if key == "forward":
            addresses = read_elsewhere(fields, names, value)
            return Forward(addresses=addresses) if addresses else None
        if key == "imap":
            return _imap(fields, value)
        return _maildir(fields, value) if key == "maildir" else _lmtp(fields, value)
    return None


def _imap(fields: Fields, node: Node) -> ImapPlace | None:
    pairs = fields.known(node, "'imap'", keys=IMAP_KEYS, required=IMAP_KEYS)
    found = {key: fields.scalar(value, "a text") for key, (_, value) in pairs.items()}
    host, user, folder = (found.get(key) for key in IMAP_KEYS)
    if host is None or user is None or folder is None:
        return None
    name, colon, port = host.text.rpartition(":") if _HOST_PORT.fullmatch(host.text) else (host.text, ":", TLS_PORT)
    if not _HOST_PORT.fullmatch(f"{name}{colon}{port}") or not 0 < int(port) < 1 << 16:
        text = said(
            "%(text)s is no host such as imap.musterstadt.example, with or without :port", text=quoted(host.text)
        )
        fields.findings.error(host, Code.BAD_PLACE, text)
        return None
    for each in (user, folder):
        if not each.text or not each.text.isprintable():
            text = said("%(text)s cannot be the name of a user or folder", text=quoted(each.text))
            fields.findings.error(each, Code.BAD_PLACE, text)
            return None
    return ImapPlace(host=name.strip("[]"), port=int(port), user=user.text, folder=folder.text)


def _maildir(fields: Fields, node: Node) -> Maildir | None:
    found = fields.scalar(node, "an absolute path")
    if found is None:
        return None
    if _is_path(found.text):
        return Maildir(path=found.text)
    text = said("%(text)s is no absolute path such as /var/mail/kita", text=quoted(found.text))
    fields.findings.error(found, Code.BAD_PLACE, text)
    return None


def _lmtp(fields: Fields, node: Node) -> Lmtp | None:
    found = fields.scalar(node, "host:port, or the path of a socket")
    if found is None:
        return None
    host = _HOST_PORT.fullmatch(found.text)
    if _is_path(found.text) or (host is not None and 0 < int(host[1]) < 1 << 16):
        return Lmtp(next_hop=found.text)
    text = said(
        "%(text)s is neither host:port, such as 127.0.0.1:2424, nor the absolute path of a socket",
        text=quoted(found.text),
    )
    fields.findings.error(found, Code.BAD_PLACE, text)
    return None


def _is_path(text: str) -> bool:
    parts = text.split("/")
    return text.startswith("/") and text.isprintable() and text.strip("/") != "" and ".." not in parts
