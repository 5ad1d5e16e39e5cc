"""S1: one transaction that another server, or we, would read as two.

Expected: only CR LF . CR LF ends a message. For each message accepted there is one stored, with every octet that
was sent, also in TLS, also before a second transaction, and however the network cuts the stream.
"""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.smtp.content import Content, DataReader
from maild.smtp.limits import Limits
from maild.smtp.tls import TlsFiles
from tests.smtp.room import MemorySpool, Room, Wire, serving

ENDS = [
    b"\n.\n",
    b"\n.\r",
    b"\r.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\r\r\n",
]
SMUGGLED = b"MAIL FROM:<evil@there.example>\r\nRCPT TO:<kita@us.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"
ENVELOPE = b"MAIL FROM:<a@there.example>\r\nRCPT TO:<kita@us.example>\r\nDATA\r\n"


def stored_form(sent: bytes) -> bytes:
    """The octets that remain when the dots of transparency are gone."""
    return sent.replace(b"\r\n.", b"\r\n")


@pytest.mark.parametrize("way", ["clear", "tls", "pipelined"])
@pytest.mark.parametrize("end", ENDS, ids=repr)
async def test_one_message_is_stored_for_one_accepted(
    end: bytes, way: str, tls_client: ssl.SSLContext, tls_files: TlsFiles
) -> None:
    room = Room()
    body = b"Subject: one\r\n\r\nfirst" + end + SMUGGLED
    async with serving(room, tls=tls_files) as server, Wire.open(server) as wire:
        await wire.say("EHLO there.example")
        if way == "tls":
            await wire.start_tls(tls_client)
            await wire.say("EHLO there.example")
        second = ENVELOPE + b"second\r\n.\r\n" if way == "pipelined" else b""
        await wire.send(ENVELOPE + body + b"\r\n.\r\n" + second + b"QUIT\r\n")
        accepted = (await wire.rest()).count(b"250 2.0.0 Ok: stored")
    assert len(room.stored) == accepted == (2 if way == "pipelined" else 1)
    assert room.stored[0].content == stored_form(body + b"\r\n")
    assert str(room.stored[0].envelope.reverse_path) == "a@there.example"


@given(
    text=st.lists(st.sampled_from([b"\r", b"\n", b".", b"\0", b"x", b"\r\n", b"\r\n."]), max_size=40).map(b"".join),
    cuts=st.lists(st.integers(min_value=1, max_value=6), min_size=1, max_size=30),
)
def test_content_does_not_depend_on_where_the_network_cuts_it(text: bytes, cuts: list[int]) -> None:
    sent = b"\r\n" + text
    end = (sent + b"\r\n.\r\n").index(b"\r\n.\r\n")
    expected = stored_form((sent + b"\r\n")[: end + 2])[2:]
    rest = (text + b"\r\n.\r\nQUIT\r\n")[end + 3 :]
    spool = MemorySpool()
    reader = DataReader(Content(spool, Limits()))
    stream, position, turn = text + b"\r\n.\r\nQUIT\r\n", 0, 0
    left: bytes | None = None
    while left is None:
        width = cuts[turn % len(cuts)]
        left = reader.feed(stream[position : position + width])
        position, turn = position + width, turn + 1
    assert bytes(spool.octets) == expected
    assert left + stream[position:] == rest
