"""System packages that some tests cannot do without."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

PROGRAMS = {
    "postgresql": ("initdb",),
    "chromium": ("chromium",),
    "strace": ("strace",),
    "systemd": ("systemd-analyze", "systemd-socket-activate"),
    "postfix": ("postconf",),
    "rspamd": ("rspamd",),
    "clamav-daemon": ("clamd",),
    "dovecot-lmtpd": ("dovecot", "lmtp"),
    "dovecot-imapd": ("dovecot", "imap"),
    "swaks": ("swaks",),
}


def _present(package: str) -> bool:
    extra = os.pathsep.join(str(p) for p in sorted(Path("/usr/lib/postgresql").glob("*/bin")))
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/lib/dovecot", extra])
    return all(shutil.which(program, path=path) for program in PROGRAMS[package])


def require(package: str) -> None:
    """Skip a test for want of a Debian package; in CI, where it must be there, fail instead."""
    if _present(package):
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI must install the Debian package {package}")
    pytest.skip(f"needs the Debian package {package}")
