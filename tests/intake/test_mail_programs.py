"""What staff write in Outlook and Thunderbird leaves in the name of an office, once, and not past a colleague."""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from maild.archive import content
from maild.archive.accounts import Disabling, NewUser, Revocation, add_users, disable_users, revoke_grants
from maild.archive.app_passwords import Withdrawal, revoke_app_passwords
from maild.archive.database import Database
from maild.archive.passwords import hash_password
from maild.archive.schema import conversations, entries, filings, messages
from maild.archive.schema_outgoing import app_passwords, deliveries, notes, outgoing
from maild.archive.schema_people import audit
from maild.intake.mail_programs import Account, Quota
from maild.intake.spool import Spool
from maild.mail.address import parse_address
from maild.mail.envelope import Envelope, Peer, Recipient
from maild.mail.letter import letter_parts
from maild.mail.message import decoded, parse
from maild.mail.reply import Reply
from maild.policy.roles import Role
from maild.smtp.tls import TlsFiles
from tests.intake.programs import CHEAP, KITA, PETRA, RULES, Programs

THUNDERBIRD = f"""\
Message-ID: <3f1c9c1e-0d5b-4c0e-9a51-0d4b7f6f2a11@musterstadt.example>
Date: Mon, 21 Sep 2026 15:13:20 +0200
MIME-Version: 1.0
User-Agent: Mozilla Thunderbird
Subject: Re: Frage
Content-Language: de-DE
To: Petra <{PETRA}>
References: <alt@citizen.example> <frage@citizen.example>
From: Kita-Platzvergabe <{KITA}>
Organization: Stadt Musterstadt
X-Mozilla-Draft-Info: internal/draft; vcard=0
Bcc: chef@elsewhere.example
In-Reply-To: <frage@citizen.example>
Content-Type: text/plain; charset=UTF-8; format=flowed
Content-Transfer-Encoding: 8bit

Guten Tag, schöne Grüße
"""
OUTLOOK = f"""\
Received: from PC-4711 (unknown [10.1.2.3]) by smtp.local; Mon, 21 Sep 2026 15:13:20 +0200
From: "Kita" <{KITA.upper()}>
Sender: jonas.privat@mail.example
Reply-To: <jonas.privat@mail.example>
To: <{PETRA}>
Subject: Kurz
X-Mailer: Microsoft Outlook 16.0
X-MS-Exchange-Organization: 1
X-Originating-IP: [10.1.2.3]
Thread-Index: AQHa

Guten Tag
"""


@pytest.fixture
def programs(sqlite_database: Database, tmp_path: Path) -> Programs:
    return Programs(sqlite_database, tmp_path)


async def signed_in(programs: Programs, login: str = "jonas", *teams: str) -> Account:
    password = programs.person(login, *(teams or ("kita",)))
    found = await programs.desk.sign_in("192.0.2.1", login, password)
    assert isinstance(found, Account)
    return found


async def hand_in(programs: Programs, account: Account, text: str, to: tuple[str, ...] = (PETRA,)) -> Reply:
    spool = Spool(programs.directory)
    spool.write(text.replace("\n", "\r\n").encode())
    envelope = Envelope(
        reverse_path=parse_address("jonas@private.example"),
        recipients=tuple(Recipient(address=parse_address(each)) for each in to),
        peer=Peer(ip="192.0.2.1", port=1, helo="pc", protocol="ESMTPS"),
    )
    return await programs.desk.submit(account, envelope, spool)


def octets_of(programs: Programs) -> bytes:
    """Return the newest message that left."""
    newest = max((row for row in programs.rows(messages) if row.direction == "out"), key=lambda row: row.id)
    with programs.database.read() as connection:
        return content.read(connection, newest.digest)


async def test_an_answer_leaves_in_the_name_of_the_office_and_lies_in_its_conversation(programs: Programs) -> None:
    letter = programs.letter()
    account = await signed_in(programs)
    reply = await hand_in(programs, account, THUNDERBIRD, (PETRA, "chef@elsewhere.example"))
    assert reply.code == 250
    (ours,) = programs.rows(outgoing)
    assert (ours.kind, ours.team, ours.author, ours.answers_id) == ("answer", "kita", "jonas", letter)
    assert {row.conversation_id for row in programs.rows(filings)} == {letter}
    assert {(row.state, row.recipient, row.reverse_path) for row in programs.rows(deliveries)} == {
        ("queued", PETRA, KITA), ("queued", "chef@elsewhere.example", KITA),
    }  # fmt: skip
    assert [row.state for row in programs.rows(entries)] == ["waiting"]


async def test_what_tells_of_the_machine_and_the_blind_copies_does_not_leave_and_the_rest_is_untouched(
    programs: Programs,
) -> None:
    assert (await hand_in(programs, await signed_in(programs), THUNDERBIRD)).code == 250
    gone = ("User-Agent:", "X-Mozilla-Draft-Info:", "Bcc:")
    left = [line for line in THUNDERBIRD.split("\n") if not line.startswith(gone)]
    assert octets_of(programs).decode() == "\r\n".join(left)


async def test_personal_addresses_go_and_date_and_message_id_come_where_they_are_missing(programs: Programs) -> None:
    account = await signed_in(programs)
    assert (await hand_in(programs, account, OUTLOOK)).code == 250
    head = octets_of(programs).partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert [line.partition(":")[0] for line in head] == ["From", "To", "Subject", "Date", "Message-ID"]
    assert head[3] == "Date: Mon, 21 Sep 2026 16:14:20 +0200"
    assert "10.1.2.3" not in octets_of(programs).decode()
    assert "privat" not in octets_of(programs).decode()
    assert [row.kind for row in programs.rows(outgoing)] == ["new"]


async def test_a_letter_that_is_handed_in_again_leaves_once(programs: Programs) -> None:
    account = await signed_in(programs)
    first = await hand_in(programs, account, THUNDERBIRD)
    assert await hand_in(programs, account, THUNDERBIRD) == first
    assert len(programs.rows(deliveries)) == 1


@pytest.fixture
def wanting(sqlite_database: Database, tmp_path: Path) -> Programs:
    text = RULES.replace("{name: Kita-Platzvergabe}", "{name: Kita-Platzvergabe, reference_in_subject: true}")
    return Programs(sqlite_database, tmp_path, rules=text)


async def test_where_the_team_wants_it_the_subject_ends_with_the_reference_and_the_rest_is_untouched(
    wanting: Programs,
) -> None:
    wanting.letter()
    account = await signed_in(wanting)
    assert (await hand_in(wanting, account, THUNDERBIRD)).code == 250
    (talk,) = wanting.rows(conversations)
    gone = ("User-Agent:", "X-Mozilla-Draft-Info:", "Bcc:")
    left = [line for line in THUNDERBIRD.split("\n") if not line.startswith(gone)]
    at = left.index("Subject: Re: Frage")
    left[at] += f" [{talk.reference}]"
    assert octets_of(wanting).decode() == "\r\n".join(left)


@pytest.mark.parametrize(
    "text", [THUNDERBIRD, OUTLOOK.replace("Subject", "Date: Mon, 21 Sep 2026 15:13:20 +0200\nSubject")]
)
async def test_a_letter_with_the_reference_of_its_own_conversation_is_handed_in_again_and_leaves_once(
    wanting: Programs, text: str
) -> None:
    account = await signed_in(wanting)
    first = await hand_in(wanting, account, text)
    assert await hand_in(wanting, account, text) == first
    (talk,) = wanting.rows(conversations)
    assert f" [{talk.reference}]\r\n".encode() in octets_of(wanting)
    assert len(wanting.rows(deliveries)) == 1


async def test_where_a_colleague_was_quicker_the_letter_waits_and_the_team_is_told(programs: Programs) -> None:
    letter = programs.letter()
    jonas, lea = await signed_in(programs), await signed_in(programs, "lea")
    assert (await hand_in(programs, lea, THUNDERBIRD)).code == 250
    reply = await hand_in(programs, jonas, THUNDERBIRD.replace("schöne", "beste"))
    assert reply.code == 250
    assert reply.text.startswith("Held, a colleague has answered")
    assert [row.state for row in programs.rows(deliveries)] == ["queued", "held"]
    (note,) = programs.rows(notes)
    assert (note.conversation_id, note.team, note.author) == (letter, "kita", "jonas")
    assert [row.state for row in programs.rows(entries)] == ["open"]


async def test_what_oneself_has_written_meanwhile_holds_nothing(programs: Programs) -> None:
    programs.letter()
    account = await signed_in(programs)
    for text in (THUNDERBIRD, THUNDERBIRD.replace("schöne", "beste")):
        assert (await hand_in(programs, account, text)).code == 250
    assert [row.state for row in programs.rows(deliveries)] == ["queued", "queued"]


async def test_an_answer_does_not_join_what_only_another_team_has(programs: Programs) -> None:
    letter = programs.letter(to="info@musterstadt.example")
    assert (await hand_in(programs, await signed_in(programs), THUNDERBIRD)).code == 250
    assert [row.kind for row in programs.rows(outgoing)] == ["new"]
    assert {row.conversation_id for row in programs.rows(filings) if row.team == "kita"} != {letter}


def _revoke_right(programs: Programs) -> None:
    taken = Revocation(login="jonas", role=Role.RESPONDER, team="kita", revoked_ms=programs.now_ms)
    programs.database.writer.submit(revoke_grants, taken).result()


def _revoke_password(programs: Programs) -> None:
    (row,) = programs.rows(app_passwords)
    taken = Withdrawal(login="jonas", id=row.id, at_ms=programs.now_ms)
    programs.database.writer.submit(revoke_app_passwords, taken).result()


def _close_account(programs: Programs) -> None:
    programs.database.writer.submit(disable_users, Disabling(login="jonas", disabled_ms=programs.now_ms)).result()


@pytest.mark.parametrize("meanwhile", [False, True])
@pytest.mark.parametrize("withdraw", [_revoke_right, _revoke_password, _close_account])
async def test_what_was_withdrawn_a_moment_ago_or_while_the_letter_is_read_holds_no_more(
    programs: Programs, withdraw: Callable[[Programs], None], meanwhile: bool
) -> None:
    account = await signed_in(programs)
    if meanwhile:
        programs.meanwhile = lambda: withdraw(programs)
    else:
        withdraw(programs)
    reply = await hand_in(programs, account, THUNDERBIRD)
    assert str(reply).startswith("550 5.7.1 ")
    assert programs.rows(outgoing) == []


async def test_a_wrong_password_an_unknown_login_and_a_revoked_one_get_the_same_answer(programs: Programs) -> None:
    password = programs.person("jonas", "kita")
    said = {
        str(await programs.desk.sign_in(f"192.0.2.{number}", login, typed))
        for number, (login, typed) in enumerate(
            [("jonas", password[:-1] + ("a" if password[-1] != "a" else "b")), ("nobody", password), ("jonas", "x")]
        )
    }
    _revoke_password(programs)
    said.add(str(await programs.desk.sign_in("192.0.2.9", "jonas", password)))
    assert said == {"535 5.7.8 Wrong login or application password"}


async def test_the_password_of_the_browser_opens_no_mail_program(programs: Programs) -> None:
    new = NewUser(login="otto", name="", mail=None, password=hash_password("a" * 28, CHEAP), created_ms=0)
    programs.database.writer.submit(add_users, new).result()
    assert isinstance(await programs.desk.sign_in("192.0.2.1", "otto", "a" * 28), Reply)


def test_recipients_are_counted_for_an_hour_and_each_account_alone() -> None:
    quota = Quota(2)
    assert [quota.take(1, at) for at in (0.0, 10.0, 20.0)] == [True, True, False]
    assert quota.take(2, 20.0)
    assert [quota.take(1, at) for at in (3_600.0, 3_601.0, 3_611.0)] == [True, False, True]


@pytest.mark.parametrize("tls_first", [False, True])
async def test_smtplib_hands_a_letter_in_over_tls(
    programs: Programs, tls_files: TlsFiles, tls_client: ssl.SSLContext, *, tls_first: bool
) -> None:
    password = programs.person("jonas", "kita")
    tls_client.check_hostname = False

    def send(port: int) -> None:
        made = smtplib.SMTP_SSL("127.0.0.1", port, context=tls_client) if tls_first else smtplib.SMTP("127.0.0.1", port)
        with made as client:
            if not tls_first:
                client.starttls(context=tls_client)
            client.login("jonas", password)
            client.sendmail(
                "jonas@private.example", [PETRA], THUNDERBIRD.replace("\n", "\r\n").encode(), ["body=8bitmime"]
            )

    async with programs.listening(tls_files, tls_first=tls_first) as server:
        await asyncio.to_thread(send, server.port)
    (delivery,) = programs.rows(deliveries)
    assert (delivery.recipient, delivery.reverse_path) == (PETRA, KITA)


@pytest.mark.needs("swaks")
@pytest.mark.parametrize(("how", "way"), [("--tls", "PLAIN"), ("--tls", "LOGIN"), ("--tlsc", "PLAIN")])
async def test_swaks_hands_a_letter_with_a_file_in(
    programs: Programs, tls_files: TlsFiles, tmp_path: Path, how: str, way: str
) -> None:
    password = programs.person("jonas", "kita")
    plan = tmp_path / "plan.bin"
    plan.write_bytes(bytes(range(256)) * 40)
    async with programs.listening(tls_files, tls_first=how == "--tlsc") as server:
        swaks = await asyncio.create_subprocess_exec(
            "swaks", "--server", "127.0.0.1", "--port", str(server.port), how, "--auth", way, "--auth-user", "jonas",
            "--auth-password", password, "--from", KITA, "--to", PETRA, "--header", "Subject: Der Plan",
            "--body", "Guten Tag", "--attach", f"@{plan}", "--timeout", "30", "--hide-all",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await swaks.communicate()
    assert swaks.returncode == 0, said.decode()
    (delivery,) = programs.rows(deliveries)
    assert (delivery.recipient, delivery.reverse_path) == (PETRA, KITA)
    (message,) = programs.rows(messages)
    with programs.database.read() as connection:
        octets = content.read(connection, message.digest)
    (file,) = letter_parts(parse(octets)).attachments
    assert decoded(octets, file) == plan.read_bytes()


async def test_what_a_program_asks_for_about_reports_goes_with_each_delivery(programs: Programs) -> None:
    account = await signed_in(programs)
    spool = Spool(programs.directory)
    spool.write(OUTLOOK.replace("\n", "\r\n").encode())
    envelope = Envelope(
        reverse_path=parse_address("jonas@private.example"),
        recipients=(
            Recipient(address=parse_address(PETRA), notify=frozenset({"FAILURE", "DELAY"}), orcpt=f"rfc822;{PETRA}"),
            Recipient(address=parse_address("other@citizen.example")),
        ),
        peer=Peer(ip="192.0.2.1", port=1, helo="pc", protocol="ESMTPS"),
        ret="HDRS",
        envid="4711",
    )
    assert (await programs.desk.submit(account, envelope, spool)).code == 250
    first, second = (json.loads(row.dsn) for row in programs.rows(deliveries))
    assert first == {"notify": ["DELAY", "FAILURE"], "orcpt": f"rfc822;{PETRA}", "ret": "HDRS", "envid": "4711"}
    assert (second["notify"], second["orcpt"], second["ret"]) == ([], "", "HDRS")


async def test_a_program_that_signs_in_is_recorded_once_a_day_and_refused_ones_together(programs: Programs) -> None:
    password = programs.person("jonas", "kita")
    day_ms = 86_400_000

    def recorded(act: str) -> list[tuple[str, str, dict[str, object]]]:
        return [
            (row.actor, row.about, json.loads(row.details)) for row in programs.rows(audit) if row.act == act
        ]  # fmt: skip

    for minutes in (0, 2, 5, day_ms // 60_000):
        programs.now_ms += minutes * 60_000
        await programs.desk.sign_in("192.0.2.1", "jonas", password)
    details = {"what": "mail program", "device": "Outlook"}
    assert recorded("signed-in") == [("jonas", "jonas", details)] * 2
    for login in ("jonas", "niemand", "jonas", "jonas"):
        await programs.desk.sign_in("192.0.2.2", login, "falsch")
    assert recorded("refused") == []
    await programs.desk.record_refusals()
    (refused,) = recorded("refused")
    assert (refused[1], refused[2]["times"], refused[2]["what"]) == ("jonas", 3, "mail program")
    await programs.desk.record_refusals()
    assert len(recorded("refused")) == 1
