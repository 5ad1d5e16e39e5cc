"""Somebody at a mail program, and those who wrote: letters come, each is answered, whatever happens to the daemon."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections import Counter
from dataclasses import dataclass, field

from tests.crash.harness import reply_of

OFFICE = "kita.platzvergabe@musterstadt.example"


@dataclass
class Desk:
    """Sends letters and answers up to `allowed`. `letters` and `answers` are what was acknowledged."""

    smtp_port: int
    submission_port: int
    login: str
    password: str
    allowed: int = 0
    whole: int = 0
    letters: Counter[str] = field(default_factory=Counter)  # SHA-256 of the octets, as the oracle wants them
    answers: dict[str, str] = field(default_factory=dict)  # Message-ID → recipient
    refused: Counter[str] = field(default_factory=Counter)
    _next: int = 0

    async def run(self, at_once: int = 3) -> None:
        """Return when all is acknowledged."""
        await asyncio.gather(*(self._person() for _ in range(at_once)))

    async def _person(self) -> None:
        while self._next < self.whole:
            if self._next >= self.allowed:
                await asyncio.sleep(0.01)
                continue
            number, self._next = self._next, self._next + 1
            await self._until_taken(number)

    async def _until_taken(self, number: int) -> None:
        """Hand in a letter and its answer, octet by octet the same until each has its 250."""
        citizen = f"b{number}@citizen.example"
        letter, answer = _letter(number, citizen), _answer(number, citizen)
        done = 0
        while done < 2:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(60):
                    if done == 0 and await self._hand_in(self.smtp_port, citizen, OFFICE, letter):
                        self.letters[hashlib.sha256(letter).hexdigest()] += 1
                        done = 1
                    elif done and await self._hand_in(self.submission_port, OFFICE, citizen, answer, signed_in=True):
                        self.answers[f"{number}.answer@musterstadt.example"] = citizen
                        done = 2
            await asyncio.sleep(0.01)

    async def _hand_in(self, port: int, sender: str, recipient: str, octets: bytes, *, signed_in: bool = False) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await reply_of(reader)
            secret = base64.b64encode(f"\0{self.login}\0{self.password}".encode())
            steps = [
                b"EHLO pc.example",
                *([b"AUTH PLAIN " + secret] if signed_in else []),
                f"MAIL FROM:<{sender}>".encode(),
                f"RCPT TO:<{recipient}>".encode(),
                b"DATA",
                octets + b".",
            ]
            for step in steps:
                writer.write(step + b"\r\n")
                reply = await reply_of(reader)
                if reply[:1] not in b"23":
                    self.refused[reply[:3].decode()] += 1
                    return False
            return True
        finally:
            writer.close()


def _letter(number: int, citizen: str) -> bytes:
    return (
        f"From: Petra <{citizen}>\r\nTo: {OFFICE}\r\nSubject: Frage {number}\r\n"
        f"Message-ID: <{number}.letter@citizen.example>\r\n\r\nGuten Tag {number}\r\n"
    ).encode()


def _answer(number: int, citizen: str) -> bytes:
    return (
        f"From: Kita <{OFFICE}>\r\nTo: {citizen}\r\nSubject: Re: Frage {number}\r\n"
        f"Date: Mon, 21 Sep 2026 15:13:20 +0200\r\nMessage-ID: <{number}.answer@musterstadt.example>\r\n"
        f"In-Reply-To: <{number}.letter@citizen.example>\r\n\r\nGuten Tag {number}\r\n"
    ).encode()
