"""The folder of a demo: settings, the example rules, an archive, and people with passwords that can be shown."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from maild.archive.accounts import NewGrant, NewUser, add_grants, add_users
from maild.archive.passwords import Cost, hash_password
from maild.cli.site import check_empty
from maild.cli.store import create, writing
from maild.cli.times import now_ms
from maild.config import Endpoint, Settings, load_settings
from maild.errors import MaildError
from maild.policy.roles import Role

DOMAIN = "musterstadt.example"
_PEOPLE_FILE = "people.json"
_SETTINGS = """\
# A demo of maild. Its people and their passwords are in people.json; remove this folder to be rid of it.
[server]
hostname = "mail.musterstadt.example"

[log]
level = "warning"
"""
_WORDS = ["ahorn", "birke", "esche", "fichte", "hasel", "kiefer", "linde", "pappel", "tanne", "ulme", "weide", "zeder"]
# Passwords of a demo lie beside it in a file: a hash that costs little protects them as well as a dear one.
_SINCE_MS = 365 * 86_400_000  # nobody of them is new: the inbox is what opens first
_COST = Cost(memory_kib=8_192, iterations=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone of the town hall: the teams are those of rules.example.yaml."""

    login: str
    name: str
    grants: tuple[tuple[str | None, Role], ...]


PEOPLE = (
    Person(
        login="petra",
        name="Petra Muster",
        grants=(
            ("poststelle", Role.MANAGER),
            ("kita", Role.MANAGER),
            ("buergerbuero", Role.MANAGER),
            (None, Role.ADMINISTRATOR),
            (None, Role.RULE_EDITOR),
        ),
    ),
    Person(login="kim", name="Kim Arslan", grants=(("kita", Role.RESPONDER), ("jugendamt.leitung", Role.READER))),
    Person(login="jan", name="Jan Becker", grants=(("buergerbuero", Role.RESPONDER), ("mitglieder", Role.READER))),
)


def example_rules() -> str:
    """Return rules.example.yaml: from the package, or from the sources that this runs in."""
    inside = Path(__file__).with_name("rules.example.yaml")
    beside = Path(__file__).parent.parent.parent / "rules.example.yaml"
    return (inside if inside.exists() else beside).read_text(encoding="utf-8")


def prepare(folder: Path) -> tuple[Settings, dict[str, str], bool]:
    """Return the settings of the demo, the passwords by login, and whether it was made now."""
    people = folder / _PEOPLE_FILE
    is_new = not people.exists()
    if is_new:
        check_empty(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "maild.toml").write_text(_SETTINGS, encoding="utf-8")
        (folder / "rules.yaml").write_text(example_rules(), encoding="utf-8")
    settings = _on_free_ports(load_settings(folder / "maild.toml", os.environ))
    if is_new:
        create(settings)
        passwords = _add_people(settings)
        people.write_text(json.dumps(passwords, indent=2), encoding="utf-8")
    return settings, json.loads(people.read_text(encoding="utf-8")), is_new


def _on_free_ports(settings: Settings) -> Settings:
    if len(settings.smtp.listen) != 1:
        raise MaildError("the demo listens on one address; take the others out of [smtp] listen")
    smtp = replace(settings.smtp, listen=(_free(settings.smtp.listen[0]),))
    return replace(settings, smtp=smtp, web=replace(settings.web, listen=_free(settings.web.listen)))


def _free(wanted: Endpoint) -> Endpoint:
    for port in (wanted.port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((wanted.host, port))
            except OSError:
                continue
            return Endpoint(host=wanted.host, port=probe.getsockname()[1])
    return wanted


def _add_people(settings: Settings) -> dict[str, str]:
    passwords = {person.login: "-".join(secrets.choice(_WORDS) for _ in range(4)) for person in PEOPLE}
    now = now_ms()
    with writing(settings) as database:
        for person in PEOPLE:
            hashed = hash_password(passwords[person.login], _COST)
            new = NewUser(login=person.login, name=person.name, mail=None, password=hashed, created_ms=now)
            database.writer.submit(add_users, new).result()
            for team, role in person.grants:
                grant = NewGrant(
                    login=person.login, role=role, team=team, from_ms=now - _SINCE_MS, until_ms=None,
                    granted_by="maild demo",
                )  # fmt: skip
                database.writer.submit(add_grants, grant).result()
    return passwords
