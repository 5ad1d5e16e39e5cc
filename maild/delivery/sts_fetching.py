"""Fetches policies of MTA-STS, over HTTPS with a good certificate, from addresses that mail may be sent to as well.

Whoever owns a domain says where its `mta-sts.` host is. So an address is checked as that of a mail host is, and the
very address that was checked is connected to.

Source: RFC 8461 §3.2 (media type), §3.3 (HTTPS, no redirects, limits); threats O3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from maild.delivery.networks import Network, may_connect
from maild.delivery.tls import Contexts
from maild.dns.answer import DnsError, Kind, Resolver
from maild.dns.names import plain_name
from maild.mail.sts import MOST_OCTETS, url_of

if TYPE_CHECKING:
    import httpx2

_WITHIN_S = 20.0
_HTTPS_PORT = 443
_MOST_ADDRESSES = 4


class Fetching:
    """Fetches policies. `contexts` say whose certificates are believed; `allowed` networks may be private."""

    def __init__(
        self,
        resolver: Resolver,
        contexts: Contexts,
        *,
        allowed: Iterable[Network] = (),
        port: int = _HTTPS_PORT,
    ) -> None:
        self._resolver = resolver
        self._contexts = contexts
        self._allowed = tuple(allowed)
        self._port = port

    async def __call__(self, domain: str) -> tuple[str | None, str]:
        """Return the text of a domain's policy, or None and why there is none."""
        host = f"mta-sts.{domain}"
        if plain_name(host) is None:
            return None, "its name would be none that the DNS could have"
        try:
            async with asyncio.timeout(_WITHIN_S):
                return await self._from_any(host, domain)
        except TimeoutError:
            return None, "it did not come in time"

    async def _from_any(self, host: str, domain: str) -> tuple[str | None, str]:
        try:
            addresses = await self._addresses(host)
        except DnsError as error:
            return None, f"the DNS does not know {host} for now ({error.reason})"
        if not addresses:
            return None, f"{host} has no address on the public Internet"
        fault = ""
        for address in addresses[:_MOST_ADDRESSES]:
            text, fault = await self._from(address, host, domain)
            if text is not None:
                return text, ""
        return None, fault

    async def _addresses(self, host: str) -> list[str]:
        found = [*(await self._resolver.ask(host, Kind.A)).hosts, *(await self._resolver.ask(host, Kind.AAAA)).hosts]
        return [address for address in found if may_connect(address, self._allowed)]

    async def _from(self, address: str, host: str, domain: str) -> tuple[str | None, str]:
        # Loaded when it is needed: few domains have a policy, and the verbs of the command line start without it.
        import httpx2  # noqa: PLC0415

        place = f"[{address}]" if ":" in address else address
        url = httpx2.URL(url_of(domain)).copy_with(netloc=f"{place}:{self._port}".encode())
        asked = {"Host": host, "Accept-Encoding": "identity"}
        try:
            async with (
                httpx2.AsyncClient(verify=self._contexts.verified, follow_redirects=False, trust_env=False) as client,
                # Security: the certificate must be valid for the name, not for the address.
                client.stream("GET", url, headers=asked, extensions={"sni_hostname": host}) as answer,
            ):
                return await _policy(answer)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            return None, str(error)[:200] or type(error).__name__


async def _policy(answer: httpx2.Response) -> tuple[str | None, str]:
    if answer.status_code != 200:
        return None, f"the answer is {answer.status_code}"
    media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "text/plain":
        return None, "it is not of the type text/plain"
    if answer.headers.get("content-encoding", "identity") != "identity":
        return None, "it is packed, which nobody has asked for"
    octets = b""
    async for piece in answer.aiter_raw():
        octets += piece
        if len(octets) > MOST_OCTETS:
            return None, f"it has more than {MOST_OCTETS:,} octets"
    return octets.decode("utf-8", "replace"), ""
