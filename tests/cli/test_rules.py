from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from maild.archive.as_read import Observation
from maild.archive.commit import accept
from maild.archive.filing import file
from maild.archive.versions import BY_HAND, Version, record
from maild.cli.store import carry_out
from maild.config import load_settings
from maild.rules.rulebook import Rulebook
from tests.archive.samples import acceptance, filing
from tests.cli.daemons import ROOT, serving, until
from tests.cli.shell import PASSWORD, Maild
from tests.web.office import token_in
from tests.web.workshop import fields

INFO = "info@musterstadt.example"
KITA = "  kita: {name: Kita}\n"
LETTER = b"From: Petra <petra@b.example>\r\nTo: info@musterstadt.example\r\nSubject: Geheim %d\r\n\r\nHallo\r\n"


def text_of(site: Path) -> str:
    return (site / "rules.yaml").read_text(encoding="utf-8")


def serve(site: Path, text: str, *, loaded_ms: int = 1_790_000_000_000) -> str:
    """Have a text served once, as the daemon does it; return it."""
    (site / "rules.yaml").write_text(text, encoding="utf-8")
    settings = load_settings(site / "maild.toml", {})
    ruleset = Rulebook(site / "rules.yaml", site / "var").load_at_start()
    version = Version(digest=ruleset.version, source=text, loaded_ms=loaded_ms, author=BY_HAND, reason="")
    carry_out(settings, record, version)
    return text


@pytest.fixture
def two_versions(site: Path) -> tuple[str, str]:
    first = serve(site, text_of(site))
    second = first.replace("teams:\n", f"teams:\n{KITA}").replace("info: {team: poststelle", "info: {team: kita")
    return first, serve(site, second)


def import_letters(maild: Maild, folder: Path, count: int) -> None:
    for number in range(count):
        path = folder / f"{number}.eml"
        path.write_bytes(LETTER % number)
        assert maild("import", path, "--to", INFO).code == 0


def test_the_history_lists_every_version_the_newest_first(maild: Maild, site: Path) -> None:
    empty = maild("rules", "history")
    assert (empty.code, empty.out, empty.err) == (1, "", "no rules have served yet\n")
    first = serve(site, text_of(site))
    serve(site, first + "# more\n")
    listed = maild("rules", "history")
    assert listed.code == 0
    assert [line.split()[:2] for line in listed.out.splitlines()] == [
        ["NUMBER", "SINCE"], ["2", "2026-09-21"], ["1", "2026-09-21"]
    ]  # fmt: skip
    newest, oldest = maild("rules", "history", "--json").objects
    assert set(newest) == {"number", "digest", "date", "author", "reason", "approved_by"}
    assert (newest["number"], oldest["number"], newest["date"]) == (2, 1, "2026-09-21T14:13:20Z")


def test_a_version_is_shown_octet_by_octet(maild: Maild, site: Path) -> None:
    serve(site, text_of(site) + "# Grüße\x09ohne Zeilenende")
    shown = maild("rules", "show", "1")
    assert shown.raw == (site / "rules.yaml").read_bytes()
    assert re.fullmatch(r"version 1, since 2026-09-2\d \d\d:13, by file\n", shown.err)
    (form,) = maild("rules", "show", "1", "--json").objects
    assert form["source"] == text_of(site)
    missing = maild("rules", "show", "2")
    assert (missing.code, missing.out) == (1, "")
    assert "there is no version 2 of the rules; `maild rules history` lists them" in missing.err
    assert maild("rules", "show", "x").code == 2


def test_texts_are_compared_line_by_line(maild: Maild, site: Path, two_versions: tuple[str, str]) -> None:
    shown = maild("rules", "diff", "1", "2", "--text")
    assert shown.code == 1
    assert shown.out.startswith("--- version 1\n+++ version 2\n@@ ")
    assert f"\n+{KITA}" in shown.out
    assert "\x1b" not in shown.out
    assert maild("rules", "diff", "1", "--text").out.startswith("--- version 2\n+++ version 1\n")
    (form,) = maild("rules", "diff", "1", "2", "--text", "--json").objects
    assert (form["same"], form["difference"]) == (False, shown.out)
    same = maild("rules", "diff", site / "rules.yaml", "--text")
    assert (same.code, same.out) == (0, "")


def test_a_text_that_would_be_refused_can_still_be_compared(
    maild: Maild, site: Path, two_versions: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "draft.yaml").write_text(two_versions[1].replace("fallback: poststelle", "fallback: kitta"))
    assert "+fallback: kitta" in maild("rules", "diff", "draft.yaml", "--text").out
    refused = maild("rules", "diff", "draft.yaml")
    assert (refused.code, refused.out) == (78, "")
    assert "draft.yaml:15:11: error[unknown-team]: team 'kitta'" in refused.err
    nowhere = maild("rules", "diff", "nowhere.yaml", "--text")
    assert nowhere.code == 78
    assert "nowhere.yaml:1:1: error[unreadable-file]" in nowhere.err


def test_wrong_usage_of_diff_is_told(maild: Maild, site: Path) -> None:
    assert maild("rules", "diff").code == 2
    assert maild("rules", "diff", "1", "2", "3").code == 2
    assert maild("rules", "diff", "1", "--text", "--since", "90d").code == 2
    assert maild("rules", "diff", "1", "--since", "soon").code == 2


def test_a_rehearsal_says_what_would_go_elsewhere_and_no_word_of_the_mail(
    maild: Maild, site: Path, two_versions: tuple[str, str], tmp_path: Path
) -> None:
    import_letters(maild, tmp_path, 4)
    shown = maild("rules", "diff", "1", "--since", "90d")
    assert shown.code == 1
    lines = shown.out.splitlines()
    assert lines[0] == "      4  kita → poststelle"
    assert lines[1] == "         by its address"
    assert [line.split()[-1] for line in lines[2:5]] == [INFO] * 3
    assert [line.split() for line in lines[6:9]] == [
        ["TEAM", "NOW", "THEN", "CHANGE"], ["kita", "4", "0", "-4"], ["poststelle", "0", "4", "+4"]
    ]  # fmt: skip
    assert "version 2 → version 1: 4 messages since " in shown.err
    assert "4 would fare differently" in shown.err
    assert "eheim" not in shown.out + shown.err
    assert "petra@" not in shown.out + shown.err
    assert all(maild("show", line.split()[0]).code == 0 for line in lines[2:5])


def test_a_rehearsal_has_a_form_for_programs_and_an_exit_code(
    maild: Maild, site: Path, two_versions: tuple[str, str], tmp_path: Path
) -> None:
    import_letters(maild, tmp_path, 2)
    (tmp_path / "draft.yaml").write_text(
        two_versions[1].replace("  info:", "  neu:")
        + "rules:\n  - id: alles\n    when: {subject: geheim}\n    then: {tag: neu}\n"
    )
    result = maild("rules", "diff", "draft.yaml", "--json")
    assert result.code == 1
    (form,) = result.objects
    assert (form["messages"], form["recipients"], form["changed"], form["unread"]) == (2, 2, 2, 0)
    (change,) = form["changes"]
    assert (change["count"], change["now"]["teams"], change["then"]["accepted"]) == (2, ["kita"], False)
    assert set(change["examples"][0]) == {"id", "date", "address"}
    assert form["unmatched"] == [{"address": INFO, "count": 2, "refused": True}]
    assert form["teams"] == {"kita": {"now": 2, "then": 0}}
    same = maild("rules", "diff", "2", "--json")
    assert (same.code, same.objects[0]["changed"], same.objects[0]["changes"]) == (0, 0, [])


def test_rules_whose_tests_fail_are_rehearsed_and_said_to_be_refused(
    maild: Maild, site: Path, two_versions: tuple[str, str], tmp_path: Path
) -> None:
    import_letters(maild, tmp_path, 2)
    fails = "tests: [{name: Alles eilt, mail: {to: info@musterstadt.example}, expect: {tags: [eilt]}}]\n"
    (tmp_path / "draft.yaml").write_text(two_versions[0] + fails)
    told = maild("rules", "diff", "draft.yaml")
    assert told.code == 78
    assert told.out.splitlines()[0] == "      2  kita → poststelle"
    said, found = told.err.splitlines()[-2:]
    assert said == "draft.yaml would be refused: its tests fail"
    assert "error[failed-test]" in found
    programs = maild("rules", "diff", "draft.yaml", "--json")
    assert (programs.code, programs.objects[0]["changed"]) == (78, 2)


def test_what_serves_is_compared_also_when_the_file_was_changed_since(
    maild: Maild, site: Path, two_versions: tuple[str, str], tmp_path: Path
) -> None:
    import_letters(maild, tmp_path, 1)
    (site / "rules.yaml").write_text(two_versions[0], encoding="utf-8")
    assert maild("rules", "diff", site / "rules.yaml").code == 1
    (site / "var" / "rules.last-good.json").unlink()
    assert "version 2 → " in maild("rules", "diff", site / "rules.yaml").err


def test_a_rollback_says_first_what_it_would_do(maild: Maild, site: Path, two_versions: tuple[str, str]) -> None:
    first = maild("rules", "rollback", "1", "--reason", "verlorene Post")
    assert first.code == 1
    assert f"\n-{KITA}" in first.out
    assert first.err == "would replace site/rules.yaml by version 1; --yes does it\n"
    assert text_of(site) == two_versions[1]
    assert len(maild("rules", "history", "--json").objects) == 2
    assert maild("rules", "rollback", "1", "--yes").code == 2
    assert maild("rules", "rollback", "1", "--reason", "  ", "--yes").code == 2
    assert maild("rules", "rollback", "9", "--reason", "x", "--yes").code == 1


def test_a_rollback_puts_the_old_text_back_and_is_signed(
    maild: Maild, site: Path, two_versions: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "petra")
    (site / "rules.yaml").chmod(0o640)
    done = maild("rules", "rollback", "1", "--reason", "verlorene Post", "--yes")
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines()[0] == "version 1 is back, as version 3"
    assert "no daemon runs here" in done.err
    assert (text_of(site), (site / "rules.yaml").stat().st_mode & 0o777) == (two_versions[0], 0o640)
    newest, _, oldest = maild("rules", "history", "--json").objects
    assert (newest["author"], newest["reason"]) == ("petra", "rollback to 1: verlorene Post")
    assert newest["digest"] == oldest["digest"]
    assert sorted(p.name for p in site.iterdir() if p.name.startswith("rules.yaml")) == ["rules.yaml"]


def test_a_link_to_the_rules_stays_a_link(maild: Maild, site: Path, two_versions: tuple[str, str]) -> None:
    (site / "git").mkdir()
    (site / "rules.yaml").rename(site / "git" / "map.yaml")
    (site / "rules.yaml").symlink_to("git/map.yaml")
    assert maild("rules", "rollback", "1", "--reason", "x", "--yes").code == 0
    assert (site / "rules.yaml").is_symlink()
    assert text_of(site) == two_versions[0]


def test_text_that_never_served_is_put_aside(maild: Maild, site: Path, two_versions: tuple[str, str]) -> None:
    draft = "# eine halbe Stunde Arbeit \xff\n".encode("latin-1")
    (site / "rules.yaml").write_bytes(draft)
    assert "holds text that never served" in maild("rules", "rollback", "1", "--reason", "x").err
    assert maild("rules", "rollback", "1", "--reason", "x", "--yes").code == 0
    (aside,) = site.glob("rules.yaml.*")
    assert (aside.read_bytes(), text_of(site)) == (draft, two_versions[0])


def test_a_version_that_would_not_load_today_is_not_put_back(maild: Maild, site: Path) -> None:
    (site / "sperr.txt").write_text("a@b.example\n")
    first = text_of(site)
    serve(site, f"{first}lists: {{sperr: {{file: sperr.txt}}}}\n")
    second = serve(site, first)
    (site / "sperr.txt").unlink()
    refused = maild("rules", "rollback", "1", "--reason", "x", "--yes")
    assert refused.code == 78
    assert "version 1 served once, but would not load today; nothing was changed" in refused.err
    assert "version 1:19:23: error[list-file]" in refused.err
    assert text_of(site) == second


def test_a_running_daemon_takes_a_rollback_up(maild: Maild, site: Path) -> None:
    first = text_of(site)
    with serving(site) as daemon:
        daemon.ready()
        (site / "rules.yaml").write_text(f"{first}# mehr\n", encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: len(maild("rules", "history", "--json").objects) == 2, "reloaded")
        done = maild("rules", "rollback", "1", "--reason", "zu viel", "--yes")
        assert done.code == 0, done.err
        assert done.err.splitlines() == ["version 1 is back, as version 3", "the daemon has taken it up"]
        until(lambda: len(daemon.events("rules.reloaded")) == 2, "reloaded again")
        assert maild("status", "--json").objects[0]["rules_version"] == 3
        assert maild("rules", "history", "--json").objects[0]["reason"] == "rollback to 1: zu viel"


def test_a_process_that_only_has_the_number_of_the_daemon_is_sent_nothing(
    maild: Maild, site: Path, two_versions: tuple[str, str]
) -> None:
    # A command line with the word in it, and the number in the lock's file: but the lock is nobody's.
    with subprocess.Popen([sys.executable, "-c", "input() # maild"], stdin=subprocess.PIPE) as other:
        (site / "var" / "lock").write_text(f"{other.pid}\n")
        done = maild("rules", "rollback", "1", "--reason", "x", "--yes")
        assert "no daemon runs here" in done.err
        assert other.poll() is None
        other.communicate(b"\n")
    assert other.returncode == 0


_KILLED = """
import os, signal, sys
from maild.cli.main import main

def kill(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("rules.yaml"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
main(["rules", "rollback", "1", "--reason", "x", "--yes"])
"""


def test_a_rollback_that_was_killed_can_be_repeated(maild: Maild, site: Path, two_versions: tuple[str, str]) -> None:
    environ = os.environ | {"MAILD_CONFIG": str(site / "maild.toml"), "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", _KILLED], check=False, env=environ, cwd=site, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert text_of(site) == two_versions[1]
    assert len(maild("rules", "history", "--json").objects) == 2
    assert maild("rules", "rollback", "1", "--reason", "x", "--yes").code == 0
    assert text_of(site) == two_versions[0]
    assert not (site / "rules.yaml.new").exists()


def test_archived_mail_is_filed_by_the_rules_of_today_beside_a_daemon_and_put_back(
    maild: Maild, site: Path, tmp_path: Path
) -> None:
    empty = maild("rules", "replays")
    assert (empty.code, empty.err) == (1, "nothing has been filed anew yet\n")

    def found(query: str) -> int:
        return len(maild("search", query, "--json").objects)

    with serving(site) as daemon:
        daemon.ready()
        import_letters(maild, tmp_path, 3)
        until(lambda: found("team:poststelle") == 3, "routed")
        text = text_of(site).replace("teams:\n", f"teams:\n{KITA}").replace("{team: poststelle", "{team: kita", 1)
        (site / "rules.yaml").write_text(text, encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: len(maild("rules", "history", "--json").objects) == 2, "reloaded")
        told = maild("rules", "replay", "--since", "3650d")
        assert (told.code, told.out.splitlines()[:2]) == (1, ["      3  poststelle → kita", "         by its address"])
        assert "version 2: 3 messages looked at: 3 would be filed anew; --yes does it" in told.err
        number = maild("search", "team:poststelle", "--json").objects[0]["id"]
        made = maild("rules", "make-test", number)
        assert (made.code, made.err) == (0, "")
        assert 'from: "a@example.org"\n' in made.out
        assert 'to: ["info@musterstadt.example"]\n    subject: "…"\n' in made.out
        assert "eheim" not in made.out
        log = [(each["act"], each["about"], each["team"]) for each in maild("audit", "export").objects if "act" in each]
        assert ("exported", number, "poststelle") in log
        done = maild("rules", "replay", "--query", "team:poststelle", "--yes", "--json")
        (form,) = done.objects
        assert [done.code, *(form[key] for key in ("replay", "messages", "changed", "kept", "unread"))] == [
            0,
            1,
            3,
            3,
            0,
            0,
        ]
        assert (found("team:poststelle"), found("team:kita")) == (0, 3)
        assert maild("rules", "replay", "--since", "3650d").code == 0
        (listed,) = maild("rules", "replays", "--json").objects
        assert [listed[key] for key in ("query", "messages", "ended", "taken_back")] == [
            "team:poststelle",
            3,
            True,
            None,
        ]
        assert "--query team:poststelle  3         holds" in maild("rules", "replays").out
        would = maild("rules", "replay", "--undo")
        assert (would.code, "3 messages would be put back; --yes does it" in would.err) == (1, True)
        undone = maild("rules", "replay", "--undo", "1", "--yes")
        assert (undone.code, "3 messages put back" in undone.err) == (0, True)
        assert (found("team:poststelle"), found("team:kita")) == (3, 0)
    assert "taken back" in maild("rules", "replays").out
    assert "there is no replay to take back" in maild("rules", "replay", "--undo").err


def test_what_a_rule_would_have_done_is_told(maild: Maild, site: Path) -> None:
    text = text_of(site) + "rules:\n  - {id: probe, mode: observe, when: {subject: eilt}, then: {tag: [a, b]}}\n"
    serve(site, text)
    told = maild("rules", "observed")
    assert (told.code, told.out) == (1, "probe: 0 of 0 messages, 0.0%\n")
    nobody = maild("rules", "observed", "nie")
    assert (nobody.code, nobody.err) == (1, "rule 'nie' does not observe, and never has\n")
    settings = load_settings(site / "maild.toml", {})
    taken = acceptance(1, to=(INFO,))
    message_id = carry_out(settings, accept, taken).message_id
    noted = filing(message_id)._replace(observations=(Observation("probe", INFO, ("tag a, b",)),))
    carry_out(settings, file, noted)
    none = maild("rules", "make-test", "7")
    assert none.code == 2
    told = maild("rules", "observed", "--since", "3650d")
    assert told.code == 0
    assert told.out.splitlines()[:2] == ["probe: 1 of 1 message, 100.0%", "      1  would have: tag a, b"]
    (form,) = maild("rules", "observed", "probe", "--json").objects
    assert (form["rule"], form["observes"], form["messages"], form["of"]) == ("probe", True, 1, 1)
    assert form["would"] == [{"actions": ["tag a, b"], "recipients": 1}]


@pytest.mark.parametrize(
    "arguments",
    [(), ("--yes",), ("--undo", "--since", "3d"), ("3", "--since", "3d"), ("--since", "soon"), ("--query", "(")],
)
def test_wrong_usage_of_replay_is_told(maild: Maild, site: Path, arguments: tuple[str, ...]) -> None:
    assert maild("rules", "replay", *arguments).code == 2


def test_where_two_must_agree_one_alone_rolls_nothing_back(
    maild: Maild, site: Path, two_versions: tuple[str, str]
) -> None:
    with (site / "maild.toml").open("a", encoding="utf-8") as file:
        file.write('\n[rules]\napproval = "two"\n')
    refused = maild("rules", "rollback", "1", "--reason", "x", "--yes")
    assert refused.code == 1
    assert "two people must agree" in refused.err
    assert "/rules/history/1" in refused.err
    assert text_of(site) == two_versions[1]


def test_a_save_in_the_browser_is_in_force_when_its_answer_comes(maild: Maild, site: Path) -> None:
    assert maild("grant", "petra", "rule-editor").code == 0
    new = text_of(site).replace("addresses:\n", "addresses:\n  neu: {team: poststelle}\n", 1)
    with serving(site) as daemon:
        address = f"http://127.0.0.1:{daemon.ready()['web']}"
        with httpx2.Client(base_url=address, timeout=60, headers={"accept-language": "de"}) as client:
            page = client.get("/login").text
            client.post("/login", data={"token": token_in(page), "login": "petra", "password": PASSWORD})
            sent = fields(client.get("/rules/edit").text, "/rules/review")
            reviewed = client.post("/rules/review", data={**sent, "text": new.replace("\n", "\r\n")})
            save = {**fields(reviewed.text, "/rules/save"), "reason": "neue Adresse"}
            assert client.post("/rules/save", data=save).headers["location"] == "/rules?saved=2"
        daemon.send("neu@musterstadt.example", "Subject: an die neue\r\n\r\nHallo\r\n")
        assert daemon.stop() == 0
        assert [event["number"] for event in daemon.events("rules.saved")] == [2]
    assert text_of(site) == new
    newest, _ = maild("rules", "history", "--json").objects
    assert (newest["author"], newest["reason"]) == ("petra", "neue Adresse")
