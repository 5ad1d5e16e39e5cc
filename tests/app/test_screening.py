"""What of the settings is built: only what is set."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from maild.app.screening import make_screen, make_teacher
from maild.archive.database import Database
from maild.config import Settings
from maild.config.screening import BlockList, Blocklists, Clamav, Greylisting, Rspamd
from maild.mail.screening import UNAVAILABLE
from tests.screening.mails import Letter, envelope


def test_what_is_not_set_is_not_built(sqlite_database: Database) -> None:
    assert make_screen(Settings(), sqlite_database, None, lambda: 0) is None
    assert make_teacher(Settings(), sqlite_database, lambda: 0) is None


async def test_what_is_set_is_asked(sqlite_database: Database) -> None:
    nobody = "127.0.0.1:1"
    settings = Settings(
        rspamd=replace(Rspamd(), address=nobody, controller=nobody),
        clamav=replace(Clamav(), address=nobody),
        blocklists=replace(Blocklists(), lists=(BlockList(zone="bl.example"),)),
    )
    screen = make_screen(settings, sqlite_database, None, lambda: 0)
    assert screen is not None
    decision = await screen.look(envelope(), Letter())
    assert decision.screening is not None
    said = {(f.by, f.verdict, f.names) for f in decision.screening.findings}
    assert said == {
        ("clamav", UNAVAILABLE, ("nobody answers there",)),
        ("rspamd", UNAVAILABLE, ("nobody answers there",)),
        ("bl.example", UNAVAILABLE, ("no resolver",)),
    }
    assert make_teacher(settings, sqlite_database, lambda: 0) is not None


async def test_relays_in_front_are_no_strangers_and_asked_about_nowhere(sqlite_database: Database) -> None:
    relays = replace(Settings().smtp, trusted_relays=(ip_network("8.8.8.0/24"),))
    settings = Settings(
        smtp=relays,
        greylisting=replace(Greylisting(), enabled=True),
        blocklists=replace(Blocklists(), lists=(BlockList(zone="bl.example"),)),
    )
    screen = make_screen(settings, sqlite_database, None, lambda: 0)
    assert screen is not None
    assert await screen.look(envelope("8.8.8.25"), Letter()) == (None, None)
    reply = (await screen.look(envelope("8.8.9.25"), Letter())).reply
    assert reply is not None
    assert reply.code == 451
