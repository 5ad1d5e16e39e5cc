from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEAVING = """
import asyncio
import socket
import sqlite3
import subprocess
import pytest

def left():
    process = subprocess.Popen(["true"], stdout=subprocess.PIPE)
    process.wait()
    return socket.socket(), asyncio.new_event_loop(), open("/dev/null"), process

{how}

def test_innocent():
    import gc
    gc.collect()
"""
HOWS = {
    "in its body": "def test_it():\n    held = left()\n    assert not held",
    "in what it calls": "def fail(held):\n    raise KeyError from ValueError(held)\ndef test_it():\n    fail(left())",
    "in a fixture": "@pytest.fixture\ndef held():\n    return left()\ndef test_it(held):\n    assert not held",
    "in a group": (
        "def test_it():\n    held = left()\n    try:\n        raise ValueError\n"
        "    except ValueError as error:\n        raise ExceptionGroup('', [error])"
    ),
    "before it runs": (
        "@pytest.fixture\ndef held():\n    held = left()\n    assert not held\ndef test_it(held):\n    pass"
    ),
}


@pytest.mark.parametrize("how", HOWS)
def test_what_a_failing_test_leaves_behind_fails_no_other(tmp_path: Path, how: str) -> None:
    (tmp_path / "test_leaving.py").write_text(LEAVING.format(how=HOWS[how]), encoding="utf-8")
    assert _failed(tmp_path) >= {"test_it", "test_innocent"}, "there is no longer anything to be prevented"
    assert _failed(tmp_path, "-p", "tests.failing") == {"test_it"}


def _failed(folder: Path, *plugin: str) -> set[str]:
    """Run the tests of a folder; return those that did not pass."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio", *plugin,
         "--rootdir", str(folder), str(folder)],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    return set(re.findall(r"^(?:FAILED|ERROR) test_leaving.py::(\w+)", done.stdout, re.MULTILINE))
