"""The records of a reply, read from their octets.

dnspython makes an object of every record, which takes seconds for 64 kB that a stranger has filled with thousands of
them, and all mail would wait meanwhile. Here a record that nobody asked for is stepped over, and the whole is linear.

Promises: `Records` raises nothing but `RecordError`, and a pointer leads backwards only (RFC 1035 §4.1.4).

Source: RFC 1035 §3.3, §3.4.1, §4.1; RFC 3596 §2.2; RFC 6698 §2.1; RFC 6891 §6.1.3.
"""

from __future__ import annotations

import re
import socket
import struct
from typing import NamedTuple

from maild.dns.answer import Kind

Labels = tuple[bytes, ...]
CODES = {
    Kind.A: 1,
    Kind.NS: 2,
    Kind.CNAME: 5,
    Kind.SOA: 6,
    Kind.PTR: 12,
    Kind.MX: 15,
    Kind.TXT: 16,
    Kind.AAAA: 28,
    Kind.TLSA: 52,
}
_OPT = 41
_INTERNET = 1
_NAME_OCTETS = 254
_JUMPS = 128
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_HOST_LABEL = re.compile(rb"[!-\-/-\[\]-~]+")


class RecordError(Exception):
    """A reply that breaks the format."""


class Record(NamedTuple):
    """Where a record of the Internet class is: `at` and `end` of its data. `owner` is in lower case."""

    owner: Labels
    code: int
    ttl_s: int
    at: int
    end: int


class Reply(NamedTuple):
    """A reply, its additional section left out. `code` is the whole response code, the part in EDNS included."""

    code: int
    flags: int
    answer: list[Record]
    authority: list[Record]


class _Octets:
    """The octets of a reply, and the names in them that are pointed at."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self._pointed: dict[int, Labels] = {}

    def name(self, at: int) -> tuple[Labels, int]:
        """Return the name at a place, and where what follows it begins."""
        octets, labels = self.octets, list[bytes]()
        after, before = 0, at
        jumps: list[tuple[int, int]] = []
        while size := octets[at]:
            if size < 64:
                labels.append(octets[at + 1 : at + 1 + size].lower())
                at += 1 + size
                continue
            target = (size & 0x3F) << 8 | octets[at + 1]
            after = after or at + 2
            if size < 0xC0 or target >= before or len(jumps) > _JUMPS:
                raise RecordError
            jumps.append((target, len(labels)))
            if (known := self._pointed.get(target)) is not None:
                labels += known
                break
            at = before = target
        name = tuple(labels)
        if sum(map(len, name)) + len(name) > _NAME_OCTETS:
            raise RecordError
        for target, count in jumps:
            self._pointed[target] = name[count:]
        return name, after or at + 1


class Records:
    """A reply that can be asked for the values of its records."""

    def __init__(self, octets: bytes) -> None:
        self._octets = _Octets(octets)
        self._length = len(octets)
        try:
            self.reply = self._read()
        except (IndexError, struct.error) as error:
            raise RecordError from error

    def _read(self) -> Reply:
        _, flags, questions, *counts = _HEADER.unpack_from(self._octets.octets)
        at, high = 12, 0
        for _ in range(questions):
            _, at = self._octets.name(at)
            at += 4
        sections: list[list[Record]] = []
        for count in counts:
            records: list[Record] = []
            for _ in range(count):
                record, internet = self._record(at)
                at = record.end
                if internet:
                    records.append(record)
                elif record.code == _OPT:
                    high = record.ttl_s >> 24
            sections.append(records)
        return Reply(high << 4 | flags & 0xF, flags, sections[0], sections[1])

    def _record(self, at: int) -> tuple[Record, bool]:
        owner, at = self._octets.name(at)
        code, kind, ttl_s, size = _RECORD.unpack_from(self._octets.octets, at)
        at += _RECORD.size
        if at + size > self._length:
            raise RecordError
        return Record(owner, code, ttl_s, at, at + size), kind == _INTERNET and code != _OPT

    def value(self, record: Record, kind: Kind) -> object | None:
        """Return what a record says, as `Kind` has it; None where that is a name that no host has.

        Raises:
            RecordError: it is not of that kind's format.
        """
        try:
            return self._value(record, kind)
        except (IndexError, struct.error) as error:
            raise RecordError from error

    def _value(self, record: Record, kind: Kind) -> object | None:
        data = self._octets.octets[record.at : record.end]
        match kind:
            case Kind.A:
                return _address(socket.AF_INET, data)
            case Kind.AAAA:
                return _address(socket.AF_INET6, data)
            case Kind.TXT:
                return _strings(data)
            case Kind.TLSA:
                return (*struct.unpack_from("!3B", data), data[3:])
            case Kind.MX:
                host = host_of(self.target(record, 2))
                return None if host is None else (int.from_bytes(data[:2], "big"), host)
            case Kind.SOA:
                server, at = self._octets.name(record.at)
                mailbox, _ = self._octets.name(at)
                return host_of(server) or "", host_of(mailbox) or ""
        return host_of(self.target(record))

    def target(self, record: Record, skipped: int = 0) -> Labels:
        """Return the name that a record ends with.

        Raises:
            RecordError: it ends otherwise.
        """
        try:
            name, end = self._octets.name(record.at + skipped)
        except IndexError as error:
            raise RecordError from error
        if end != record.end:
            raise RecordError
        return name

    def minimum_s(self, record: Record) -> int:
        """Return the last number of an SOA: how long its denials hold."""
        if record.end - record.at < 22:
            raise RecordError
        return int.from_bytes(self._octets.octets[record.end - 4 : record.end], "big")


def host_of(name: Labels) -> str | None:
    """Return a name as text; None for one with octets that no host has: written out, it could pass for another."""
    if not all(map(_HOST_LABEL.fullmatch, name)):
        return None
    return b".".join(name).decode("ascii")


def _address(family: socket.AddressFamily, data: bytes) -> str:
    try:
        return socket.inet_ntop(family, data)
    except ValueError as error:
        raise RecordError from error


def _strings(data: bytes) -> bytes:
    strings, at = [], 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            raise RecordError
        strings.append(data[at + 1 : end])
        at = end
    return b"".join(strings)
