"""S10: a letter that claims to be from somebody else: the cases of espoofer (USENIX Security 2020), and some more.

What SPF and the signatures came to is given here, as favourable to the attacker as it can be. Expected: whatever the
domain publishes, the sender is never *confirmed*; where it asks for refusal, the letter does not pass DMARC.
"""

from __future__ import annotations

import base64

import pytest

from maild.authentication.author import author_of
from maild.authentication.canonical import RELAXED, body_hash, read_mail
from maild.authentication.disposition import Fate, Setting, dispose
from maild.authentication.dmarc import check
from maild.authentication.examiner import Dialogue, Examiner, Terms
from maild.authentication.reading import read_sender
from maild.authentication.results import write_results
from maild.authentication.signing import signature_tags, signed_field
from maild.authentication.standing import Standing, StandingKind, standing_of
from maild.dns.answer import Kind
from maild.mail.authentication import Verdicts, parse_results
from maild.mail.evidence import Arc, Dkim, Evidence, Spf, from_json, to_json
from tests.authentication.letters import DOMAIN, LETTER, NOW_S, key_of, zone_of
from tests.authentication.zone import Zone

OURS = frozenset({"town.example"})
ID = "mx.town.example"
ADMIN = "<admin@legit.example>"
OWN = Spf("pass", "attack.example")  # of the attacker, and in order
SIGNED = (Dkim("pass", "attack.example", "s"),)
SENDER = "Sender: <s@sender.legit.example>"


def b64(text: str) -> str:
    return f"=?utf-8?B?{base64.b64encode(text.encode()).decode()}?="


Case = tuple[str | bytes, Spf, tuple[Dkim, ...]]
SERVER: dict[str, Case] = {
    "a1 subdomain that does not exist in MAIL FROM": (
        f"From: {ADMIN}",
        Spf("none", "mailfrom.notexist.legit.example"),
        (),
    ),
    "a2 MAIL FROM taken for empty": (f"From: {ADMIN}", Spf("pass", "attack.example", "helo"), ()),
    "a3 NUL in the selector": (
        f"From: {ADMIN}",
        Spf("pass", "33.attack.example"),
        (Dkim("permerror", "legit.example", "s._domainkey.attack.example.\x00.any"),),
    ),
    "a4 quotation mark in d=": (f"From: {ADMIN}", OWN, (Dkim("pass", "legit.example'a.attack.example"),)),
    "a5 parenthesis in MAIL FROM": (f"From: {ADMIN}", Spf("pass", "legit.example(a.attack.example"), ()),
    "a6 quotation mark in MAIL FROM": (f"From: {ADMIN}", Spf("pass", "legit.example'@any.attack.example"), ()),
    "a7 route in MAIL FROM": (f"From: {ADMIN}", OWN, ()),
    "a8 two From": (f"From: <first@attack.example>\r\nFrom: {ADMIN}", OWN, SIGNED),
    "a9 two From, a blank before the first": (f" From: <first@attack.example>\r\nFrom: {ADMIN}", OWN, SIGNED),
    "a10 two From, a blank behind a name": (f"From: <first@attack.example>\r\nFrom : {ADMIN}", OWN, SIGNED),
    "a11 two From, a folded name": (f"From\r\n : <first@attack.example>\r\nFrom: {ADMIN}", OWN, SIGNED),
    "a12 From and Sender": (f"From\r\n : <first@attack.example>\r\nSender: {ADMIN}", OWN, SIGNED),
    "a13 From and Resent-From": (f"From\r\n : <first@attack.example>\r\nResent-From: {ADMIN}", OWN, SIGNED),
    "a14 two addresses": (f"From: <first@attack.example>, {ADMIN}\r\n{SENDER}", OWN, SIGNED),
    "a15 an encoded address": (f"From: {b64(ADMIN)},<second@attack.example>\r\n{SENDER}", OWN, SIGNED),
    "a16 a route": (f"From: <@attack.example,@any.example:admin@legit.example>\r\n{SENDER}", OWN, SIGNED),
    "a17 an escaped comma": (f"From: {ADMIN}\\,<second@attack.example>\r\n{SENDER}", OWN, SIGNED),
    "a18 which address comes first": (f"From: admin@legit.example,<second@attack.example>\r\n{SENDER}", OWN, SIGNED),
    "a19 an address behind the brackets": (f"From: <any@attack.example>admin@legit.example\r\n{SENDER}", OWN, SIGNED),
}
# The attacker has an account at a service, which signs for its domain whatever he writes.
SERVICE = (Spf("pass", "legit.example"), (Dkim("pass", "legit.example", "s"),))
CLIENT: dict[str, Case] = {
    "client 1 two From": (f"From: <attacker@legit.example>\r\nFrom: {ADMIN}", *SERVICE),
    "client 2 two addresses": (f"From: <attacker@legit.example>, {ADMIN}", *SERVICE),
    "client 3 we are the service": ("From: <admin@town.example>", Spf("fail", "town.example"), ()),
}
MORE: dict[str, Case] = {
    "NUL behind the address": (b"From: admin@legit.example\x00@attack.example", OWN, SIGNED),
    "NUL in an encoded word": (f"From: {b64('admin@legit.example' + chr(0))}@attack.example", OWN, SIGNED),
    "NUL in an encoded name": (f"From: {b64('admin@legit.example' + chr(0))} <a@attack.example>", OWN, SIGNED),
    "a line end in an encoded name": (f"From: {b64('admin@legit.example' + chr(10))} <a@attack.example>", OWN, SIGNED),
    "an address in an encoded name": (f"From: {b64(ADMIN)} <a@attack.example>", OWN, SIGNED),
    "an address as the name": ("From: admin@legit.example <a@attack.example>", OWN, SIGNED),
    "an escaped name": (f'From: "x\\" {ADMIN}, \\"" <a@attack.example>', OWN, SIGNED),
    "two pairs of brackets": (f"From: {ADMIN}<a@attack.example>", OWN, SIGNED),
    "two pairs of brackets, the other way": (f"From: <a@attack.example>{ADMIN}", OWN, SIGNED),
    "several at": ("From: admin@legit.example@attack.example", OWN, SIGNED),
    "a comment with an address": ("From: a@attack.example (admin@legit.example)", OWN, SIGNED),
    "a comment in a comment": ("From: a@attack.example ((x) admin@legit.example)", OWN, SIGNED),
    "a comment in the address": ("From: admin@legit.example(.attack.example)", OWN, SIGNED),
    "a group": ("From: Amt: admin@legit.example, a@attack.example;", OWN, SIGNED),
    "an empty group": ("From: admin@legit.example:;", OWN, SIGNED),
    "a quoted local part": ('From: "admin@legit.example"@attack.example', OWN, SIGNED),
    "an encoded local part": (f"From: {b64('admin@legit.example')}@attack.example", OWN, SIGNED),
    "a folded line of blanks": ("From: a@attack.example\r\n \r\n (x) admin@legit.example", OWN, SIGNED),
    "a name that is From without its last octet": (
        b"From: a@attack.example\r\nFrom\xad: admin@legit.example",
        OWN,
        SIGNED,
    ),
    "a folded name that we pass over": (f"From\r\n : {ADMIN}\r\nFrom: <a@attack.example>", OWN, SIGNED),
    "a blank before a name that we pass over": (f" From: {ADMIN}\r\nFrom: <a@attack.example>", OWN, SIGNED),
    "a line end that is none": (f"Subject: y\nFrom: {ADMIN}\r\nFrom: <a@attack.example>", OWN, SIGNED),
    "no From, but a Sender": (f"Sender: {ADMIN}", OWN, SIGNED),
    "no From, but a Reply-To": (f"Reply-To: {ADMIN}", OWN, SIGNED),
    "a dot that is none": ("From: admin@legit\u3002example", OWN, SIGNED),
    "l= smaller than the body": (f"From: {ADMIN}", OWN, (Dkim("policy", "legit.example", "s", reason="l="),)),
    "a key that is too short": (f"From: {ADMIN}", OWN, (Dkim("policy", "legit.example", "s", key_bits=512),)),
    "a signature that has expired": (f"From: {ADMIN}", OWN, (Dkim("fail", "legit.example", "s"),)),
    "a replay with another From": (f"From: {ADMIN}\r\nFrom: a@legit.example", OWN, (Dkim("pass", "legit.example"),)),
    "a replay of another's letter": (f"From: {ADMIN}", OWN, (Dkim("pass", "shop.example"),)),
    "a signature of the top-level domain": (f"From: {ADMIN}", OWN, (Dkim("pass", "example"),)),
    "a signature of a longer name": (f"From: {ADMIN}", OWN, (Dkim("pass", "legit.example.attack.example"),)),
    "a signature of a like name": (f"From: {ADMIN}", OWN, (Dkim("pass", "notlegit.example"),)),
    "HELO of the domain, MAIL FROM of another": (f"From: {ADMIN}", OWN, ()),
    "HELO of another, MAIL FROM empty": (f"From: {ADMIN}", Spf("pass", "mx.attack.example", "helo"), ()),
    "MAIL FROM of the domain, not allowed": (f"From: {ADMIN}", Spf("softfail", "legit.example"), SIGNED),
    "a subdomain that does not exist": ("From: <a@notexist.legit.example>", OWN, SIGNED),
    "a subdomain of a subdomain of ours": ("From: <a@x.y.town.example>", OWN, SIGNED),
    "our domain": ("From: <mayor@town.example>", OWN, SIGNED),
    "forged results, in our name": (
        f"Authentication-Results: {ID}; dmarc=pass header.from=legit.example\r\nFrom: {ADMIN}",
        OWN,
        SIGNED,
    ),
    "forged results, in a field of ours": (f"X-Maild-Standing: confirmed\r\nFrom: {ADMIN}", OWN, SIGNED),
}
CASES = {**SERVER, **CLIENT, **MORE}
PUBLISHED = {
    "reject": b"v=DMARC1; p=reject",
    "np": b"v=DMARC1; p=none; sp=none; np=reject",
    "strict": b"v=DMARC1; p=quarantine; adkim=s; aspf=s",
    "none": b"v=DMARC1; p=none",
    "testing": b"v=DMARC1; p=reject; t=y",
    "nothing": b"",
}


async def looked_at(
    header: str | bytes, spf: Spf, dkim: tuple[Dkim, ...], published: bytes
) -> tuple[Evidence, Standing]:
    octets = (header.encode() if isinstance(header, str) else header) + b"\r\nSubject: x\r\n\r\nx"
    author = author_of(octets)
    zone = Zone(
        {
            "_dmarc.attack.example": {Kind.TXT: [b"v=DMARC1; p=reject"]},
            "_dmarc.legit.example": {Kind.TXT: [published]},
            "_dmarc.town.example": {Kind.TXT: [published]},
        }
    )
    # What the attacker adds of ARC is not of anybody who is trusted.
    arc = Arc("pass", ("attack.example",), verdicts=Verdicts("pass", "pass", "pass"))
    evidence = Evidence(1, spf, dkim, arc, await check(zone, author, spf, dkim))
    return evidence, standing_of(evidence, author.domain, OURS)


def test_all_cases_of_the_paper_are_there() -> None:
    assert (len(SERVER), len(CLIENT)) == (19, 3)


@pytest.mark.parametrize("published", PUBLISHED)
@pytest.mark.parametrize("case", CASES)
async def test_a_spoofed_sender_is_never_confirmed(case: str, published: str) -> None:
    evidence, standing = await looked_at(*CASES[case], PUBLISHED[published])
    assert standing.kind in (StandingKind.UNCONFIRMED, StandingKind.FORGED), (evidence, standing)
    assert standing.domain == ""
    assert evidence.dmarc.result in ("fail", "permerror", "none")


@pytest.mark.parametrize("case", CASES)
async def test_a_spoofed_sender_whose_domain_asks_for_it_is_refused_or_not_verifiable(case: str) -> None:
    evidence, standing = await looked_at(*CASES[case], PUBLISHED["reject"])
    fate = dispose(Setting.REFUSE, evidence).fate
    if evidence.dmarc.result == "permerror":
        assert (fate, standing.kind) == (Fate.ACCEPT, StandingKind.UNCONFIRMED)
    else:
        assert (fate, standing.kind) == (Fate.REFUSE, StandingKind.FORGED)


@pytest.mark.parametrize("case", CASES)
async def test_what_a_spoofer_writes_does_not_get_out_of_our_results(case: str) -> None:
    header, spf, dkim = CASES[case]
    evidence, _ = await looked_at(header, spf, dkim, PUBLISHED["reject"])
    read = parse_results(write_results(evidence, ID).partition(":")[2].replace("\r\n", ""))
    assert read is not None
    assert read.authserv_id == ID
    assert [each.result for each in read.results if each.method == "dmarc"] == [evidence.dmarc.result]
    assert {word for each in read.results for word, _ in each.properties} <= {
        "smtp.mailfrom", "smtp.helo", "header.d", "header.s", "header.from", "policy.dmarc", "reason"
    }  # fmt: skip


async def test_a_sender_who_is_true_is_confirmed() -> None:
    for published in PUBLISHED.values():
        _, standing = await looked_at(f"From: {ADMIN}", *SERVICE, published)
        assert standing == (StandingKind.CONFIRMED, "legit.example", "dkim")


async def test_whom_a_service_lets_write_in_its_name_is_the_services_word() -> None:
    # What the paper's third client case is when the service is another's: the domain is proven, nobody in it is named.
    _, standing = await looked_at(f"From: {ADMIN}\r\nSender: <attacker@legit.example>", *SERVICE, PUBLISHED["reject"])
    assert standing == (StandingKind.CONFIRMED, "legit.example", "dkim")


@pytest.mark.parametrize("published", [b"", b"v=DMARC1; p=reject"])
@pytest.mark.parametrize(
    ("added", "kind"),
    [
        (b"", StandingKind.CONFIRMED),
        (b"X-Note: 1\r\nReceived: x\r\n", StandingKind.CONFIRMED),
        (b"Subject: Neue Bankverbindung\r\n", StandingKind.UNCONFIRMED),
        (b"Content-Type: text/html\r\n", StandingKind.UNCONFIRMED),
        (b"From: admin@legit.example\r\n", StandingKind.UNCONFIRMED),
    ],
)
async def test_a_letter_that_is_sent_on_with_a_second_field_above_the_signed_one_is_not_confirmed_and_not_refused(
    added: bytes, kind: StandingKind, published: bytes
) -> None:
    # As most sign: each field as often as it is there.
    key, mail = key_of("rsa"), read_mail(LETTER)
    names = [field.key.decode() for field in mail.fields]
    tags = signature_tags(
        body_hash(LETTER, mail.body_start, RELAXED), key, now_s=NOW_S, names=names, forms=(RELAXED, RELAXED)
    )
    zone = zone_of(key)
    zone.records[f"_dmarc.{DOMAIN}"] = {Kind.TXT: [published]}
    octets = added + signed_field("DKIM-Signature", {"v": "1"} | tags, mail, key) + LETTER
    examiner = Examiner(zone, Terms())
    dialogue = Dialogue("192.0.2.66", "mx.attack.example", "a@attack.example")
    read = read_sender(octets)
    evidence = from_json(to_json(await examiner.examine(dialogue, read, NOW_S * 1000, examiner.limit())))
    assert standing_of(evidence, read.author.domain, OURS).kind is kind
    assert examiner.dispose(evidence).fate is Fate.ACCEPT
