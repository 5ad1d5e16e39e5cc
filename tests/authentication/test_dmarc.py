"""DMARC, case by case, each with its clause in RFC 9989.

A case is a line: the clause; the domain in From, or the whole field; what lies in the DNS under `_dmarc`; what SPF and
the signatures have proven; and what comes out: result, policy, by what, the organisational domain.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.authentication.author import Author, read_author
from maild.authentication.dmarc import (
    MOST_QUESTIONS,
    Discovered,
    check,
    discover,
    evaluate,
    names_above,
    policy_of,
    undiscovered,
)
from maild.authentication.dmarc_record import parse_record
from maild.dns.answer import Kind
from maild.mail.evidence import Dkim, Dmarc, Spf
from maild.mail.header import Field
from tests.authentication.zone import Zone


class Case(NamedTuple):
    clause: str
    author: str  # a domain, or the fields From with `From:` at their beginning
    records: str  # "DOMAIN TEXT", one a line; "DOMAIN !reason" fails, "DOMAIN +" exists, "DOMAIN >OTHER" is a CNAME
    proofs: str  # "spf DOMAIN", "dkim DOMAIN", "spf? DOMAIN" (no answer), "spf:softfail DOMAIN", "helo DOMAIN"
    result: str  # "pass dkim", "pass spf", "pass both", or any other word
    policy: str = "none"
    organisation: str = ""


def zone_of(case: Case) -> Zone:
    records: dict[str, dict[Kind, list[object] | str] | str] = {}
    for line in filter(None, map(str.strip, case.records.split("|"))):
        name, _, text = line.partition(" ")
        if text == "+":
            records[name] = {Kind.A: ["192.0.2.1"]}
        elif text.startswith("?"):
            records[name] = text[1:]
        elif text.startswith("!"):
            records[f"_dmarc.{name}"] = text[1:]
        elif text.startswith(">"):
            records[f"_dmarc.{name}"] = {Kind.CNAME: [text[1:]]}
        else:
            known = records.setdefault(name if name[0] == "_" else f"_dmarc.{name}", {Kind.TXT: []})
            assert isinstance(known, dict)
            texts = known[Kind.TXT]
            assert isinstance(texts, list)
            texts.append(text.encode())
    return Zone(records)


def author_of(text: str) -> Author:
    if not text.startswith("From:"):
        return Author("a", text)
    return read_author([Field("from", line.removeprefix("From:")) for line in text.split("|")])


def proofs_of(text: str) -> tuple[Spf, tuple[Dkim, ...]]:
    spf, dkim = Spf(), []
    for proof in filter(None, map(str.strip, text.split(","))):
        method, domain = proof.split(" ")
        method, _, word = method.partition(":")
        result = word or ("temperror" if method.endswith("?") else "pass")
        if method.startswith("dkim"):
            dkim.append(Dkim(result, domain))
        else:
            spf = Spf(result, domain, "helo" if method.startswith("helo") else "mailfrom")
    return spf, tuple(dkim)


R, Q, N = "reject", "quarantine", "none"
P_R = "v=DMARC1; p=reject"
ORG = "shop.example"
SUB = "news.shop.example"
HAS = f"{ORG} {P_R}"
STRICT = f"{ORG} v=DMARC1; p=reject; adkim=s; aspf=s"
MAIL = "mail.shop.example"
PSD = "example v=DMARC1; p=reject; psd=y"
IDN = "xn--mller-kva.example"
LONG = "a.b.c.d.e.f.g.h.i.j.mail.shop.example"
LONGEST = ".".join(["a" * 63] * 3 + ["b" * 58])  # with `_dmarc.` before it, longer than a name can be
CASES = [
    # Alignment, relaxed: the same organisational domain.
    Case("4.4", ORG, HAS, f"dkim {ORG}", "pass dkim", R, ORG),
    Case("4.4", ORG, HAS, f"spf {ORG}", "pass spf", R, ORG),
    Case("4.4", ORG, HAS, f"spf {ORG}, dkim {ORG}", "pass both", R, ORG),
    Case("3.2.10.1", SUB, HAS, "dkim foo.shop.example", "pass dkim", R, ORG),
    Case("3.2.10.1", SUB, HAS, f"dkim {ORG}", "pass dkim", R, ORG),
    Case("3.2.10.1", SUB, HAS, f"spf {ORG}", "pass spf", R, ORG),
    Case("3.2.10.1", SUB, HAS, "spf bounce.shop.example", "pass spf", R, ORG),
    Case("3.2.10.1", ORG, HAS, f"dkim {SUB}", "pass dkim", R, ORG),
    Case("3.2.10.1", ORG, HAS, "spf a.b.c.shop.example", "pass spf", R, ORG),
    Case("4.4", SUB, HAS, "dkim foo.example.net", "fail", R, ORG),
    Case("4.4", ORG, HAS, "dkim evil.example", "fail", R, ORG),
    Case("4.4", ORG, HAS, "spf evil.example", "fail", R, ORG),
    Case("4.4", ORG, HAS, "dkim example", "fail", R, ORG),
    Case("4.4", ORG, HAS, "dkim evilshop.example", "fail", R, ORG),
    Case("4.4", ORG, HAS, "dkim shop.example.evil.example", "fail", R, ORG),
    Case("4.4", ORG, HAS, "", "fail", R, ORG),
    Case("4.4", ORG, HAS, "dkim SHOP.example", "pass dkim", R, ORG),
    Case("4.4", ORG, HAS, "spf Shop.Example.", "pass spf", R, ORG),
    Case("4.4.1", ORG, HAS, f"dkim evil.example, dkim {ORG}", "pass dkim", R, ORG),
    Case("4.4.1", ORG, HAS, f"dkim:fail {ORG}, dkim {SUB}", "pass dkim", R, ORG),
    # What proves nothing.
    Case("4.4.1", ORG, HAS, f"dkim:fail {ORG}", "fail", R, ORG),
    Case("4.4.1", ORG, HAS, f"dkim:policy {ORG}", "fail", R, ORG),
    Case("4.4.1", ORG, HAS, f"dkim:neutral {ORG}", "fail", R, ORG),
    Case("4.4.1", ORG, HAS, f"dkim:permerror {ORG}", "fail", R, ORG),
    Case("4.4.2", ORG, HAS, f"spf:fail {ORG}", "fail", R, ORG),
    Case("4.4.2", ORG, HAS, f"spf:softfail {ORG}", "fail", R, ORG),
    Case("11.1", ORG, HAS, f"spf:neutral {ORG}", "fail", R, ORG),
    Case("4.4.2", ORG, HAS, f"spf:none {ORG}", "fail", R, ORG),
    Case("4.4.2", ORG, HAS, f"spf:permerror {ORG}", "fail", R, ORG),
    # Which name SPF is about: MAIL FROM, or the name in HELO where that is empty.
    Case("3.2.4", ORG, HAS, f"helo {ORG}", "pass spf", R, ORG),
    Case("3.2.4", ORG, HAS, "helo mx.shop.example", "pass spf", R, ORG),
    Case("3.2.4", ORG, HAS, "helo mx.evil.example", "fail", R, ORG),
    # Alignment, strict: the same name.
    Case("3.2.10.2", ORG, STRICT, f"dkim {ORG}", "pass dkim", R, ORG),
    Case("3.2.10.2", ORG, STRICT, f"spf {ORG}", "pass spf", R, ORG),
    Case("3.2.10.2", ORG, STRICT, f"dkim {SUB}", "fail", R, ORG),
    Case("3.2.10.2", ORG, STRICT, f"spf {SUB}", "fail", R, ORG),
    Case("3.2.10.2", SUB, STRICT, f"dkim {ORG}", "fail", R, ORG),
    Case("3.2.10.2", SUB, STRICT, f"dkim {SUB}", "pass dkim", R, ORG),
    Case("3.2.10.2", SUB, STRICT, f"spf {SUB}", "pass spf", R, ORG),
    Case("4.7", ORG, f"{ORG} {P_R}; adkim=s", f"dkim {SUB}", "fail", R, ORG),
    Case("4.7", ORG, f"{ORG} {P_R}; adkim=s", f"spf {SUB}", "pass spf", R, ORG),
    Case("4.7", ORG, f"{ORG} {P_R}; aspf=s", f"spf {SUB}", "fail", R, ORG),
    Case("4.7", ORG, f"{ORG} {P_R}; aspf=s", f"spf {SUB}, dkim {SUB}", "pass dkim", R, ORG),
    Case("4.8", ORG, f"{ORG} {P_R}; adkim=strict", f"dkim {SUB}", "pass dkim", R, ORG),
    Case("4.8", ORG, f"{ORG} {P_R}; adkim=; aspf=x", f"spf {SUB}", "pass spf", R, ORG),
    # Strictness is that of the record which applies, not of one above it.
    Case("4.10.2", SUB, f"{SUB} {P_R}; adkim=s | {HAS}", f"dkim {ORG}", "fail", R, ORG),
    Case("4.10.2", SUB, f"{SUB} {P_R} | {STRICT}", f"dkim {ORG}", "pass dkim", R, ORG),
    # The walk: the examples of the RFC.
    Case("4.10.2", "a.mail.shop.example", f"mail.shop.example {P_R} | {HAS}", "", "fail", R, ORG),
    Case("4.10.2", "a.mail.shop.example", f"mail.shop.example {P_R}; psd=n", "", "fail", R, "mail.shop.example"),
    Case("4.10.2", "a.mail.shop.example", "example v=DMARC1; p=reject; psd=y", "", "fail", R, ORG),
    Case("4.10.2", MAIL, f"{MAIL} {P_R} | {ORG} v=DMARC1; psd=y; p=none", "", "fail", R, MAIL),
    # The walk: how high.
    Case("4.10", "a.b.c.shop.example", HAS, "dkim x.y.shop.example", "pass dkim", R, ORG),
    Case("4.10", "a.b.c.d.e.f.shop.example", HAS, f"dkim {ORG}", "pass dkim", R, ORG),
    Case("4.10", "a.b.c.d.e.f.g.shop.example", HAS, f"dkim {ORG}", "pass dkim", R, ORG),
    Case("4.10", LONG, HAS, f"dkim {ORG}", "pass dkim", R, ORG),
    Case("4.10", LONG, f"g.h.i.j.mail.shop.example {P_R}", "", "fail", R, "g.h.i.j.mail.shop.example"),
    Case("4.10", LONG, f"f.g.h.i.j.mail.shop.example {P_R}", "", "none", N, LONG),
    Case("4.10.1", LONG, f"{LONG} {P_R}", "", "fail", R, LONG),
    Case("4.10", LONG, f"{LONG} {P_R} | {HAS}", f"dkim {ORG}", "pass dkim", R, ORG),
    Case("4.10", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.shop.example", HAS, "", "fail", R, ORG),
    Case("4.10", ORG, HAS, f"dkim {LONG}", "pass dkim", R, ORG),
    Case("4.10", "example", "example v=DMARC1; p=reject", "dkim example", "pass dkim", R, "example"),
    Case("4.10", "example", "", "dkim example", "none", N, "example"),
    # Which record applies: the domain's own, then that of its organisation, then that of the public suffix.
    Case("4.10.1", ORG, HAS, "", "fail", R, ORG),
    Case("4.10.1", SUB, f"{SUB} v=DMARC1; p=none | {HAS}", "", "fail", N, ORG),
    Case("4.10.1", SUB, f"{SUB} {P_R} | {ORG} v=DMARC1; p=none", "", "fail", R, ORG),
    Case("4.10.1", SUB, f"{SUB} v=DMARC1; p=none; sp=reject | {HAS}", "", "fail", N, ORG),
    Case("4.10.1", "a.mail.shop.example", f"mail.shop.example v=DMARC1; p=none | {HAS}", "", "fail", R, ORG),
    Case("4.10.1", ORG, "example v=DMARC1; p=reject; psd=y", "", "fail", R, ORG),
    Case("4.10.1", SUB, "example v=DMARC1; p=quarantine; psd=y", "", "fail", Q, ORG),
    Case("4.10.1", SUB, f"{ORG} v=DMARC1; p=none | example {P_R}; psd=y", "", "fail", N, ORG),
    Case("4.10.1", "a.mail.shop.example", f"{MAIL} v=DMARC1; p=none | example {P_R}; psd=y", "", "fail", R, ORG),
    Case("4.10.1", ORG, "", "", "none", N, ORG),
    Case("4.10.1", SUB, "", f"dkim {ORG}", "none", N, SUB),
    Case("4.10.1", SUB, f"other.shop.example {P_R}", "", "none", N, SUB),
    # psd.
    Case("4.7", ORG, f"{ORG} {P_R}; psd=n | example {P_R}", f"dkim {SUB}", "pass dkim", R, ORG),
    Case("11.8", "evil.example", f"example {P_R} | {ORG} {P_R}", f"dkim {ORG}", "pass dkim", R, "example"),
    Case("11.8", "evil.example", f"example {P_R} | {ORG} {P_R}; psd=n", f"dkim {ORG}", "fail", R, "example"),
    Case("4.7", ORG, f"example {P_R}; psd=y", "dkim evil.example", "fail", R, ORG),
    Case("4.7", ORG, f"example {P_R}; psd=y", "dkim example", "fail", R, ORG),
    Case("4.7", ORG, f"example {P_R}; psd=y", f"dkim {SUB}", "pass dkim", R, ORG),
    Case("4.7", "example", f"example {P_R}; psd=y", "dkim example", "pass dkim", R, "example"),
    Case("4.7", "example", f"example {P_R}; psd=y", f"dkim {ORG}", "fail", R, "example"),
    Case("4.10.2", "shop.co.example", f"co.{PSD} | {PSD}", "dkim x.shop.co.example", "pass dkim", R, "shop.co.example"),
    Case("4.10.2", "co.example", f"co.example {P_R}; psd=y | example {P_R}; psd=y", "", "fail", R, "co.example"),
    Case("4.10.2", "shop.co.example", f"co.example {P_R}; psd=y", "dkim evil.co.example", "fail", R, "shop.co.example"),
    Case("4.10.2", SUB, f"{SUB} {P_R}; psd=n | {HAS}", f"dkim {ORG}", "fail", R, SUB),
    Case("4.10.2", ORG, f"{HAS} | {SUB} {P_R}; psd=n", f"dkim {SUB}", "fail", R, ORG),
    Case("4.10.2", ORG, f"{HAS} | {SUB} {P_R}; psd=n", f"dkim {SUB}, dkim x.shop.example", "pass dkim", R, ORG),
    Case("4.10.2", ORG, f"{HAS} | {SUB} {P_R}; psd=n", f"spf a.{SUB}", "fail", R, ORG),
    Case("4.10.2", ORG, f"{HAS} | {SUB} {P_R}; psd=y", f"dkim {SUB}", "fail", R, ORG),
    Case("4.10.2", ORG, f"{HAS} | {SUB} {P_R}; psd=y", f"dkim x.{SUB}", "fail", R, ORG),
    Case("4.10.2", ORG, f"{HAS} | {SUB} {P_R}", f"dkim x.{SUB}", "pass dkim", R, ORG),
    Case("4.7", SUB, f"{SUB} {P_R}; psd=u | {HAS}", f"dkim {ORG}", "pass dkim", R, ORG),
    Case("4.8", SUB, f"{SUB} {P_R}; psd=x | {HAS}", f"dkim {ORG}", "pass dkim", R, ORG),
    # Only what is at or above a name tells its organisation: a record at a child makes no organisation.
    Case("4.10.2", SUB, HAS, f"dkim {SUB}", "pass dkim", R, ORG),
    Case("4.10.2", SUB, f"{SUB} {P_R}", f"dkim {ORG}", "fail", R, SUB),
    Case("4.10.2", SUB, f"{SUB} {P_R}", f"dkim x.{SUB}", "pass dkim", R, SUB),
    # sp and np.
    Case("4.7", SUB, f"{ORG} {P_R}; sp=none | {SUB} +", "", "fail", N, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=none; sp=reject | {SUB} +", "", "fail", R, ORG),
    Case("4.7", ORG, f"{ORG} v=DMARC1; p=none; sp=reject", "", "fail", N, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=none; sp=reject", "", "fail", R, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=none; np=reject", "", "fail", R, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=none; np=reject | {SUB} +", "", "fail", N, ORG),
    Case("3.2.13", SUB, f"{ORG} v=DMARC1; p=none; np=reject | x.{SUB} +", "", "fail", N, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=none; sp=quarantine; np=reject", "", "fail", R, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=none; sp=quarantine; np=reject | {SUB} +", "", "fail", Q, ORG),
    Case("4.7", ORG, f"{ORG} v=DMARC1; p=none; sp=quarantine; np=reject", "", "fail", N, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=reject; np=none", "", "fail", N, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=reject; sp=none", "", "fail", N, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=reject; sp=reject; np=none | {SUB} ?servfail", "", "fail", N, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=none; np=reject | {SUB} ?timeout", f"dkim {ORG}", "pass dkim", N, ORG),
    Case("4.7", "a.b.shop.example", f"{ORG} v=DMARC1; p=none; np=reject | b.shop.example +", "", "fail", R, ORG),
    Case("4.10.1", ORG, "example v=DMARC1; p=none; np=reject; psd=y", "", "fail", R, ORG),
    Case("4.10.1", ORG, f"example v=DMARC1; p=none; np=reject; psd=y | {ORG} +", "", "fail", N, ORG),
    Case("4.10.1", SUB, f"{SUB} v=DMARC1; p=none; np=reject", "", "fail", N, SUB),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=none; sp=reject; adkim=s", f"dkim {SUB}", "pass dkim", R, ORG),
    # t: one step less.
    Case("4.7", ORG, f"{ORG} {P_R}; t=y", "", "fail", Q, ORG),
    Case("4.7", ORG, f"{ORG} v=DMARC1; p=quarantine; t=y", "", "fail", N, ORG),
    Case("4.7", ORG, f"{ORG} v=DMARC1; p=none; t=y", "", "fail", N, ORG),
    Case("4.7", ORG, f"{ORG} {P_R}; t=n", "", "fail", R, ORG),
    Case("4.8", ORG, f"{ORG} {P_R}; t=1", "", "fail", R, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=none; sp=reject; t=y", "", "fail", Q, ORG),
    Case("4.7", SUB, f"{ORG} v=DMARC1; p=none; np=reject; t=y", "", "fail", Q, ORG),
    Case("4.7", ORG, f"{ORG} {P_R}; t=y", f"dkim {ORG}", "pass dkim", Q, ORG),
    # Tags of former times.
    Case("A.6", ORG, f"{ORG} {P_R}; pct=0", "", "fail", R, ORG),
    Case("A.6", ORG, f"{ORG} {P_R}; pct=50", "", "fail", R, ORG),
    Case("9.3", ORG, f"{ORG} {P_R}; rf=iodef; ri=1", "", "fail", R, ORG),
    Case("4.7", ORG, f"{ORG} {P_R}; unknown=x", "", "fail", R, ORG),
    Case("4.8", ORG, f"{ORG} {P_R}; nonsense", "", "fail", R, ORG),
    # Records without a valid policy.
    Case("4.10.1", ORG, f"{ORG} v=DMARC1; rua=mailto:a@b.example", f"dkim {ORG}", "pass dkim", N, ORG),
    Case("4.10.1", ORG, f"{ORG} v=DMARC1; rua=mailto:a@b.example", "", "fail", N, ORG),
    Case("4.10.1", ORG, f"{ORG} v=DMARC1", "", "none", N, ORG),
    Case("4.10.1", ORG, f"{ORG} v=DMARC1; p=rejct", f"dkim {ORG}", "none", N, ORG),
    Case("4.10.1", ORG, f"{ORG} v=DMARC1; p=rejct; rua=mailto:a@b.example", "", "fail", N, ORG),
    Case("4.10.1", ORG, f"{ORG} v=DMARC1; p=reject; sp=x; rua=mailto:a@b.example", "", "fail", N, ORG),
    Case("4.10.1", ORG, f"{ORG} v=DMARC1; p=reject; np=x", "", "none", N, ORG),
    Case("4.10.1", ORG, f"{ORG} v=DMARC1; p=reject; p=none; rua=mailto:a@b.example", "", "fail", N, ORG),
    Case("4.10.1", ORG, f"{ORG} v=DMARC1; sp=reject", "", "none", N, ORG),
    Case("4.10.1", SUB, f"{SUB} v=DMARC1; p=x | {HAS}", "", "none", N, ORG),
    # Texts that are no records, and several records.
    Case("4.10", ORG, f"{ORG} v=spf1 -all", "", "none", N, ORG),
    Case("4.10", ORG, f"{ORG} v=spf1 -all | {HAS}", "", "fail", R, ORG),
    Case("4.7", ORG, f"{ORG} v=dmarc1; p=reject", "", "none", N, ORG),
    Case("4.7", ORG, f"{ORG} p=reject; v=DMARC1", "", "none", N, ORG),
    Case("4.7", ORG, f"{ORG} v=DMARC2; p=reject", "", "none", N, ORG),
    Case("4.10", ORG, f"{HAS} | {ORG} v=DMARC1; p=none", "", "none", N, ORG),
    Case("4.10", ORG, f"{HAS} | {HAS}", f"dkim {ORG}", "none", N, ORG),
    Case("4.10", ORG, f"{HAS} | {ORG} v=DMARC2; p=none", "", "fail", R, ORG),
    Case("4.10", SUB, f"{SUB} {P_R} | {SUB} v=DMARC1; p=none | {HAS}", "", "fail", R, ORG),
    Case("4.10", SUB, f"{HAS} | {ORG} {P_R} | example {P_R}; psd=y", "", "fail", R, ORG),
    Case("4.10", ORG, f"{HAS} | {SUB} {P_R}; psd=n | {SUB} {P_R}", f"dkim {SUB}", "pass dkim", R, ORG),
    # A CNAME is followed by the DNS.
    Case("4.5", ORG, f"{ORG} >_x.host.example | _x.host.example {P_R}", f"dkim {ORG}", "pass dkim", R, ORG),
    Case("4.5", ORG, f"{ORG} >_policy.hoster.example", "", "none", N, ORG),
    Case("4.5", ORG, f"{ORG} >_dmarc.{ORG}", "", "temperror", N, ""),
    # The DNS does not answer.
    Case("5.3.6", ORG, f"{ORG} !timeout", f"dkim {ORG}", "temperror", N, ""),
    Case("5.3.6", ORG, f"{ORG} !servfail", "", "temperror", N, ""),
    Case("5.3.6", SUB, f"{ORG} !refused", "", "temperror", N, ""),
    Case("5.3.6", SUB, f"{HAS} | example !timeout", "", "temperror", N, ""),
    Case("5.3.6", ORG, f"{HAS} | example !timeout", f"dkim {ORG}", "pass dkim", R, ""),
    Case("5.3.6", SUB, f"{SUB} {P_R} | {ORG} !timeout", f"dkim {SUB}", "pass dkim", R, ""),
    Case("5.3.6", SUB, f"{SUB} {P_R} | {ORG} !timeout", f"dkim {ORG}", "temperror", R, ""),
    Case("5.3.6", SUB, f"{SUB} {P_R} | {ORG} !timeout", "dkim evil.test", "fail", R, ""),
    Case("5.3.6", SUB, f"{SUB} {P_R} | {ORG} !timeout", "", "fail", R, ""),
    Case("5.3.6", SUB, f"{SUB} {P_R}; adkim=s | {ORG} !timeout", f"dkim {ORG}", "fail", R, ""),
    Case("5.3.6", SUB, f"{SUB} {P_R}; psd=n | {ORG} !timeout", f"dkim {ORG}", "fail", R, SUB),
    Case("5.3.6", ORG, f"{HAS} | {SUB} !timeout", f"dkim {SUB}", "temperror", R, ORG),
    Case("5.3.6", ORG, f"{HAS} | {SUB} !timeout", f"dkim {SUB}, spf {ORG}", "pass spf", R, ORG),
    Case("5.3.6", ORG, f"{HAS} | {SUB} !timeout", "dkim evil.example", "fail", R, ORG),
    Case("5.3.6", ORG, HAS, f"dkim? {ORG}", "temperror", R, ORG),
    Case("5.3.6", ORG, HAS, f"spf? {ORG}", "temperror", R, ORG),
    Case("5.3.6", ORG, HAS, f"dkim? {SUB}", "temperror", R, ORG),
    Case("5.3.6", ORG, HAS, f"dkim? {ORG}, spf {ORG}", "pass spf", R, ORG),
    Case("5.3.6", ORG, HAS, f"dkim? {ORG}, dkim {SUB}", "pass dkim", R, ORG),
    Case("5.3.6", ORG, HAS, "dkim? evil.example", "fail", R, ORG),
    Case("5.3.6", ORG, HAS, "spf? evil.example", "fail", R, ORG),
    Case("5.3.6", ORG, STRICT, f"dkim? {SUB}", "fail", R, ORG),
    Case("5.3.6", ORG, "", f"dkim? {ORG}", "none", N, ORG),
    # The author.
    Case("5.3.1", f"From: a@{ORG}", HAS, f"dkim {ORG}", "pass dkim", R, ORG),
    Case("5.3.1", f"From: Anna <a@{ORG}>", HAS, f"dkim {ORG}", "pass dkim", R, ORG),
    Case("5.3.1", "From: a@Shop.EXAMPLE", HAS, f"dkim {ORG}", "pass dkim", R, ORG),
    Case("5.3.1", "From: a@müller.example", f"{IDN} {P_R}", f"dkim {IDN}", "pass dkim", R, IDN),
    Case("5.3.1", "From: a@müller.example", f"{IDN} {P_R}", "spf müller.example", "pass spf", R, IDN),
    Case("4.2", "From:", HAS, f"dkim {ORG}", "permerror"),
    Case("5.3.1", "From: Anna", HAS, f"dkim {ORG}", "permerror"),
    Case("11.5", f"From: a@{ORG}|From: b@evil.example", HAS, "dkim evil.example", "permerror"),
    Case("11.5", f"From: a@{ORG}|From: a@{ORG}", HAS, f"dkim {ORG}", "permerror"),
    Case("11.5", f"From: a@{ORG}, b@evil.example", HAS, f"dkim {ORG}", "permerror"),
    Case("11.5", f"From: a@{ORG}, b@{ORG}", HAS, f"dkim {ORG}", "permerror"),
    Case("11.5", f"From: all: a@{ORG};", HAS, f"dkim {ORG}", "permerror"),
    Case("11.5", "From: nobody:;", HAS, f"dkim {ORG}", "permerror"),
    Case("4.4", f"From: <@evil.example:a@{ORG}>", HAS, f"dkim {ORG}", "permerror"),
    Case("4.4", f"From: a@{ORG}\x00.evil.example", HAS, f"dkim {ORG}", "permerror"),
    Case("4.4", "From: a@[192.0.2.1]", HAS, f"dkim {ORG}", "permerror"),
    # What the DNS cannot be asked for.
    Case("4.10", LONGEST, f"{LONGEST} {P_R}", "", "none", N, LONGEST),
]  # fmt: skip


def test_the_table_is_long_enough() -> None:
    assert len(set(CASES)) == len(CASES) >= 150


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.clause}-{case.author[:40]!r}-{case.proofs}")
async def test_a_case_comes_out_as_the_clause_says(case: Case) -> None:
    zone, author = zone_of(case), author_of(case.author)
    spf, dkim = proofs_of(case.proofs)
    known = await policy_of(zone, author)
    assert len(zone.asked) <= MOST_QUESTIONS + 1
    assert known.policy == case.policy
    dmarc = await check(zone, author, spf, dkim, known=known)
    by = {(True, True): "pass both", (True, False): "pass spf", (False, True): "pass dkim"}
    found = by[dmarc.spf_aligned, dmarc.dkim_aligned] if dmarc.result == "pass" else dmarc.result
    assert (found, dmarc.policy, dmarc.organisation) == (case.result, case.policy, case.organisation), dmarc
    assert dmarc.domain == author.domain
    assert bool(dmarc.reason) == (dmarc.result != "pass")
    assert dmarc == await check(zone_of(case), author, spf, dkim)


async def test_a_walk_asks_eight_questions_at_most() -> None:
    zone = Zone({})
    await discover(zone, "a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert [name for name, _ in zone.asked] == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "_dmarc.g.h.i.j.mail.example.com",
        "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com",
        "_dmarc.j.mail.example.com",
        "_dmarc.mail.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    ]


@pytest.mark.parametrize(("count", "questions"), [(1, 1), (2, 2), (7, 7), (8, 8), (9, 8), (60, 8)])
def test_a_walk_goes_on_with_the_last_seven_labels(count: int, questions: int) -> None:
    names = list(names_above(".".join(["a"] * count)))
    assert len(names) == questions
    assert names[-1] == "a"
    assert len(names[0].split(".")) == count


@pytest.mark.parametrize(
    ("records", "names"),
    [
        (f"{SUB} {P_R}; psd=n", [SUB]),
        (f"{ORG} {P_R}; psd=y", [SUB, ORG]),
        (f"{SUB} {P_R} | {ORG} {P_R}", [SUB, ORG, "example"]),
        (f"{SUB} !timeout", [SUB]),
    ],
)
async def test_a_walk_ends_where_the_organisation_is_known_or_nobody_answers(records: str, names: list[str]) -> None:
    zone = zone_of(Case("", "", records, "", ""))
    await discover(zone, SUB)
    assert zone.asked == [(f"_dmarc.{name}", Kind.TXT) for name in names]


@pytest.mark.parametrize(
    ("records", "asked"),
    [
        (f"{ORG} {P_R}", False),
        (f"{ORG} {P_R}; sp=none", False),
        (f"{ORG} {P_R}; sp=none; np=reject", True),
        (f"{SUB} {P_R}; np=none", False),
        ("", False),
    ],
)
async def test_a_name_is_looked_up_only_where_its_existence_matters(records: str, asked: bool) -> None:
    zone = zone_of(Case("", "", records, "", ""))
    await discover(zone, SUB)
    assert ((SUB, Kind.A) in zone.asked) is asked


async def test_an_author_who_is_not_verifiable_costs_no_question() -> None:
    zone = Zone({})
    dmarc = await check(zone, Author(problem="several-fields"), Spf("pass", ORG), (Dkim("pass", ORG),))
    assert (dmarc.result, dmarc.policy, zone.asked) == ("permerror", "none", [])
    assert dmarc.reason == "the author is not verifiable: several-fields"


async def test_a_strangers_signature_costs_no_question() -> None:
    zone, author = zone_of(Case("", "", HAS, "", "")), Author("a", ORG)
    known = await policy_of(zone, author)
    asked = len(zone.asked)
    dkim = (*[Dkim("pass", f"x{i}.evil.example") for i in range(9)], Dkim("pass", f"evil{ORG}"))
    assert (await check(zone, author, Spf("pass", "evil.example"), dkim, known=known)).result == "fail"
    assert len(zone.asked) == asked


async def test_many_signatures_of_one_domain_cost_one_walk() -> None:
    zone, author = zone_of(Case("", "", HAS, "", "")), Author("a", ORG)
    known = await policy_of(zone, author)
    asked = len(zone.asked)
    assert (await check(zone, author, Spf(), (Dkim("pass", SUB),) * 10, known=known)).result == "pass"
    assert len(zone.asked) == asked + 3


async def test_without_a_record_nobody_else_is_looked_up() -> None:
    discovered = await discover(Zone({}), ORG)
    assert undiscovered(discovered, ((SUB, True),), ((SUB, True),)) == ()


async def test_a_reason_names_where_several_records_are() -> None:
    zone = zone_of(Case("", "", f"{HAS} | {HAS}", "", ""))
    assert (await check(zone, Author("a", ORG), Spf(), ())).reason == f"several records at {ORG}"


def test_what_was_not_looked_up_is_not_held_against_the_sender() -> None:
    record = Discovered(ORG, ((ORG, parse_record(P_R.encode()) or pytest.fail("no record")),))
    assert evaluate(Author("a", ORG), record, {}, (), ((SUB, True),)).result == "temperror"
    assert evaluate(Author("a", ORG), record, {}, (), ()).result == "fail"


_LABELS = st.lists(st.sampled_from(["a", "b", "shop", "example", "", "x" * 64, "\u00fc", "_"]), max_size=12)
_NAMES = _LABELS.map(".".join)
_TEXTS = st.sampled_from(
    [b"v=DMARC1; p=reject", b"v=DMARC1; p=none; np=reject; psd=n", b"v=DMARC1;psd=y", b"v=DMARC1\xff", b"", b"v=spf1"]
)
_RECORDS = st.dictionaries(
    _NAMES, st.one_of(st.lists(_TEXTS, max_size=2).map(lambda texts: {Kind.TXT: texts}), st.just("timeout")), max_size=5
)
_RESULTS = st.sampled_from(["pass", "fail", "temperror", "none", "\x00"])


@given(_NAMES, _RECORDS, st.builds(Spf, _RESULTS, _NAMES), st.lists(st.builds(Dkim, _RESULTS, _NAMES), max_size=4))
async def test_any_names_are_decided_and_always_alike(
    domain: str, records: dict[str, dict[Kind, list[bytes]] | str], spf: Spf, dkim: list[Dkim]
) -> None:
    under = {f"_dmarc.{name}": known for name, known in records.items()}
    found = [await check(Zone(under), Author("a", domain), spf, tuple(each)) for each in (dkim, dkim[::-1])]
    assert found[0] == found[1]
    assert isinstance(found[0], Dmarc)
    proven = spf.result == "pass" or any(each.result == "pass" for each in dkim)
    assert proven or found[0].result != "pass"
