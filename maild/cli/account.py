"""Who types a verb: the account that is written into journals."""

from __future__ import annotations

import os
import pwd


def account() -> str:
    """Return the account of who types this, also behind `sudo -u maild`."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"#{os.getuid()}"
