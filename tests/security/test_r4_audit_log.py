"""R4: an audit log that was edited, shortened or put in another order is found by `maild verify`, and in an export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from maild.archive.audit import Record, note_acts
from maild.archive.database import Database
from maild.archive.upgrade import upgrade
from maild.cli.auditing import FILE_NAME
from maild.cli.main import main
from maild.mail.acts import Act

_ROWS = 6


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of six acts, and its settings; returns the data directory."""
    data_dir = tmp_path / "var"
    data_dir.mkdir(mode=0o700)
    (tmp_path / "maild.toml").write_text(f'[server]\nhostname = "mx.example"\ndata_dir = "{data_dir}"\n')
    monkeypatch.setenv("MAILD_CONFIG", str(tmp_path / "maild.toml"))
    database = Database("", data_dir)
    upgrade(database.writing)
    database.start()
    for number in range(_ROWS):
        act = Record(at_ms=number, actor="petra", act=Act.STATE, team="kita", conversation_id=7, details={"to": "ü"})
        database.writer.submit(note_acts, act).result()
    database.close()
    return data_dir


def _alter(data_dir: Path, *statements: str) -> None:
    database = Database("", data_dir)
    with database.writing.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    database.close()


def _run(captured: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(list(arguments))
    return code, captured.readouterr().out


def _attacks() -> list[tuple[str, ...]]:
    edits = [f"SET {name} = 'max'" for name in ("actor", "act", "team", "about", "details")]
    edits += ["SET at_ms = at_ms + 1", "SET conversation_id = 8", "SET conversation_id = NULL", "SET chain = x'00'"]
    every = range(1, _ROWS + 1)
    found = [(f"UPDATE audit {edit} WHERE sequence = {number}",) for number in (1, 3, _ROWS) for edit in edits]
    found += [(f"DELETE FROM audit WHERE sequence = {number}",) for number in every]
    found += [(f"DELETE FROM audit WHERE sequence >= {number}",) for number in every]
    swapped = tuple(f"UPDATE audit SET sequence = {to} WHERE sequence = {at}" for at, to in ((2, 99), (4, 2), (99, 4)))
    added = (
        "INSERT INTO audit SELECT 7, chain, at_ms, actor, act, team, 7, about, details FROM audit WHERE sequence = 6"
    )
    return [*found, swapped, (added,)]


def test_each_column_of_a_record_each_gap_each_cut_and_each_order_is_found(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(capsys, "verify") == (0, "")
    for attack in _attacks():
        kept = (site / "maild.sqlite3").read_bytes()
        _alter(site, *attack)
        code, out = _run(capsys, "verify")
        assert code == 1, attack
        assert "audit log, record" in out, attack
        for journal in site.glob("maild.sqlite3-*"):
            journal.unlink()
        (site / "maild.sqlite3").write_bytes(kept)
    assert _run(capsys, "verify") == (0, "")


def test_an_export_is_checked_without_the_archive_and_every_change_of_it_is_found(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, key = _run(capsys, "audit", "key")
    assert code == 0
    code, out = _run(capsys, "audit", "export")
    lines = out.splitlines()
    assert code == 0
    assert (len(lines), json.loads(lines[-2])["about"]) == (_ROWS + 3, "audit log")
    assert (site / FILE_NAME).stat().st_mode & 0o777 == 0o600
    file = tmp_path / "audit.jsonl"

    def checked(text: str, *more: str) -> int:
        file.write_text(text)
        return _run(capsys, "audit", "check", str(file), *more)[0]

    assert checked(out, "--key", key.strip()) == 0
    for changed in (
        out.replace("petra", "max", 1),
        "\n".join([*lines[:2], *lines[3:]]),
        "\n".join([lines[0], lines[2], lines[1], *lines[3:]]),
        "\n".join([*lines[:-2], lines[-1]]),
        "\n".join(lines[:-1]),
        "\n".join([lines[0], lines[-1]]),
        out.replace('"signed_at": "2', '"signed_at": "3'),
    ):
        assert changed != out
        assert checked(changed) == 1, changed
    # Signed anew by somebody else: whose key it must be is known by another way.
    (site / FILE_NAME).unlink()
    _, again = _run(capsys, "audit", "export")
    assert checked(again) == 0
    assert checked(again, "--key", key.strip()) == 1


def test_a_part_of_the_log_is_checked_from_where_it_begins(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = _run(capsys, "audit", "export", "--since", "1d")
    lines = out.splitlines()
    assert (code, json.loads(lines[0])["begins_after"], len(lines)) == (0, _ROWS, 3)
    (tmp_path / "part.jsonl").write_text(out)
    assert _run(capsys, "audit", "check", str(tmp_path / "part.jsonl"))[0] == 0
    (tmp_path / "part.jsonl").write_text("\n".join([lines[0].replace('"chain": "', '"chain": "00'), *lines[1:]]))
    assert _run(capsys, "audit", "check", str(tmp_path / "part.jsonl"))[0] == 1
    assert site.is_dir()


def test_a_file_that_is_no_export_is_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text_ in ("", "{}", "[]", "nein", '{"begins_after": "x", "chain": "zz"}'):
        (tmp_path / "x").write_text(text_)
        assert _run(capsys, "audit", "check", str(tmp_path / "x"))[0] == 1
