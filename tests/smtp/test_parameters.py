from __future__ import annotations

import pytest

from maild.mail.reply import Reply
from maild.smtp.parameters import MailParameters, RcptParameters, parse_mail, parse_rcpt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", MailParameters()),
        (" SIZE=12", MailParameters(size=12)),
        (" size=0  body=8bitmime", MailParameters(size=0, eight_bit=True)),
        (" BODY=7BIT", MailParameters()),
        (" SMTPUTF8", MailParameters(smtputf8=True)),
        (" RET=full ENVID=QQ314+2B", MailParameters(ret="FULL", envid="QQ314+2B")),
        (" AUTH=<>", MailParameters()),
    ],
)
def test_parse_mail_reads(text: str, expected: MailParameters) -> None:
    assert parse_mail(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", RcptParameters()),
        (" NOTIFY=NEVER", RcptParameters(notify=frozenset({"NEVER"}))),
        (" NOTIFY=failure,DELAY", RcptParameters(notify=frozenset({"FAILURE", "DELAY"}))),
        (" ORCPT=rfc822;a+3Db@c.example", RcptParameters(orcpt="rfc822;a+3Db@c.example")),
        (" ORCPT=utf-8;jürgen@c.example", RcptParameters(orcpt="utf-8;jürgen@c.example")),
    ],
)
def test_parse_rcpt_reads(text: str, expected: RcptParameters) -> None:
    assert parse_rcpt(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (" SIZE", 501),
        (" SIZE=", 501),
        (" SIZE=x", 501),
        (" SIZE=-1", 501),
        (" SIZE=\u0661", 501),
        (" SIZE=" + "9" * 21, 501),
        (" SIZE=1 SIZE=2", 501),
        (" BODY=BINARYMIME", 501),
        (" SMTPUTF8=yes", 501),
        (" RET=SOME", 501),
        (" ENVID=" + "x" * 101, 501),
        (" =x", 501),
        (" -x", 501),
        (" NOTIFY=NEVER", 555),
        (" MT-PRIORITY=3", 555),
    ],
)
def test_parse_mail_refuses(text: str, code: int) -> None:
    reply = parse_mail(text)
    assert isinstance(reply, Reply)
    assert (reply.code, reply.enhanced) == (code, "5.5.4")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (" NOTIFY=", 501),
        (" NOTIFY=NEVER,DELAY", 501),
        (" NOTIFY=DELAY,", 501),
        (" NOTIFY=SOMETIMES", 501),
        (" ORCPT=a@b.example", 501),
        (" ORCPT=rfc822;" + "x" * 501, 501),
        (" SIZE=3", 555),
    ],
)
def test_parse_rcpt_refuses(text: str, code: int) -> None:
    reply = parse_rcpt(text)
    assert isinstance(reply, Reply)
    assert reply.code == code
