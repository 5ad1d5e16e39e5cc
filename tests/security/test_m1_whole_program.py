"""M1, the whole way: bombs come by SMTP, are filed and can be read as source, and other mail does not wait for them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.scenarios.wire import Peer
from tests.security.test_m1_mime_bombs import BOMBS
from tests.security.town import INFO, KITA, Town, town_in

SENT = (
    "multiparts_nested_10_000_deep",
    "a_hundred_thousand_parts",
    "a_million_header_lines",
    "three_thousand_rfc_2231_parameters",
    "one_header_of_30_mb",
    "millions_of_delimiters",
)
DELAY_S = 5.0


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town_in(tmp_path_factory.mktemp("m1")) as town:
        yield town


def test_bombs_are_stored_and_shown_as_source_and_delay_other_mail_by_less_than_five_seconds(town: Town) -> None:
    """This once the time is what is promised."""
    bombs: dict[str, str] = {}
    with Peer(town.site.smtp_port) as peer:
        for name in SENT:
            bombs[name] = peer.send(BOMBS[name][0]() + b"\r\n", to=KITA, sender="eve@evil.example")
    begun = time.monotonic()
    town.mail("Subject: Nach den Bomben", to=INFO, author="petra@citizen.example", text="nur ein Brief")
    assert time.monotonic() - begun < DELAY_S
    for name, message_id in bombs.items():
        town.wait_filed(message_id)
        page = town.kira.get(f"/m/{message_id}")
        assert page.status_code == 200, name
        assert "Nichts von ihr ist verloren" in page.text, (name, page.text[-3000:])
        assert town.kira.get(f"/m/{message_id}/source").status_code == 200, name
