"""T7: a stranger wants a letter to vanish: taken for one that came before, or marked as failed by a forged report.

Expected: only the same octets, from the same sender to the same recipient, are a resend; and a report that somebody
sends changes no other letter.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.wire import Peer
from tests.security.town import INFO, KITA, Town, town_in

PETRA = "petra@citizen.example"
EVE = "eve@evil.example"
KEY = "Message-ID: <application@citizen.example>"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town_in(tmp_path_factory.mktemp("t7")) as town:
        yield town


def test_a_message_id_that_was_used_before_suppresses_nothing(town: Town) -> None:
    squatter = town.mail(KEY, "Subject: Leer", to=KITA, author=EVE, text="nichts")
    real = town.mail(KEY, "Subject: Antrag", to=KITA, author=PETRA, text="Der Antrag selbst")
    same_author = town.mail(KEY, "Subject: Antrag", to=KITA, author=PETRA, text="Der Antrag, zweite Fassung")
    inbox = town.kira.get("/inbox/kita").text
    for message_id, words in ((squatter, "nichts"), (real, "Antrag selbst"), (same_author, "zweite Fassung")):
        assert words in town.kira.get(f"/m/{message_id}").text
        assert town.conversation(message_id) in inbox
    assert town.conversation(squatter) != town.conversation(real)


def test_the_same_octets_to_another_recipient_or_from_another_sender_are_no_resend(town: Town) -> None:
    octets = (
        b"From: petra@citizen.example\r\nSubject: Rundbrief\r\nMessage-ID: <round@citizen.example>\r\n\r\nallen\r\n"
    )
    with Peer(town.site.smtp_port) as peer:
        ids = [
            peer.send(octets, to=KITA, sender=EVE),
            peer.send(octets, to=KITA, sender=PETRA),
            peer.send(octets, to=INFO, sender=PETRA),
        ]
        for message_id in ids:
            town.wait_filed(message_id)
        assert town.paul.get(f"/m/{ids[2]}").status_code == 200
        again = peer.send(octets, to=KITA, sender=PETRA)
    assert again not in ids
    assert town.site.maild("show", again, "--raw") == octets, "a resend is kept, too"
    page = town.kira.get(f"/c/{town.conversation(ids[1])}").text
    assert again not in page, "and is in no inbox a second time"


REPORT = (
    "Subject: Undelivered Mail Returned to Sender", "MIME-Version: 1.0", "Auto-Submitted: auto-replied",
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
    "In-Reply-To: <wish@citizen.example>", "References: <wish@citizen.example>",
)  # fmt: skip
FAILED = """--b\r
\r
The mail could not be delivered.\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.musterstadt.example\r
\r
Final-Recipient: rfc822; kita.platzvergabe@musterstadt.example\r
Action: failed\r
Status: 5.1.1\r
--b\r
Content-Type: message/rfc822-headers\r
\r
Message-ID: <wish@citizen.example>\r
--b--\r
"""


@pytest.mark.parametrize("author", ["MAILER-DAEMON@musterstadt.example", PETRA])
def test_a_forged_report_changes_no_other_letter(town: Town, author: str) -> None:
    letter = town.mail(
        "Subject: Wunsch", "Message-ID: <wish@citizen.example>", to=KITA, author="frida@citizen.example", text=author
    )
    before = town.kira.get(f"/c/{town.conversation(letter)}").text
    report = town.mail(*REPORT, to=KITA, author=author, text=FAILED)
    assert town.conversation(report) != town.conversation(letter)
    after = town.kira.get(f"/c/{town.conversation(letter)}").text
    assert (before.count("<article"), _state(before)) == (after.count("<article"), _state(after))
    assert town.conversation(letter) in town.kira.get("/inbox/kita").text


def _state(page: str) -> str:
    """Return what the page says about the entry in the inbox, without how long it has been waiting."""
    return page.partition("<dt>Status</dt><dd>")[2].partition("<")[0].partition("·")[0]
