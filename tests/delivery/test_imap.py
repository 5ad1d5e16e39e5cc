"""Dovecot as the server of a shared folder: what was appended is there once, whatever breaks in between."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme

from maild.archive.database import Database
from maild.delivery.courier import Attempt, Courier, Load
from maild.delivery.deliveries import IMAP
from maild.delivery.imap_courier import ImapCourier
from maild.delivery.outcome import Outcome
from maild.delivery.tls import Contexts
from maild.mail.imap_place import ImapPlace, parse_place, wire_folder
from maild.rules.duties import Duty
from tests.delivery.post import DAY_MS, LETTER, Post, letter, out
from tests.ports import free_port

FOLDER = "Geteilt/Bürgerbüro & Co"
real = [
    pytest.mark.needs("dovecot-imapd"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Dovecot starts as root only"),
]
_DOVECOT = """\
protocols = imap
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
mail_location = maildir:{home}/mail/%n
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {home}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={home}/mail/%n
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {tls_port}
  }}
}}
"""


@dataclass
class Dovecot:
    home: Path
    port: int
    tls_port: int

    def kept(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.home / "mail").rglob("cur/*")) +
                sorted((self.home / "mail").rglob("new/*"))]  # fmt: skip


@pytest.fixture(scope="module")
def dovecot(authority: trustme.CA) -> Iterator[Dovecot]:
    home = Path(tempfile.mkdtemp(prefix="maild-imap-"))
    home.chmod(0o755)
    for made in ("run", "state", "mail"):
        (home / made).mkdir()
    shutil.chown(home / "mail", "nobody", "nogroup")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(str(home / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(home / "cert.pem"))
    (home / "users").write_text("kita:geheim\n")
    found = Dovecot(home, free_port(), free_port())
    configuration = home / "dovecot.conf"
    configuration.write_text(_DOVECOT.format(home=home, port=found.port, tls_port=found.tls_port))
    program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program is not None
    server = subprocess.Popen([program, "-F", "-c", str(configuration)])
    try:
        courier = ImapCourier(hostname="x", passwords=_passwords(home), contexts=_contexts(authority))
        place = place_of(found.port)
        until = time.monotonic() + 60
        while True:
            try:
                session = courier._session(place)
                break
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        assert session.create(wire_folder(FOLDER))[0] == "OK"
        session.logout()
        yield found
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(home, ignore_errors=True)


def _passwords(folder: Path, text: str = "geheim\n") -> Path:
    made = folder / "imap"
    made.mkdir(exist_ok=True)
    for host in ("127.0.0.1", "localhost"):
        (made / f"kita@{host}").write_text(text)
    return made


def _contexts(authority: trustme.CA) -> Contexts:
    return Contexts(authority.cert_pem.bytes().decode())


def place_of(port: int, folder: str = FOLDER, host: str = "127.0.0.1") -> ImapPlace:
    return ImapPlace(host=host, port=port, user="kita", folder=folder)


def post_of(database: Database, authority: trustme.CA, folder: Path, password: str = "geheim\n") -> Post:
    courier = ImapCourier(hostname="mx.x", passwords=_passwords(folder, password), contexts=_contexts(authority))
    return Post(database, couriers={IMAP: courier})


@asynccontextmanager
async def cutting(port: int, when: Callable[[bytes], bool]) -> AsyncIterator[int]:
    """Stand between, and cut the connection as soon as the server says something of a kind."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)

        async def up() -> None:
            while octets := await reader.read(65_536):
                back.write(octets)

        async def down() -> None:
            while (octets := await there.read(65_536)) and not when(octets):
                writer.write(octets)

        ways = [asyncio.create_task(up()), asyncio.create_task(down())]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        writer.transport.abort()
        back.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


class TestDovecot:
    pytestmark = real

    async def test_a_letter_is_put_into_the_folder_of_the_team(
        self, dovecot: Dovecot, sqlite_database: Database, authority: trustme.CA, tmp_path: Path
    ) -> None:
        before = len(dovecot.kept())
        target = f"imap:{place_of(dovecot.port).text}"
        message_id = letter(sqlite_database, Duty("kita", "also-deliver", target, ""), octets=LETTER + b"x\ny\0z\r")
        post = post_of(sqlite_database, authority, tmp_path)
        await post.turn()
        (found,) = post.deliveries(message_id)
        assert found.state == "delivered", found.outcome
        *_, content = sorted(dovecot.kept(), key=len)
        assert len(dovecot.kept()) == before + 1
        plain = content.replace(b"\r\n", b"\n")
        assert plain.startswith(b"Maild-Delivery: D")
        assert b"\nDelivered-To: kita@musterstadt.example\n" in plain
        assert plain.endswith(LETTER.replace(b"\r\n", b"\n") + b"x\nyz\n")

    async def test_a_connection_that_breaks_leaves_one_copy(
        self, dovecot: Dovecot, sqlite_database: Database, authority: trustme.CA, tmp_path: Path
    ) -> None:
        before = len(dovecot.kept())
        for number, when in enumerate((b"append completed", b"+ ok")):  # behind the APPEND; in its middle
            async with cutting(dovecot.port, lambda octets, when=when: when in octets.lower()) as port:  # type: ignore[misc]
                place = place_of(port)
                message_id = out(sqlite_database, ("kita@x.example",), kind=IMAP, next_hop=place.text, number=number)
                post = post_of(sqlite_database, authority, tmp_path)
                await post.turn()
                assert post.states(message_id) == ["deferred"]
            async with cutting(dovecot.port, lambda _octets: False) as other:
                elsewhere = _Elsewhere(post.worker._couriers[IMAP], port, other)
                post = Post(sqlite_database, couriers={IMAP: elsewhere}, now_ms=post.now_ms + DAY_MS)
                await post.turn()
            assert post.states(message_id) == ["delivered"]
            assert len(dovecot.kept()) == before + number + 1

    async def test_what_can_be_set_right_is_tried_again(
        self, dovecot: Dovecot, sqlite_database: Database, authority: trustme.CA, tmp_path: Path
    ) -> None:
        for number, (folder, password) in enumerate((("Nowhere", "geheim\n"), (FOLDER, "falsch\n"))):
            place = place_of(dovecot.port, folder)
            message_id = out(sqlite_database, ("kita@x.example",), kind=IMAP, next_hop=place.text, number=number)
            post = post_of(sqlite_database, authority, tmp_path, password)
            await post.turn()
            (found,) = post.deliveries(message_id)
            assert found.state == "deferred"
            assert found.outcome
            assert "falsch" not in found.outcome

    def test_tls_wants_a_good_certificate(
        self, dovecot: Dovecot, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("maild.delivery.imap_courier.TLS_PORT", dovecot.tls_port)
        passwords = _passwords(tmp_path)
        good = ImapCourier(hostname="x", passwords=passwords, contexts=_contexts(authority))
        good._session(place_of(dovecot.tls_port)).logout()
        stranger = ImapCourier(hostname="x", passwords=passwords, contexts=Contexts())
        with pytest.raises(Exception, match="certificate verify failed"):
            stranger._session(place_of(dovecot.tls_port))


class _Elsewhere:
    """The same courier, led to another port: a broken way that was mended."""

    def __init__(self, courier: Courier, port: int, other: int) -> None:
        self._courier, self._ports = courier, (f":{port}/", f":{other}/")

    async def deliver(self, load: Load, attempt: Attempt) -> dict[int, Outcome]:
        there = [replace(each, next_hop=each.next_hop.replace(*self._ports)) for each in load.deliveries]
        return await self._courier.deliver(replace(load, deliveries=tuple(there)), attempt)

    def close(self) -> None:
        self._courier.close()


async def test_no_password_is_said_in_the_clear_beyond_this_machine_or_to_another_host(
    sqlite_database: Database, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n")
        async for line in reader:
            heard.append(line)
            tag = line.split(b" ")[0]
            if b"CAPABILITY" in line:
                writer.write(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + tag + b" OK done\r\n")
            else:
                writer.write(tag + b" BAD no\r\n")
        writer.close()

    monkeypatch.setattr("maild.delivery.imap_courier._is_here", lambda _session: False)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        post = post_of(sqlite_database, authority, tmp_path)
        for number, place in enumerate((place_of(port), ImapPlace(host="127.0.0.1", port=port, user="..", folder="f"))):
            message_id = out(sqlite_database, ("k@x.example",), kind=IMAP, next_hop=place.text, number=number)
            await post.turn()
            assert post.states(message_id) == ["deferred"]
    assert not any(b"AUTHENTICATE" in line or b"LOGIN" in line for line in heard)


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("INBOX", '"INBOX"'), ("Geteilt/Kita", '"Geteilt/Kita"'), ("Bürger", '"B&APw-rger"'), ("A&B", '"A&-B"'),
        ('a"b\\c', '"a\\"b\\\\c"'), ("~peter/mail/台北/日本語", '"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'),
    ],
)  # fmt: skip
def test_names_of_folders_are_written_as_servers_have_them(name: str, wire: str) -> None:
    assert wire_folder(name) == wire


@pytest.mark.parametrize("name", ["", "a\r\nb", "a\0b", "\x7f"])
def test_no_name_of_a_folder_is_a_second_command(name: str) -> None:
    with pytest.raises(ValueError, match="no folder"):
        wire_folder(name)


def test_a_place_is_read_as_it_was_written() -> None:
    for place in (place_of(993), ImapPlace(host="::1", port=143, user="k/ita@x.example", folder="A b/@:Ä%2F?")):
        assert parse_place(place.text) == place
    assert "/" not in ImapPlace(host="h", port=1, user="../../etc/x", folder="f").password_name
