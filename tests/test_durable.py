from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from maild import durable
from maild.durable import make_durably, write_durably

TraceFunction = Callable[[FrameType, str, object], Any]


def write_until_killed(path: Path, octets: bytes, line: int) -> int:
    """Write in a child that kills itself before the line of the module that is run as the N-th; return its status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    left = line

    def count(frame: FrameType, event: str, _: object) -> TraceFunction | None:
        nonlocal left
        if frame.f_code.co_filename != durable.__file__:
            return None
        left -= event == "line"
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return count

    try:
        sys.settrace(count)
        write_durably(path, octets)
        os._exit(0)
    finally:
        os._exit(1)


def test_a_kill_at_any_line_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    old, new = b"old" * 100_000, b"new" * 100_000
    kept = []
    for line in range(1, 100):
        path.write_bytes(old)
        status = write_until_killed(path, new, line)
        assert path.read_bytes() in (old, new)
        kept.append(path.read_bytes() == old)
        if status == 0:
            break
        assert os.WIFSIGNALED(status)
    assert kept == sorted(kept, reverse=True)
    assert kept.count(True) > 5
    assert kept.count(False) > 3
    write_durably(path, b"next")
    assert [p.name for p in tmp_path.iterdir()] == ["rules.yaml"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("old")
    path.chmod(mode)
    write_durably(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (b"new", mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("old")
    os.chown(path, 4711, 4712)
    write_durably(path, b"new")
    assert (path.read_bytes(), path.stat().st_uid, path.stat().st_gid) == (b"new", 4711, 4712)


def test_a_new_file_is_closed_to_others_also_where_a_kill_left_an_open_one(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml.new").write_text("left behind")
    (tmp_path / "rules.yaml.new").chmod(0o644)
    write_durably(tmp_path / "rules.yaml", b"new")
    assert (tmp_path / "rules.yaml").stat().st_mode & 0o7777 == 0o600


def test_what_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("old")
    (tmp_path / "rules.yaml.new").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write_durably(path, b"new")
    assert path.read_text() == "old"


def test_a_file_that_is_made_is_whole_and_never_replaces_another(tmp_path: Path) -> None:
    make_durably(tmp_path / "key", b"first")
    with pytest.raises(FileExistsError):
        make_durably(tmp_path / "key", b"second")
    assert [(path.name, path.read_bytes(), path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [
        ("key", b"first", 0o600)
    ]
