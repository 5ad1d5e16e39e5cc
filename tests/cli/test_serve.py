from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import copies
from tests.cli.daemons import ROOT, serving, until
from tests.cli.shell import Maild

INFO = "info@musterstadt.example"
LETTER = "From: a@b.example\nSubject: Kitaplatz\n\nGuten Tag\n"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder on a disk: `doctor` rightly finds fault with one in memory."""
    with tempfile.TemporaryDirectory(prefix="maild-cli-") as name:
        yield Path(name)


def run(
    site: Path, *arguments: str, prefix: tuple[str, ...] = (), environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A verb in a process of its own, with a deadline; behind a `prefix` by an interpreter of its own."""
    whole = os.environ | {"MAILD_CONFIG": str(site / "maild.toml"), "PYTHONPATH": str(ROOT)} | (environ or {})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if prefix:
            command = [*prefix, sys.executable, "-m", "maild", *arguments]
            code = subprocess.run(
                command, check=False, stdout=out, stderr=err, env=whole, cwd=site, timeout=60
            ).returncode
        else:
            started = copies.start(arguments, environ=whole, cwd=site, out=out.fileno(), err=err.fileno())
            try:
                code = started.wait(60)
            finally:
                started.kill()
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read().decode(), err.read().decode())


def test_a_mail_goes_from_the_socket_to_the_command_line_while_the_daemon_runs(maild: Maild, site: Path) -> None:
    with serving(site) as daemon:
        daemon.send(INFO, LETTER)
        until(lambda: bool(daemon.events("message.routed")), "routed")
        until(lambda: maild("search", "subject:kitaplatz").code == 0, "found")
        (hit,) = maild("search", "kitaplatz", "--json").objects
        assert (hit["teams"], hit["id"]) == (["poststelle"], daemon.first("message.accepted")["id"])
        (fate,) = maild("trace", "--from", "a@b.example", "--json").objects
        assert fate["reply"] == f"250 2.0.0 Ok: stored as {hit['id']}"
        assert fate["inboxes"] == [{"team": "poststelle", "state": "open"}]
        status = maild("status", "--json")
        assert (status.code, status.objects[0]["messages"], status.objects[0]["waiting"]) == (0, 1, 0)
        assert maild("doctor").code == 0
        assert maild("reindex", "--yes").code == 75
        assert daemon.stop() == 0
        assert daemon.events("daemon.stopped")
    assert maild("status").code == 1


def test_an_import_beside_the_daemon_is_routed_as_closed(maild: Maild, site: Path, letter: Path) -> None:
    with serving(site) as daemon:
        daemon.ready()
        assert maild("import", letter, "--team", "poststelle").code == 0
        until(lambda: bool(daemon.events("message.routed")), "routed")
    (fate,) = maild("trace", "--message-id", "<1@b.example>", "--json").objects
    assert fate["inboxes"] == [{"team": "poststelle", "state": "closed"}]


def test_rules_that_are_refused_at_reload_change_nothing(maild: Maild, site: Path) -> None:
    with serving(site) as daemon:
        daemon.ready()
        rules = site / "rules.yaml"
        good = rules.read_text(encoding="utf-8")
        rules.write_text(good.replace("fallback: poststelle", "fallback: postelle"), encoding="utf-8")
        daemon.process.send_signal(1)
        until(lambda: bool(daemon.events("rules.refused")), "refused")
        daemon.send(INFO, LETTER)
        status = maild("status")
        assert status.code == 1
        assert "and an older one serves; `maild check` lists them" in status.out
        rules.write_text(good.replace("Zentrale", "Neue"), encoding="utf-8")
        daemon.process.send_signal(1)
        until(lambda: bool(daemon.events("rules.reloaded")), "reloaded")


def test_rules_whose_copy_cannot_be_kept_are_told_of(maild: Maild, site: Path) -> None:
    (site / "var" / "rules.last-good.json.new").mkdir()
    with serving(site) as daemon:
        port = daemon.ready()["web"]
        assert "Is a directory" in daemon.first("rules.unkept")["error"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            assert b"maild_rules_kept 0.0" in answer.read()
        status = maild("status")
        assert status.code == 1
        assert "their copy in site/var could not be written" in status.out.replace(f"{site.parent}/", "")
        (site / "var" / "rules.last-good.json.new").rmdir()
        daemon.process.send_signal(1)
        until(lambda: maild("status").code == 0, "kept")


def test_only_some_roles_can_be_run(site: Path) -> None:
    with serving(site, "--only", "smtp,router") as daemon:
        ready = daemon.ready()
        assert (ready["roles"], ready["web"]) == (["router", "smtp"], None)
    result = run(site, "serve", "--only", "smpt")
    assert result.returncode == 2
    assert "'smpt' is not a role" in result.stderr


def test_the_daemon_answers_for_its_health_and_sounds_the_alarm_of_a_team_without_readers(
    maild: Maild, site: Path
) -> None:
    rules = site / "rules.yaml"
    text = rules.read_text(encoding="utf-8").replace("teams:\n", "teams:\n  kita: {name: Kita}\n")
    rules.write_text(text.replace("addresses:\n", "addresses:\n  kita: {team: kita}\n"), encoding="utf-8")
    with serving(site) as daemon:
        port = daemon.ready()["web"]
        unread = daemon.first("teams.unread")
        assert (unread["teams"], unread["fallback"]) == (["kita"], False)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            assert {b"maild_orphan_teams 1.0", b"maild_fallback_read 1.0"} <= set(answer.read().splitlines())
        daemon.send("kita@musterstadt.example", LETTER)
        assert daemon.first("message.routed")["teams"] == ["kita", "poststelle"]
        traced = maild("trace", "--to", "kita@musterstadt.example").out
        assert "nobody could read kita: poststelle has it as well" in traced
        for path in ("healthz", "readyz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as answer:
                assert answer.status == 200


def the_last_line(said: str | subprocess.CompletedProcess[str]) -> str:
    told = said if isinstance(said, str) else said.stderr
    assert "Traceback" not in told
    return [line for line in told.splitlines() if not line.startswith("{")][-1]


@pytest.mark.parametrize(("section", "free"), [("smtp", "web"), ("web", "smtp")])
def test_a_port_in_use_is_told_in_a_line(
    maild: Maild, site: Path, section: str, free: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setenv(f"MAILD_{section.upper()}__LISTEN", address)
        monkeypatch.setenv(f"MAILD_{free.upper()}__LISTEN", "127.0.0.1:0")
        result = run(site, "serve")
        assert result.returncode == 75
        assert the_last_line(result) == (
            f"maild: cannot listen on {address} ([{section}] listen): "
            "another program has it; stop that or choose another port"
        )
        examined = maild("doctor")
        assert examined.code == 1
        assert f"[{section}] listen {address}: another program listens there already" in examined.out


def test_an_index_amid_whose_making_maild_was_killed_keeps_no_daemon_from_starting(maild: Maild, site: Path) -> None:
    # As a kill leaves it: pages are in the file, and the journal that undoes them lies beside it.
    half, index = site / "half.sqlite3", site / "var" / "index.sqlite3"
    made = sqlite3.connect(half, isolation_level=None)
    made.execute("CREATE TABLE search_state (id INTEGER PRIMARY KEY, revision)")
    made.executemany("INSERT INTO search_state VALUES (?, ?)", [(number, "x" * 3_000) for number in range(300)])
    made.execute("PRAGMA cache_size=1")
    made.execute("BEGIN")
    made.execute("UPDATE search_state SET revision = 'y' || revision")
    for suffix in ("", "-journal"):
        shutil.copy(f"{half}{suffix}", f"{index}{suffix}")
    made.close()
    with serving(site) as daemon:
        daemon.send(INFO, LETTER)
        until(lambda: maild("search", "subject:kitaplatz").code == 0, "found")


def test_a_second_daemon_on_one_data_directory_is_refused(site: Path) -> None:
    with serving(site) as daemon:
        daemon.ready()
        result = run(site, "serve")
    assert result.returncode == 75
    assert the_last_line(result).startswith("maild: maild is already running on ")


def test_a_data_directory_that_cannot_be_written_is_told_in_a_line(site: Path) -> None:
    (site / "var").chmod(0o500)
    # Root may write anywhere, unless that right is taken from it.
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    for arguments in (("serve",), ("user", "list")):
        result = run(site, *arguments, prefix=prefix)
        assert result.returncode == 75
        assert str(site / "var") in the_last_line(result)
        assert len(result.stderr.splitlines()) == 1


def test_a_data_directory_that_cannot_be_made_is_told_in_a_line(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILD_SERVER__DATA_DIR", str(site / "maild.toml" / "var"))
    result = run(site, "serve")
    assert result.returncode == 75
    assert the_last_line(result) == f"maild: {site}/maild.toml/var: it is not a directory"


def test_a_database_of_a_newer_version_is_left_alone(maild: Maild, site: Path) -> None:
    with sqlite3.connect(site / "var" / "maild.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = (site / "var" / "maild.sqlite3").read_bytes()
    daemon = run(site, "serve")
    told = [(daemon.returncode, daemon.stderr)]
    told += [(result.code, result.err) for result in (maild("search", "x"), maild("verify"))]
    for code, said in told:
        assert code == 75
        assert "was written by a newer maild" in the_last_line(said)
        assert "install that version or a newer one" in the_last_line(said)
    assert (site / "var" / "maild.sqlite3").read_bytes() == before


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:///{here}/rules.yaml", "the database cannot be used: file is not a database"),
        ("sqlite:///{here}/nowhere/x", "the database cannot be used: unable to open database file"),
        ("postgresql+psycopg://nobody@127.0.0.1:1/x", "the database cannot be used: connection failed: "),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_a_line(
    maild: Maild, site: Path, url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILD_DATABASE__URL", url.format(here=site))
    daemon, status = run(site, "serve"), maild("status")
    for code, said in ((daemon.returncode, daemon.stderr), (status.code, status.err)):
        assert code == 75
        assert reason in the_last_line(said)
        assert len(said.splitlines()) == 1


def test_a_damaged_database_is_told_in_a_line(maild: Maild, site: Path) -> None:
    with sqlite3.connect(site / "var" / "maild.sqlite3") as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chain_head'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with (site / "var" / "maild.sqlite3").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    daemon, verified = run(site, "serve"), maild("verify")
    for code, said in ((daemon.returncode, daemon.stderr), (verified.code, verified.err)):
        assert code == 75
        assert the_last_line(said) == "maild: the database cannot be used: database disk image is malformed"


def test_a_database_of_another_kind_is_refused_with_the_settings(
    maild: Maild, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILD_DATABASE__URL", "mysql://x")
    result = maild("check")
    assert result.code == 1
    assert "error[bad-value]: 'url' wants" in result.out


def test_an_address_that_is_not_this_machines_is_told_in_a_line(site: Path) -> None:
    result = run(site, "serve", environ={"MAILD_WEB__LISTEN": "192.0.2.7:8080", "MAILD_SMTP__LISTEN": "127.0.0.1:0"})
    assert result.returncode == 75
    assert the_last_line(result) == (
        "maild: cannot listen on 192.0.2.7:8080 ([web] listen): this machine has no such address; set one of its own"
    )


def test_rules_that_never_loaded_keep_the_daemon_from_starting(maild: Maild, site: Path) -> None:
    (site / "rules.yaml").write_text("version: 2\n", encoding="utf-8")
    result = run(site, "serve")
    assert result.returncode == 78
    assert "rules.yaml:1:10: error[unknown-value]" in result.stderr
    status = maild("status")
    assert "the rules file has 5 errors, and `maild serve` will not start; `maild check` lists them" in status.out
