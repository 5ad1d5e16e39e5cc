"""W1: brute force, stuffing, spraying; and nobody locks a colleague out."""

from __future__ import annotations

import math
from ipaddress import ip_network

from starlette.testclient import TestClient

from maild.app.web_door import make_server
from maild.policy.throttle import FREE_TRIES_ORIGIN, MAX_DELAY_S, Throttle, network_of
from tests.web.office import PASSWORD, Office, sign_in, token_in


def _tries_in(throttle: Throttle, seconds: float, ip: str, login: str) -> int:
    """How many passwords one attacker who never tires gets looked at in a time."""
    now_s, looked_at = 0.0, 0
    while now_s < seconds:
        verdict = throttle.begin(ip, login, now_s)
        if verdict.retry_after_s:
            now_s += verdict.retry_after_s
        else:
            looked_at += 1
            now_s += verdict.delay_s + 0.25
    return looked_at


def test_one_network_gets_few_tries_however_long_it_goes_on() -> None:
    throttle = Throttle()
    assert _tries_in(throttle, 60, "198.51.100.1", "petra") <= 20
    assert _tries_in(throttle, 86_400, "198.51.100.1", "petra") <= 400


def test_ten_thousand_tries_from_everywhere_on_one_account_take_hours_and_never_lock_it() -> None:
    throttle, now_s, waited = Throttle(), 0.0, 0.0
    for number in range(10_000):
        verdict = throttle.begin(f"10.{number >> 8}.{number & 255}.1", "petra", now_s)
        assert verdict.retry_after_s == 0
        assert verdict.delay_s <= MAX_DELAY_S
        waited += verdict.delay_s
        now_s += verdict.delay_s
    assert waited > 9_000 * MAX_DELAY_S
    own = throttle.begin("203.0.113.9", "petra", now_s)
    assert (own.retry_after_s, own.delay_s) == (0.0, MAX_DELAY_S)
    assert throttle.begin("203.0.113.9", "petra", now_s, device="browser").delay_s == 0.0


def test_spraying_one_password_over_all_accounts_slows_everyone_by_seconds_only() -> None:
    throttle = Throttle()
    for number in range(2_000):
        throttle.begin(f"10.{number >> 8}.{number & 255}.1", f"user{number}", 0.0)
    stranger = throttle.begin("192.0.2.1", "somebody", 0.0)
    assert 0 < stranger.delay_s <= MAX_DELAY_S
    assert throttle.begin("192.0.2.1", "petra", 0.0, device="browser").delay_s == 0.0


def test_tries_at_the_same_moment_all_count() -> None:
    throttle = Throttle()
    verdicts = [throttle.begin("198.51.100.1", f"user{n}", 5.0) for n in range(1_000)]
    assert sum(v.retry_after_s == 0 for v in verdicts) == FREE_TRIES_ORIGIN


def test_a_town_hall_behind_one_address_is_not_slowed_by_its_own_typing_errors() -> None:
    throttle, now_s = Throttle(), 0.0
    for person in range(200):
        for _ in range(2):
            assert throttle.begin("203.0.113.9", f"p{person}", now_s).retry_after_s == 0
            now_s += 30
        throttle.succeeded("203.0.113.9", f"p{person}", now_s)


def test_a_known_browser_that_guesses_is_held_up_too() -> None:
    throttle = Throttle()
    verdicts = [throttle.begin("203.0.113.9", "petra", 0.0, device="browser") for _ in range(50)]
    assert sum(v.retry_after_s == 0 for v in verdicts) == FREE_TRIES_ORIGIN


def test_the_memory_of_failures_is_bounded_and_fades() -> None:
    throttle = Throttle()
    for number in range(25_000):
        throttle.begin(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"u{number}", 0.0)
    assert len(throttle._tallies) <= 20_000
    for _ in range(12):
        throttle.begin("198.51.100.1", "petra", 0.0)
    assert throttle.begin("198.51.100.1", "petra", 0.0).retry_after_s > 0
    assert math.isclose(throttle.begin("198.51.100.1", "petra", 86_400.0).delay_s, 0.0)


def test_a_stranger_is_a_network_not_an_address() -> None:
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::9")
    assert network_of("2001:db8:1:2::9") != network_of("2001:db8:1:3::9")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")


def test_over_http_the_eleventh_try_is_refused_with_a_time_and_the_account_still_opens_elsewhere(
    office: Office, all_at_once: list[float]
) -> None:
    office.user("petra")
    with office.client() as stranger:
        token = token_in(stranger.get("/login").text)
        answers = [
            stranger.post("/login", data={"token": token, "login": f"petra{n}", "password": "falsch"})
            for n in range(FREE_TRIES_ORIGIN + 1)
        ]
        right = stranger.post("/login", data={"token": token, "login": "petra", "password": PASSWORD})
    assert [a.status_code for a in answers] == [403] * FREE_TRIES_ORIGIN + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "nicht gesperrt" in answers[-1].text
    assert right.status_code == 429
    with office.client() as elsewhere:
        sign_in(elsewhere, "petra")


def test_behind_a_proxy_each_address_answers_for_itself_and_nobody_else_says_whose_it_is(
    office: Office, all_at_once: list[float]
) -> None:
    office.user("petra")
    config = make_server(office.services, (ip_network("172.17.0.0/16"),)).config
    config.load()

    def tries(peer: str, *forwarded: str, password: str = "falsch") -> list[int]:
        client = TestClient(config.loaded_app, base_url=office.services.settings.base_url, client=(peer, 50_000))
        client.portal = office.loop
        form = {"token": token_in(client.get("/login").text), "login": "petra", "password": password}
        return [
            client.post("/login", data=form, headers={"x-forwarded-for": said}, follow_redirects=False).status_code
            for said in forwarded
        ]

    gateway, limit = "172.17.0.1", FREE_TRIES_ORIGIN
    assert tries(gateway, *["203.0.113.9"] * limit) == [403] * limit
    # What a client itself says stands before the proxy's word.
    assert tries(gateway, "203.0.113.9", "198.51.100.1, 203.0.113.9") == [429, 429]
    assert tries(gateway, "198.51.100.1", password=PASSWORD) == [303]
    assert tries("192.0.2.7", *[f"10.0.0.{n}" for n in range(limit + 1)]) == [403] * limit + [429]
    assert max(all_at_once) == MAX_DELAY_S  # all of them guessed at one account
