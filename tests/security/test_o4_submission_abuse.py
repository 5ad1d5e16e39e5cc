"""O4: a stolen account, or a stranger, at the door of mail programs.

Expected: nothing leaves in a name that the account may not answer for, in whatever form the name is written; ten
thousand recipients end at the limit of an hour; guessing is slowed and then refused, and colleagues behind the same
address go on; a password in the clear is not taken.
"""

from __future__ import annotations

import tracemalloc
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from maild.archive.database import Database
from maild.archive.schema_outgoing import deliveries, outgoing
from maild.intake.mail_programs import Account
from maild.mail.address import parse_address
from maild.mail.handed_in import tidied
from maild.mail.reply import Reply
from maild.mail.subject import marked_subject
from maild.policy.throttle import FREE_TRIES_ORIGIN
from maild.smtp.limits import Limits
from maild.web.opening import without_body
from tests.intake.programs import KITA, PETRA, Programs
from tests.smtp.room import Wire

MINE = KITA
FOREIGN = [
    "From: info@musterstadt.example",
    "From: Bauamt <info@musterstadt.example>",
    "From: jonas@musterstadt.example",
    "From: chef@bank.example",
    f"From: {MINE}\r\nFrom: chef@bank.example",
    f"From: chef@bank.example\r\nFrom: {MINE}",
    f"From: {MINE}, chef@bank.example",
    f"From: chef@bank.example <{MINE}>, <chef@bank.example>",
    f"From: kita+x@musterstadt.example (<{MINE}>)",
    f"From: <chef@bank.example> <{MINE}>",
    f'From: "{MINE}" <chef@bank.example>',
    f"From: =?utf-8?q?{MINE}?= <chef@bank.example>",
    f"From: {MINE}\x00@bank.example",
    f"From:\r\n \r\n {MINE}",
    f"From : {MINE}\r\nFrom: chef@bank.example",
    f"X: y\nFrom: chef@bank.example\r\nFrom: {MINE}",
    f"X: y\rFrom: chef@bank.example\r\nFrom: {MINE}",
    f"Subject: x\r\n\r\nFrom: {MINE}",
    "From: ",
    "Subject: nobody",
    f"junk\r\nFrom: {MINE}",
    f"Fr\xf6m: chef@bank.example\r\nFrom: chef@bank.example\r\nReply-To: {MINE}",
]


@pytest.fixture
def programs(sqlite_database: Database, tmp_path: Path) -> Programs:
    return Programs(sqlite_database, tmp_path)


async def account_of(programs: Programs, login: str = "jonas") -> Account:
    found = await programs.desk.sign_in("192.0.2.1", login, programs.person(login, "kita"))
    assert isinstance(found, Account)
    return found


async def begin(wire: Wire, password: str) -> None:
    signed = b64encode(f"\0jonas\0{password}".encode()).decode()
    assert (await wire.say("EHLO pc")).startswith("250")
    assert (await wire.say(f"AUTH PLAIN {signed}")).startswith("235")


async def test_nothing_leaves_in_a_name_that_is_not_the_accounts(programs: Programs) -> None:
    password = programs.person("jonas", "kita")
    async with programs.listening() as server, Wire.open(server) as wire:
        await begin(wire, password)
        for head in FOREIGN:
            await wire.say("MAIL FROM:<chef@bank.example>")
            await wire.say(f"RCPT TO:<{PETRA}>")
            await wire.say("DATA")
            await wire.send(head.encode("latin-1") + b"\r\nTo: x@citizen.example\r\n\r\nx\r\n.\r\n")
            assert (await wire.reply()).startswith("550 "), head
    assert programs.rows(outgoing) == []


async def test_a_refusal_names_what_is_allowed(programs: Programs) -> None:
    password = programs.person("jonas", "kita")
    async with programs.listening() as server, Wire.open(server) as wire:
        await begin(wire, password)
        await wire.say("MAIL FROM:<>")
        await wire.say(f"RCPT TO:<{PETRA}>")
        await wire.say("DATA")
        await wire.send(b"From: chef@bank.example\r\n\r\nx\r\n.\r\n")
        assert await wire.reply() == f"550 5.7.1 Write as an office you may answer for: {KITA}"


async def test_ten_thousand_recipients_end_at_the_limit_of_an_hour(programs: Programs) -> None:
    account = await account_of(programs)
    said = [programs.desk.admit(account, parse_address(f"p{n}@citizen.example")).code for n in range(10_000)]
    assert (said.count(250), said.count(452)) == (200, 9_800)
    programs.now_s += 3_601
    assert programs.desk.admit(account, parse_address(PETRA)).code == 250


@pytest.mark.parametrize("to", ["info@musterstadt.example", "nobody@musterstadt.example", "postmaster"])
async def test_our_own_addresses_are_no_way_round_the_rules(programs: Programs, to: str) -> None:
    password = programs.person("jonas", "kita")
    async with programs.listening() as server, Wire.open(server) as wire:
        await begin(wire, password)
        await wire.say("MAIL FROM:<>")
        assert (await wire.say(f"RCPT TO:<{to}>")).startswith("550 5.7.1 ")
    assert programs.rows(deliveries) == []


async def test_guessing_is_refused_and_colleagues_behind_the_same_address_go_on(programs: Programs) -> None:
    lea = programs.person("lea", "kita")
    programs.person("jonas", "kita")
    assert isinstance(await programs.desk.sign_in("192.0.2.1", "lea", lea), Account)
    said = []
    for number in range(FREE_TRIES_ORIGIN + 5):
        # Another login each time: the wait of the account itself is not what is tried here.
        answer = await programs.desk.sign_in("192.0.2.1", f"guess{number}", "a" * 28)
        assert isinstance(answer, Reply)
        said.append(answer.code)
    assert said[0] == 535
    assert said[-1] == 454
    assert isinstance(await programs.desk.sign_in("192.0.2.1", "lea", lea), Account)


async def test_a_password_in_the_clear_is_not_even_looked_at(programs: Programs) -> None:
    password = programs.person("jonas", "kita")
    signed = b64encode(f"\0jonas\0{password}".encode()).decode()
    limits = Limits(trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with programs.listening(limits=limits) as server, Wire.open(server, greet=False) as wire:
        await wire.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 1024 587\r\n")
        await wire.reply()
        await wire.say("EHLO pc")
        assert (await wire.say(f"AUTH PLAIN {signed}")).startswith("538 ")
        assert (await wire.say("MAIL FROM:<>")).startswith("530 ")


def _tidied(content: bytes) -> bytes:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return tidied(content, is_ours=lambda _: True, strip_client=True, message_id="a@b.example", date=now)


def _marked(content: bytes) -> bytes:
    return marked_subject(content, ("7K3F-9Q2A",))


@pytest.mark.parametrize("read", [_tidied, _marked, without_body])
def test_a_field_of_very_many_lines_takes_no_room_but_its_own(read: Callable[[bytes], bytes]) -> None:
    content = b"Subject: x\r\n" + b" \r\n" * 300_000 + b"\r\nText\r\n"
    tracemalloc.start()
    try:
        read(content)
        assert tracemalloc.get_traced_memory()[1] < 15 * len(content)
    finally:
        tracemalloc.stop()
