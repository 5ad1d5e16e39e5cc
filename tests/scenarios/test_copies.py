"""Answering a copy, the whole way: by SMTP in and out, with the real daemon, a DNS, and a next hop."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

from maild.mail.message import decoded, parse
from maild.mail.reading import facts_of
from tests.delivery.sink import Mail, Sink
from tests.dns_server import DnsServer
from tests.scenarios.site import PASSWORD, RULES, Site
from tests.scenarios.wire import Peer

KITA = "kita.platzvergabe@musterstadt.example"
CITIZEN = "petra@verein.example"
MEMBER = "kira@stadtwerke.example"
OURS = '"v=spf1 ip4:127.0.0.1 -all"'
DOMAINS = ("stadtwerke.example", "verein.example")
ZONE = {name: {"TXT": [OURS]} for name in DOMAINS}
ZONE |= {f"_dmarc.{name}": {"TXT": ['"v=DMARC1; p=reject"']} for name in DOMAINS}
SETTINGS = """
[authentication]
own_networks = []
[dns]
resolvers = ["127.0.0.1:{dns}"]
[outbound]
smarthost = "127.0.0.1:{sink}"
"""
LETTER = (
    f"From: Petra Muster <{CITIZEN}>\r\nTo: {KITA}\r\nMessage-ID: <frage{{0}}@verein.example>\r\n"
    f"Subject: Platz {{0}}\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nIst ein Platz frei?\r\n"
)
BOUNDARY = "b0undary"


async def test_a_member_answers_a_copy_and_the_citizen_hears_from_the_office(tmp_path: Path) -> None:
    async with Sink() as sink, DnsServer(ZONE) as names:
        await asyncio.to_thread(_answered, tmp_path, sink, names)


def _answered(tmp_path: Path, sink: Sink, names: DnsServer) -> None:
    site = Site(tmp_path)
    settings = site.directory / "maild.toml"
    settings.write_text(settings.read_text() + SETTINGS.format(dns=names.address.port, sink=sink.port))
    (site.directory / "rules.yaml").write_text(RULES.replace("Platzvergabe}", "Platzvergabe, copies: allowed}", 1))
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    site.maild("user", "add", "kira", "--name", "Kira Kern", "--mail", MEMBER, "--password-file", str(password))
    site.maild("grant", "kira", "kita", "responder")
    site.maild("grant", "admin", "kita", "responder")
    site.maild("user", "copies", "kira", "kita", "on")
    site.start()
    try:
        _exchange(site, sink)
    finally:
        site.stop()


def _exchange(site: Site, sink: Sink) -> None:
    token, key = _copied(site, sink, 1)
    sent = _reply(token, key, f"Ja, einer.\r\n\r\nAm 22.11.2026 um 10:00 schrieb Petra Muster über Kita <{token}>:\r\n"
                  f"> Ist ein Platz frei? {token}\r\n-- \r\nKira privat, Tel. 0170\r\n")  # fmt: skip
    _send(site, sent, token)
    answer = _one(sink, lambda mail: mail.recipients == [CITIZEN])
    facts = facts_of(answer.octets)
    assert facts.text.split() == ["Ja,", "einer."]
    assert [each.mail for each in facts.senders] == [KITA]
    assert "frage1@verein.example" in facts.references
    assert [(each.name, each.media_type) for each in facts.attachments] == [("plan.pdf", "application/pdf")]
    assert _file(answer.octets) == b"%PDF-1.4 \x00\xff plan"
    for secret in (token.partition("@")[0].partition("+")[2], MEMBER, "0170", "Kira"):
        assert secret.lower().encode() not in answer.octets.lower()
    assert answer.sender.startswith("MAIL FROM:<bounces+r1.")

    browser = site.browser()
    page = _page(browser, lambda text: "Platz 1" in text)
    assert "Ja, einer." in page
    assert (
        "Nicht mitgesendet: Zeilen Zitat: 2, Zeilen Signatur oder Fußzeile: 1." in page
    )  # for colleagues, and for nobody outside

    # What a machine writes to the same address, and what a stranger does, reaches nobody.
    before = len(sink.mails)
    away = _reply(token, key, "Ich bin im Urlaub.\r\n").replace(
        b"Subject:", b"Auto-Submitted: auto-replied\r\nSubject:"
    )
    _send(site, away, token)
    _send(site, _reply(token, key, "Ich bin Kira!\r\n").replace(MEMBER.encode(), b"eve@verein.example"), token,
          sender="eve@verein.example")  # fmt: skip
    drafts = _page(browser, lambda text: "kam per Mail, nicht gesendet" in text, "/drafts")
    assert drafts.count("kam per Mail, nicht gesendet") == 1
    assert len(sink.mails) == before

    # A right withdrawn a second ago: held, and who wrote hears why, in their own mailbox.
    token, key = _copied(site, sink, 2)
    site.maild("grant", "kira", "kita", "responder", "--revoke", "--yes")
    site.maild("grant", "kira", "kita", "reader")
    _send(site, _reply(token, key, "Geheime Zusage\r\n"), token)
    notice = _one(sink, lambda mail: b"Nicht gesendet" in mail.octets or b"Auto-Submitted: auto-replied" in mail.octets)
    assert (notice.recipients, notice.sender[:13]) == ([MEMBER], "MAIL FROM:<> ")
    assert "Sie dürfen für dieses Team nicht mehr antworten" in facts_of(notice.octets).text
    drafts = _page(browser, lambda text: text.count("kam per Mail, nicht gesendet") == 2, "/drafts")
    number = re.findall(r'href="/drafts/(\w+)"', drafts)[0]
    assert "Geheime Zusage" in browser.get(f"/drafts/{number}").text
    assert not any(b"Zusage" in mail.octets for mail in sink.mails)


def _copied(site: Site, sink: Sink, number: int) -> tuple[str, str]:
    """Have the citizen write; return the reply address of the copy, and its Message-ID."""
    with Peer(site.smtp_port) as peer:
        peer.send(LETTER.format(number).encode(), to=KITA, sender=CITIZEN)
    copy = _one(sink, lambda mail: mail.recipients == [MEMBER] and f"frage{number}@".encode() in mail.octets)
    facts = facts_of(copy.octets)
    assert copy.sender.startswith("MAIL FROM:<> ")
    assert facts.text.strip() == "Ist ein Platz frei?"
    assert [(each.name, each.mail) for each in facts.senders] == [("Petra Muster über Kita-Platzvergabe", KITA)]
    assert facts.auto_submitted
    assert facts.references == (f"frage{number}@verein.example",)
    (reply_to,) = facts.reply_to
    assert reply_to.mail.startswith("reply+c1.")
    return reply_to.mail, facts.message_key or ""


def _reply(token: str, key: str, body: str) -> bytes:
    return (
        f"From: Kira Kern <{MEMBER}>\r\nTo: <{token}>\r\nSubject: AW: Platz\r\n"
        f"Message-ID: <{time.monotonic_ns()}@s.example>\r\nIn-Reply-To: <{key}>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary={BOUNDARY}\r\n\r\n"
        f"--{BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n--{BOUNDARY}\r\n"
        "Content-Type: application/pdf; name=plan.pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQgAP8gcGxhbg==\r\n--{BOUNDARY}--\r\n"
    ).encode()


def _send(site: Site, octets: bytes, to: str, sender: str = MEMBER) -> None:
    with Peer(site.smtp_port) as peer:
        peer.send(octets, to=to, sender=sender)


def _one(sink: Sink, wanted: Callable[[Mail], bool]) -> Mail:
    deadline = time.monotonic() + 60
    while not (found := [mail for mail in sink.mails if wanted(mail)]):
        assert time.monotonic() < deadline, [mail.recipients for mail in sink.mails]
        time.sleep(0.05)
    (mail,) = found
    return mail


def _page(browser: object, wanted: Callable[[str], bool], path: str = "/inbox/kita?state=waiting") -> str:
    """Return a page as soon as it says what is wanted; of an inbox, its first conversation."""
    deadline = time.monotonic() + 60
    while not wanted(page := browser.get(path).text):  # type: ignore[attr-defined]  # a client of the site
        assert time.monotonic() < deadline, page[-3000:]
        time.sleep(0.05)
    if path == "/drafts":
        return str(page)
    (reference,) = set(re.findall(r'href="(/c/[0-9A-Z-]{9})', page))
    return str(browser.get(reference).text)  # type: ignore[attr-defined]


def _file(octets: bytes) -> bytes:
    message = parse(octets)
    (part,) = [each for each in message.root.walk() if each.media_type == "application/pdf"]
    return decoded(octets, part)
