"""S12: commands that no sane program sends.

Expected: each line gets one reply, with an enhanced code, that names no exception and no place in our code; a
session that has seen them still takes a message, or was ended with a 421.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.smtp.room import Room, Wire, serving

REPLY = re.compile(
    rb"(?:220 mx\.us\.example ESMTP maild"
    rb"|250[ -](?:mx\.us\.example|PIPELINING|SIZE 35000000|8BITMIME|SMTPUTF8|ENHANCEDSTATUSCODES|CHUNKING|DSN|HELP)"
    rb"|354 End data with <CR><LF>\.<CR><LF>"
    rb"|([245])[0-9]{2} \1\.[0-9]{1,3}\.[0-9]{1,3} [ -~]+)"
)
REVEALING = re.compile(rb"Traceback|Exception|\w+Error\b|\.py|line \d|maild\.|/|0x")
VERBS = st.sampled_from(
    [b"HELO", b"EHLO", b"MAIL", b"RCPT", b"RSET", b"NOOP", b"VRFY", b"EXPN", b"HELP", b"AUTH", b"STARTTLS", b"mail"]
)
WORDS = st.sampled_from([
    b"FROM:", b"TO:", b"FROM:<>", b"FROM:<a@there.example>", b"TO:<kita@us.example>", b"TO:<postmaster>", b"<", b">",
    b"<<>>", b'"', b'<"a b"@us.example>', b"SIZE=99999999999999999999", b"SIZE=-1", b"BODY=8BITMIME", b"SMTPUTF8",
    b"NOTIFY=NEVER", b"ORCPT=rfc822;x", b"ENVID=+ZZ", b"=", b"==", b"\xff\xfe", b"\xc3\xa4@\xc3\xa4", b"\0", b"\x1b[2J",
    b"<;/bin/sh>", b"<|id@us.example>", b"`id`", b"$(id)", b"%n%s", b"<@,@:a@us.example>", b"a" * 300, b"\x80" * 70,
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2", b"<a@[IPv6:::ffff:1.2.3.4]>", b"\xf0\x9f\x92\xa9", b"\xed\xa0\x80",
    b"AGEAYg==",
])  # fmt: skip
LINES = st.one_of(
    st.builds(lambda verb, words: b" ".join([verb, *words]), VERBS, st.lists(WORDS, max_size=4)),
    st.binary(max_size=60).filter(lambda line: not line.upper().startswith((b"QUIT", b"DATA", b"BDAT"))),
    st.binary(min_size=4_000, max_size=4_200),
).map(lambda line: line.replace(b"\n", b"").removesuffix(b"\r"))
FUZZ = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def check(said: bytes) -> None:
    for line in said.splitlines():
        assert REPLY.fullmatch(line), line
        assert not REVEALING.search(line), line


async def converse(lines: list[bytes], room: Room) -> bytes:
    async with serving(room) as server, Wire.open(server, greet=False) as wire:
        await wire.send(b"".join(line + b"\r\n" for line in lines) + b"RSET\r\nQUIT\r\n")
        return await wire.rest()


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


@FUZZ
@given(lines=st.lists(LINES, max_size=12))
def test_every_line_has_one_reply_that_reveals_nothing(lines: list[bytes]) -> None:
    said = run(converse(lines, Room()))
    check(said)
    answers = [line for line in said.splitlines() if line[3:4] != b"-"]
    forbidden = any(line.split(b" ")[0].upper() in {b"GET", b"POST", b"PUT", b"CONNECT"} for line in lines)
    quits = any(line.split(b" ")[0].upper() in {b"QUIT", b"BDAT", b"DATA"} for line in lines)
    if not forbidden and not quits:
        assert len(answers) == len(lines) + 3  # greeting, RSET, QUIT


@FUZZ
@given(lines=st.lists(LINES, max_size=8))
def test_a_message_is_taken_after_them(lines: list[bytes]) -> None:
    room = Room()
    message = [
        b"EHLO x",
        b"MAIL FROM:<a@there.example>",
        b"RCPT TO:<kita@us.example>",
        b"DATA",
        b"Subject: x",
        b".",
    ]
    said = run(converse([*lines, *message], room))
    check(said)
    assert len(room.stored) == 1 or b"\r\n421 4.7.0 This is a mail server\r\n" in said or b"221 2.0.0 Bye" in said


@FUZZ
@given(octets=st.binary(max_size=400))
def test_noise_is_answered_or_ended_and_never_stored(octets: bytes) -> None:
    room = Room()
    said = run(converse([octets], room))
    check(said)
    assert room.stored == []


@pytest.mark.parametrize(
    "address", ["<;reboot;@us.example>", "<|x@us.example>", "<$(x)@us.example>", "<-oQ@us.example>"]
)
async def test_an_address_is_never_more_than_a_name(address: str) -> None:
    room = Room()
    async with serving(room) as server, Wire.open(server) as wire:
        await wire.say("EHLO x")
        await wire.say("MAIL FROM:<a@there.example>")
        assert (await wire.say(f"RCPT TO:{address}"))[:3] in {"501", "550"}


async def test_a_proxy_header_from_a_stranger_is_a_wrong_command() -> None:
    room = Room()
    async with serving(room) as server, Wire.open(server) as wire:
        assert (await wire.say("PROXY TCP4 192.0.2.1 192.0.2.2 1 25")).startswith("500 5.5.2 ")
        await wire.begin()
        await wire.send(b"x\r\n.\r\n")
        await wire.reply()
    assert room.stored[0].envelope.peer.ip == "127.0.0.1"


async def test_an_argument_of_64_kb_is_refused_and_the_session_goes_on() -> None:
    async with serving(Room()) as server, Wire.open(server) as wire:
        assert await wire.say("EHLO " + "x" * 60_000) == "500 5.5.2 Line too long"
        assert await wire.say("NOOP") == "250 2.0.0 Ok"
        assert await wire.say("EHLO " + "x" * 200_000) == "500 5.5.2 Line too long"
        assert await wire.rest() == b""
