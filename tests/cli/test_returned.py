"""`maild returned`: the register, for who runs maild."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import insert

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.schema_outgoing import returns
from tests.archive.samples import acceptance
from tests.cli.shell import Maild


def _fill(site: Path, team: str, number: int, recipient: str) -> None:
    database = Database("", site / "var")
    database.start()
    report_id = database.writer.submit(accept, acceptance(number)).result().message_id
    row = {
        "report_id": report_id, "position": 0, "recipient": recipient, "team": team, "action": "failed",
        "code": "5.1.1", "hard": 1, "reason": "user-unknown", "text": "550 no", "mailing": "=1+1", "at_ms": number,
    }  # fmt: skip
    with database.writing.begin() as connection:
        connection.execute(insert(returns).values(row))
    database.close()


def test_what_came_back_is_listed_by_inbox_as_text_table_and_json(maild: Maild, site: Path) -> None:
    assert (maild("returned").code, maild("returned").err) == (1, "nothing came back\n")
    _fill(site, "kita", 1, "\x1ba@there.example")
    _fill(site, "bauamt", 2, "b@there.example")
    listed = maild("returned", "--team", "kita")
    assert (listed.code, "\\x1ba@there.example  5.1.1  user-unknown  hard  kita" in listed.out) == (0, True)
    assert "b@there.example" not in listed.out
    assert [each["recipient"] for each in maild("returned", "--json").objects] == ["b@there.example",
                                                                                  "\x1ba@there.example"]  # fmt: skip
    table = maild("returned", "--csv", "--team", "bauamt").out
    assert table.splitlines()[1].startswith("bauamt,'=1+1,b@there.example,5.1.1,user-unknown,hard,")
    assert maild("returned", "--team", "nobody").code == 1
    assert maild("returned", "--csv", "--json").code == 2
