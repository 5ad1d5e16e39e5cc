"""S2: what maild sends on is read by another server as more than one message.

Today maild sends nothing: no forwarding, no answer, no report. That is what is tested, so that whoever teaches it to
send comes by here, and sends the bodies of S1 through the new way to a sink that ends messages too early.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SENDERS = {"smtplib", "aiosmtplib", "lmtplib"}
CALLS = {"open_connection", "create_connection", "create_datagram_endpoint", "sendmail", "sock_connect"}


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


def test_nothing_in_the_daemon_connects_to_another_mail_server() -> None:
    ways = {str(path.relative_to(ROOT)): _ways_out(path) for path in (ROOT / "maild").rglob("*.py")}
    assert len(ways) > 100
    # The demo sends its sample mail to the daemon that it has started.
    assert {path for path, found in ways.items() if found} == {"maild/cli/demo_run.py"}
