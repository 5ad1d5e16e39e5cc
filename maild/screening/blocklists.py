"""DNS block lists: is the machine that hands over a mail known for spam?

Each list is asked with nothing but the peer's address. Before a list is believed, and every hour, its test entries are
asked for: 127.0.0.2 must be listed and 127.0.0.1 must not, or the list is dead, or somebody answers in its place.
Operators say by answers in 127.255.255.0/24 that they do not want to be asked so; then, as when a day's questions are
used up, the list is left alone for a while. None of that ever counts as *listed*.

Promises: never an exception; addresses of this machine and of private networks are asked for nowhere.
Source: RFC 5782 §2 (queries), §5 (test entries); the usage terms of Spamhaus for the error codes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from maild.dns.answer import Answer, DnsError, Kind, Resolver, Status
from maild.mail.envelope import Envelope
from maild.mail.reply import Reply
from maild.mail.screening import CLEAN, LISTED, UNAVAILABLE, Finding
from maild.screening.asked import (
    COME_AGAIN,
    BlockList,
    BlocklistsSettings,
    Octets,
    Opinion,
    UnavailableError,
    Wish,
    shown,
)

_ANSWERS = IPv4Network("127.0.0.0/8")
_ERRORS = IPv4Network("127.255.255.0/24")
_LISTED_TEST, _CLEAN_TEST = IPv4Address("127.0.0.2"), IPv4Address("127.0.0.1")
_PROVEN_S = 3_600.0
_PAUSE_S = 3_600.0  # for who does not want to be asked, or does not have its test entries
_AGAIN_S = 60.0  # for who could not be reached
_DAY_S = 86_400.0
_USED_UP = "no questions left today"


@dataclass(slots=True)
class _Standing:
    """What we know of a list: believed, or left alone for `reason`, until a time; and how often it was asked today."""

    until: float = float("-inf")
    reason: str = ""
    day: int = -1
    asked: int = 0


class Blocklists:
    """Asks the lists of the settings."""

    def __init__(
        self,
        settings: BlocklistsSettings,
        resolver: Resolver | None,
        clock: Callable[[], float],
        is_relay: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Ask by `resolver` (without one: nobody) about all but relays; `clock` gives monotonic seconds."""
        self._is_relay = is_relay
        self._settings = settings
        self._resolver = resolver
        self._clock = clock
        self._standings = {each.zone: _Standing() for each in settings.lists}

    async def opinion(self, envelope: Envelope, octets: Octets) -> Opinion:  # noqa: ARG002 - the content does not count
        """Return what the lists say of a peer; nothing for one that is never asked about."""
        address = public_address(envelope.peer.ip)
        if address is None or envelope.peer.login is not None or self._is_relay(envelope.peer.ip):
            return Opinion(())
        findings = await self._findings(address)
        return self._judged(findings, str(address))

    async def test(self) -> dict[str, str]:
        """Return, for each list, what is wrong with its test entries; "" when they are as they should be."""
        found: dict[str, str] = {}
        for each in self._settings.lists:
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    await self._prove(each)
                found[each.zone] = ""
            except TimeoutError:
                found[each.zone] = "no answer in time"
            except UnavailableError as error:
                found[each.zone] = error.reason
        return found

    async def _findings(self, address: IPv4Address | IPv6Address) -> list[Finding]:
        tasks = {
            asyncio.create_task(self._ask(each, address), name=f"blocklist {each.zone}"): each
            for each in self._settings.lists
        }
        try:
            await asyncio.wait(tasks, timeout=self._settings.timeout_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [
            Finding(each.zone, UNAVAILABLE, names=("no answer in time",)) if task.cancelled() else task.result()
            for task, each in tasks.items()
        ]

    def _judged(self, findings: list[Finding], address: str) -> Opinion:
        settings = self._settings
        weights = {each.zone: each.weight for each in settings.lists}
        listed = [finding.by for finding in findings if finding.verdict == LISTED]
        # Security: strangers use the questions of a day up; nobody is told to come again until it is over.
        away = [each.by for each in findings if each.verdict == UNAVAILABLE and each.names != (_USED_UP,)]
        weight = sum(weights[zone] for zone in listed)
        kept = tuple(findings)
        if weight >= settings.threshold:
            if settings.action == "refuse":
                return Opinion(kept, Wish.REFUSE, _refused(address, listed))
            return Opinion(kept, Wish.FILE if settings.action == "file" else Wish.ACCEPT)
        doubtful = weight + sum(weights[zone] for zone in away) >= settings.threshold
        if doubtful and settings.if_unavailable == "defer" and settings.action != "note":
            return Opinion(kept, Wish.DEFER, COME_AGAIN)
        return Opinion(kept)

    async def _ask(self, each: BlockList, address: IPv4Address | IPv6Address) -> Finding:
        try:
            await self._trusted(each)
            codes = await self._codes(each, address)
        except UnavailableError as error:
            return Finding(each.zone, UNAVAILABLE, names=(error.reason,))
        counted = tuple(str(code) for code in codes if each.counts(code))
        return Finding(each.zone, LISTED, float(each.weight), counted) if counted else Finding(each.zone, CLEAN)

    async def _trusted(self, each: BlockList) -> None:
        standing = self._standings[each.zone]
        if self._clock() >= standing.until:
            try:
                await self._prove(each)
            except UnavailableError as error:
                if self._clock() >= standing.until:
                    standing.until, standing.reason = self._clock() + _AGAIN_S, error.reason
            else:
                standing.until, standing.reason = self._clock() + _PROVEN_S, ""
        if standing.reason:
            raise UnavailableError(standing.reason)

    async def _prove(self, each: BlockList) -> None:
        listed, clean = await self._codes(each, _LISTED_TEST), await self._codes(each, _CLEAN_TEST)
        if clean or not listed:
            reason = "lists everybody" if clean else "has no test entry"
            self._leave_alone(each, reason)
            raise UnavailableError(reason)

    async def _codes(self, each: BlockList, address: IPv4Address | IPv6Address) -> list[IPv4Address]:
        answer = await self._answer(each, query_name(address, each.zone))
        if answer.status is not Status.FOUND:
            return []
        codes = [code for host in answer.hosts if isinstance(code := _address(host), IPv4Address)]
        wrong = next((code for code in codes if code in _ERRORS or code not in _ANSWERS), None)
        if wrong is not None or not codes:
            reason = f"answers {wrong}" if wrong is not None else "answers nothing"
            self._leave_alone(each, reason)
            raise UnavailableError(reason)
        return codes

    async def _answer(self, each: BlockList, name: str) -> Answer:
        if self._resolver is None:
            raise UnavailableError("no resolver")
        standing, day = self._standings[each.zone], int(self._clock() // _DAY_S)
        if standing.day != day:
            standing.day, standing.asked = day, 0
        if standing.asked >= self._settings.max_questions_per_day:
            raise UnavailableError(_USED_UP)
        standing.asked += 1
        try:
            return await self._resolver.ask(name, Kind.A)
        except DnsError as error:
            raise UnavailableError(shown(error.reason)) from None

    def _leave_alone(self, each: BlockList, reason: str) -> None:
        standing = self._standings[each.zone]
        standing.until, standing.reason = self._clock() + _PAUSE_S, reason


def public_address(ip: str) -> IPv4Address | IPv6Address | None:
    """Return the address of a peer that the whole world can know; None for this machine and private networks."""
    address = _address(ip.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address if address is not None and address.is_global and not address.is_multicast else None


def query_name(address: IPv4Address | IPv6Address, zone: str) -> str:
    """Return the name to ask for (RFC 5782 §2.1, §2.4): octets, or nibbles of IPv6, in reverse."""
    if isinstance(address, IPv4Address):
        parts: Iterable[str] = reversed(str(address).split("."))
    else:
        parts = reversed(address.exploded.replace(":", ""))
    return f"{'.'.join(parts)}.{zone}"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _refused(address: str, zones: list[str]) -> Reply:
    named = ", ".join(shown(zone) for zone in zones[:3])
    text = f"Your mail server {address} is listed by {named}; ask whoever runs it to have that removed"
    return Reply(code=554, enhanced="5.7.1", text=text[:480])
