"""W2: nobody learns which logins exist, neither by what is answered nor by when."""

from __future__ import annotations

import math
import random
import time

import pytest

from maild.archive.accounts import Disabling, disable_users, stored_password
from maild.archive.passwords import Verifier
from tests.web.office import CHEAP, Office, token_in


def test_the_answer_to_a_wrong_password_is_the_same_for_every_login(office: Office) -> None:
    office.user("petra")
    office.user("karin")
    office.database.writer.submit(disable_users, Disabling(login="karin", disabled_ms=1)).result()
    answers = []
    with office.client() as client:
        token = token_in(client.get("/login").text)
        for login in ("petra", "karin", "nobod"):
            answer = client.post("/login", data={"token": token, "login": login, "password": "falsch"})
            nonce = answer.headers["content-security-policy"].partition("nonce-")[2].partition("'")[0]
            headers = {k: v.replace(nonce, "") for k, v in answer.headers.items()}
            answers.append((answer.status_code, headers, answer.text.replace(login, "LOGIN").replace(nonce, "")))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 403


def _distance(a: list[float], b: list[float]) -> float:
    """The statistic of Kolmogorov and Smirnov: the largest difference of the two distributions."""
    a, b = sorted(a), sorted(b)
    i = j = 0
    widest = 0.0
    while i < len(a) and j < len(b):
        if a[i] <= b[j]:
            i += 1
        else:
            j += 1
        widest = max(widest, abs(i / len(a) - j / len(b)))
    return widest


def _sample(office: Office, count: int) -> tuple[list[float], list[float]]:
    verifier = Verifier(CHEAP)
    times: dict[str, list[float]] = {"petra": [], "nobod": []}
    order = ["petra", "nobod"] * count
    random.Random(7).shuffle(order)
    for login in order:
        with office.database.read() as connection:
            begun = time.perf_counter()
            _, stored = stored_password(connection, login)
            verifier.verify(stored, "falsch falsch")
            times[login].append(time.perf_counter() - begun)
    return times["petra"], times["nobod"]


@pytest.mark.parametrize("count", [500])
def test_the_work_for_an_unknown_login_takes_the_time_of_a_known_one(office: Office, count: int) -> None:
    # With the cheapest hash, so that a shortcut of half a millisecond would stand out.
    office.user("petra")
    critical = math.sqrt(-math.log(0.01 / 2) / 2) * math.sqrt(2 / count)
    # One run in a hundred is beyond it by chance: three in a row are not.
    assert min(_distance(*_sample(office, count)) for _ in range(3)) < critical
