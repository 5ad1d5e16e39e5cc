"""What a domain's own records say of its mail, what is wrong with them, and exactly what to publish instead.

Everything here is decided from answers that somebody else has asked for: `maild.authentication.survey`.

Source: RFC 7208 §4.6.4, §5.5, §10.1; RFC 6376 §3.6.1, RFC 8301 §3.2; RFC 9989 §4.7, RFC 9990 §4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maild.authentication.dmarc import Discovered
from maild.authentication.dmarc_record import Record, weaker
from maild.authentication.keys import read_key
from maild.authentication.spf_record import Name, SpfSyntaxError, is_spf, parse_record
from maild.dns.answer import Answer, DnsError

GOOD, DOUBT, BAD = "good", "doubt", "bad"
MOST_LOOKUPS = 10
_FEW_LOOKUPS = 8
_FIT_BITS = 2048
Asked = Answer | DnsError


class Advice(NamedTuple):
    """One thing that was looked at. `state`: good, doubt (it works, and could be better) or bad.

    `text` says what is there and what is wrong with it; `publish` are lines for the zone, to be copied.
    """

    state: str
    what: str
    text: str
    publish: tuple[str, ...] = ()


class SpfCost(NamedTuple):
    """What it takes to evaluate a record with all that it includes.

    `broken` names includes that cannot be used, `silent` those about which nobody knows for now.
    """

    lookups: int = 0
    broken: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


def txt(name: str, value: str) -> str:
    """Write a TXT record as a line of a zone."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    pieces = [quoted[at : at + 250] for at in range(0, len(quoted), 250)] or [""]
    return f"{name}. IN TXT " + " ".join(f'"{piece}"' for piece in pieces)


def shown(octets: bytes, longest: int = 300) -> str:
    """Return a record for people."""
    text = octets[: longest + 1].decode("ascii", "replace")
    text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return text if len(text) <= longest else f"{text[:longest]}…"


def unknown(what: str, error: DnsError) -> Advice:
    """Say that the DNS did not answer."""
    return Advice(DOUBT, what, f"nobody knows for now: {error.name} {error.kind} ({error.reason}); try again")


_FREE = SpfCost()


def spf(domain: str, asked: Asked, cost: SpfCost = _FREE) -> Advice:
    """Judge the SPF record of a domain that sends mail."""
    suggested = (txt(domain, "v=spf1 mx -all"),)
    if isinstance(asked, DnsError):
        return unknown("SPF", asked)
    records = [each for each in asked.texts if is_spf(each)]
    if not records:
        return Advice(BAD, "SPF", "there is no record: receivers cannot tell your servers from a forger's", suggested)
    if len(records) > 1:
        text = f"there are {len(records)} records, and several count as an error (RFC 7208 §4.5); put them into one: "
        return Advice(BAD, "SPF", text + " | ".join(shown(each, 120) for each in records))
    try:
        return _spf(domain, records[0], cost)
    except SpfSyntaxError as error:
        return Advice(BAD, "SPF", f"{shown(records[0])}: {error}", suggested)


def _spf(domain: str, octets: bytes, cost: SpfCost) -> Advice:
    record = parse_record(octets)
    text = shown(octets)
    ends = next((each for each in record.directives if each.name is Name.ALL), None)
    if ends is not None and ends.result == "pass":
        terms = octets.decode("ascii").split(" ")
        better = " ".join("-all" if term == ends.text else term for term in terms)
        return Advice(BAD, "SPF", f"{text}: '{ends.text}' lets everybody send in your name", (txt(domain, better),))
    if cost.broken:
        return Advice(BAD, "SPF", f"{text}: cannot be evaluated: {'; '.join(cost.broken)}")
    if cost.lookups > MOST_LOOKUPS:
        text += f": takes {cost.lookups} questions to the DNS, and only {MOST_LOOKUPS} are allowed (RFC 7208 §4.6.4)"
        return Advice(BAD, "SPF", f"{text}; name addresses with ip4: and ip6: instead, or drop an include:")
    doubts = [f"nobody knows for now what {name} says" for name in cost.silent]
    if ends is None and record.redirect is None:
        doubts.append("nothing is said of all other servers; end it with -all")
    elif ends is not None and ends.result == "neutral":
        doubts.append("'?all' says nothing of all other servers; end it with -all")
    if cost.lookups > _FEW_LOOKUPS:
        doubts.append(f"takes {cost.lookups} of the {MOST_LOOKUPS} questions allowed")
    if any(each.name is Name.PTR for each in record.directives):
        doubts.append("'ptr' is slow and should not be used (RFC 7208 §5.5)")
    if doubts:
        return Advice(DOUBT, "SPF", f"{text}: {'; '.join(doubts)}")
    return Advice(GOOD, "SPF", f"{text} ({cost.lookups} of {MOST_LOOKUPS} questions)")


def dkim(domain: str, selector: str, asked: Asked) -> Advice:
    """Judge the key under one selector."""
    what = f"DKIM {selector}"
    if isinstance(asked, DnsError):
        return unknown(what, asked)
    name = f"{selector}._domainkey.{domain}"
    template = (txt(name, "v=DKIM1; k=rsa; p=<the public key of your mail server>"),)
    if not asked.texts:
        return Advice(BAD, what, f"there is no key at {name}", template)
    if len(asked.texts) > 1:
        return Advice(BAD, what, f"there are {len(asked.texts)} records at {name}; which of them counts is open")
    kind = "ed25519" if b"k=ed25519" in asked.texts[0].replace(b" ", b"") else "rsa"
    key = read_key(asked.texts[0], kind)
    if key.result:
        return Advice(BAD, what, f"{key.reason}: {shown(asked.texts[0], 120)}", template)
    text = f"{kind}, {key.bits} bits"
    if kind == "rsa" and key.bits < _FIT_BITS:
        return Advice(DOUBT, what, f"{text}: make one of {_FIT_BITS} bits, under a new selector", template)
    if key.testing:
        return Advice(DOUBT, what, f"{text}: marked as a test (t=y); remove that")
    return Advice(GOOD, what, text)


def no_selector(tried: Sequence[str]) -> Advice:
    """Say that no key was found by guessing."""
    text = "no key under the usual selectors; name yours with --selector (it is s= in the DKIM-Signature of your mail)"
    return Advice(DOUBT, "DKIM", f"{text}. Tried: {', '.join(tried)}")


def dmarc(domain: str, found: Discovered, closed: Sequence[str] = ()) -> Advice:
    """Judge the DMARC record that applies to a domain.

    Args:
        domain: the domain.
        found: what the walk has found.
        closed: domains elsewhere that reports are to go to, and that have not agreed to get them.
    """
    suggested = (txt(f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"),)
    if domain in found.several:
        return Advice(BAD, "DMARC", f"there are several records at _dmarc.{domain}; none of them counts", suggested)
    if found.applied is None:
        if found.failure:
            return Advice(DOUBT, "DMARC", f"nobody knows for now ({found.failure}); try again")
        return Advice(BAD, "DMARC", "there is no record: nobody is asked to refuse what is forged, and nobody reports",
                      suggested)  # fmt: skip
    name, record = found.applied
    where = "" if name == domain else f" (of {name})"
    if record.broken:
        text = f"{record.text}{where}: cannot be read in {', '.join(f'{tag}=' for tag in record.broken)}"
        return Advice(BAD, "DMARC", text, (txt(f"_dmarc.{name}", mended(record, name)),))
    if closed:
        text = (
            f"{record.text}{where}: {', '.join(closed)} has not agreed to get reports, so none are sent; publish there"
        )
        return Advice(BAD, "DMARC", text, tuple(txt(f"{name}._report._dmarc.{each}", "v=DMARC1") for each in closed))
    doubts = _doubts(record, found.policy)
    if doubts:
        better = mended(record, name)
        return Advice(DOUBT, "DMARC", f"{record.text}{where}: {'; '.join(doubts)}", (txt(f"_dmarc.{name}", better),))
    return Advice(GOOD, "DMARC", f"{record.text}{where}")


def _doubts(record: Record, policy: str) -> list[str]:
    doubts = []
    if record.testing:
        doubts.append("only a test (t=y)")
    elif policy == "none":
        doubts.append("p=none asks for nothing; go on to quarantine when /reports shows that your own mail passes")
    if not record.rua:
        doubts.append("nobody gets reports: rua= is missing")
    if record.settled and weaker(record.of_subdomain, record.of_domain) != record.of_domain:
        doubts.append("names below the domain are less protected than the domain (sp=)")
    if record.dropped:
        doubts.append(f"{', '.join(f'{tag}=' for tag in record.dropped)} is no longer read (RFC 9989)")
    return doubts


def mended(record: Record, name: str) -> str:
    """Return the record without what is wrong, one step stricter than it is."""
    step = {"": "none", "none": "quarantine", "quarantine": "quarantine", "reject": "reject"}
    policy = record.p if record.testing and record.p else step[record.p]
    if not record.rua:
        policy = record.p or "none"  # first the reports, then the next step
    tags = ["v=DMARC1", f"p={policy}"]
    tags += [f"{tag}={value}" for tag in ("adkim", "aspf") if (value := getattr(record, tag)) != "r"]
    tags.append(f"rua={','.join(record.rua) or f'mailto:postmaster@{name}'}")
    tags += [f"ruf={','.join(record.ruf)}"] if record.ruf else []
    return "; ".join(tags)
