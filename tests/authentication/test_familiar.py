"""What is known of a sender since an earlier letter is what an examination of this one finds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

import pytest

from maild.authentication.examiner import Dialogue, Examiner, Terms
from maild.authentication.familiar import Familiar
from maild.authentication.keys import Key
from maild.authentication.reading import Read, read_sender
from maild.authentication.signing import sign
from maild.dns.answer import Answer, DnsError, Kind
from maild.dns.cache import Cache, Failure
from maild.dns.cache import Key as Asked
from maild.dns.resolver import DnsResolver
from maild.mail.evidence import Evidence
from tests.authentication.letters import DOMAIN, LETTER, NAME, NOW_S, key_of
from tests.authentication.zone import Records, Zone

PEER = "192.0.2.1"
SENDER = Dialogue(PEER, "mx.stadtwerke.example", "anna@stadtwerke.example")
OTHER = "vertrieb.stadtwerke.example"


def records() -> dict[str, Records | str]:
    """Return the DNS, with keys that every test has the same of."""
    return {
        NAME: {Kind.TXT: [key_of("rsa").record.encode()]},
        "s1._domainkey.fremd.example": {Kind.TXT: [key_of("rsa").record.encode()]},
        f"s2._domainkey.{DOMAIN}": {Kind.TXT: [key_of("ed25519").record.encode()]},
        DOMAIN: {Kind.TXT: [b"v=spf1 ip4:192.0.2.1 include:many.example -all"]},
        f"_dmarc.{DOMAIN}": {Kind.TXT: [b"v=DMARC1; p=reject"]},
        "many.example": {Kind.TXT: [b"v=spf1 mx ?all"], Kind.MX: [(1, "mx.many.example")]},
        "mx.many.example": {Kind.A: ["192.0.2.2"]},
        "letters.example": {Kind.TXT: [b"v=spf1 exists:%{l}.names.example -all"]},
        "machines.example": {Kind.TXT: [b"v=spf1 exists:%{h}.names.example ?all"]},
        "a.names.example": {Kind.A: ["127.0.0.2"]},
        "mx.a.names.example": {Kind.A: ["127.0.0.2"]},
        "sorry.example": {Kind.TXT: [b"v=spf1 -all exp=why.sorry.example"]},
        "why.sorry.example": {Kind.TXT: [b"%{s} is none of ours"]},
        "silent.example": "servfail",
    }


class Telling(DnsResolver):
    """A resolver whose DNS is a dict, and whose clock a test moves."""

    def __init__(self, ttl_of: Callable[[str], float] = lambda _name: 100.0) -> None:
        self.now_s = 0.0
        self.zone = Zone(records())
        self.known = Cache()
        self._ttl_of = ttl_of
        super().__init__(cache=self.known, clock=lambda: self.now_s)

    async def _join(self, key: Asked) -> Answer | Failure:
        outcome: Answer | Failure
        try:
            outcome = await self.zone.ask(*key)
        except DnsError as error:
            outcome = Failure(error.reason)
        self.known.put(key, outcome, self.now_s, self._ttl_of(key[0]))
        return outcome


def signed(kind: str = "rsa", letter: bytes = LETTER, *, at_s: int = NOW_S) -> bytes:
    """Return the letter with a signature; `s1` has the RSA key, `s2` the other one."""
    key = key_of(kind)._replace(selector="s1" if kind == "rsa" else "s2")
    return sign(letter, key, now_s=at_s) + letter


def letters() -> Mapping[str, bytes]:
    good, other = signed(), signed("ed25519")
    stranger = key_of("rsa")._replace(domain="fremd.example")
    elsewhere = LETTER.replace(b"anna@stadtwerke.example", b"anna@" + OTHER.encode())
    return {
        "rsa": good,
        "another letter": signed(letter=LETTER.replace(b"4711", b"4712")),
        "another name": signed(letter=LETTER.replace(b"Anna Weber", b"Bert Maler").replace(b"anna@", b"bert@")),
        "ed25519": other,
        "two": signed("ed25519", good),
        "a changed body": good.replace(b"4711", b"4713"),
        "a changed field": good.replace(b"To: rathaus", b"To: jemand"),
        "a field more": good.replace(b"To: ", b"Subject: anders\r\nTo: "),
        "with Reply-To": signed(letter=b"Reply-To: x@example.net\r\n" + LETTER),
        "of a time to come": signed(at_s=NOW_S + 20 * 3600),
        "of a relation": signed(letter=elsewhere),
        "of a stranger": signed(letter=LETTER.replace(b"anna@stadtwerke.example", b"anna@fremd.example")),
        "by a stranger with the same key": sign(LETTER, stranger, now_s=NOW_S) + LETTER,
        "unsigned": LETTER,
        "without an author": signed().replace(b"From: ", b"From: x@y.example, "),
    }


IPS = (PEER, PEER, PEER, "192.0.2.2", "198.51.100.7", "2001:db8::1", "::ffff:192.0.2.1", "10.0.0.1")
HELOS = ("mx.stadtwerke.example", "mx.a", "stadtwerke.example", "")
PATHS = (
    *("anna@stadtwerke.example", "bert@stadtwerke.example", "", None, "anna@STADTWERKE.example", "stadtwerke.example"),
    *("a@letters.example", "b@letters.example", "a@machines.example", "a@sorry.example", "b@sorry.example"),
    *("a@silent.example", "a@", "@", "ä@stadtwerke.example", '"a@b"@stadtwerke.example'),
)
CHANGES: tuple[tuple[str, list[object]], ...] = (
    (DOMAIN, [b"v=spf1 -all"]),
    (DOMAIN, [b"v=spf1 ip4:192.0.2.1 -all"]),
    (f"_dmarc.{DOMAIN}", [b"v=DMARC1; p=none"]),
    (f"_dmarc.{DOMAIN}", [b"v=DMARC1; p=quarantine; t=y; adkim=s"]),
    (f"_dmarc.{DOMAIN}", [b"v=DMARC1; p=reject"]),
    (NAME, [b"v=DKIM1; p="]),
    (NAME, [key_of("rsa").record.encode()]),
    (NAME, [key_of("rsa").record.encode() + b"; t=y:s"]),
)


def cases(chance: random.Random) -> Iterator[tuple[Dialogue, Read]]:
    reads = [read_sender(content) for content in letters().values()]
    while True:
        few = chance.random() < 0.7
        dialogue = SENDER if few else Dialogue(chance.choice(IPS), chance.choice(HELOS), chance.choice(PATHS))
        yield dialogue, chance.choice(reads[:5] if few else reads)


async def test_what_is_known_is_what_would_be_found_while_records_change_and_run_out() -> None:
    chance = random.Random(15)
    resolver = Telling(lambda name: 3 + len(name) % 40)
    examiner = Examiner(resolver, Terms())
    recognised = 0
    for (dialogue, read), number in zip(cases(chance), range(3_000), strict=False):
        resolver.now_s += chance.choice((0, 0, 0.5, 1, 2))
        if chance.random() < 0.05:
            name, values = chance.choice(CHANGES)
            resolver.zone.records[name] = {Kind.TXT: values}
        now_ms = (NOW_S + number) * 1000
        recognised += examiner.recognise(dialogue, read, now_ms) is not None
        anew = Examiner(resolver, Terms())
        found = await examiner.examine(dialogue, read, now_ms, examiner.limit())
        assert found == await anew.examine(dialogue, read, now_ms, anew.limit()), (number, dialogue)
    assert recognised > 500


async def known_after(resolver: Telling, dialogue: Dialogue, content: bytes, *, times: int = 2) -> Examiner:
    """Return an examiner who has looked at a letter: the first time it asks, the second it keeps what it finds."""
    examiner = Examiner(resolver, Terms())
    for _ in range(times):
        await examiner.examine(dialogue, read_sender(content), NOW_S * 1000, examiner.limit())
    return examiner


def recognised(examiner: Examiner, dialogue: Dialogue, content: bytes, *, now_s: int = NOW_S) -> Evidence | None:
    return examiner.recognise(dialogue, read_sender(content), now_s * 1000)


async def test_it_holds_until_the_first_record_has_run_out_and_no_longer() -> None:
    resolver = Telling(lambda name: 5.0 if name == "_dmarc.stadtwerke.example" else 100.0)
    examiner = await known_after(resolver, SENDER, signed())
    resolver.now_s = 4.9
    found = recognised(examiner, SENDER, signed(), now_s=NOW_S + 7)
    assert found is not None
    assert (found.verdicts, found.checked_ms) == (("pass", "pass", "pass"), (NOW_S + 7) * 1000)
    resolver.now_s = 5.0
    assert recognised(examiner, SENDER, signed()) is None


@pytest.mark.parametrize(
    "what", ["a changed body", "a changed field", "of a time to come", "by a stranger with the same key"]
)
async def test_whose_signature_does_not_hold_is_not_recognised(what: str) -> None:
    examiner = await known_after(Telling(), SENDER, signed())
    assert recognised(examiner, SENDER, letters()["another name"]) is not None
    assert recognised(examiner, SENDER, letters()[what]) is None


@pytest.mark.parametrize(
    "dialogue",
    [
        SENDER._replace(ip="192.0.2.2"),
        SENDER._replace(reverse_path="anna@fremd.example"),
        SENDER._replace(reverse_path=None),
        SENDER._replace(reverse_path=""),
    ],
)
async def test_another_machine_or_domain_is_another_sender(dialogue: Dialogue) -> None:
    examiner = await known_after(Telling(), SENDER, signed())
    assert recognised(examiner, SENDER._replace(reverse_path="bert@stadtwerke.example"), signed()) is not None
    assert recognised(examiner, dialogue, signed()) is None


@pytest.mark.parametrize("path", ["a@letters.example", "a@machines.example", "a@sorry.example", "a@silent.example"])
async def test_what_hangs_on_a_senders_own_words_or_on_a_failure_is_not_kept(path: str) -> None:
    dialogue = SENDER._replace(reverse_path=path)
    examiner = await known_after(Telling(), dialogue, signed(), times=3)
    assert recognised(examiner, dialogue, signed()) is None


async def test_what_the_dns_had_to_be_asked_for_is_not_kept() -> None:
    assert recognised(await known_after(Telling(), SENDER, signed(), times=1), SENDER, signed()) is None


@pytest.mark.parametrize("what", ["a changed body", "unsigned", "without an author"])
async def test_nothing_is_kept_of_a_letter_that_is_not_signed_well(what: str) -> None:
    examiner = await known_after(Telling(), SENDER, letters()[what], times=3)
    assert recognised(examiner, SENDER, letters()[what]) is None


def test_it_is_bounded() -> None:
    familiar, read = Familiar(lambda: 0.0), read_sender(LETTER)
    evidence = Evidence(checked_ms=1)
    for number in range(1_000):
        familiar.keep((f"192.0.2.{number}", "", "x@a.example"), read, (Key(),), evidence, 1.0)
    assert len(familiar) == 512
    familiar.keep(("192.0.2.1", "h" * 2_000, None), read, (Key(),), evidence, 1.0)
    assert familiar.recognise(("192.0.2.1", "h" * 2_000, None), read, 0) is None
    familiar.keep(("192.0.2.1", "h", None), read, (Key(),), evidence, 0.0)
    assert familiar.recognise(("192.0.2.1", "h", None), read, 0) is None
