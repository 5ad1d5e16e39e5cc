"""Reports about TLS: what they say, and what is none."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.report_values import ReportError
from maild.mail.tls_report import TlsFailure, TlsPolicy, parse
from tests.mail.dmarc_samples import BEGIN, tls


def read(said: object) -> Any:
    return parse(json.dumps(said).encode())


def test_a_report_is_read_whole() -> None:
    found = read(tls())
    assert (found.organisation, found.report, found.skipped) == ("Große Post", "t-1", 0)
    assert (found.begin_ms, found.end_ms) == (BEGIN * 1000, (BEGIN + 86_399) * 1000)
    assert found.policies == (
        TlsPolicy(
            domain="musterstadt.example", kind="sts", successes=5326, failures=4,
            details=(
                TlsFailure("certificate-expired", 3, mx="mx1.musterstadt.example", sender="2001:db8::abcd"),
                TlsFailure("starttls-not-supported", 1),
            ),
        ),
    )  # fmt: skip


def test_what_a_report_says_twice_of_one_domain_and_policy_is_one() -> None:
    said = tls()
    said["policies"] *= 2
    (policy,) = read(said).policies
    assert (policy.successes, policy.failures) == (10_652, 8)
    assert [each.sessions for each in policy.details] == [6, 2]


SUMMARY = {"total-successful-session-count": "7", "total-failure-session-count": 0}
POLICY = {"policy-type": "TLSA", "policy-domain": "Musterstadt.example."}


def test_numbers_as_text_capitals_and_missing_parts_are_read() -> None:
    (policy,) = read(tls(summary=SUMMARY, policy=POLICY, **{"failure-details": None})).policies
    assert policy == TlsPolicy("musterstadt.example", "tlsa", 7, 0)
    said = tls()
    said["date-range"]["start-datetime"] = "2026-09-20T02:00:00+02:00"
    said["date-range"]["end-datetime"] = "2026-09-20T23:59:59"
    assert read(said).begin_ms == BEGIN * 1000
    del said["organization-name"]
    assert read(said).organisation == "grosse-post.example"
    assert parse(b"\xef\xbb\xbf" + json.dumps(said).encode()).report == "t-1"


@pytest.mark.parametrize(
    "useless",
    [
        {"policy": {"policy-type": "sts"}},
        {"policy": {"policy-type": "guess", "policy-domain": "a.example"}},
        {"policy": [1]},
        {"summary": {"total-successful-session-count": -1}},
        {"summary": {"total-successful-session-count": 10**400}},
        {"summary": {"total-successful-session-count": 1.5}},
        {"summary": {"total-successful-session-count": True}},
        {"summary": {"total-failure-session-count": 2**53}},
    ],
)
def test_a_policy_of_no_use_is_passed_over_and_counted(useless: dict[str, Any]) -> None:
    found = read(tls(**useless))
    assert (found.policies, found.skipped) == ((), 1)


def test_a_number_of_five_thousand_digits_spoils_its_own_policy_alone() -> None:
    said = tls()
    said["policies"] += tls(summary=SUMMARY, policy=POLICY)["policies"]
    found = parse(json.dumps(said).replace("5326", "9" * 5_000).encode())
    assert ([policy.successes for policy in found.policies], found.skipped) == ([7], 1)


def test_kinds_of_failure_are_plain_words_whatever_was_sent() -> None:
    details = [{"result-type": kind, "failed-session-count": 1} for kind in ("<script>", None, "New-Kind", "x" * 99)]
    (policy,) = read(tls(**{"failure-details": details})).policies
    assert [(each.kind, each.sessions) for each in policy.details] == [("validation-failure", 3), ("new-kind", 1)]


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "json"),
        (b"{", "json"),
        (b'{"a": NaN', "json"),
        (b"\xff\xfe{}", "json"),
        (b"{}", "dates"),
        (b"[]", "dates"),
        (b"1", "dates"),
        (json.dumps(tls() | {"policies": []}).encode(), "kind"),
        (json.dumps(tls() | {"policies": tls()["policies"] * 201}).encode(), "records"),
        (json.dumps(tls() | {"date-range": {"start-datetime": "0001-01-01T00:00:00+14:00"}}).encode(), "dates"),
        (json.dumps(tls() | {"date-range": "x"}).encode(), "dates"),
        (b"[" * 17 + b"]" * 17, "depth"),
        (b"[" + b"[]," * 300_000 + b"1]", "records"),
        (b'{"a":"' + b"x" * 10_000_000 + b'"}', "size"),
    ],
)  # fmt: skip
def test_what_is_no_report_says_why(octets: bytes, why: str) -> None:
    with pytest.raises(ReportError) as refused:
        parse(octets)
    assert refused.value.reason == why


def test_brackets_within_strings_are_no_depth() -> None:
    assert read(tls() | {"contact-info": '[[[{{{"\\"' * 20}).report == "t-1"


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(tls())), inner, max_size=4),
    max_leaves=8,
)


@given(_ANY, st.sampled_from(sorted(tls())))
def test_any_value_in_any_place_is_read_or_refused(value: object, name: str) -> None:
    for said in (tls() | {name: value}, tls(policy=value), tls(summary=value), tls(**{"failure-details": value})):
        with contextlib.suppress(ReportError):
            read(said)


@given(st.binary(max_size=200))
def test_no_octets_are_answered_with_another_error(octets: bytes) -> None:
    with pytest.raises(ReportError):
        parse(octets)
