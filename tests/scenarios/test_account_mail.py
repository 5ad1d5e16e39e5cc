"""A code for an account elsewhere, through the whole program: whose inbox has it, and that it is not answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.cli.daemons import until
from tests.scenarios.site import RULES, Site
from tests.scenarios.wire import Peer

CODE = b"From: konto@dienst.example\r\nSubject: Ihr Code lautet 482913\r\nMessage-ID: <%d@dienst.example>\r\n\r\nx\r\n"
ANSWERING = (
    RULES.replace("title: Kita-Platzvergabe}", "title: Kita-Platzvergabe, acknowledge: eingang}").replace(
        "title: Allgemeine Anfragen}", "title: Allgemeine Anfragen, acknowledge: eingang}"
    )
    + "templates: {eingang: {text: da}}\n"
)


async def test_the_leads_have_it_where_there_are_some_and_the_team_where_there_are_none(tmp_path: Path) -> None:
    await asyncio.to_thread(_told, tmp_path)


def _told(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (site.directory / "rules.yaml").write_text(ANSWERING)
    site.maild("user", "add", "lena", "--password-file", str(tmp_path / "password"))
    site.maild("grant", "lena", "kita", "manager")
    site.start()
    try:
        with Peer(site.smtp_port) as peer:
            led = peer.send(CODE % 1, to="kita.platzvergabe@musterstadt.example")
            shared = peer.send(CODE % 2, to="info@musterstadt.example")
        admin, lena = site.browser(), site.browser("lena")
        until(lambda: lena.get(f"/m/{led}").status_code == 200, "the lead has it")
        until(lambda: admin.get(f"/m/{shared}").status_code == 200, "the team has it")
        assert admin.get(f"/m/{led}").status_code == 404
        assert site.maild("queue", "list", "--json") == b""
    finally:
        site.stop()
