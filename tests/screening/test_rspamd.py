from __future__ import annotations

import pytest

from maild.mail.screening import CLEAN, SPAM, Finding
from maild.screening.asked import UnavailableError, Wish
from maild.screening.probe import answers
from maild.screening.rspamd import Rspamd
from tests.scanners import PASSWORD, Scanner
from tests.screening.mails import HAM, HEAD, Letter, envelope, rspamd
from tests.screening.mails import SPAM as GTUBE_MAIL
from tests.screening.settings import settings


async def test_an_ordinary_letter_is_clean(rspamd_server: Scanner) -> None:
    opinion = await Rspamd(rspamd(rspamd_server.address)).opinion(envelope(), Letter())
    assert opinion == ((Finding("rspamd", CLEAN, 0.0),), Wish.ACCEPT, None)


@pytest.mark.parametrize(("action", "wish"), [("refuse", Wish.REFUSE), ("file", Wish.FILE)])
async def test_the_test_pattern_is_spam(rspamd_server: Scanner, action: str, wish: Wish) -> None:
    opinion = await Rspamd(rspamd(rspamd_server.address, action=action)).opinion(envelope(), Letter(GTUBE_MAIL))
    assert opinion.findings == (Finding("rspamd", SPAM, 15.0, ("GTUBE",)),)
    assert opinion.wish is wish
    assert (str(opinion.reply) if opinion.reply else "").startswith("554 5.7.1 " if action == "refuse" else "")


async def test_large_mail_is_sent_as_it_is_read(rspamd_server: Scanner) -> None:
    head, _, text = GTUBE_MAIL.partition(b"\r\n\r\n")
    form = head + b"\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    attached = b"--b\r\nContent-Type: application/octet-stream\r\n\r\n" + b"Zeile um Zeile\r\n" * 60_000
    octets = form + attached + b"--b\r\nContent-Type: text/plain\r\n\r\n" + text + b"--b--\r\n"
    opinion = await Rspamd(rspamd(rspamd_server.address)).opinion(envelope(), Letter(octets, piece=1_000))
    assert opinion.wish is Wish.REFUSE


async def test_what_is_taught_is_recognised_and_what_is_known_already_is_no_failure(rspamd_server: Scanner) -> None:
    teacher = Rspamd(rspamd(rspamd_server.address, controller=rspamd_server.controller, password=PASSWORD))
    for word in (b"gewinn", b"gewinn", b"lotterie"):
        mail = HEAD % word + b"\r\n" + b"Sie haben " + word + b" bei uns und kaufen jetzt guenstige Pillen im Netz\r\n"
        await teacher.teach(Letter(mail), spam=True)
    await teacher.teach(Letter(HAM), spam=True)
    await teacher.teach(Letter(HAM), spam=False)  # the latest word counts


async def test_a_wrong_password_leaves_the_lesson_for_another_time(rspamd_server: Scanner) -> None:
    teacher = Rspamd(rspamd(rspamd_server.address, controller=rspamd_server.controller, password="wrong"))
    with pytest.raises(UnavailableError, match="wrong password"):
        await teacher.teach(Letter(HAM), spam=True)


async def test_the_probe_says_whether_worker_and_controller_answer(rspamd_server: Scanner) -> None:
    there = settings(rspamd=rspamd(rspamd_server.address, controller=rspamd_server.controller, password=PASSWORD))
    assert [(p.name, p.ok) for p in await answers(there)] == [("rspamd", True), ("rspamd controller", True)]
    wrong = settings(rspamd=rspamd("127.0.0.1:1", controller=rspamd_server.controller, password="wrong"))
    assert [(p.name, p.ok, p.text) for p in await answers(wrong)] == [
        ("rspamd", False, "127.0.0.1:1: nobody answers there"),
        ("rspamd controller", False, f"{rspamd_server.controller}: wrong password"),
    ]
    assert await answers(settings()) == []
