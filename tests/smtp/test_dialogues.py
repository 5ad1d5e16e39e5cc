"""Plays the transcripts of tests/dialogues against a server.

`C:` the client says a line, `C|` a line in one packet with the next, `S:` the server's next line, `S: ...` any lines
up to the last of this reply, `S: <closed>` the end.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.smtp.conftest import Serve
from tests.smtp.room import Wire

DIALOGUES = sorted((Path(__file__).parent.parent / "dialogues").glob("*.txt"))


async def play(script: str, wire: Wire) -> None:
    held = b""
    heard = ""
    skipping = False
    for number, line in enumerate(script.splitlines(), start=1):
        kind, said = line[:2], line[3:]
        if kind in {"C:", "C|"}:
            held += said.encode() + b"\r\n"
            if kind == "C:":
                await wire.send(held)
                held = b""
        elif said == "...":
            skipping = True
        elif kind == "S:":
            heard = await wire.line()
            while skipping and heard[3:4] == "-":
                heard = await wire.line()
            skipping = False
            assert heard == ("" if said == "<closed>" else said), f"line {number}"


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
async def test_dialogue_goes_as_written(path: Path, start: Serve) -> None:
    script = path.read_text(encoding="utf-8")  # noqa: ASYNC240 - nothing else runs yet
    server = await start()
    async with Wire.open(server, greet=False) as wire:
        await play(script, wire)


def test_dialogues_are_there() -> None:
    assert len(DIALOGUES) >= 6
