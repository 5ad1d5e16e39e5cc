"""Run verbs in this process, as a shell would see them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import pytest

from maild.cli.main import main
from tests.cli.shell import PASSWORD, Maild, Result


@pytest.fixture
def maild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Maild]:
    """The program, in an empty folder; nobody sits at the terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILD_CONFIG", "")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("MAILD_DNS__RESOLVERS", "127.0.0.1:9")  # nobody is there: tests ask no one outside
    umask = os.umask(0o022)
    capsysbinary.readouterr()

    def run(*arguments: str | Path) -> Result:
        code = main([str(argument) for argument in arguments])
        captured = capsysbinary.readouterr()
        return Result(code=code, raw=captured.out, err=captured.err.decode())

    yield run
    os.umask(umask)


@pytest.fixture(scope="session")
def _made_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `maild init` makes; a copy takes no migration and no hashing of a password."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(StringIO()) as said:
        patch.chdir(folder)
        patch.setenv("MAILD_CONFIG", "")
        patch.setenv("TZ", "Europe/Berlin")
        umask = os.umask(0o022)
        arguments = "init site --domain musterstadt.example --admin petra --password-file password"
        assert main(arguments.split()) == 0, said.getvalue()
        os.umask(umask)
    return folder


@pytest.fixture
def site(maild: Maild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _made_site: Path) -> Path:
    """A folder that `maild init` made, and that the verbs find."""
    shutil.copytree(_made_site, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("MAILD_CONFIG", "site/maild.toml")
    return tmp_path / "site"


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.eml"
    path.write_bytes(
        b"From: Petra M <petra@b.example>\r\nTo: info@musterstadt.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        b"Message-ID: <1@b.example>\r\n\r\nGuten Tag\x1b[2J\r\n"
    )
    return path
