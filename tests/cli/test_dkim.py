"""`maild dkim`: keys are made, listed, published and retired; the doctor knows them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.shell import Maild
from tests.cli.test_doctor import answering

D = "musterstadt.example"


def test_keys_are_made_listed_and_retired(maild: Maild, site: Path) -> None:
    assert "there are no keys" in maild("dkim", "list").err
    assert f"doubt dkim: {D}: what leaves is not signed; `maild dkim new {D}`" in maild("doctor").out
    assert maild("dkim", "record", D).code == 1
    made = maild("dkim", "new", D.upper(), "--selector", "s1")
    assert made.code == 0
    assert made.out.startswith(f's1._domainkey.{D}. IN TXT "v=DKIM1; k=rsa; p=MII')
    assert max(len(piece) for piece in made.out.split('"')) <= 255
    assert maild("dkim", "new", D, "--kind", "ed25519").code == 0
    assert maild("dkim", "record", D).out.count("\n") == 2
    files = sorted((site / "var" / "dkim" / D).iterdir())
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    assert maild("dkim", "new", D, "--selector", "s1").code == 1
    assert "(ed25519), s1 (rsa)" in maild("doctor").out
    assert maild("dkim", "retire", D, "s1").code == 0
    assert maild("dkim", "retire", D, "s1").code == 1
    assert maild("dkim", "new", D, "--selector", "s1").code == 1, "receivers keep what they know of a name"
    states = {each["selector"]: each["state"] for each in maild("dkim", "list", "--json").objects}
    assert (states.pop("s1"), set(states.values())) == ("retired", {"signs"})
    files[0].write_bytes(b"")
    broken = maild("doctor")
    assert broken.code == 1
    assert f"bad   dkim: {D}: mail is not signed with e" in broken.out


def test_the_doctor_looks_for_the_records_of_our_own_keys(
    maild: Maild, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = maild("dkim", "new", D, "--selector", "ours").out.strip()
    with answering(monkeypatch):
        bad = next(each for each in maild("doctor", "--dns", D, "--json").objects if each["what"] == "DKIM ours")
    assert (bad["state"], bad["publish"]) == ("bad", [record])


@pytest.mark.parametrize(
    "arguments", [("new", "no domain"), ("new", D, "--kind", "dsa"), ("new", D, "--selector", "../x"), ("record", "..")]
)
def test_what_is_no_domain_selector_or_kind_makes_nothing(maild: Maild, site: Path, arguments: tuple[str, ...]) -> None:
    assert maild("dkim", *arguments).code in (1, 2)
    assert not (site / "var" / "dkim").exists()


def test_who_made_and_retired_a_key_stands_in_the_audit_log(maild: Maild, site: Path) -> None:
    maild("dkim", "new", D, "--selector", "s1", "--kind", "ed25519")
    maild("dkim", "retire", D, "s1")
    maild("dkim", "retire", D, "s1")  # it is none any more: nothing is done, and nothing said
    log = [each for each in maild("audit", "export").objects if each.get("act") == "maintained"]
    done = [(each["actor"], each["about"], json.loads(each["details"])) for each in log]
    assert [(actor, about, told["what"], told["selector"]) for actor, about, told in done] == [
        ("operator", D, "dkim key made", "s1"),
        ("operator", D, "dkim key retired", "s1"),
    ]
