"""W2: nobody learns which logins exist, neither by what is answered nor by when."""

from __future__ import annotations

import re
from typing import Any

import pytest

from maild.archive import passwords
from maild.archive.accounts import Disabling, disable_users, stored_password
from maild.archive.passwords import Verifier
from tests.web.office import CHEAP, Office, sign_in, token_in

_DRAWN_ANEW = re.compile(r'challenge&#34;: &#34;[^&]+|passkey-ticket" value="[^"]+')


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
            text = _DRAWN_ANEW.sub("", answer.text)
            answers.append((answer.status_code, headers, text.replace(login, "LOGIN").replace(nonce, "")))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 403


def test_nothing_is_written_for_the_one_login_and_not_for_the_other(office: Office) -> None:
    office.user("petra")
    begun: list[str] = []

    class Listening:
        """The writer, of which each unit of work is heard."""

        def __init__(self, writer: Any) -> None:
            self.writer = writer

        def __getattr__(self, name: str) -> Any:
            return getattr(self.writer, name)

        def run(self, unit: Any, argument: Any) -> Any:
            begun.append(unit.__name__)
            return self.writer.run(unit, argument)

    office.database.writer = Listening(office.database.writer)  # type: ignore[assignment]
    with office.client() as client:
        token = token_in(client.get("/login").text)
        for login in ("petra", "nobod"):
            client.post("/login", data={"token": token, "login": login, "password": "falsch"})
        assert begun == []
        sign_in(client, "petra")  # so that it would have been heard
    assert "open_sessions" in begun


def test_the_work_for_an_unknown_login_is_that_for_a_known_one(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    # Counted, not timed: a clock on a busy machine proves nothing. One hash each, of the same cost, whoever asks.
    office.user("petra")
    office.user("karin")
    office.database.writer.submit(disable_users, Disabling(login="karin", disabled_ms=1)).result()
    worked: list[str] = []
    matches = passwords._matches

    def counted(stored: str, password: str) -> bool:
        worked.append(stored.rsplit("$", 2)[0])  # algorithm and cost, without salt and hash
        return matches(stored, password)

    monkeypatch.setattr(passwords, "_matches", counted)
    verifier = Verifier(CHEAP)
    for login in ("petra", "karin", "nobod"):
        with office.database.read() as connection:
            _, stored = stored_password(connection, login)
        assert not verifier.verify(stored, "falsch falsch")
    assert len(worked) == 3
    assert len(set(worked)) == 1
