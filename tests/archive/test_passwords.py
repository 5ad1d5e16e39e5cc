from __future__ import annotations

import threading
import time

import pytest
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from maild.archive.passwords import Cost, Verifier, hash_password, objection

CHEAP = Cost(memory_kib=64, iterations=1)
GOOD = "korrekt pferd batterie"


def test_a_hash_is_argon2id_in_phc_form_with_its_own_salt() -> None:
    first, second = hash_password(GOOD, CHEAP), hash_password(GOOD, CHEAP)
    assert first.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert first != second


def test_the_standard_cost_is_that_of_the_recommendation() -> None:
    assert hash_password(GOOD).startswith("$argon2id$v=19$m=65536,t=3,p=1$")


@pytest.mark.parametrize(
    ("stored", "tried", "matches"),
    [
        (GOOD, GOOD, True),
        (GOOD, GOOD + " ", False),
        (GOOD, GOOD.upper(), False),
        (GOOD, "", False),
        ("Ångström-Grüße-12", "A\u030angstro\u0308m-Gru\u0308ße-12", True),
        (GOOD, "\ud800" * 20, False),
        (GOOD, "\0" * 20, False),
    ],
)
def test_a_password_matches_itself_in_any_unicode_form_and_nothing_else(stored: str, tried: str, matches: bool) -> None:
    assert Verifier(CHEAP).verify(hash_password(stored, CHEAP), tried) is matches


@pytest.mark.parametrize("stored", [None, "", "nonsense", "$argon2id$v=19$m=64,t=1,p=1$AAAA$BBBB", "$2b$12$abc"])
def test_no_password_matches_an_account_without_a_readable_one(stored: str | None) -> None:
    verifier = Verifier(CHEAP)
    assert not verifier.verify(stored, "")
    assert not verifier.verify(stored, GOOD)


def test_at_most_two_hashes_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, lock = 0, 0, threading.Lock()
    real = Argon2id.verify_phc_encoded

    class Counting:
        @staticmethod
        def verify_phc_encoded(octets: bytes, phc: str) -> None:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            try:
                deadline = time.monotonic() + 0.02
                while time.monotonic() < deadline:
                    threading.Event().wait(0.001)
                real(octets, phc)
            finally:
                with lock:
                    inside -= 1

    stored = hash_password(GOOD, CHEAP)
    verifier = Verifier(CHEAP)
    monkeypatch.setattr("maild.archive.passwords.Argon2id", Counting)
    threads = [threading.Thread(target=verifier.verify, args=(stored, GOOD)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("kurz", "short"),
        ("x" * 257, "long"),
        ("Passwort12345!", "common"),
        ("123456789012", "common"),
        ("aaaaaaaaaaaa", "common"),
        ("Sommer2026!!!!", "common"),
        ("abcdefghijklmn", "common"),
        ("petra.maurer1", "personal"),
        ("korrekt pferd batterie", None),
        ("x7#Kq9!mZ2vLp4", None),
        ("Ein ganzer Satz, den niemand errät.", None),
    ],
)
def test_what_is_easy_to_guess_is_refused_with_a_reason(password: str, why: str | None) -> None:
    assert objection(password, login="petra.maurer", name="Petra Maurer") == why


def test_a_name_is_recognised_in_every_spelling_of_unicode() -> None:
    assert objection("grötzingerj1", login="x", name="J. Gro\u0308tzinger") == "personal"


def test_what_stands_in_for_a_missing_hash_is_read_and_computed_as_any_other() -> None:
    stand_in, real = Verifier(CHEAP)._nobody.split("$"), hash_password(GOOD, CHEAP).split("$")
    assert stand_in[:4] == real[:4]
    assert [len(part) for part in stand_in] == [len(part) for part in real]
    with pytest.raises(InvalidKey):  # and no ValueError, which costs nothing
        Argon2id.verify_phc_encoded(GOOD.encode(), "$".join(stand_in))
