from __future__ import annotations

import pytest

from maild.mail.sts import Policy, covers, id_of, parse_policy, records_of

GOOD = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


def test_a_policy_is_read_with_either_line_end_and_whatever_else_stands_there() -> None:
    wanted = Policy("enforce", ("mail.example.com", "*.example.net"), 604_800)
    assert parse_policy(GOOD) == wanted
    assert parse_policy(GOOD.replace("\r\n", "\n") + "future: x\nmode: none\nno colon\n") == wanted
    assert parse_policy(GOOD.replace("mail.example.com", "MAIL.Example.com.")) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "", "mode: enforce\nmx: a\nmax_age: 1", GOOD.replace("STSv1", "STSv2"), GOOD.replace("enforce", "enforced"),
        GOOD.replace("604800", "-1"), GOOD.replace("604800", "31557601"), GOOD.replace("604800", "1e3"),
        GOOD.replace("604800", "٣"), "version: STSv1\nmode: enforce\nmax_age: 1", "<html>\n",
        "version: STSv1\nmode: testing\nmx:\nmax_age: 1",
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the policy"):
        parse_policy(text)


def test_a_domain_that_takes_its_promise_back_names_no_hosts() -> None:
    assert parse_policy("version: STSv1\nmode: none\nmax_age: 86400") == Policy("none", (), 86_400)


@pytest.mark.parametrize(
    ("pattern", "host", "named"),
    [
        ("mx.example", "mx.example", True), ("mx.example", "a.mx.example", False), ("*.example", "mx.example", True),
        ("*.example", "a.mx.example", False), ("*.example", "example", False), ("*.example", ".example", False),
        ("mx.*.example", "mx.a.example", False), ("*", "mx", False), ("*.", "mx", False),
    ],
)  # fmt: skip
def test_an_asterisk_stands_for_one_label(pattern: str, host: str, *, named: bool) -> None:
    assert covers(pattern, host) is named


def test_only_records_of_mta_sts_are_looked_at() -> None:
    found = records_of([b"v=spf1 -all", b"v=STSv1; id=1;", b"v=STSv12; id=2", b"v=STSv1 ;id=3"])
    assert [id_of(each) for each in found] == ["1", "3"]
    assert [id_of(each) for each in (b"v=STSv1;", b"v=STSv1; id=a-b", b"v=STSv1; id=" + b"1" * 33)] == [None] * 3
