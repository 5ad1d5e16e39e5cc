from __future__ import annotations

import pytest

from maild.mail.screening import CLEAN, UNAVAILABLE, VIRUS, Finding
from maild.screening.asked import Wish
from maild.screening.clamav import Clamav
from maild.screening.probe import answers
from tests.scanners import Scanner
from tests.screening.mails import EICAR, HAM, Letter, clamav, envelope
from tests.screening.mails import VIRUS as EICAR_MAIL
from tests.screening.settings import settings


@pytest.mark.parametrize("by_socket", [False, True], ids=["tcp", "socket"])
async def test_a_virus_is_found_in_an_attachment_and_not_in_an_ordinary_letter(
    clamd_server: Scanner, by_socket: bool
) -> None:
    scanner = Clamav(clamav(clamd_server.socket if by_socket else clamd_server.address))
    assert await scanner.opinion(envelope(), Letter()) == ((Finding("clamav", CLEAN),), Wish.ACCEPT, None)
    opinion = await scanner.opinion(envelope(), Letter(EICAR_MAIL, piece=7))
    assert [f.verdict for f in opinion.findings] == [VIRUS]
    assert str(opinion.reply).startswith("554 5.7.1 A virus was found in this message (Eicar-Test-")


async def test_a_mail_with_a_virus_can_be_held_instead(clamd_server: Scanner) -> None:
    opinion = await Clamav(clamav(clamd_server.address, action="hold")).opinion(envelope(), Letter(EICAR))
    assert (opinion.wish, opinion.reply) == (Wish.HOLD, None)


async def test_a_mail_larger_than_the_limit_is_not_examined_and_never_deferred(clamd_server: Scanner) -> None:
    scanner = Clamav(clamav(clamd_server.address, max_bytes=1_000, if_unavailable="defer"))
    opinion = await scanner.opinion(envelope(), Letter(HAM + b"x" * 1_000))
    assert opinion == ((Finding("clamav", UNAVAILABLE, names=("too large",)),), Wish.ACCEPT, None)


async def test_a_limit_of_clamd_below_ours_is_named(clamd_server: Scanner) -> None:
    opinion = await Clamav(clamav(clamd_server.address)).opinion(envelope(), Letter(b"x" * 3_000_000))
    assert opinion.findings[0] == Finding(
        "clamav", UNAVAILABLE, names=("cut off: clamd ended or its StreamMaxLength is too small",)
    )


async def test_the_probe_says_which_version_answers(clamd_server: Scanner) -> None:
    (probe,) = await answers(settings(clamav=clamav(clamd_server.socket)))
    assert (probe.name, probe.ok) == ("clamav", True)
    assert "answers: ClamAV 1." in probe.text
