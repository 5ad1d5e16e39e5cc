from __future__ import annotations

from pathlib import Path

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.filing import file
from maild.rules.duties import Duty
from tests.archive.samples import acceptance, filing
from tests.cli.shell import Maild

ASKED = (Duty("poststelle", "hold", "Bitte\x1banrufen", "h"), Duty("poststelle", "forward", "a@b.example", "f"))


def fill(site: Path, *asked: Duty) -> None:
    database = Database("", site / "var")
    database.start()
    message_id = database.writer.submit(accept, acceptance(1)).result().message_id
    database.writer.submit(file, filing(message_id, duties=asked)).result()
    database.close()


def ids(maild: Maild) -> dict[str, str]:
    return {duty["kind"]: str(duty["id"]) for duty in maild("queue", "list", "--json").objects}


def test_an_empty_queue_is_no_error(maild: Maild, site: Path) -> None:
    result = maild("queue", "list")
    assert (result.code, result.out, result.err) == (0, "", "nothing waits\n")


def test_what_waits_is_listed_shown_released_and_given_up(maild: Maild, site: Path) -> None:
    fill(site, *ASKED)
    assert "queue     2 to do, 1 of it held mail" in maild("status").out
    listed = maild("queue", "list")
    assert "\x1b" not in listed.out
    held = next(line for line in listed.out.splitlines() if "a@b.example" in line)
    assert held.endswith("rule f  held")
    hold, forward = ids(maild)["hold"], ids(maild)["forward"]
    (shown,) = maild("queue", "show", forward, "--json").objects
    assert (shown["kind"], shown["target"], shown["held"], shown["ended_by"]) == ("forward", "a@b.example", True, None)
    assert "state     waiting, held" in maild("queue", "show", forward).out
    assert maild("queue", "release", hold).code == 0
    assert (again := maild("queue", "release", hold)).code == 1
    assert "released before" in again.err
    asked = maild("queue", "drop", forward)
    assert (asked.code, "--yes does it" in asked.err) == (1, True)
    assert list(ids(maild)) == ["forward"]
    assert maild("queue", "drop", forward, "--yes").code == 0
    assert maild("queue", "list").out == ""
    assert "dropped by " in maild("queue", "show", forward).out
    assert maild("queue", "drop", forward, "--yes").code == 1


def test_only_a_hold_is_released_and_none_is_dropped_while_something_waits_for_it(maild: Maild, site: Path) -> None:
    fill(site, *ASKED)
    assert "is no hold" in maild("queue", "release", ids(maild)["forward"]).err
    refused = maild("queue", "drop", ids(maild)["hold"], "--yes")
    assert (refused.code, "release it" in refused.err) == (1, True)
    assert maild("queue", "show", "4711").code == 1


def test_route_names_what_the_rules_the_address_and_the_team_ask_for(maild: Maild, site: Path, letter: Path) -> None:
    text = (site / "rules.yaml").read_text(encoding="utf-8")
    text += "rules:\n  - {id: h, then: {hold: Vorsicht, forward: x@y.example}}\n"
    (site / "rules.yaml").write_text(text, encoding="utf-8")
    (result,) = maild("route", letter, "--to", "info@musterstadt.example", "--json").objects
    assert result["actions"] == ["hold", "forward x@y.example"]
    assert "  action: forward x@y.example" in maild("route", letter, "--to", "info@musterstadt.example").out
