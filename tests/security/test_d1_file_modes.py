"""D1: a local user reads the archive, or puts a link in its place.

The data directory is 0700 and everything in it 0600, whatever the umask; links in it are not followed; no core file is
written. `maild doctor` names what was opened since.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.archive.database import StoreLock
from maild.cli.main import main
from maild.intake.space import Space

SITE = ("init", "site", "--domain", "a.example", "--admin", "petra", "--password-file", "password")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    umask = os.umask(0o000)  # the careless one of some service managers
    (tmp_path / "password").write_text("ein Satz mit sieben Wörtern reicht aus", encoding="utf-8")
    assert main(SITE) == 0
    monkeypatch.setenv("MAILD_CONFIG", str(tmp_path / "site" / "maild.toml"))
    monkeypatch.setenv("MAILD_DNS__RESOLVERS", "127.0.0.1:9")  # nobody is there
    yield tmp_path / "site"
    os.umask(umask)


def test_nothing_of_a_site_is_open_to_others_whatever_the_umask(site: Path) -> None:
    letter = site.parent / "a.eml"
    letter.write_bytes(b"Subject: x\n\nx\n")
    assert main(["import", str(letter), "--to", "info@a.example"]) == 0
    paths = [site, *site.rglob("*")]
    assert len(paths) > 4
    assert [path for path in paths if path.stat().st_mode & 0o077] == []


def test_no_core_file_will_hold_mail(site: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0


def test_the_doctor_names_what_was_opened_to_others(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = site / "var" / "maild.sqlite3"
    database.chmod(0o644)
    assert main(["doctor"]) == 1
    assert f"bad   modes: {database} is open to other users; chmod go= {database}" in capsys.readouterr().out


def test_the_doctor_names_links_in_the_data_directory(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "var" / "reserve").symlink_to("/etc/passwd")
    assert main(["doctor"]) == 1
    assert "reserve is a link" in capsys.readouterr().out


def test_a_link_in_place_of_the_lock_or_the_reserve_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    data_dir = tmp_path / "var"
    data_dir.mkdir()
    for name in ("lock", "reserve"):
        (data_dir / name).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        StoreLock(data_dir)
    Space(data_dir, min_free_bytes=0, reserve_bytes=1000, now_ms=lambda: 0).take_reserve()
    assert victim.read_text(encoding="utf-8") == "precious"
