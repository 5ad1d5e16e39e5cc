from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from maild.archive.compression import compress
from maild.archive.examinations import keep_evidence
from maild.archive.filing import file
from maild.archive.index import SqliteIndex
from maild.cli.store import writing
from maild.config import load_settings
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, to_json
from maild.mail.ids import parse_id
from tests.archive.samples import filing
from tests.cli.shell import Maild

INFO = "info@musterstadt.example"


def test_route_tells_where_and_why_and_stores_nothing(maild: Maild, site: Path, letter: Path) -> None:
    result = maild("route", letter, "--to", INFO, "--to", "x@musterstadt.example", "--to", "x@b.example", "--json")
    assert result.code == 1
    ours, unknown, foreign = result.objects
    assert set(ours) >= {
        "recipient", "accepted", "reply", "teams", "tags", "priority", "rules", "actions", "trace"
    }  # fmt: skip
    assert (ours["accepted"], ours["teams"], ours["recipient"]) == (True, ["poststelle"], INFO)
    assert (unknown["accepted"], unknown["reply"][:9], unknown["teams"]) == (False, "550 5.1.1", [])
    assert foreign["reply"].startswith("550 5.7.1")
    assert maild("search", "is:in").code == 1


def test_route_shows_each_condition_and_the_value_it_saw(maild: Maild, site: Path, letter: Path) -> None:
    with (site / "rules.yaml").open("a", encoding="utf-8") as rules:
        rules.write("rules:\n  - id: gruss\n    when: {subject: grüße}\n    then: {tag: nett}\n")
    shown = maild("route", letter, "--to", INFO)
    assert shown.code == 0
    assert "rule gruss" in shown.out
    assert "Grüße" in shown.out
    assert "nett" in shown.out


def test_an_index_whose_making_was_cut_off_keeps_no_verb_from_its_work_and_status_says_so(
    maild: Maild, site: Path, letter: Path, tmp_path: Path
) -> None:
    assert maild("import", letter, "--to", INFO).code == 0
    with writing(load_settings(site / "maild.toml", {})) as database:
        (number,) = (parse_id(each["id"]) for each in maild("search", "is:in", "--json").objects)
        database.writer.submit(file, filing(number or 0, teams=("poststelle",))).result()
    index = site / "var" / "index.sqlite3"
    assert not index.exists()
    with closing(sqlite3.connect(tmp_path / "made", isolation_level=None)) as making:
        # As a kill leaves it: the file was begun, and what takes that back lies beside it.
        making.execute("CREATE TABLE t (x)")
        making.execute("PRAGMA cache_size=1")
        making.execute("BEGIN IMMEDIATE")
        making.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 100)
        for end in ("", "-journal"):
            shutil.copyfile(tmp_path / f"made{end}", f"{index}{end}")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        sqlite3.connect(f"file:{index}?mode=ro", uri=True).execute("SELECT * FROM t")
    shown = maild("status")
    assert "index     1 behind" in shown.out
    assert "the making of it was cut off" in shown.out
    assert "maild serve" in shown.out
    assert maild("search", "is:in").code == 0
    SqliteIndex(index).close()  # as the next start does
    assert "cut off" not in maild("status").out


def test_days_and_times_are_those_of_the_organisation_wherever_the_machine_stands(
    maild: Maild, site: Path, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        letter.write_bytes(b"Date: Sat, 30 May 2026 22:30:00 +0000\r\n" + letter.read_bytes())
        assert maild("import", letter, "--to", INFO).code == 0
        assert "  2026-05-31 00:30  " in maild("search", "on:2026-05-31").out
        assert maild("search", "on:2026-05-30").code == 1
        for since, code in (("2026-05-31", 0), ("2026-06-01", 1)):
            assert maild("trace", "--to", INFO, "--since", since).code == code
        # The settings may come behind the date that depends on them.
        monkeypatch.setenv("MAILD_CONFIG", "")
        assert maild("trace", "--to", INFO, "--since", "2026-05-31", "--config", site / "maild.toml").code == 0
        rules = site / "rules.yaml"
        rules.write_text(rules.read_text(encoding="utf-8").replace("Europe/Berlin", "America/Lima"), encoding="utf-8")
        assert "  2026-05-30 17:30  " in maild("search", "on:2026-05-30", "--config", site / "maild.toml").out
    finally:
        monkeypatch.undo()
        time.tzset()


def test_route_believes_what_a_trusted_relay_says_of_the_sender(maild: Maild, site: Path, letter: Path) -> None:
    with (site / "rules.yaml").open("a", encoding="utf-8") as rules:
        rules.write("rules:\n  - {id: r, when: {spf: fail}, then: {tag: failed}}\n")
        rules.write("  - {id: a, when: {reply: true}, then: {tag: answer}}\n")
    settings = site / "maild.toml"
    trust = '[smtp]\ntrusted_relays = ["10.0.0.0/8"]\ntrusted_authserv_ids = ["mx.town.example"]\n'
    settings.write_text(settings.read_text().replace("[smtp]\n", trust))
    stamp = b"Authentication-Results: mx.town.example; spf=fail\r\nReceived: x\r\nIn-Reply-To: <a@b.example>\r\n"
    letter.write_bytes(stamp + letter.read_bytes())
    for options, tags, outcomes in (
        (("--peer", "10.1.2.3"), ["failed"], ["yes", "cannot tell"]),
        (("--peer", "192.0.2.1", "--reply"), ["answer"], ["no", "yes"]),
        (("--no-reply",), [], ["no", "no"]),
    ):
        (found,) = maild("route", letter, "--to", INFO, *options, "--json").objects
        assert (found["tags"], [tried["outcome"] for tried in found["trace"]]) == (tags, outcomes), options


def test_route_says_whom_the_door_would_refuse(maild: Maild, site: Path, letter: Path) -> None:
    with (site / "rules.yaml").open("a", encoding="utf-8") as rules:
        rules.write("rules:\n  - {id: r, when: {to: info, subject: grüße}, then: {reject: Keine Grüße}}\n")
    refused = maild("route", letter, "--to", INFO)
    assert (refused.code, refused.out) == (1, f"{INFO}: refused, 550 5.7.1 Keine Gruesse\n")
    shared = maild("route", letter, "--to", INFO, "--to", "abuse@musterstadt.example", "--json")
    assert [(found["accepted"], found.get("problem")) for found in shared.objects] == [
        (True, "rejected by rule r for this recipient, held"),
        (True, None),
    ]
    assert shared.code == 0


def test_imported_mail_is_found_shown_and_traced_before_it_is_routed(maild: Maild, site: Path, letter: Path) -> None:
    result = maild("import", letter, "--to", INFO)
    assert (result.code, result.out) == (0, "imported 1, there already 0\n")
    (hit,) = maild("search", "is:in", "--json").objects
    assert set(hit) == {
        "id", "conversation", "reference", "direction", "date", "from", "to", "subject", "teams", "tags",
        "attachments", "size", "digest",
    }  # fmt: skip
    assert hit["digest"] == hashlib.sha256(letter.read_bytes()).hexdigest()
    assert maild("show", hit["id"], "--raw").raw == letter.read_bytes()
    assert "Subject: Grüße" in maild("show", hit["id"]).out
    (fate,) = maild("trace", "--to", INFO, "--json").objects
    assert fate["id"] == hit["id"]
    assert fate["recipients"] == [{"address": INFO, "team": None, "state": "accepted", "duplicate_of": None}]
    assert maild("show", hit["id"].lower(), "--trace", "--json").objects == [fate]
    assert maild("verify", "--full").code == 0


def test_show_and_trace_say_who_really_sent_it(maild: Maild, site: Path, letter: Path) -> None:
    maild("import", letter, "--to", INFO)
    (hit,) = maild("search", "is:in", "--json").objects
    assert "Sender:" not in maild("show", hit["id"]).out
    assert maild("show", hit["id"], "--json").objects[0]["sender"] is None
    assert maild("trace", "--to", INFO, "--json").objects[0]["sender"] is None
    proven = Dmarc("pass", "b.example", dkim_aligned=True)
    ours = Evidence(1, dkim=(Dkim("pass", "b.example"),), dmarc=proven, arc=Arc("pass", ("x.example",)))
    _examine(hit["id"], ours)
    assert "\nSender: confirmed b.example (dkim)\n" in maild("show", hit["id"]).out
    said = {"kind": "confirmed", "domain": "b.example", "by": "dkim"}
    said |= {"spf": "none", "dkim": "pass", "dmarc": "pass", "arc": "pass"}
    assert maild("show", hit["id"], "--json").objects[0]["sender"] == said
    # Not routed yet: what From says was not noted, and is not guessed.
    assert "  sender: unconfirmed\n" in maild("trace", "--to", INFO).out
    _route(hit["id"])
    assert "  sender: confirmed b.example (dkim)\n" in maild("trace", "--to", INFO).out
    assert maild("show", hit["id"], "--trace", "--json").objects[0]["sender"] == said
    _examine(hit["id"], Evidence(1, dmarc=Dmarc("fail", "b.example", policy="reject")))
    assert "  sender: forged (dmarc)\n" in maild("trace", "--to", INFO).out


def test_show_confirms_nobody_where_the_author_is_not_certain(maild: Maild, site: Path, letter: Path) -> None:
    letter.write_bytes(b"From: other@c.example\r\n" + letter.read_bytes())
    maild("import", letter, "--to", INFO)
    (hit,) = maild("search", "is:in", "--json").objects
    _examine(hit["id"], Evidence(1, dmarc=Dmarc("pass", "b.example", dkim_aligned=True)))
    assert "\nSender: unconfirmed\n" in maild("show", hit["id"]).out


def _examine(shown: str, evidence: Evidence) -> None:
    with writing(load_settings(None, os.environ)) as database, database.writing.begin() as connection:
        keep_evidence(connection, {parse_id(shown) or 0: to_json(evidence)})


def _route(shown: str) -> None:
    with writing(load_settings(None, os.environ)) as database:
        filed = filing(parse_id(shown) or 0, author="petra@b.example")._replace(trace=compress(b"[]"))
        database.writer.submit(file, filed).result()


def test_control_characters_of_a_mail_do_not_reach_the_terminal(maild: Maild, site: Path, letter: Path) -> None:
    maild("import", letter, "--to", INFO)
    (hit,) = maild("search", "is:in", "--json").objects
    for form in ((), ("--source",)):
        shown = maild("show", hit["id"], *form)
        assert b"\x1b" not in shown.raw
        assert "\\x1b[2J" in shown.out


def test_importing_again_doubles_nothing(maild: Maild, site: Path, letter: Path) -> None:
    maild("import", letter, "--to", INFO)
    assert maild("import", letter, "--to", INFO).out == "imported 0, there already 1\n"
    acts = [(act, about, details["what"], details.get("new")) for act, about, details in _log(site)]
    ends = [("imported", INFO, "began", None), ("imported", INFO, "ended", 1), ("imported", INFO, "began", None),
            ("imported", INFO, "ended", 0)]  # fmt: skip
    assert [each for each in acts if each[0] == "imported"] == ends


def _log(site: Path) -> list[tuple[str, str, dict[str, Any]]]:
    with closing(sqlite3.connect(next(site.rglob("maild.sqlite3")))) as database:
        rows = database.execute("SELECT act, about, details FROM audit WHERE actor = 'operator' ORDER BY sequence")
        return [(act, about, {"what": "", **json.loads(details)}) for act, about, details in rows]


def test_an_mbox_that_is_not_one_is_told_in_a_line_and_nothing_is_imported(
    maild: Maild, site: Path, letter: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.mbox").write_text("Dear diary\n", encoding="utf-8")
    result = maild("import", letter, "notes.mbox", "--to", INFO)
    assert result.code == 1
    assert result.err.splitlines()[0] == (
        "maild: notes.mbox: not an mbox: its first line does not begin with 'From '; nothing of it was imported"
    )
    assert result.out == ""
    assert maild("search", "is:in").code == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "--to ADDR or --team TEAM"),
        (("--to", INFO, "--team", "poststelle"), "--to ADDR or --team TEAM"),
        (("--to", "x@b.example"), "x@b.example is no address of ours"),
        (("--to", INFO.replace("info", "imfo")), f"did you mean {INFO}?"),
        (("--team", "postelle"), "team 'postelle' is not in the rules; did you mean 'poststelle'?"),
    ],
)
def test_an_import_goes_to_a_place_of_ours(
    maild: Maild, site: Path, letter: Path, arguments: tuple[str, ...], expected: str
) -> None:
    result = maild("import", letter, *arguments)
    assert result.code == 2
    assert expected in result.err


def test_what_is_not_there_is_a_plain_no(maild: Maild, site: Path) -> None:
    for arguments in (
        ("search", "nothing"),
        ("show", "0" * 13),
        ("trace", "--from", "a@b.example"),
        ("trace", "--message-id", "<1@x>"),
    ):
        result = maild(*arguments)
        assert result.code == 1
        assert result.out == ""
        assert len(result.err.splitlines()) == 1


def test_an_unreadable_query_says_where(maild: Maild, site: Path) -> None:
    result = maild("search", "kita (oder")
    assert result.code == 2
    assert result.err.splitlines()[:2] == ["  kita (oder", "       ^"]


def test_what_is_no_id_is_wrong_usage(maild: Maild, site: Path) -> None:
    assert maild("show", "17").code == 2
    assert maild("trace").code == 2
    assert maild("trace", "--to", "nobody").code == 2


@pytest.mark.parametrize("options", [("--to", "nobody"), ("--to", INFO, "--sent-by", "nobody")])
def test_an_import_names_what_is_no_address(maild: Maild, site: Path, letter: Path, options: tuple[str, ...]) -> None:
    result = maild("import", letter, *options)
    assert result.code == 2
    assert "'nobody' is not an address: it is written local@domain" in result.err


def test_reindexing_says_first_what_it_would_do(maild: Maild, site: Path) -> None:
    first = maild("reindex")
    assert first.code == 1
    assert "would empty the full-text index" in first.err
    assert maild("reindex", "--yes").code == 0
    assert [about for act, about, _ in _log(site) if act == "maintained"] == ["reindex"]
