"""Do those who are asked about mail answer? For `maild doctor`; nothing harmful is sent anywhere."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

from maild.dns.answer import Resolver
from maild.screening.asked import Settings, UnavailableError
from maild.screening.blocklists import Blocklists
from maild.screening.clamav import Clamav
from maild.screening.rspamd import Rspamd

_HARMLESS = b"From: <probe@invalid>\r\nTo: <probe@invalid>\r\nSubject: maild doctor\r\n\r\nIs anybody there?\r\n"


class Probe(NamedTuple):
    """Whether one thing is well, and a sentence about it."""

    name: str
    ok: bool
    text: str


class Held:
    """A few octets in memory, to be sent like a mail."""

    def __init__(self, octets: bytes) -> None:
        """Hold them."""
        self._octets = octets
        self.size = len(octets)

    def pieces(self) -> Iterator[bytes]:
        """Yield them."""
        yield self._octets


async def answers(settings: Settings, resolver: Resolver | None = None) -> list[Probe]:
    """Ask everybody who is set whether they answer; what is not set is not asked and not named."""
    probes: list[Probe] = []
    if settings.rspamd.address:
        rspamd = Rspamd(settings.rspamd)
        probes.append(await _probe("rspamd", settings.rspamd.address, rspamd.greet))
    if settings.rspamd.controller:
        teacher = Rspamd(settings.rspamd)
        probes.append(await _probe("rspamd controller", settings.rspamd.controller, teacher.greet_controller))
    if settings.clamav.address:
        probes.append(await _probe("clamav", settings.clamav.address, lambda: _scanned(Clamav(settings.clamav))))
    if settings.blocklists.lists:
        tested = await Blocklists(settings.blocklists, resolver, time.monotonic).test()
        probes += [Probe(f"block list {zone}", not wrong, wrong or "answers, with its test entries")
                   for zone, wrong in tested.items()]  # fmt: skip
    return probes


async def _scanned(clamav: Clamav) -> str:
    version = await clamav.greet()
    found = await clamav.ask(Held(_HARMLESS))
    if found is not None:
        raise UnavailableError(f"finds {found} in a mail without anything")
    return version


async def _probe(name: str, address: str, ask: Callable[[], Awaitable[str | None]]) -> Probe:
    try:
        said = await ask()
    except UnavailableError as error:
        return Probe(name, ok=False, text=f"{address}: {error.reason}")
    return Probe(name, ok=True, text=f"{address} answers" + (f": {said}" if said else ""))
