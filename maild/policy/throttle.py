"""How fast passwords may be tried: from one address, on one account, and in all.

Nobody is locked out by strangers. Failures from one network make that network wait; failures on one account, or
very many in all, make each further try on it slower by seconds, and never impossible. A browser in which a person
has signed in before is known by a cookie of its own: it answers for its own failures, and for no stranger's.

Codes of six digits can be guessed where passwords cannot: who has the password and tries codes is made to wait for the
account itself. It takes the password to get there, so no stranger can do it to a colleague.

A passkey cannot be guessed; looking at one that is none costs work all the same. One that stands alone counts for the
network, apart from its passwords, or for a browser that knows the login; one after the password, as codes do.

A try counts as failed before it is looked at, so that a thousand at the same moment are not all the first.

Source: OWASP ASVS 5.0 §6.3.1; NIST SP 800-63B §5.2.2
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

FREE_TRIES = 5  # of an account; beyond, answers come later
FREE_TRIES_ORIGIN = 10  # of a network or a known browser; beyond, tries are refused for a while
BUSY_TRIES = 100  # in all
MAX_DELAY_S = 4.0
FIRST_WAIT_S = 5.0
MAX_WAIT_S = 300.0
_FORGIVEN = 3  # tries, by one success: its own, and the typing errors of a colleague behind the same address
# Half of the failures are forgotten in this time.
_FORGET_S = {"account": 900.0, "all": 300.0, "network": 3600.0, "device": 3600.0, "code": 3600.0, "passkey": 3600.0}
_MAX_KEYS = 20_000  # Invariant: strangers cannot make this table grow


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do with a try: answer `delay_s` late, or (with `retry_after_s`) refuse to look at it at all."""

    delay_s: float = 0.0
    retry_after_s: float = 0.0


@dataclass(slots=True)
class _Tally:
    forget_s: float
    failures: float = 0.0
    at_s: float = 0.0
    until_s: float = 0.0

    def now(self, now_s: float) -> float:
        """Return the failures that still count: they halve with time."""
        return self.failures * math.exp2(-max(now_s - self.at_s, 0.0) / self.forget_s)


class Throttle:
    """Counts failures. `now_s` is a clock that never goes back."""

    def __init__(self) -> None:
        """Begin with nothing against anyone."""
        self._tallies: OrderedDict[tuple[str, str], _Tally] = OrderedDict()

    def begin(self, ip: str, login: str, now_s: float, *, device: str = "") -> Verdict:
        """Say how to treat a try, and count it as failed unless it is refused unseen.

        `device` names the browser, or the place of a mail program, from where this login has signed in before.
        """
        where = _origin(ip, login, device)
        if (wait_s := self._wait_s(where, now_s)) > 0:
            return Verdict(retry_after_s=wait_s)
        delay_s = 0.0
        if not device:
            account = self._add("account", login, now_s)
            everyone = self._add("all", "", now_s)
            delay_s = max(_delay(account - FREE_TRIES), _delay((everyone - BUSY_TRIES) / 25))
        self._count(where, now_s)
        return Verdict(delay_s=delay_s)

    def begin_code(self, login: str, now_s: float, *, device: str = "") -> Verdict:
        """Say how to treat a try of a second factor, after the password was right."""
        where = _of_code(login, device)
        if (wait_s := self._wait_s(where, now_s)) > 0:
            return Verdict(retry_after_s=wait_s)
        self._count(where, now_s)
        return Verdict()

    def code_succeeded(self, login: str, *, device: str = "") -> None:
        """Forgive the tries of codes."""
        self._tallies.pop(_of_code(login, device), None)

    def begin_passkey(self, ip: str, login: str, now_s: float, *, device: str = "") -> Verdict:
        """Say how to treat a try of a passkey that stands for both factors; `device` knows the login that it is of."""
        where = _of_passkey(ip, login, device)
        if (wait_s := self._wait_s(where, now_s)) > 0:
            return Verdict(retry_after_s=wait_s)
        self._count(where, now_s)
        return Verdict()

    def passkey_succeeded(self, ip: str, login: str, now_s: float, *, device: str = "") -> None:
        """Forgive the browser, or the network, a few tries."""
        self._forgive(_of_passkey(ip, login, device), now_s)

    def _forgive(self, where: tuple[str, str], now_s: float) -> None:
        tally = self._tally(*where)
        tally.failures, tally.at_s = max(tally.now(now_s) - _FORGIVEN, 0.0), now_s
        tally.until_s = 0.0 if tally.failures < FREE_TRIES_ORIGIN else tally.until_s

    def _wait_s(self, where: tuple[str, str], now_s: float) -> float:
        return self._tally(*where).until_s - now_s

    def _count(self, where: tuple[str, str], now_s: float) -> None:
        beyond = self._add(*where, now_s) - FREE_TRIES_ORIGIN + 0.5
        if beyond >= 0:
            self._tally(*where).until_s = now_s + min(FIRST_WAIT_S * 2.0 ** min(beyond, 16), MAX_WAIT_S)

    def succeeded(self, ip: str, login: str, now_s: float, *, device: str = "") -> None:
        """Forgive the account, and the network a few tries: a whole town hall may share an address."""
        self._tally("account", login).failures = 0.0
        for where in (_origin(ip, login, device), ("all", "")):
            self._forgive(where, now_s)

    def _add(self, kind: str, key: str, now_s: float) -> float:
        tally = self._tally(kind, key)
        tally.failures, tally.at_s = tally.now(now_s) + 1.0, now_s
        return tally.failures

    def _tally(self, kind: str, key: str) -> _Tally:
        found = self._tallies.setdefault((kind, key), _Tally(_FORGET_S[kind]))
        self._tallies.move_to_end((kind, key))
        if len(self._tallies) > _MAX_KEYS:
            self._tallies.popitem(last=False)
        return found


def _origin(ip: str, login: str, device: str) -> tuple[str, str]:
    return ("device", f"{device} {login}") if device else ("network", network_of(ip))


def _of_passkey(ip: str, login: str, device: str) -> tuple[str, str]:
    return _origin(ip, login, device) if device else ("passkey", network_of(ip))


def _of_code(login: str, device: str) -> tuple[str, str]:
    return ("code", f"{device} {login}")


def _delay(beyond: float) -> float:
    return 0.0 if beyond <= 0 else min(0.125 * 2.0 ** min(beyond, 8.0), MAX_DELAY_S)


def network_of(ip: str) -> str:
    """Return what one stranger holds of addresses: one of IPv4, a /64 of IPv6."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
