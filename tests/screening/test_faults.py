"""Whatever answers in the place of rspamd or ClamAV, it is a finding, in time, and never an exception or `clean`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from maild.mail.screening import CLEAN, SPAM, SUSPECT, UNAVAILABLE, VIRUS
from maild.screening.asked import Asked, Wish
from maild.screening.clamav import Clamav
from maild.screening.rspamd import Rspamd
from tests.screening.mails import HAM, Letter, clamav, envelope, rspamd
from tests.screening.scripted import Script, close, close_midway, deaf, hang, http, say, serving

MEGABYTE = b"x" * 1_000_000
LARGE = Letter(HAM + b"line of text\r\n" * 100_000)


def _rspamd(address: str, **values: Any) -> Asked:
    return Rspamd(rspamd(address, **values))


def _clamav(address: str, **values: Any) -> Asked:
    return Clamav(clamav(address, **values))


SILENT: list[tuple[str, Script]] = [("hangs", hang), ("deaf", deaf)]
BROKEN: list[tuple[str, Script]] = [
    ("closes", close),
    ("closes midway", close_midway),
    ("nonsense", say(b"\0\xff" * 99)),
    ("nothing but lines", say(b"\r\n" * 50_000)),
    ("a megabyte", say(MEGABYTE)),
    ("a megabyte at once", say(MEGABYTE, early=True)),
]
NO_HTTP = [
    http(MEGABYTE),
    http(b"{}"),
    http(b"[]"),
    http(b"null"),
    http(b"{" * 100_000),
    http(b"[" * 100_000),
    http(b'{"action": "reject", "score": NaN}'),
    http(b'{"action": "reject", "score": 1' + b"0" * 400 + b"}"),
    http(b'{"action": "reject", "score": "much"}'),
    http(b'{"action": 7, "score": 7}'),
    http(b'{"action": "reject", "score": 7, "symbols": [1]}'),
    http(b'{"action": "no action", "score": 0, "symbols": {"X": 3}}'),
    http(b'{"action": "no action", "score": 0}', "500 Internal Server Error"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
    b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"action": "no action", "score": 0}',
    b"HTTP/1.1 200 OK\r\n",
    b"220 mx.example ESMTP\r\n\r\n",
]
NO_CLAMD = [b"", b"stream: OK OK\0", b"OK\0", b"stream: FOUND\0", b"UNKNOWN COMMAND\0",
            b"stream: x FOUND\nstream: OK\0",            b"INSTREAM size limit exceeded. ERROR\0"]  # fmt: skip


@pytest.mark.parametrize("tool", [_rspamd, _clamav])
@pytest.mark.parametrize(("if_unavailable", "wish"), [("accept", Wish.ACCEPT), ("defer", Wish.DEFER)])
async def test_a_tool_that_is_silent_is_unavailable_when_its_time_is_over(
    tool: Callable[..., Asked], if_unavailable: str, wish: Wish
) -> None:
    for _, script in SILENT:
        async with serving(script) as address, asyncio.timeout(60):
            opinion = await tool(address, timeout_s=0.1, if_unavailable=if_unavailable).opinion(envelope(), LARGE)
        assert [f.verdict for f in opinion.findings] == [UNAVAILABLE]
        assert opinion.findings[0].names == ("no answer in time",)
        assert opinion.wish is wish
        assert (opinion.reply is not None and opinion.reply.code == 451) is (wish is Wish.DEFER)


@pytest.mark.parametrize("tool", [_rspamd, _clamav])
@pytest.mark.parametrize("script", [script for _, script in BROKEN], ids=[name for name, _ in BROKEN])
async def test_a_tool_that_breaks_off_or_babbles_is_unavailable(tool: Callable[..., Asked], script: Script) -> None:
    for letter in (Letter(), LARGE):
        async with serving(script) as address:
            opinion = await tool(address, timeout_s=2.0).opinion(envelope(), letter)
        assert [f.verdict for f in opinion.findings] == [UNAVAILABLE]


@pytest.mark.parametrize("tool", [_rspamd, _clamav])
async def test_nobody_at_all_is_unavailable(tool: Callable[..., Asked]) -> None:
    for address in ("127.0.0.1:1", "/nowhere/clamd.ctl", "no..such..host:11333"):
        opinion = await tool(address).opinion(envelope(), Letter())
        assert [f.verdict for f in opinion.findings] == [UNAVAILABLE]


@pytest.mark.parametrize("answer", NO_HTTP, ids=range(len(NO_HTTP)))
async def test_what_is_no_answer_of_rspamd_is_not_believed(answer: bytes) -> None:
    async with serving(say(answer)) as address:
        opinion = await Rspamd(rspamd(address)).opinion(envelope(), Letter())
    assert [f.verdict for f in opinion.findings] == [UNAVAILABLE]


@pytest.mark.parametrize("answer", NO_CLAMD, ids=range(len(NO_CLAMD)))
async def test_what_is_no_answer_of_clamd_is_not_believed(answer: bytes) -> None:
    async with serving(say(answer)) as address:
        opinion = await Clamav(clamav(address)).opinion(envelope(), Letter())
    assert [f.verdict for f in opinion.findings] == [UNAVAILABLE]


async def test_an_ok_of_clamd_that_has_not_had_the_whole_mail_is_not_believed() -> None:
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(20)
        writer.write(b"stream: OK\0")
        await writer.drain()  # and the connection is reset with most of the mail unread

    async with serving(hasty) as address:
        opinion = await Clamav(clamav(address)).opinion(envelope(), LARGE)
    assert [f.verdict for f in opinion.findings] == [UNAVAILABLE]


@pytest.mark.parametrize(
    ("answer", "values", "verdict", "wish"),
    [
        (b'{"action": "no action", "score": 0.1}', {}, CLEAN, Wish.ACCEPT),
        (b'{"action": "greylist", "score": 4.5}', {}, CLEAN, Wish.ACCEPT),
        (b'{"action": "add header", "score": 7}', {}, SUSPECT, Wish.FILE),
        (b'{"action": "rewrite subject", "score": 8}', {}, SUSPECT, Wish.FILE),
        (b'{"action": "reject", "score": 15}', {}, SPAM, Wish.REFUSE),
        (b'{"action": "reject", "score": 15}', {"action": "file"}, SPAM, Wish.FILE),
        (b'{"action": "soft reject", "score": 1}', {}, SUSPECT, Wish.DEFER),
        (b'{"action": "reject", "score": 15}', {"refuse_score": 20.0}, SUSPECT, Wish.FILE),
        (b'{"action": "reject", "score": 15}', {"refuse_score": 20.0, "file_score": 16.0}, CLEAN, Wish.ACCEPT),
        (b'{"action": "no action", "score": 5}', {"file_score": 4.0}, SUSPECT, Wish.FILE),
        (b'{"action": "no action", "score": 5}', {"refuse_score": 5.0}, SPAM, Wish.REFUSE),
        (b'{"action": "never heard of", "score": 5}', {}, CLEAN, Wish.ACCEPT),
    ],
)
async def test_the_limits_decide_what_becomes_of_a_score(
    answer: bytes, values: dict[str, Any], verdict: str, wish: Wish
) -> None:
    async with serving(say(http(answer))) as address:
        opinion = await Rspamd(rspamd(address, **values)).opinion(envelope(), Letter())
    assert (opinion.findings[0].verdict, opinion.wish) == (verdict, wish)


async def test_names_that_a_tool_gives_are_short_and_plain_wherever_they_go() -> None:
    async with serving(say(b"stream: \xff<b>\x07" + b"x" * 90 + b" FOUND\0")) as address:
        opinion = await Clamav(clamav(address)).opinion(envelope(), Letter())
    assert opinion.findings[0].verdict == VIRUS
    (name,) = opinion.findings[0].names
    assert name.isascii()
    assert name.isprintable()
    assert len(name) <= 60
    assert not set(name) & set("<>")
    assert opinion.reply is not None
    assert name in str(opinion.reply)


async def test_a_stranger_cannot_put_fields_into_the_question() -> None:
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"\r\n\r\n"))

    from dataclasses import replace

    asked = envelope(sender='<"a b"@xn--mller-kva.example>')
    asked = replace(asked, peer=replace(asked.peer, helo="x\r\nSettings: {}\r\n\r\nPOST"))
    async with serving(listen) as address:
        await Rspamd(rspamd(address)).opinion(asked, Letter())
    fields = [line.partition(b":")[0] for line in heard.split(b"\r\n")[1:] if line]
    assert fields == [b"Host", b"Connection", b"Content-Length", b"From", b"Rcpt", b"IP", b"Helo"]
