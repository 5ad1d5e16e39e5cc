from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from maild.app.sending import with_token
from maild.app.token_key import FILE_NAME, token_key
from maild.delivery.deliveries import LMTP, SMTP, Delivery, Dsn
from maild.errors import StorageError
from maild.intake.admit import ACCEPTED, UNKNOWN, admit
from maild.mail.address import parse_address
from maild.mail.envelope_token import delivery_of
from maild.rules.model import Ruleset
from tests.web.office import rules

KEY = b"k" * 32


@dataclass
class Book:
    current: Ruleset


def delivery(reverse_path: str | None, kind: str = SMTP) -> Delivery:
    return Delivery(
        id=7, message_id=1, kind=kind, recipient="petra@buerger.example", reverse_path=reverse_path,
        next_hop="buerger.example", dsn=Dsn(), once=False, attempts=0, made_ms=0, expires_ms=1, lease_ms=1,
    )  # fmt: skip


def test_the_secret_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    made = token_key(tmp_path)
    assert token_key(tmp_path) == made
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_secret_that_was_cut_off_is_not_used(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"short")
    with pytest.raises(StorageError, match="remove it"):
        token_key(tmp_path)


def test_what_leaves_bears_a_token_that_the_door_knows_again() -> None:
    return_path = with_token(KEY, Book(rules()))
    path = return_path(delivery("kita@musterstadt.example"))
    assert path is not None
    address = parse_address(path)
    assert delivery_of(address, KEY) == 7
    assert admit(rules(), address, token_key=KEY) == ACCEPTED
    # Made with a secret that was lost, or by another machine of ours: a report to it is refused by nobody.
    assert admit(rules(), address, token_key=b"x" * 32) == ACCEPTED
    assert admit(rules(), address) == UNKNOWN
    assert admit(rules(), parse_address("bounces+r1.7@musterstadt.example"), token_key=KEY) == UNKNOWN


@pytest.mark.parametrize(
    ("reverse_path", "kind"), [(None, SMTP), ("kita@elsewhere.example", SMTP), ("kita@musterstadt.example", LMTP)]
)
def test_what_is_not_ours_to_hear_of_keeps_its_reverse_path(reverse_path: str | None, kind: str) -> None:
    assert with_token(KEY, Book(rules()))(delivery(reverse_path, kind)) == reverse_path


def test_who_makes_the_secret_at_the_same_moment_has_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = b"o" * 32

    def slow(_count: int) -> bytes:
        (tmp_path / FILE_NAME).write_bytes(other)
        return b"m" * 32

    monkeypatch.setattr("maild.app.token_key.secrets.token_bytes", slow)
    assert token_key(tmp_path) == other
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
