"""S2: what maild sends on is read by another server as more than one message.

Expected: whatever line ends and NULs a letter has, what leaves has CRLF only, its dots doubled, and no NUL; a server
that ends messages too early sees one mail, and what was hidden in it is text. What connects to other servers is one
module, so that nothing passes it by.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from maild.archive.database import Database
from maild.rules.duties import Duty
from tests.delivery.post import THERE, Post, letter, out
from tests.delivery.sink import Sink
from tests.security.test_s1_smuggling import ENDS, SMUGGLED

ROOT = Path(__file__).parent.parent.parent
SENDERS = {"smtplib", "aiosmtplib", "lmtplib"}
CALLS = {"open_connection", "open_unix_connection", "create_connection", "sendmail", "sock_connect"}
HIDDEN = (b"MAIL FROM:<evil", b"RCPT TO:", b"DATA")


def _ways_out(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found += [name.name for name in names if name.name.partition(".")[0] in SENDERS]
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in SENDERS:
                found.append(module)
            case ast.Attribute(attr=name) if name in CALLS:
                found.append(name)
    return found


def test_one_module_connects_to_other_mail_servers() -> None:
    ways = {str(path.relative_to(ROOT)): _ways_out(path) for path in (ROOT / "maild").rglob("*.py")}
    assert len(ways) > 100
    # The demo sends its sample mail to the daemon that it has started, and the doctor looks whether that answers; the
    # resolver asks the DNS, and the screen the scanners.
    others = {"maild/cli/demo_run.py", "maild/cli/reaching.py", "maild/dns/exchange.py", "maild/screening/exchange.py"}
    assert {path for path, found in ways.items() if found} - others == {"maild/delivery/dialogue.py"}


@pytest.mark.parametrize("way", ["sent on", "answer", "lmtp"])
@pytest.mark.parametrize("end", ENDS, ids=repr)
async def test_a_server_that_ends_messages_early_sees_one_mail(end: bytes, way: str, sqlite_database: Database) -> None:
    octets = b"Subject: one\r\n\r\nfirst" + end + SMUGGLED + b"\r\n"
    async with Sink(lax=True, lmtp=way == "lmtp") as sink:
        if way == "sent on":
            letter(sqlite_database, Duty("kita", "forward", f"chef@{THERE}", "f"), octets=octets)
        elif way == "lmtp":
            place = f"lmtp:127.0.0.1:{sink.port}"
            letter(sqlite_database, Duty("kita", "also-deliver", place, ""), octets=octets)
        else:
            out(sqlite_database, octets=octets)
        await Post(sqlite_database, port=sink.port).turn()
    (mail,) = sink.mails
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", mail.wire)
    assert mail.wire.endswith(b"\r\n.\r\n")
    assert not any(line == b"." for line in mail.wire.split(b"\r\n")[:-2])
    # Everything that was hidden is in the one mail, as text.
    assert all(word in mail.octets for word in HIDDEN)
    assert sum(line.startswith("MAIL") for line in sink.said) == 1
