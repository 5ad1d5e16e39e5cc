"""A DNS server on the loopback, for tests: UDP and TCP on one free port, a zone in a dict, and faults by name.

    async with DnsServer({"example.org": {"TXT": ['"v=spf1 -all"'], "A": ["192.0.2.1"]}}) as server:
        resolver = DnsResolver([server.address])

Records are written as in a zone file, a list for each type. A name may have a CNAME: the server follows it within its
zone and answers with the whole chain, as a resolver does. What is too large for UDP is truncated there. What is not
there is denied with an SOA. `ttl_s` and
`negative_s` are the times to live; `secure` are the names answered with AD, if the question allows it.

`faults` says what goes wrong with a name:

    silence            never answers
    delay:SECONDS      answers after that time
    servfail, refused, formerr
    truncated          by UDP only a truncated reply; by TCP the real one
    tcp-silence        the same, and by TCP never an answer
    garbage            the right number and question, then octets without a sense
    wrong-id           only a reply with another number
    wrong-question     only a reply to another question
    wrong-port         only a reply from another port
    forged             `forged_count` replies with other numbers (A 192.0.2.66, TXT v=spf1 +all), then the real one
    no-chain           the CNAME alone, without what it leads to
    cut                by TCP closes in the middle of the reply; by UDP truncated
    no-edns            formerr as long as the question has EDNS

`asked` has each question that arrived, as (name, type), whether by UDP or TCP; `tcp_count` the number of those by TCP.
`down = True` makes it silent for everything. The questions of the root (`. NS`) are answered, and not in `asked`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Coroutine, Mapping, Sequence
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from maild.dns.exchange import Server

Zonefile = Mapping[str, Mapping[str, Sequence[str]]]
_CHAIN = 20
_ERRORS = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED, "formerr": dns.rcode.FORMERR}


class DnsServer:
    """See the module."""

    def __init__(
        self,
        zone: Zonefile | None = None,
        *,
        faults: Mapping[str, str] | None = None,
        secure: Collection[str] = (),
        ttl_s: int = 300,
        negative_s: int = 300,
    ) -> None:
        self.zone = {name.lower(): dict(records) for name, records in (zone or {}).items()}
        self.faults = dict(faults or {})
        self.secure = frozenset(secure)
        self.ttl_s = ttl_s
        for records in self.zone.values():
            for kind, values in records.items():
                self._rrset(dns.name.root, kind, values)  # raises here what is written wrongly
        self.negative_s = negative_s
        self.asked: list[tuple[str, str]] = []
        self.tcp_count = 0
        self.root_count = 0
        self.down = False
        self.forged_count = 10
        self._later: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> Server:
        """Where it listens."""
        return Server(host="127.0.0.1", port=self._port)

    async def __aenter__(self) -> Self:
        """Listen on the same free port by UDP and TCP."""
        loop = asyncio.get_running_loop()
        for _ in range(20):
            self._tcp = await asyncio.start_server(self._connected, "127.0.0.1", 0)
            self._port = self._tcp.sockets[0].getsockname()[1]
            try:
                self._udp, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=("127.0.0.1", self._port)
                )
            except OSError:
                self._tcp.close()
                continue
            # What a crowd asks in one turn of the loop has to wait here until the next.
            self._udp.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            return self
        raise OSError("no port is free for UDP and TCP alike")

    async def __aexit__(self, *_: object) -> None:
        """Close everything, also what would have been answered later."""
        self._udp.close()
        self._tcp.close()
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await self._tcp.wait_closed()

    def received(self, octets: bytes, peer: tuple[str, int]) -> None:
        """Take a datagram."""
        self._begin(self._by_udp(octets, peer))

    async def _by_udp(self, octets: bytes, peer: tuple[str, int]) -> None:
        query = dns.message.from_wire(octets)
        fault = await self._fault(query)
        reply = self._reply(query, fault)
        match fault:
            case "silence":
                return
            case "truncated" | "tcp-silence" | "cut":
                reply = dns.message.make_response(query)
                reply.flags |= dns.flags.TC
            case "wrong-port":
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                    stranger.sendto(reply.to_wire(), peer)
                return
            case "forged":
                for identity in range(self.forged_count):
                    self._udp.sendto(_forged(query, identity), peer)
        wire = _spoilt(query, reply, fault)
        if len(wire) > max(512, query.payload):
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        self._udp.sendto(wire, peer)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._begin(self._by_tcp(reader, writer))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _by_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                query = dns.message.from_wire(
                    await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                )
                self.tcp_count += 1
                fault = await self._fault(query)
                if fault in ("silence", "tcp-silence"):
                    continue
                wire = _spoilt(query, self._reply(query, fault), fault)
                writer.write(len(wire).to_bytes(2, "big") + (wire[:20] if fault == "cut" else wire))
                if fault == "cut":
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _fault(self, query: dns.message.Message) -> str:
        asked = query.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        if name == ".":
            self.root_count += 1
            return "silence" if self.down else ""
        self.asked.append((name, dns.rdatatype.to_text(asked.rdtype)))
        fault = "silence" if self.down else self.faults.get(name, "")
        if fault.startswith("delay:"):
            await asyncio.sleep(float(fault.removeprefix("delay:")))
        if fault == "no-edns":
            return "formerr" if query.edns >= 0 else ""
        return fault

    def _reply(self, query: dns.message.Message, fault: str) -> dns.message.Message:
        reply = dns.message.make_response(query, recursion_available=True)
        if fault in _ERRORS:
            reply.set_rcode(_ERRORS[fault])
            return reply
        wanted = query.question[0].rdtype
        owner = query.question[0].name
        for _ in range(_CHAIN):
            records = self._records(owner)
            kind = dns.rdatatype.to_text(wanted)
            if records is None or kind in records or "CNAME" not in records:
                break
            reply.answer.append(self._rrset(owner, "CNAME", records["CNAME"]))
            owner = dns.name.from_text(records["CNAME"][0])
            if fault == "no-chain":
                return reply
        if records is not None and records.get(kind):
            reply.answer.append(self._rrset(owner, kind, records[kind]))
        elif owner != dns.name.root:
            below = any(name.endswith("." + _plain(owner)) for name in self.zone)
            reply.set_rcode(dns.rcode.NOERROR if records is not None or below else dns.rcode.NXDOMAIN)
            reply.authority.append(
                dns.rrset.from_text(".", 3600, "IN", "SOA", f"ns. hostmaster. 1 2 3 4 {self.negative_s}")
            )
        if query.flags & dns.flags.AD and _plain(owner) in self.secure:
            reply.flags |= dns.flags.AD
        return reply

    def _records(self, owner: dns.name.Name) -> Mapping[str, Sequence[str]] | None:
        return self.zone.get(_plain(owner))

    def _rrset(self, owner: dns.name.Name, kind: str, values: Sequence[str]) -> dns.rrset.RRset:
        return dns.rrset.from_text(owner, self.ttl_s, "IN", kind, *values)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.received(data, addr)


def _plain(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _spoilt(query: dns.message.Message, reply: dns.message.Message, fault: str) -> bytes:
    if fault == "wrong-id":
        return _forged(query, query.id ^ 0x0101)
    if fault == "wrong-question":
        other = dns.message.make_query("other.example", query.question[0].rdtype, id=query.id)
        return dns.message.make_response(other).to_wire()
    wire = reply.to_wire(max_size=65_535)
    if fault == "garbage":
        bare = dns.message.make_query(query.question[0].name, query.question[0].rdtype, id=query.id).to_wire()
        return bare[:2] + b"\x81\x80\0\1\0\7\0\0\0\0" + bare[12:] + b"\xc0\xff\x00\x10nonsense"
    return wire


def _forged(query: dns.message.Message, identity: int) -> bytes:
    if identity == query.id:
        identity += 100
    reply = dns.message.make_response(query)
    reply.id = identity
    reply.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "A", "192.0.2.66"))
    reply.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "TXT", '"v=spf1 +all"'))
    return reply.to_wire()
