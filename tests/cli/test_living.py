"""A daemon that has lost a part says so and ends, to be started anew: it never looks alive and does nothing."""

from __future__ import annotations

import contextlib
import smtplib
import time
from pathlib import Path

import pytest

from tests.cli.daemons import DEADLINE_S, Daemon, serving

LETTER = "From: a@b.example\nSubject: Kitaplatz\n\nGuten Tag\n"


def send_until_over(daemon: Daemon) -> int:
    """Give its threads something to do, and wait for its end."""
    deadline = time.monotonic() + DEADLINE_S
    while daemon.process.poll() is None:
        assert time.monotonic() < deadline, "it goes on without a part"
        with contextlib.suppress(smtplib.SMTPException, OSError):
            daemon.send("info@musterstadt.example", LETTER)
        time.sleep(0.05)
    daemon._reader.join(DEADLINE_S)
    return daemon.process.wait()


@pytest.mark.parametrize("part", ["writer", "index", "router", "deliveries", "answers"])
def test_a_daemon_that_loses_a_part_says_which_and_ends(site: Path, part: str) -> None:
    program = ("-m", "tests.cli.breaking", part)
    with serving(site, "--only", "smtp,router,delivery", program=program) as daemon:
        daemon.ready()
        assert daemon.process.poll() is None
        (site / "break").touch()
        assert send_until_over(daemon) == 75
    assert [event["part"] for event in daemon.events("daemon.failed")] == [part]
    assert daemon.events("daemon.stopped") == []
    assert "Traceback" not in "".join(daemon.lines)
