"""A folder on an IMAP server as one text, and back: `imap://USER@HOST:PORT/FOLDER`. Pure.

Source: RFC 5092 (the form); RFC 3501 §5.1.3 (names of folders on the wire).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote, unquote

_SCHEME = "imap://"
TLS_PORT = 993


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapPlace:
    """A folder. `host` has no brackets around an IPv6 address."""

    host: str
    port: int
    user: str
    folder: str

    @property
    def text(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{_SCHEME}{quote(self.user, safe='')}@{host}:{self.port}/{quote(self.folder, safe='/')}"

    @property
    def password_name(self) -> str:
        """The name of the file with the password: that of user and host, so that no other host ever gets it."""
        return quote(f"{self.user}@{self.host.lower()}", safe="@")


def parse_place(text: str) -> ImapPlace:
    """Read what `ImapPlace.text` writes. Raises ValueError."""
    if not text.startswith(_SCHEME):
        raise ValueError("not the text of a folder")
    user, _, rest = text.removeprefix(_SCHEME).partition("@")
    where, _, folder = rest.partition("/")
    host, _, port = where.rpartition(":")
    return ImapPlace(host=host.strip("[]"), port=int(port), user=unquote(user), folder=unquote(folder))


def wire_folder(name: str) -> str:
    """Return the name of a folder as a quoted string in modified UTF-7.

    Raises:
        ValueError: no folder has such a name.
    """
    if not name or any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise ValueError("no folder has such a name")
    pieces, beyond = [], ""
    for c in f"{name}\0":
        if " " <= c <= "~" or c == "\0":
            if beyond:
                coded = base64.b64encode(beyond.encode("utf-16-be")).decode("ascii")
                pieces.append(f"&{coded.rstrip('=').replace('/', ',')}-")
                beyond = ""
            pieces.append({"&": "&-", "\0": "", '"': '\\"', "\\": "\\\\"}.get(c, c))
        else:
            beyond += c
    return f'"{"".join(pieces)}"'
