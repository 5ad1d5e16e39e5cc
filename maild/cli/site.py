"""A new site: its two files, its data directory, its first administrator."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from maild.archive.accounts import NewGrant, NewUser, add_grants, add_users
from maild.archive.audit import Audited, carry_out
from maild.cli.rules import load_rules
from maild.cli.store import by_operator, create, writing
from maild.cli.times import now_ms
from maild.config import Settings, load_settings
from maild.errors import AddressError, MaildError
from maild.mail.acts import Act
from maild.mail.address import parse_domain
from maild.policy.roles import Role

_SETTINGS = """\
# How maild runs. Each setting, with its default, is in docs/settings.md; `maild check` reads this file.
# Paths are relative to this file. MAILD_<SECTION>__<KEY> in the environment overrides a setting.

[server]
# hostname = "mail.{domain}"        # as the DNS knows this machine
rules = "rules.yaml"
{data_dir}
[smtp]
listen = ["127.0.0.1:8025"]         # in production: ["0.0.0.0:25", "[::]:25"]

[web]
listen = "127.0.0.1:8080"           # behind a reverse proxy that speaks HTTPS
# base_url = "https://post.{domain}"

# [tls]                             # STARTTLS; both files are read again when they change
# cert_file = "/etc/letsencrypt/live/mail.{domain}/fullchain.pem"
# key_file = "/etc/letsencrypt/live/mail.{domain}/privkey.pem"
"""

_RULES = """\
# What happens to mail. `maild check` reads this file; a file with an error changes nothing.
version: 1

organisation:
  name: {domain}
  language: de                      # of generated mail and pages: de or en
  timezone: Europe/Berlin

domains: [{domain}]

teams:
  poststelle: {{name: Zentrale Poststelle}}

fallback: poststelle                # where mail goes that nothing else claims
unknown_recipient: reject           # or: fallback

addresses:
  info: {{team: poststelle, title: Allgemeine Anfragen}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """The first account; `password` is a PHC string."""

    login: str
    password: str


def check_empty(folder: Path) -> None:
    """Refuse a folder that holds something."""
    if folder.exists() and not folder.is_dir():
        raise MaildError(f"{folder} is a file; name a new folder")
    if folder.is_dir() and (found := next(folder.iterdir(), None)) is not None:
        raise MaildError(f"{folder} is not empty ({found.name} is in it); name a new folder. Nothing was changed")


def check_domain(text: str) -> str:
    """Return the domain in its canonical form."""
    try:
        return parse_domain(text.strip().removeprefix("@"))
    except AddressError:
        raise click.UsageError(f"'{text}' is not a domain such as musterstadt.example") from None


def make_site(folder: Path, domain: str, administrator: Administrator) -> Settings:
    """Write everything, or, when something fails, nothing."""
    is_system = folder.absolute() == Path("/etc/maild")
    data_dir = "" if is_system else 'data_dir = "var"\n'
    with _undone_on_failure(folder) as undo:
        (folder / "maild.toml").write_text(_SETTINGS.format(domain=domain, data_dir=data_dir), encoding="utf-8")
        (folder / "rules.yaml").write_text(_RULES.format(domain=domain), encoding="utf-8")
        settings = load_settings(folder / "maild.toml", os.environ)
        rules = load_rules(settings)
        create(settings)
        _add_administrator(settings, administrator, rules.fallback)
        undo.pop_all()
    return settings


def _undone_on_failure(folder: Path) -> ExitStack:
    undo = ExitStack()
    if folder.exists():
        undo.callback(_empty, folder)
    else:
        folder.mkdir(parents=True)
        undo.callback(shutil.rmtree, folder)
    return undo


def _empty(folder: Path) -> None:
    for child in folder.iterdir():
        if child.is_dir():
            shutil.rmtree(child)
        else:
            child.unlink()


def _add_administrator(settings: Settings, administrator: Administrator, team: str) -> None:
    now = now_ms()
    new = NewUser(login=administrator.login, name="", mail=None, password=administrator.password, created_ms=now)
    with writing(settings) as database:
        made = by_operator(Act.ACCOUNT, administrator.login)
        database.writer.submit(carry_out, Audited(unit=add_users, argument=new, records=(made,))).result()
        for role, place in ((Role.ADMINISTRATOR, None), (Role.MANAGER, team)):
            grant = NewGrant(
                login=administrator.login, role=role, team=place, from_ms=now, until_ms=None, granted_by="maild init"
            )
            given = by_operator(Act.GRANTED, administrator.login, team=place or "", role=str(role))
            database.writer.submit(carry_out, Audited(unit=add_grants, argument=grant, records=(given,))).result()
