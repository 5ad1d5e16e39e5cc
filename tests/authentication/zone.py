"""A Domain Name System in a dict, for tests of what asks it.

    Zone({
        "example.org": {Kind.TXT: [b"v=spf1 mx -all"], Kind.MX: [(10, "mx.example.org")]},
        "mx.example.org": {Kind.A: ["192.0.2.1"]},
        "www.example.org": {Kind.CNAME: ["example.org"]},
        "slow.example": "timeout",                       # DnsError for every kind
        "half.example": {Kind.A: "servfail", Kind.TXT: [b"v=spf1 a"]},
    })

Values are those of `Answer.values`. A name that is not there does not exist, unless another one lies below it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from maild.dns.answer import Answer, DnsError, Kind, Status
from maild.dns.names import plain_name

Records = Mapping[Kind, Sequence[object] | str]
_CNAME_LINKS = 8


class Zone:
    """A `Resolver` that knows `records`, and counts.

    `asked` has each question in its order, also those that failed; a name that cannot be asked for is not in it.
    `secure` are the names whose answers DNSSEC has proven.
    """

    def __init__(self, records: Mapping[str, Records | str], *, secure: Collection[str] = ()) -> None:
        self.records = {name.lower().removesuffix("."): known for name, known in records.items()}
        self.secure = frozenset(secure)
        self.asked: list[tuple[str, Kind]] = []

    async def ask(self, name: str, kind: Kind) -> Answer:
        """Answer as a `Resolver` does."""
        plain = plain_name(name)
        if plain is None:
            return Answer(Status.NO_NAME)
        self.asked.append((plain, kind))
        owner = plain
        for _ in range(_CNAME_LINKS):
            known = self.records.get(owner)
            if isinstance(known, str):
                raise DnsError(plain, kind, known)
            if known is None or kind in known or Kind.CNAME not in known:
                return self._answer(plain, owner, kind, None if known is None else known.get(kind, ()))
            owner = str(known[Kind.CNAME][0]).lower()
        raise DnsError(plain, kind, "loop")

    def _answer(self, asked: str, owner: str, kind: Kind, values: Sequence[object] | str | None) -> Answer:
        secure = owner in self.secure
        if isinstance(values, str):
            raise DnsError(asked, kind, values)
        if values:
            return Answer(Status.FOUND, tuple(values), secure)
        exists = values is not None or any(name.endswith(f".{owner}") for name in self.records)
        return Answer(Status.NO_DATA if exists else Status.NO_NAME, (), secure)
