"""W1: passkeys: replayed, taken from elsewhere, forged, copied, or put into somebody else's account."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import pytest

from maild.archive.accounts import Disabling, disable_users
from maild.archive.passkeys import MOST
from maild.policy import throttle
from maild.policy.roles import Role
from maild.policy.throttle import FREE_TRIES_ORIGIN
from tests.web.authenticator import (
    ATTESTED,
    PRESENT,
    VERIFIED,
    Device,
    Key,
    cbor,
    eddsa,
    es256,
    octets,
    options_in,
    passkey_ticket_in,
    rs256,
    set_up_passkey,
    sign_in_by,
    text,
)
from tests.web.office import Office, sign_in, token_in
from tests.web.ways_in import acts, asking_for, password_step, press, set_up_app, ticket_in

pytestmark = pytest.mark.usefixtures("all_at_once")

HOUR_MS = 3_600_000


def _owner(office: Office, login: str = "petra", device: Device | None = None) -> Device:
    """Make a person with a passkey."""
    device = device or Device()
    office.user(login, (Role.READER, "kita"))
    with office.client(login) as client:
        assert set_up_passkey(client, device).status_code == 200  # with the codes on paper
    return device


def _counted(office: Office, table: str) -> int:
    with office.database.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


@pytest.mark.parametrize("key", [es256, eddsa, rs256])
def test_a_passkey_alone_signs_in_and_counts_as_both_factors(office: Office, key: Any) -> None:
    asking_for(office, "required")
    device = _owner(office, device=Device(key=key()))
    with office.client() as client:
        assert "petra" not in (page := client.get("/login").text)
        assert options_in(page)["allowCredentials"] == []
        answer = sign_in_by(client, device)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sessions")
        assert "mit einem Passkey" in client.get("/sessions").text
        assert client.get("/inbox/kita").status_code == 200
    assert ("petra", "petra", '{"name":"Schlüssel","what":"passkey"}') in acts(office, "credential")
    assert ("petra", "petra", '{"browser":"testclient","way":"passkey"}') in acts(office, "signed-in")
    assert b"petra" not in device.handle
    assert len(device.handle) == 32


def test_a_device_that_does_not_count_and_one_that_counts_from_nothing_are_taken(office: Office) -> None:
    device = _owner(office, device=Device(counts=False))
    for counts in (False, False, True, True):
        device.counts = counts
        with office.client() as client:
            assert sign_in_by(client, device).status_code == 303


def _from(**client: Any) -> dict[str, Any]:
    return {"client": client}


_SHOWN: dict[str, dict[str, Any]] = {
    "another origin": _from(origin="https://post.musterstadt.example.evil.example"),
    "an origin below ours": _from(origin="https://mail.post.musterstadt.example"),
    "the origin without encryption": _from(origin="http://post.musterstadt.example"),
    "the origin at another port": _from(origin="https://post.musterstadt.example:8443"),
    "no origin at all": _from(origin=None),
    "a frame of another site": _from(crossOrigin=True),
    "a frame that says above what": _from(topOrigin="https://evil.example"),
    "the words for making one": _from(type="webauthn.create"),
    "a type that is none": _from(type=["webauthn.get"]),
    "a challenge that nobody drew": _from(challenge=text(b"x" * 32)),
    "no challenge": _from(challenge=""),
    "another site's id": {"rp_id": "musterstadt.example"},
    "nobody was there": {"flags": VERIFIED},
    "nobody proved to be the owner": {"flags": PRESENT},
    "an altered signature": {"spoil": lambda signature: signature[:-1] + bytes([signature[-1] ^ 1])},
    "no signature": {"spoil": lambda _: b""},
    "somebody else's handle": {"handle": b"x" * 32},
    "no handle": {"handle": None},
    "octets behind the counter": {"tail": b"\0"},
    "extensions that are nested": {"flags": PRESENT | VERIFIED | 0x80, "tail": b"\x81" * 3_000},
    "extensions that never end": {"flags": PRESENT | VERIFIED | 0x80, "tail": b"\x9b" + b"\xff" * 8},
    "a key where none was asked for": {"flags": PRESENT | VERIFIED | ATTESTED, "tail": b"\0" * 40},
}


def test_nothing_but_the_true_answer_of_the_device_on_our_own_page_opens(office: Office) -> None:
    device = _owner(office)
    for what, changed in _SHOWN.items():
        with office.client() as client:  # a site of its own: tries are counted
            answer = sign_in_by(client, device, **changed)
            assert answer.status_code == 403, what
            assert "Dieser Passkey öffnet hier nichts" in answer.text, what
            assert client.get("/sessions").status_code == 303, what
    with office.client() as client:
        assert sign_in_by(client, device).status_code == 303


def test_who_shows_passkeys_that_are_none_waits_and_nobody_else_does(office: Office) -> None:
    device = _owner(office)
    with office.client() as client:
        assert sign_in_by(client, device).status_code == 303
        known = client.cookies.get("__Host-maild-device")
        client.cookies.clear()
        wrong = [sign_in_by(client, Device(handle=b"x" * 32)).status_code for _ in range(FREE_TRIES_ORIGIN + 2)]
        assert wrong == [403] * FREE_TRIES_ORIGIN + [429] * 2
        assert sign_in_by(client, device).status_code == 429
        # By the password one comes in from there all the same, and by the passkey in a browser that is known.
        assert 'action="/login/second"' in password_step(client, "petra")
        client.cookies.set("__Host-maild-device", known or "")
        assert sign_in_by(client, device).status_code == 303


def test_after_the_password_passkeys_and_codes_are_tried_together(office: Office) -> None:
    device, other = _owner(office), Device()
    with office.client() as client:
        found: list[Any] = []
        for number in range(FREE_TRIES_ORIGIN + 1):
            page = password_step(client, "petra") if not number else found[0].text
            fields = {"token": token_in(page), "ticket": ticket_in(page)}
            if number % 2:
                more = {"code": "abcd-efgh-ijkl-mnop"}
            else:
                more = {"passkey-ticket": passkey_ticket_in(page), "passkey": other.show(options_in(page))}
            found.insert(0, client.post("/login/second", data={**fields, **more}))
        assert [each.status_code for each in found] == [429] + [403] * FREE_TRIES_ORIGIN
        page = found[1].text
        right = {"passkey-ticket": passkey_ticket_in(page), "passkey": device.show(options_in(page))}
        fields = {"token": token_in(page), "ticket": ticket_in(page)}
        assert client.post("/login/second", data={**fields, **right}).status_code == 429


def test_what_is_no_answer_of_a_device_is_refused_like_any_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = _owner(office)
    with office.client() as client:
        monkeypatch.setattr(throttle, "FREE_TRIES_ORIGIN", 100)
        page = client.get("/login").text
        good = json.loads(device.show(options_in(page)))
        spoilt = [
            "", "null", "[]", "{", "9" * 5_000, "[" * 5_900, json.dumps("x" * 5_900), "x" * 60_000,
            json.dumps({**good, "rawId": text(b"x" * 32)}), json.dumps({**good, "id": 7}),
            json.dumps({**good, "type": "password"}), json.dumps({**good, "response": None}),
            json.dumps({**good, "response": {**good["response"], "signature": 7}}),
            json.dumps({**good, "response": {**good["response"], "authenticatorData": ""}}),
            json.dumps({**good, "response": {**good["response"], "authenticatorData": text(b"x" * 36)}}),
            json.dumps({**good, "response": {**good["response"], "clientDataJSON": text(b"\xff\xfe")}}),
            json.dumps({**good, "response": {**good["response"], "clientDataJSON": text(b"7")}}),
            json.dumps({**good, "response": {**good["response"], "clientDataJSON": "Ä"}}),
        ]  # fmt: skip
        fields = {"token": token_in(page), "passkey-ticket": passkey_ticket_in(page)}
        for answer in spoilt:
            status = client.post("/login/passkey", data={**fields, "passkey": answer}).status_code
            assert status in ({403} if len(answer) < 50_000 else {403, 413}), answer[:100]
        assert client.post("/login/passkey", data={**fields, "passkey": json.dumps(good)}).status_code == 303


def test_a_passkey_of_nobody_and_of_a_closed_account_get_the_same_page(office: Office) -> None:
    device, texts = _owner(office), []
    office.database.writer.submit(disable_users, Disabling(login="petra", disabled_ms=1)).result()
    for one in (device, Device(handle=b"y" * 32)):
        with office.client() as client:
            answer = sign_in_by(client, one)
            assert answer.status_code == 403
            asked, ticket, token = options_in(answer.text), passkey_ticket_in(answer.text), token_in(answer.text)
            said = answer.text.replace(asked["challenge"], "").replace(ticket, "").replace(token, "")
            texts.append(said[said.index("<main") :])
    assert texts[0] == texts[1]


def test_a_challenge_is_answered_once_for_one_browser_and_for_minutes(office: Office) -> None:
    device = _owner(office)
    with office.client() as own, office.client() as thief:
        page, other = own.get("/login").text, thief.get("/login").text
        answer, ticket = device.show(options_in(page)), passkey_ticket_in(page)
        overheard = {"token": token_in(other), "passkey-ticket": ticket, "passkey": answer}
        late = thief.post("/login/passkey", data=overheard)
        assert late.status_code == 403
        assert "Das hat zu lange gedauert" in late.text
        # With one's own ticket, the challenge is another.
        mixed = {**overheard, "passkey-ticket": passkey_ticket_in(other)}
        assert thief.post("/login/passkey", data=mixed).status_code == 403
        data = {"token": token_in(page), "passkey-ticket": ticket, "passkey": answer}
        assert own.post("/login/passkey", data=data).status_code == 303
        own.cookies.delete("__Host-maild-session")
        for _ in range(2):  # the very same answer, in the very same browser
            replayed = own.post("/login/passkey", data=data)
            assert (replayed.status_code, "Das hat zu lange gedauert" in replayed.text) == (403, True)
        page = own.get("/login").text
        answer = device.show(options_in(page))
        office.clock.ms += 300_000
        data = {"token": token_in(page), "passkey-ticket": passkey_ticket_in(page), "passkey": answer}
        assert own.post("/login/passkey", data=data).status_code == 403
        assert own.get("/sessions").status_code == 303
    assert _counted(office, "spent_challenges") == 2
    office.clock.ms += 1
    with office.client() as client:
        assert sign_in_by(client, device).status_code == 303
    assert _counted(office, "spent_challenges") == 1


def test_one_that_counts_backwards_is_refused_and_its_owner_is_told(office: Office) -> None:
    device = _owner(office)
    for _ in range(2):
        with office.client() as client:
            assert sign_in_by(client, device).status_code == 303
    copy = replace(device, counter=0)
    for counter in (0, 1, 2):
        with office.client() as thief:
            answer = sign_in_by(thief, copy, counter=counter)
            assert answer.status_code == 403
            assert "hat rückwärts gezählt" in answer.text
            assert thief.get("/sessions").status_code == 303
    assert [about for _, about, details in acts(office, "refused") if "passkey counter" in details] == ["petra"] * 3
    with office.client() as own:
        assert sign_in_by(own, device).status_code == 303
        page = own.get("/inbox/kita").text
        assert "vielleicht gibt es eine Kopie" in page
        up_to = page.rsplit('name="up_to" value="', 1)[1].split('"')[0]
        assert press(own, "/sessions/notices", "/inbox/kita", up_to=up_to, next="/inbox/kita")[:2] == (
            303,
            "/inbox/kita",
        )
        assert "vielleicht gibt es eine Kopie" not in own.get("/inbox/kita").text


def test_after_the_password_a_passkey_of_that_person_alone_goes_on(office: Office) -> None:
    device, others = _owner(office), _owner(office, "karin")
    with office.client() as client:
        page = password_step(client, "petra")
        assert [each["id"] for each in options_in(page)["allowCredentials"]] == [text(device.credential)]
        fields = {"token": token_in(page), "ticket": ticket_in(page), "passkey-ticket": passkey_ticket_in(page)}
        wrong = client.post("/login/second", data={**fields, "passkey": others.show(options_in(page))})
        assert wrong.status_code == 403
        # The person has proved the password: whoever touches a key without its PIN shows the second factor.
        answer = device.show(options_in(page), flags=PRESENT)
        assert client.post("/login/second", data={**fields, "passkey": answer}).status_code == 303
        assert "mit dem Passwort und einem Passkey" in client.get("/sessions").text
    with office.client() as thief:  # a ticket for the second step is none for the first
        page = password_step(thief, "petra")
        answer = device.show(options_in(page))
        stolen = {"token": token_in(page), "passkey-ticket": passkey_ticket_in(page), "passkey": answer}
        assert thief.post("/login/passkey", data=stolen).status_code == 403


def test_it_is_still_you_by_ones_own_passkey_in_ones_own_session(office: Office) -> None:
    device, others = _owner(office), _owner(office, "karin")
    with office.client() as client, office.client() as foreign:
        assert sign_in_by(client, device).status_code == 303
        assert sign_in_by(foreign, others).status_code == 303
        office.clock.ms += 11 * 60_000
        for wrong in ({"flags": PRESENT}, {"handle": b"x" * 32}):
            page = client.get("/confirm?next=/sessions/passkeys").text
            fields = {"token": token_in(page), "confirm-passkey-ticket": passkey_ticket_in(page)}
            answer = device.show(options_in(page), **wrong)
            assert client.post("/confirm", data={**fields, "confirm-passkey": answer}).status_code == 403
        page, theirs = client.get("/confirm").text, foreign.get("/confirm").text
        answer = device.show(options_in(page))
        data = {"confirm-passkey": answer, "confirm-passkey-ticket": passkey_ticket_in(page)}
        assert foreign.post("/confirm", data={**data, "token": token_in(theirs)}).status_code == 403
        asked = {"confirm-passkey": others.show(options_in(page)), "confirm-passkey-ticket": passkey_ticket_in(page)}
        assert client.post("/confirm", data={**asked, "token": token_in(page)}).status_code == 403
        assert client.get("/sessions/passkeys").headers["location"].startswith("/confirm")
        # The act itself waits on the page that asks, and goes on from there.
        page = client.post("/sessions/passkeys", data={"token": token_in(page), "remove": "999"}).text
        assert 'name="remove" value="999"' in page
        fields = {"token": token_in(page), "confirm-passkey-ticket": passkey_ticket_in(page), "remove": "999"}
        good = {**fields, "confirm-passkey": device.show(options_in(page))}
        assert client.post("/sessions/passkeys", data=good).headers["location"] == "/sessions/passkeys"
        assert client.get("/sessions/passkeys").status_code == 200


_RSA = dict(rs256().cose)
_BIG = Key({**_RSA, -1: b"\xff" * 1_024}, lambda _: b"")
_MADE: dict[str, dict[str, Any]] = {
    "another origin": _from(origin="https://evil.example"),
    "the words for showing one": _from(type="webauthn.get"),
    "a challenge that nobody drew": _from(challenge=text(b"x" * 32)),
    "a frame of another site": _from(crossOrigin=True),
    "another site's id": {"rp_id": "evil.example"},
    "nobody was there": {"flags": VERIFIED | ATTESTED},
    "nobody proved to be the owner": {"flags": PRESENT | ATTESTED},
    "no key": {"flags": PRESENT | VERIFIED, "tail": b""},
    "a statement that is nested": {"statement": b"\x81" * 20_000},
    "a statement too large": {"statement": cbor({"fmt": "none", "attStmt": {}, "authData": b"\0" * 40_000})},
    "a statement that is none": {"statement": cbor([1, 2, 3])},
    "a statement with a list as a key": {"statement": b"\xa1\x80\x00"},
}


def _shape(cose: dict[int, Any], credential: bytes = b"c" * 32) -> dict[str, Any]:
    return {"tail": b"\0" * 16 + struct.pack(">H", len(credential)) + credential + cbor(cose)}


_CURVE, _EDWARDS = dict(es256().cose), dict(eddsa().cose)
_MADE |= {
    "an algorithm that is not asked for": _shape({**_CURVE, 3: -35}),
    "an algorithm with SHA-1": _shape({**_RSA, 3: -65535}),
    "no algorithm": _shape({1: 2}),
    "a point that is not on the curve": _shape({**_CURVE, -3: b"\1" * 32}),
    "a curve that does not belong to it": _shape({**_CURVE, -1: 2}),
    "a key with more than belongs to it": _shape({**_CURVE, 9: b"x" * 10_000}),
    "a short key of Edwards' curve": _shape({**_EDWARDS, -2: b"x" * 31}),
    "a short modulus": _shape(dict(rs256(1024).cose)),
    "a modulus that takes long": _shape(dict(_BIG.cose)),
    "an exponent that proves nothing": _shape({**_RSA, -2: b"\1"}),
    "another id than the browser says": _shape(_CURVE, b"d" * 32),
    "an id too long": _shape(_CURVE, b"d" * 1_024),
}


def test_nothing_but_a_sound_passkey_made_on_our_own_page_is_taken(office: Office) -> None:
    office.user("petra")
    with office.client("petra") as client:
        for what, changed in _MADE.items():
            device = Device(credential=b"d" * 1_024 if "too long" in what else b"c" * 32)
            answer = set_up_passkey(client, device, **changed)
            assert answer.status_code == 400, what
            assert "kein Passkey, den maild annehmen kann" in answer.text, what
    assert _counted(office, "passkeys") == 0
    assert acts(office, "credential") == []


def test_a_passkey_is_made_once_and_for_whom_it_was_asked(office: Office) -> None:
    device = _owner(office)
    office.user("karin")
    with office.client() as own, office.client("karin") as foreign:
        sign_in_by(own, device)
        assert [e["id"] for e in options_in(own.get("/sessions/passkeys").text)["excludeCredentials"]] == [
            text(device.credential)
        ]
        again = set_up_passkey(foreign, replace(device))
        assert (again.status_code, "schon bekannt" in again.text) == (400, True)
        second = Device()
        page, theirs = own.get("/sessions/passkeys").text, foreign.get("/sessions/passkeys").text
        assert octets(options_in(page)["user"]["id"]) == device.handle
        made = second.make(options_in(page))
        stolen = {"passkey-ticket": passkey_ticket_in(page), "passkey": made, "name": "x"}
        assert foreign.post("/sessions/passkeys", data={**stolen, "token": token_in(theirs)}).status_code == 400
        data = {**stolen, "token": token_in(page)}
        assert own.post("/sessions/passkeys", data=data).status_code == 303
        assert own.post("/sessions/passkeys", data=data).status_code == 400  # the challenge is answered
    assert _counted(office, "passkeys") == 2


def test_who_has_no_session_that_was_proved_adds_none_and_removes_none(office: Office) -> None:
    device = _owner(office)
    with office.client() as client:
        sign_in_by(client, device)
        page = client.get("/sessions/passkeys").text
        made = Device().make(options_in(page))
        office.clock.ms += 11 * 60_000
        data = {"token": token_in(page), "passkey-ticket": passkey_ticket_in(page), "passkey": made, "name": "x"}
        assert "Sind Sie es noch?" in client.post("/sessions/passkeys", data=data).text
        assert "Sind Sie es noch?" in client.post("/sessions/passkeys", data={**data, "remove": "1"}).text
    with office.client() as nobody:
        assert nobody.post("/sessions/passkeys", data={"remove": "1"}).status_code in {303, 403}
    assert _counted(office, "passkeys") == 1


def test_nobody_removes_somebody_elses_and_with_the_last_factor_its_codes_go(office: Office) -> None:
    device, theirs = _owner(office), _owner(office, "karin")
    with office.client() as client:
        sign_in_by(client, device)
        with office.database.read() as connection:
            own, foreign = connection.exec_driver_sql("SELECT id FROM passkeys ORDER BY user_id").scalars()
        assert press(client, "/sessions/passkeys", remove=str(foreign))[0] == 303
        assert _counted(office, "passkeys") == 2
        for number in ("0", "x", "-1", "9" * 30, "٣"):
            assert press(client, "/sessions/passkeys", remove=number)[0] == 303
        assert _counted(office, "recovery_codes") == 20
        assert press(client, "/sessions/passkeys", remove=str(own))[0] == 303
    assert (_counted(office, "passkeys"), _counted(office, "recovery_codes")) == (1, 10)
    with office.client() as client:
        assert sign_in_by(client, device).status_code == 403
        sign_in(client, "petra")  # the password alone opens again
    with office.client() as client:
        assert sign_in_by(client, theirs).status_code == 303
    assert ("petra", "petra", '{"name":"Schlüssel","what":"passkey removed"}') in acts(office, "credential")


def test_app_and_passkeys_stand_beside_each_other(office: Office) -> None:
    device = _owner(office)
    with office.client() as client:
        sign_in_by(client, device)
        set_up_app(office, client)
        assert _counted(office, "passkeys") == 1
        assert press(client, "/sessions/second-factor", do="remove")[0] == 303
        assert (_counted(office, "passkeys"), _counted(office, "recovery_codes")) == (1, 10)
    with office.client() as client:
        page = password_step(client, "petra")
        assert "Passkey zeigen" in page
        assert "Code Ihrer App" not in page


def test_who_must_have_a_second_factor_has_one_with_a_passkey(office: Office) -> None:
    asking_for(office, "required")
    office.user("petra", (Role.READER, "kita"))
    with office.client("petra") as client:
        assert client.get("/inbox/kita").headers["location"] == "/sessions/second-factor"
        assert 'href="/sessions/passkeys"' in client.get("/sessions/second-factor").text
        assert set_up_passkey(client, Device()).status_code == 200
        assert client.get("/inbox/kita").status_code == 200


def test_there_are_no_more_than_twenty(office: Office) -> None:
    device = _owner(office)
    with office.client() as client:
        sign_in_by(client, device)
        codes = [set_up_passkey(client, Device(key=device.key)).status_code for _ in range(MOST)]
    assert codes == [303] * (MOST - 1) + [400]


def test_no_header_says_where_the_site_is(office: Office) -> None:
    office.user("petra")
    for host in ("evil.example", "127.0.0.1"):
        with office.client("petra", host=host, **{"x-forwarded-host": host}) as client:
            page = client.get("/sessions/passkeys").text
            assert options_in(page)["rp"]["id"] == "post.musterstadt.example"
            assert host not in json.dumps(options_in(page))


@pytest.mark.parametrize(
    ("base_url", "offered"),
    [
        ("https://post.musterstadt.example", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:8080", False),
        ("https://192.0.2.7", False),
        ("https://[2001:db8::1]", False),
        ("http://post.musterstadt.example", False),
    ],
)
def test_passkeys_are_offered_where_browsers_have_them(base_url: str, offered: bool) -> None:
    from maild.web.passkey_proof import site_at

    site = site_at(base_url, "Stadt")
    assert (site is not None) is offered
    assert site is None or site.origin == base_url
