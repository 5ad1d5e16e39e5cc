from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.shell import PASSWORD, Maild


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}


def test_a_new_site_is_complete_private_and_good(maild: Maild, site: Path) -> None:
    assert sorted(p.name for p in site.iterdir()) == ["maild.toml", "rules.yaml", "var"]
    assert (site / "var").stat().st_mode & 0o777 == 0o700
    assert modes(site) == {0o600}
    checked = maild("check")
    assert (checked.code, checked.out) == (0, "")
    (person,) = maild("user", "list", "--json").objects
    assert person["login"] == "petra"
    assert person["grants"] == ["administrator", "poststelle:manager"]


def test_a_folder_that_holds_something_is_left_alone(maild: Maild, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x", encoding="utf-8")
    result = maild("init", "full", "--domain", "a.example", "--admin", "x")
    assert result.code == 1
    assert result.err == "maild: full is not empty (mine.txt is in it); name a new folder. Nothing was changed\n"
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]


def test_nothing_is_asked_without_a_terminal(maild: Maild, tmp_path: Path) -> None:
    for arguments, missing in (
        ((), "--domain"),
        (("--domain", "a.example"), "--admin"),
        (("--domain", "a.example", "--admin", "x"), "--password-file"),
    ):
        result = maild("init", "new", *arguments)
        assert result.code == 2
        assert missing in result.err
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("domain", ["a b", "..", "-", "a@b.example", ""])
def test_what_is_no_domain_is_refused(maild: Maild, tmp_path: Path, domain: str) -> None:
    assert maild("init", "new", "--domain", domain, "--admin", "x").code == 2
    assert not (tmp_path / "new").exists()


def test_an_easy_password_is_refused_with_its_reason(maild: Maild, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("short\n", encoding="utf-8")
    result = maild("init", "new", "--domain", "a.example", "--admin", "petra", "--password-file", "password")
    assert result.code == 1
    assert "at least 12 characters" in result.err
    assert not (tmp_path / "new").exists()


def test_what_fails_half_way_leaves_nothing_behind(
    maild: Maild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    monkeypatch.setenv("MAILD_DATABASE__URL", "sqlite:////nowhere/at/all")
    result = maild("init", "new", "--domain", "a.example", "--admin", "petra", "--password-file", "password")
    assert result.code == 75
    assert "unable to open database file" in result.err
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    maild("init", "empty", "--domain", "a.example", "--admin", "petra", "--password-file", "password")
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that belongs to another user")
def test_root_does_not_work_in_another_users_archive(maild: Maild, site: Path) -> None:
    os.chown(site / "var", 65534, 65534)
    result = maild("user", "list")
    assert result.code == 1
    assert "belongs to nobody; run this as its owner: sudo -u nobody maild" in result.err
