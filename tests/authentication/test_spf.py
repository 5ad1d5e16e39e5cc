"""SPF by cases of our own: what the suite of the RFC leaves out, and each of its chapters once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maild.authentication.spf import check_host
from maild.authentication.spf_macros import MacroError, expand_domain, expand_text, parse_domain, parse_macros
from maild.authentication.spf_record import SpfSyntaxError, is_spf, parse_record
from maild.dns.answer import Answer, Kind
from maild.mail.evidence import Spf
from tests.authentication.zone import Records, Zone

NOW = datetime(2026, 6, 1, tzinfo=UTC)
IP = "192.0.2.1"


async def checked(
    records: Mapping[str, Records | str] | Zone,
    mail_from: str | None = "amt@example.org",
    *,
    ip: str = IP,
    helo: str = "mx.example.org",
) -> Spf:
    zone = records if isinstance(records, Zone) else Zone(records)
    return await check_host(zone, ip, mail_from, helo, now=NOW, receiver="mx.town.example")


def spf(text: str) -> Records:
    return {Kind.TXT: [text.encode()]}


A: Records = {Kind.A: [IP]}
ELSEWHERE: Records = {Kind.A: ["198.51.100.7"]}
# The record of example.org → what it comes to for 192.0.2.1; further names below.
RECORDS = {
    "v=spf1": "neutral",
    "v=spf1 ": "neutral",
    "V=SPF1 ALL": "pass",
    "v=spf1 ip4:192.0.2.1 -all": "pass",
    "v=spf1 IP4:192.0.2.0/24 -all": "pass",
    "v=spf1 ip4:192.0.2.2 ~all": "softfail",
    "v=spf1 -ip4:192.0.2.1 +all": "fail",
    "v=spf1 ?ip4:192.0.2.0/23": "neutral",
    "v=spf1 ip4:192.0.2.1/00 -all": "permerror",
    "v=spf1 ip4:192.0.2.1/ -all": "permerror",
    "v=spf1 ip4:192.000.2.1 -all": "permerror",
    "v=spf1 ip6:2001:db8::1%eth0 -all": "permerror",
    "v=spf1 ip6:192.0.2.1 -all": "permerror",
    "v=spf1 ip4 -all": "permerror",
    "v=spf1 all/24": "permerror",
    "v=spf1 ALL:x.example": "permerror",
    "v=spf1 alll": "permerror",
    "v=spf1 a-all": "permerror",
    "v=spf1 +-all": "permerror",
    "v=spf1 --all": "permerror",
    "v=spf1\tall": "none",
    "v=spf1 a\t-all": "permerror",
    "v=spf1 a:ours.example -all": "pass",
    "v=spf1 a:OURS.Example. -all": "pass",
    "v=spf1 A:ours.example/32//128 -all": "pass",
    "v=spf1 a:near.example/24 -all": "pass",
    "v=spf1 a:near.example//24 -all": "fail",
    "v=spf1 a:near.example/33 -all": "permerror",
    "v=spf1 a/24:near.example -all": "permerror",
    "v=spf1 a:alias.example -all": "pass",
    "v=spf1 a:nowhere.example a:nowhere2.example -all": "fail",
    "v=spf1 a:nowhere.example a:nowhere2.example a:nowhere3.example ip4:192.0.2.1 -all": "permerror",
    "v=spf1 a:slow.example -all": "temperror",
    "v=spf1 ip4:192.0.2.1 a:slow.example -all": "pass",
    "v=spf1 a:circle.example -all": "temperror",
    "v=spf1 mx:ours.example -all": "pass",
    "v=spf1 mx:eleven.example ip4:192.0.2.1 -all": "permerror",
    "v=spf1 mx:ten.example -all": "pass",
    "v=spf1 mx:null.example -all": "fail",
    "v=spf1 ptr -all": "fail",
    "v=spf1 ptr:ours.example -all": "pass",
    "v=spf1 PTR:Ours.example. -all": "pass",
    "v=spf1 ptr:rs.example -all": "fail",
    "v=spf1 ptr:forged.example -all": "fail",
    "v=spf1 exists:%{ir}.list.example -all": "pass",
    "v=spf1 exists:%{l}._spf.%{d} -all": "pass",
    "v=spf1 exists:%{L}.%{S}.%{o1}._.%{h}.%{v}.%{d2r} -all": "fail",
    "v=spf1 exists:%{d0}.example -all": "permerror",
    "v=spf1 exists:%{d999999999999999999999}.zone.example -all": "pass",
    "v=spf1 exists:%{d -all": "permerror",
    "v=spf1 exists:%{t}.example -all": "permerror",
    "v=spf1 exists:foo%%- -all": "permerror",
    "v=spf1 exists:foo%%.example -all": "fail",
    "v=spf1 exists:%{p}.proven.example -all": "pass",
    "v=spf1 include:yes.example -all": "pass",
    "v=spf1 include:no.example ~all": "softfail",
    "v=spf1 include:broken.example all": "permerror",
    "v=spf1 include:nowhere.example all": "permerror",
    "v=spf1 include:slow.example all": "temperror",
    "v=spf1 include:%{d1} all": "permerror",
    "v=spf1 include:circle2.example all": "permerror",
    "v=spf1 redirect=yes.example": "pass",
    "v=spf1 redirect=no.example": "fail",
    "v=spf1 redirect=nowhere.example": "permerror",
    "v=spf1 redirect=slow.example": "temperror",
    "v=spf1 redirect=yes.example -all": "fail",
    "v=spf1 redirect=yes.example REDIRECT=no.example": "permerror",
    "v=spf1 redirect:yes.example": "permerror",
    "v=spf1 redirect=": "permerror",
    "v=spf1 exp=a.example exp=a.example": "permerror",
    "v=spf1 unknown=%{h}/x,y:z -all": "fail",
    "v=spf1 unknown=%x -all": "permerror",
    "v=spf1 " + "a:ours.example/8 " * 3 + "-all": "pass",
    "v=spf1 " + "a:theirs.example " * 10 + "-all": "fail",
    "v=spf1 " + "a:theirs.example " * 11 + "-all": "permerror",
    "v=spf1 " + "ip4:198.51.100.7 " * 500 + "-all": "fail",
    "v=spf1 " + "ip4:198.51.100.7 " * 1_000 + "-all": "permerror",
    "v=spf10 -all": "none",
    "v=spf2.0/pra -all": "none",
    " v=spf1 -all": "none",
    "": "none",
}
AROUND: dict[str, Records | str] = {
    "ours.example": {**A, Kind.MX: [(5, "x.example"), (10, "mx.ours.example")]},
    "x.example": ELSEWHERE,
    "mx.ours.example": A,
    "near.example": {Kind.A: ["192.0.2.77"]},
    "theirs.example": ELSEWHERE,
    "alias.example": {Kind.CNAME: ["ours.example"]},
    "circle.example": {Kind.CNAME: ["circle.example"]},
    "slow.example": "timeout",
    "eleven.example": {Kind.MX: [(n, "x.example") for n in range(11)]},
    "ten.example": {Kind.MX: [(n, "x.example") for n in range(9)] + [(9, "mx.ours.example")]},
    "null.example": {Kind.MX: [(0, "")]},
    "1.2.0.192.in-addr.arpa": {Kind.PTR: ["forged.example", "slow.example", "mx.ours.example"]},
    "1.2.0.192.list.example": {Kind.A: ["127.0.0.2"]},
    "amt._spf.example.org": {Kind.A: ["127.0.0.2"]},
    "example.org.zone.example": {Kind.A: ["127.0.0.2"]},
    "mx.ours.example.proven.example": {Kind.A: ["127.0.0.2"]},
    "forged.example": ELSEWHERE,
    "yes.example": spf("v=spf1 ip4:192.0.2.0/24 -all"),
    "no.example": spf("v=spf1 -all"),
    "broken.example": spf("v=spf1 ipv4:192.0.2.1 -all"),
    "circle2.example": spf("v=spf1 include:circle2.example -all"),
}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record[:60])
async def test_a_record_comes_to_its_result(record: str) -> None:
    found = await checked(AROUND | {"example.org": spf(record)})
    assert found.result == RECORDS[record], found.reason
    assert (found.domain, found.identity) == ("example.org", "mailfrom")
    assert bool(found.reason)


@pytest.mark.parametrize(
    ("ip", "result"),
    [
        ("::ffff:192.0.2.1", "pass"),
        ("::FFFF:c000:201", "pass"),
        ("2001:db8::1", "softfail"),
        ("2001:db8:1::1", "fail"),
        ("fe80::1%eth0", "neutral"),
        ("::192.0.2.1", "fail"),
        ("unknown", "none"),
        ("", "none"),
    ],
)
async def test_an_address_is_of_the_family_that_it_means(ip: str, result: str) -> None:
    record = "v=spf1 -ip6:::ffff:0:0/96 ip4:192.0.2.1 ~ip6:2001:DB8::/48 ?ip6:fe80::/10 -all"
    assert (await checked({"example.org": spf(record)}, ip=ip)).result == result


@pytest.mark.parametrize(
    ("mail_from", "helo", "expected"),
    [
        (None, "MX.example.org.", Spf("pass", "mx.example.org", "helo")),
        ("", "mx.example.org", Spf("pass", "mx.example.org", "helo")),
        (None, "[192.0.2.1]", Spf("none", "[192.0.2.1]", "helo")),
        (None, "localhost", Spf("none", "localhost", "helo")),
        (None, "", Spf("none", "", "helo")),
        ("amt@[192.0.2.1]", "mx.example.org", Spf("none", "[192.0.2.1]")),
        ("amt@town", "mx.example.org", Spf("none", "town")),
        ("amt@a..example", "mx.example.org", Spf("none", "a..example")),
        ("amt@" + "a" * 64 + ".example", "mx.example.org", Spf("none", "a" * 64 + ".example")),
        ("postmaster", "mx.example.org", Spf("none", "postmaster")),
        ("a@b@mx.example.org", "x", Spf("pass", "mx.example.org")),
        ("@mx.example.org", "x", Spf("pass", "mx.example.org")),
        ("amt@MX.Example.ORG.", "x", Spf("pass", "mx.example.org")),
        ("amt@gießen.example", "x", Spf("pass", "xn--gieen-nqa.example")),
        ("bürgeramt@mx.example.org", "x", Spf("pass", "mx.example.org")),
        ("amt@a b.example", "x", Spf("none", "a b.example")),
        ("amt@a\u202eb.example", "x", Spf("none", "a\ufffdb.example")),
    ],
)
async def test_the_domain_that_is_asked_about_is_told(mail_from: str | None, helo: str, expected: Spf) -> None:
    records = {"mx.example.org": spf("v=spf1 +all"), "xn--gieen-nqa.example": spf("v=spf1 +all")}
    found = await checked(records, mail_from, helo=helo)
    assert (found.result, found.domain, found.identity) == (expected.result, expected.domain, expected.identity)


async def test_a_name_that_is_none_is_never_asked_for() -> None:
    zone = Zone({})
    for mail_from in ("a@town", "a@[192.0.2.1]", "a@b..c", "a@", None):
        await checked(zone, mail_from, helo="[2001:db8::1]")
    assert zone.asked == []


@pytest.mark.parametrize(
    ("mail_from", "name"),
    [
        ("amt@example.org", "amt.example.org"),
        ('"amt"@example.org', "amt.example.org"),
        ('"a\\"b c"@example.org', 'a"b c.example.org'),
        ("@example.org", "postmaster.example.org"),
    ],
)
async def test_a_local_part_is_expanded_as_meant(mail_from: str, name: str) -> None:
    zone = Zone({"example.org": spf("v=spf1 exists:%{l}.%{o} -all"), name: A})
    assert (await checked(zone, mail_from)).result == "pass"


async def test_a_local_part_beyond_ascii_matches_no_macro() -> None:
    zone = Zone({"example.org": spf("v=spf1 exists:%{l}.%{o} a:%{s} include:%{l}.%{d} ~all")})
    found = await checked(zone, "bürgeramt@example.org")
    assert found.result == "softfail"
    assert zone.asked == [("example.org", Kind.TXT)]


async def test_several_records_are_no_record_and_other_texts_do_not_count() -> None:
    texts = [b"google-site-verification=x", b"v=spf1 -all", b"\xff\xfe"]
    assert (await checked({"example.org": {Kind.TXT: texts}})).result == "fail"
    assert (await checked({"example.org": {Kind.TXT: [*texts, b"V=spf1 +all"]}})).result == "permerror"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"See %{d}: %{c} is not ours at %{r}, %{t}%_%%.", "See example.org: 192.0.2.1 is not ours at mx.town.example"),
        (b"%{p}", "unknown"),
        (b"gr\xc3\xbc\xc3\x9fe", ""),
        (b"a\x1b[31m", ""),
        (b"a\r\nb", ""),
        (b"%{x}", ""),
        (b"x" * 5_000, ""),
        (b"%{s}" * 900, "amt@example.org" * 60),
    ],
)
async def test_a_domain_may_explain_a_fail_in_plain_words(text: bytes, said: str) -> None:
    records = {"example.org": spf("v=spf1 exp=why.%{d} -all"), "why.example.org": {Kind.TXT: [text]}}
    found = await checked(records)
    assert found.result == "fail"
    _, mark, explained = found.reason.partition(" explains: ")
    assert bool(mark) == bool(said)
    assert said in explained
    assert len(found.reason) < 1_100


@pytest.mark.parametrize(("mail_from", "helo"), [("bürgeramt@example.org", "x"), ("a@example.org", "x\x1b[2J")])
async def test_an_explanation_repeats_nothing_unprintable(mail_from: str, helo: str) -> None:
    records = {"example.org": spf("v=spf1 exp=why.%{d} -all"), "why.example.org": {Kind.TXT: [b"%{l} from %{h}"]}}
    found = await checked(records, mail_from, helo=helo)
    assert (found.result, "explains" in found.reason) == ("fail", False)


async def test_an_explanation_that_cannot_be_had_changes_nothing() -> None:
    whys: list[Records | str] = ["timeout", {}, {Kind.TXT: [b"a", b"b"]}]
    for why in whys:
        records = {"example.org": spf("v=spf1 exp=why.%{d} a:n1.example a:n2.example -all"), "why.example.org": why}
        assert (await checked(records)).result == "fail"


async def test_an_explanation_that_never_comes_leaves_the_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Zone):
        async def ask(self, name: str, kind: Kind) -> Answer:
            if name == "why.example.org":
                await asyncio.Event().wait()
            return await super().ask(name, kind)

    monkeypatch.setattr("maild.authentication.spf._EXPLAIN_S", 0.01)
    assert (await checked(Silent({"example.org": spf("v=spf1 exp=why.%{d} -all")}))).result == "fail"


async def test_a_name_of_one_label_is_not_asked_for() -> None:
    zone = Zone({"example.org": spf("v=spf1 redirect=%{d1}")})
    assert (await checked(zone)).result == "permerror"
    assert zone.asked == [("example.org", Kind.TXT)]


@pytest.mark.parametrize(
    ("names", "used"),
    [
        (["z.example", "mx.example.org", "example.org"], "example.org"),
        (["z.example", "mx.example.org", "notexample.org"], "mx.example.org"),
        (["z.example", "y.example"], "z.example"),
        (["forged.example"], "unknown"),
    ],
)
async def test_of_the_names_of_the_peer_that_of_the_domain_is_used(names: list[str], used: str) -> None:
    zone: dict[str, Records | str] = {
        **dict.fromkeys(names, A),
        "forged.example": ELSEWHERE,
        "1.2.0.192.in-addr.arpa": {Kind.PTR: names},
        f"{used}.x.example": A,
    }
    zone["example.org"] = {Kind.TXT: [b"v=spf1 exists:%{p}.x.example -all"], Kind.A: [IP]}
    assert (await checked(zone)).result == "pass"


async def test_nothing_is_explained_but_a_fail() -> None:
    zone = Zone({"example.org": spf("v=spf1 exp=why.%{d} ~all"), "why.example.org": spf("x")})
    assert (await checked(zone)).result == "softfail"
    assert zone.asked == [("example.org", Kind.TXT)]


async def test_the_record_and_the_reason_are_kept_for_the_page() -> None:
    found = await checked(AROUND | {"example.org": spf("v=spf1 include:yes.example -all")})
    assert found.record == "v=spf1 include:yes.example -all"
    assert found.reason == "'include:yes.example' of example.org, by 'ip4:192.0.2.0/24' of yes.example"
    broken = await checked({"example.org": {Kind.TXT: [b"v=spf1 \x1b\xff " + b"a" * 9_000]}})
    assert broken.record.startswith("v=spf1 \ufffd\\xff aaa")
    assert len(broken.record) == 2_001


async def test_the_names_of_the_peer_are_asked_for_once() -> None:
    zone = Zone(
        AROUND | {"example.org": spf("v=spf1 ptr:nobody.example exists:%{p}.%{p}.x.example ptr:ours.example -all")}
    )
    assert (await checked(zone)).result == "pass"
    assert len(zone.asked) == len(set(zone.asked))


async def test_of_many_names_of_the_peer_ten_count() -> None:
    names = [f"n{n}.ours.example" for n in range(15)]
    zone = Zone(
        {
            "example.org": spf("v=spf1 ptr:ours.example -all"),
            "1.2.0.192.in-addr.arpa": {Kind.PTR: names},
            **dict.fromkeys(names, ELSEWHERE),
            names[12]: A,
        }
    )
    assert (await checked(zone)).result == "fail"
    assert len(zone.asked) == 12


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("%{d}.example", "strasse.amt.example.org.example"),
        ("%{d2}.x.de", "example.org.x.de"),
        ("%{dr}", "org.example.amt.strasse"),
        ("%{d1r}", "strasse"),
        ("%{l-}", "a.b+c"),
        ("%{l2r-+}", "b.a"),
        ("%{l1+}", "c"),
        ("%{L}.x.de", "a-b%2Bc.x.de"),
        ("%%%_%-", "% %20"),
        ("%{i}.%{v}.de.", "192.0.2.1.in-addr.de"),
    ],
)
def test_a_macro_is_expanded(text: str, name: str) -> None:
    values = {"d": "strasse.amt.example.org", "l": "a-b+c", "i": IP, "v": "in-addr"}
    assert expand_domain(parse_domain(text), values) == name


def test_a_name_that_becomes_too_long_loses_labels_at_its_left() -> None:
    name = expand_domain(parse_domain("x." + "%{d}." * 4_000 + "org"), {"d": "a" * 40})
    assert name == ".".join(["a" * 40] * 6 + ["org"])
    assert expand_domain(parse_domain("%{d}"), {"d": "a" * 300}) == "a" * 300


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b" " + b"a" * 16_000)
@example(b" exists:" + b"%{l" + b"-" * 9_000 + b"}")
@example(b" exists:" + b"1" * 15_000 + b"-")
@example(b" a:x." + b"a" * 15_000 + b"!")
@example(b" a" + b"/1" * 7_000)
def test_any_octets_are_a_record_or_refused(octets: bytes) -> None:
    text = b"v=spf1" + octets
    if is_spf(text):
        with contextlib.suppress(SpfSyntaxError):
            assert len(parse_record(text).directives) <= len(octets)


_TERMS = st.lists(
    st.one_of(
        st.sampled_from([record.removeprefix("v=spf1") for record in RECORDS if len(record) < 200]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
        st.from_regex(
            r"[-+~?]?(a|mx|ptr|include|exists):(%\{[slodipvh][0-9]{0,2}r?[-.+]?\}|[a-z%]{1,3}|\.){1,5}", fullmatch=True
        ),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(_TERMS, st.text(max_size=40), st.text(max_size=40), st.sampled_from([IP, "2001:db8::1", "::ffff:192.0.2.1"]))
async def test_no_record_no_sender_and_no_greeting_raises(terms: list[str], local: str, helo: str, ip: str) -> None:
    record = ("v=spf1 " + " ".join(terms)).encode()
    zone = Zone(AROUND | {"example.org": {Kind.TXT: [record]}})
    found = await checked(zone, f"{local}@example.org", ip=ip, helo=helo)
    assert found.result in {"neutral", "pass", "fail", "softfail", "temperror", "permerror", "none"}
    assert len(zone.asked) <= 1 + 10 * 11 + 11


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_any_explanation_is_read_or_refused(text: str) -> None:
    try:
        template = parse_macros(text, explanation=True)
    except MacroError:
        return
    assert len(expand_text(template, dict.fromkeys("slodiphvcrt", "wert"))) <= 1_000


def test_a_long_record_is_read_and_not_kept_in_memory() -> None:
    long = b"v=spf1" + b" a" * 7_000
    assert len(parse_record(long).directives) == 7_000
    assert parse_record(long) is not parse_record(long)
    short = b"v=spf1 ip4:192.0.2.1 -all"
    assert parse_record(short) is parse_record(short)


@pytest.mark.parametrize(
    ("record", "everybody"),
    [
        (b"v=spf1 +all", True),
        (b"v=spf1 ip4:192.0.0.0/7 -all", True),
        (b"v=spf1 include:offen.example -all", True),
        (b"v=spf1 redirect=offen.example", True),
        (b"v=spf1 a/1 -all", True),
        (b"v=spf1 ip4:192.0.2.0/24 -all", False),
        (b"v=spf1 ip4:192.0.2.1 +all", False),
        (b"v=spf1 -all", False),
        (b"v=spf1 ?all", False),
    ],
)
async def test_a_pass_that_everybody_would_have_says_so(record: bytes, *, everybody: bool) -> None:
    zone = Zone(
        {
            "firma.example": {Kind.TXT: [record], Kind.A: ["192.0.2.9"]},
            "offen.example": {Kind.TXT: [b"v=spf1 +all"]},
        }
    )
    found = await check_host(zone, "192.0.2.1", "a@firma.example", "mx", now=datetime(2026, 1, 1, tzinfo=UTC))
    assert found.everybody is everybody
