"""W7: the sign-in of the house: a provider, or who poses as one, that does one thing wrong opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from maild.archive.accounts import Disabling, disable_users, find_user, grants_of, list_users
from maild.archive.identities import Link, link_identities
from maild.config.sign_in import OTHER_ROLES, TEAM_ROLES, Oidc
from maild.policy import roles
from maild.web.confirming import FRESH_MS
from tests.web import fake_provider as fake
from tests.web.fake_provider import CLIENT, FakeProvider
from tests.web.office import Office
from tests.web.ways_in import acts, press

DAY_MS = 86_400_000


@pytest.fixture
def provider(office: Office) -> Iterator[FakeProvider]:
    with fake.fake_provider(lambda: office.clock.ms // 1000) as running:
        oidc = Oidc(
            issuer=running.issuer,
            client_id=CLIENT,
            client_secret=fake.SECRET,
            groups=(("maild-kita", (("kita", "responder"),)), ("it", ((None, "administrator"),))),
        )
        office.services = replace(office.services, settings=replace(office.services.settings, oidc=oidc))
        yield running


def _go(client: TestClient, path: str = "/login/provider?next=/inbox/kita") -> str:
    answer = client.get(path)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def _return(client: TestClient, answer: dict[str, str]) -> Response:
    return client.get("/login/provider/return", params=answer)


def _sign_in(client: TestClient, provider: FakeProvider, **person: object) -> Response:
    return _return(client, provider.authorize(_go(client), **person))


def _people(office: Office) -> list[str]:
    with office.database.read() as connection:
        return [user.login for user in list_users(connection)]


def _held(office: Office, login: str) -> set[tuple[str | None, str]]:
    with office.database.read() as connection:
        grants = grants_of(connection, find_user(connection, login).id)
    return {(g.team, str(g.role)) for g in grants if g.holds(office.clock.ms)}


def _refused(client: TestClient, answer: Response, status: int = 403, fault: str = "") -> None:
    assert answer.status_code == status, (fault, answer.status_code, answer.headers.get("location"))
    assert "Beginnen Sie auf der Anmeldeseite neu" in answer.text, fault
    assert client.get("/sessions").status_code == 303, fault


def test_who_is_in_a_group_gets_an_account_and_what_the_group_brings(office: Office, provider: FakeProvider) -> None:
    with office.client() as client:
        assert _sign_in(client, provider).headers["location"] == "/inbox/kita"
        assert client.get("/inbox/kita").status_code == 200
        assert "über die Anmeldung des Hauses" in client.get("/sessions").text
    assert _held(office, "vera") == {("kita", "responder")}
    assert [about for _, about, _ in acts(office, "account")] == ["vera"]
    assert [about for _, about, _ in acts(office, "granted")] == ["vera"]
    office.clock.ms += 15 * DAY_MS
    assert _held(office, "vera") == set()


def test_the_other_algorithms_that_are_agreed_on_are_believed(office: Office, provider: FakeProvider) -> None:
    for algorithm in ("ES256", "Ed25519"):
        provider.algorithm = algorithm
        with office.client() as client:
            assert _sign_in(client, provider).status_code == 303, algorithm


def test_grants_are_reckoned_anew_at_each_sign_in_and_those_given_here_stay(
    office: Office, provider: FakeProvider
) -> None:
    with office.client() as client:
        _sign_in(client, provider, groups=["maild-kita", "it"])
        assert _held(office, "vera") == {("kita", "responder"), (None, "administrator")}
        office.grant("vera", roles.Role.READER, "bauamt")
        _sign_in(client, provider, groups=["it", "unknown"])
        assert _held(office, "vera") == {("bauamt", "reader"), (None, "administrator")}
        # Who is in no group any more does not get in.
        _refused_now = _sign_in(client, provider, groups=[])
        assert _refused_now.status_code == 403
    assert _held(office, "vera") == {("bauamt", "reader")}


def test_a_person_is_known_by_issuer_and_subject_and_by_no_name_or_address(
    office: Office, provider: FakeProvider
) -> None:
    office.user("petra")
    with office.client() as client:
        _refused(client, _sign_in(client, provider, preferred_username="Petra", email="petra@musterstadt.example"))
    with office.client() as client:
        assert _sign_in(client, provider, email="petra@musterstadt.example").status_code == 303
        assert _sign_in(client, provider, preferred_username="renamed").status_code == 303
    with office.client() as client:
        _refused(client, _sign_in(client, provider, sub="person-2"))
    link = Link(login="petra", issuer=provider.issuer, subject="person-3", at_ms=1)
    office.database.writer.submit(link_identities, link).result()
    with office.client() as client:
        assert _sign_in(client, provider, sub="person-3", preferred_username="whoever").status_code == 303
        assert "petra" in client.get("/sessions").text
    assert _people(office) == ["petra", "vera"]


def test_the_provider_makes_nobody_whom_the_audit_log_takes_for_another(office: Office, provider: FakeProvider) -> None:
    for login in ("operator", "Operator", "oidc", "maild"):
        with office.client() as client:
            assert _sign_in(client, provider, sub=login, preferred_username=login).status_code == 403, login
    assert _people(office) == []


Fault = Callable[[FakeProvider, int], None]


def _claims(**claims: object) -> Fault:
    return lambda provider, _: provider.claims.update(claims)


def _times(**offsets: int) -> Fault:
    return lambda provider, now_s: provider.claims.update({name: now_s + by for name, by in offsets.items()})


def _signs(sign: Callable[..., str]) -> Fault:
    return lambda provider, _: setattr(provider, "sign", sign)


def _answers(**answer: object) -> Fault:
    return lambda provider, _: setattr(provider, "token_answer", answer)


def _header(**header: object) -> Fault:
    return lambda provider, _: provider.header.update(header)


TOKENS: dict[str, Fault] = {
    "unsigned": _signs(fake.unsigned),
    "HMAC with the public key": _signs(fake.with_public_key_as_secret),
    "another key of that name": _signs(fake.by_a_foreign_key),
    "another algorithm": _signs(fake.with_another_hash),
    "its own key": _signs(fake.with_its_own_key),
    "changed afterwards": _signs(fake.tampered),
    "unknown key": _header(kid="gone"),
    "no issuer": _claims(iss=None),
    "another issuer": _claims(iss="https://evil.example"),
    "almost the issuer": lambda provider, _: provider.claims.update(iss=provider.issuer + "/"),
    "another audience": _claims(aud="other"),
    "no audience": _claims(aud=None),
    "many audiences and no party": _claims(aud=[CLIENT, "other"]),
    "another party": _claims(azp="other"),
    "expired": _times(exp=-61),
    "no end": _claims(exp=None),
    "an end that is no number": _claims(exp="never"),
    "issued long ago": _times(iat=-601),
    "issued tomorrow": _times(iat=86_400),
    "not yet": _times(nbf=3_600),
    "another nonce": _claims(nonce="other"),
    "no nonce": _claims(nonce=None),
    "no subject": _claims(sub=None),
    "a subject that is no text": _claims(sub=7),
    "a subject without end": _claims(sub="x" * 256),
    "no token": _answers(access_token="x"),
    "no token but a list": _answers(id_token=["x"]),
    "garbage": _answers(id_token="a.b.c"),
    "no groups": _claims(groups=None),
    "a text for groups": _claims(groups="maild-kita"),
    "no login": _claims(preferred_username=None),
    "a login that is none": _claims(preferred_username="vera\nadmin"),
}


# Tables run in one office and browser each: what is dear is to make these.
def test_a_token_with_one_thing_wrong_opens_nothing(office: Office, provider: FakeProvider) -> None:
    with office.client() as client:
        for fault, break_it in TOKENS.items():
            provider.heal()
            break_it(provider, office.clock.ms // 1000)
            _refused(client, _sign_in(client, provider), fault=fault)
        assert _people(office) == []
        provider.heal()
        assert _sign_in(client, provider).status_code == 303


ANSWERS: dict[str, Callable[[dict[str, str]], object]] = {
    "another state": lambda answer: answer.update(state="other"),
    "no state": lambda answer: answer.pop("state"),
    "state that is no ASCII": lambda answer: answer.update(state="ä"),
    "no code": lambda answer: answer.pop("code"),
    "another code": lambda answer: answer.update(code="guessed"),
    "another provider's (mix-up)": lambda answer: answer.update(iss="https://evil.example"),
    "no issuer where one is promised": lambda answer: answer.pop("iss"),
    "broken off": lambda answer: answer.update(error="access_denied"),
}


def test_an_answer_with_one_thing_wrong_opens_nothing(office: Office, provider: FakeProvider) -> None:
    with office.client() as client:
        for fault, break_it in ANSWERS.items():
            answer = provider.authorize(_go(client))
            break_it(answer)
            _refused(client, _return(client, answer), fault=fault)
    assert _people(office) == []


def test_an_answer_opens_once_in_the_browser_that_asked_and_for_some_minutes(
    office: Office, provider: FakeProvider
) -> None:
    with office.client() as victim, office.client() as attacker:
        mine = provider.authorize(_go(attacker))
        _refused(victim, _return(victim, mine))  # login CSRF: the attacker's answer in another's browser
        _go(victim)
        _refused(victim, _return(victim, mine))
        late = provider.authorize(_go(victim))
        office.clock.ms += 600_000
        _refused(victim, _return(victim, late))
    with office.client() as client:
        answer = provider.authorize(_go(client))
        assert _return(client, answer).status_code == 303
        assert _return(client, answer).status_code == 403


def test_a_code_needs_the_verifier_of_who_asked_for_it(office: Office, provider: FakeProvider) -> None:
    with office.client() as client, office.client() as attacker:
        stolen = provider.authorize(_go(client))
        own = provider.authorize(_go(attacker))
        _refused(attacker, _return(attacker, {**own, "code": stolen["code"]}))


PROVIDERS: dict[str, tuple[int, Callable[[FakeProvider], object]]] = {
    "another issuer": (403, lambda p: p.described.update(issuer="https://evil.example")),
    "no issuer": (403, lambda p: p.described.update(issuer=None)),
    "a token address in the clear": (403, lambda p: p.described.update(token_endpoint="http://192.0.2.1/token")),
    "a token address that is a file": (403, lambda p: p.described.update(token_endpoint="file:///etc/passwd")),
    "keys in the clear": (403, lambda p: p.described.update(jwks_uri="http://10.0.0.1/keys")),
    "a sign-in that is a script": (403, lambda p: p.described.update(authorization_endpoint="javascript:alert(1)")),
    "no addresses": (403, lambda p: p.described.update(token_endpoint=None)),
    "led elsewhere": (503, lambda p: p.raw.update({"/.well-known/openid-configuration": (302, b"")})),
    "broken": (503, lambda p: p.raw.update({"/.well-known/openid-configuration": (500, b"")})),
    "no JSON": (503, lambda p: p.raw.update({"/.well-known/openid-configuration": (200, b"<html>")})),
    "a list": (503, lambda p: p.raw.update({"/.well-known/openid-configuration": (200, b"[]")})),
    "too much": (503, lambda p: p.raw.update({"/.well-known/openid-configuration": (200, b" " * 600_000)})),
    "tokens led elsewhere": (503, lambda p: p.raw.update({"/token": (302, b"")})),
    "no keys": (503, lambda p: p.raw.update({"/keys": (200, b'{"keys": 7}')})),
    "an HMAC key": (503, lambda p: setattr(p, "keys", [{"kty": "oct", "k": "eA", "kid": "rsa"}])),
}


def test_a_provider_that_is_none_opens_nothing(office: Office, provider: FakeProvider) -> None:
    with office.client() as client:
        for fault, (status, break_it) in PROVIDERS.items():
            office.clock.ms += 2 * 3_600_000  # what it said before is forgotten
            provider.heal()
            break_it(provider)
            answer = client.get("/login/provider")
            if answer.status_code == 303:
                answer = _return(client, provider.authorize(answer.headers["location"]))
            _refused(client, answer, status, fault)
            assert "/elsewhere" not in provider.asked, fault  # where it was led to
    assert _people(office) == []


def test_keys_are_asked_for_again_when_they_change_but_not_for_every_stranger(
    office: Office, provider: FakeProvider
) -> None:
    with office.client() as client:
        provider.keys = [fake.EC.as_dict(private=False)]
        _refused(client, _sign_in(client, provider))
        for _ in range(3):
            _refused(client, _sign_in(client, provider))
        assert provider.asked.count("/keys") == 1
        provider.keys = None
        office.clock.ms += 61_000
        assert _sign_in(client, provider).status_code == 303
        assert provider.asked.count("/keys") == 2


def test_nobody_is_led_to_another_site_afterwards(office: Office, provider: FakeProvider) -> None:
    with office.client() as client:
        for wanted in ("//evil.example", "https://evil.example", "/\\evil.example", "/login"):
            answer = provider.authorize(_go(client, f"/login/provider?next={wanted}"))
            assert _return(client, answer).headers["location"] == "/"


def test_another_site_does_not_begin_it_and_a_header_says_nothing(office: Office, provider: FakeProvider) -> None:
    with office.client() as client:
        elsewhere = client.get("/login/provider", headers={"sec-fetch-site": "cross-site"})
        assert elsewhere.headers["location"] == "/login"
        for name in ("x-remote-user", "remote-user", "x-forwarded-user", "x-forwarded-email"):
            assert client.get("/sessions", headers={name: "vera"}).status_code == 303
        asked = dict(parse_qsl(urlsplit(_go(client)).query))
        spoofed = client.get("/login/provider", headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
    assert asked["redirect_uri"] == "https://post.musterstadt.example/login/provider/return"
    assert "evil" not in spoofed.headers["location"]


def test_a_closed_account_stays_closed(office: Office, provider: FakeProvider) -> None:
    with office.client() as client:
        _sign_in(client, provider)
        office.database.writer.submit(disable_users, Disabling(login="vera", disabled_ms=1)).result()
        answer = _sign_in(client, provider)
        _refused(client, answer)
        assert "geschlossen" in answer.text


def test_who_has_no_password_confirms_through_the_house_and_only_freshly(
    office: Office, provider: FakeProvider
) -> None:
    provider.claims["groups"] = ["it"]
    again = "/login/provider?again=yes&next=/invitations"
    with office.client() as client:
        _sign_in(client, provider)
        office.user("leser")
        office.clock.ms += FRESH_MS
        assert "in einem anderen Tab" in press(client, "/invitations", page="/sessions", login="leser")[2]
        location = _go(client, again)
        assert "prompt=login" in location
        old = _return(client, provider.authorize(location, auth_time=office.clock.ms // 1000 - 3_600))
        other = _return(client, provider.authorize(_go(client, again), sub="person-9"))
        silent = _return(client, provider.authorize(_go(client, again), auth_time=None))
        assert [a.status_code for a in (old, other, silent)] == [403, 403, 403]
        assert "Sind Sie es noch?" in press(client, "/invitations", page="/sessions", login="leser")[2]
        done = _return(client, provider.authorize(_go(client, again)))
        assert done.headers["location"] == "/invitations"
        assert "/welcome/" in press(client, "/invitations", page="/sessions", login="leser")[2]


def test_without_settings_there_is_no_such_way(office: Office) -> None:
    with office.client() as client:
        assert "/login/provider" not in client.get("/login").text
        assert client.get("/login/provider").status_code == 404
        assert client.get("/login/provider/return").status_code == 404


def test_the_roles_that_settings_know_are_those_there_are() -> None:
    assert {str(role) for role in roles.TEAM_ROLES} == TEAM_ROLES
    assert {str(role) for role in roles.Role} == TEAM_ROLES | OTHER_ROLES
