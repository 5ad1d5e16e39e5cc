"""DMARC: whether the domain in From is proven, and what its owner asks for when it is not.

`discover` walks up the DNS from a domain, `evaluate` decides without asking anybody, `check` does both. At the door
`policy_of` tells first whether anything is asked for at all: most mail needs no more.

A domain that SPF or a signature proves is looked up only where it could be aligned: it lies at or below the
organisational domain of From. A stranger's signature costs no question.

Promises: never raises for what the DNS or a stranger says. What the DNS did not say is never held against the sender:
then the result is `temperror`, unless another proof is enough.

Source: RFC 9989 §4.10 (tree walk), §4.10.1 (policy), §4.10.2 (alignment), §5.3 (order of steps), §3.2.4 (SPF domain).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from maild.authentication.author import Author
from maild.authentication.dmarc_record import Record, is_record, parse_record, softened, weaker
from maild.dns.answer import DnsError, Kind, Resolver, Status
from maild.dns.recall import gathered
from maild.errors import AddressError
from maild.mail.address import parse_domain
from maild.mail.authentication import NONE, PASS, TEMPERROR
from maild.mail.evidence import Dkim, Dmarc, Spf

MOST_QUESTIONS = 8  # RFC 9989 §4.10
_LABELS_LEFT = 7
_NOBODY: Mapping[str, Discovered] = {}
Proofs = tuple[tuple[str, bool], ...]  # a domain, and whether it is proven; else the DNS did not say


class Discovered(NamedTuple):
    """What lies at and above a domain.

    `found` has each name that has one record, the longest first; `several` the names that have more, which count for
    none. `failure` is the reason why the walk broke off (a word of `DnsError`), else "". `exists`: whether there is
    such a domain; None where it makes no difference, or nobody knows.
    """

    domain: str
    found: tuple[tuple[str, Record], ...] = ()
    several: tuple[str, ...] = ()
    failure: str = ""
    exists: bool | None = None

    @property
    def own(self) -> Record | None:
        """The record of the domain itself."""
        return self.found[0][1] if self.found and self.found[0][0] == self.domain else None

    @property
    def organisation(self) -> str | None:
        """The organisational domain (RFC 9989 §4.10.2); None when the walk broke off before that was known."""
        for name, record in self.found:
            if record.psd == "n":
                return name
            if record.psd == "y":
                return self._one_below(name)
        if self.failure:
            return None
        return self.found[-1][0] if self.found else self.domain

    @property
    def applied(self) -> tuple[str, Record] | None:
        """The record that mail from the domain is measured by, and its name (RFC 9989 §4.10.1)."""
        if self.found and self.found[0][0] == self.domain:
            return self.found[0]
        if self.failure or not self.found:
            return None
        organisation = self.organisation
        for each in self.found:
            if each[0] == organisation:
                return each
        return self.found[-1]  # of the public suffix: nothing else ends a walk above the organisational domain

    @property
    def policy(self) -> str:
        """What is asked for when nothing is proven: `none`, `quarantine` or `reject`, softened where it is tested.

        While nobody knows whether the domain exists, the weaker of what is asked for in either case.
        """
        applied = self.applied
        if applied is None:
            return NONE
        name, record = applied
        if name == self.domain:
            policy = record.of_domain
        elif self.exists is None:
            policy = weaker(record.of_subdomain, record.of_nothing)
        else:
            policy = record.of_subdomain if self.exists else record.of_nothing
        return softened(policy) if record.testing else policy

    @property
    def existence_matters(self) -> bool:
        applied = self.applied
        if applied is None or applied[0] == self.domain:
            return False
        return applied[1].of_subdomain != applied[1].of_nothing

    def _one_below(self, name: str) -> str:
        """Return the name on the way from `name` down to the domain; there is none below the domain itself."""
        labels = self.domain.split(".")
        return ".".join(labels[-name.count(".") - 2 :])


async def policy_of(resolver: Resolver, author: Author) -> Discovered:
    """Return what the domain of an author asks for, before anything is proven: `.policy`.

    Hand it to `check` as `known`. For an author who is not verifiable nothing is asked, and `none` is the policy.
    """
    return await discover(resolver, author.domain) if author.verifiable else Discovered("")


async def discover(resolver: Resolver, domain: str) -> Discovered:
    """Walk up from the domain of an author; at most eight questions, and one more where existence matters.

    Args:
        resolver: whoever answers. Its failures are kept as `failure`.
        domain: in lower-case A-labels, without a dot at its end.
    """
    found = await _walk(resolver, domain)
    if not found.existence_matters:
        return found
    try:
        answer = await resolver.ask(domain, Kind.A)
    except DnsError:
        return found
    return found._replace(exists=answer.status is not Status.NO_NAME)


async def check(
    resolver: Resolver, author: Author, spf: Spf, dkim: tuple[Dkim, ...], *, known: Discovered | None = None
) -> Dmarc:
    """Find out all there is to it. `known` is what `policy_of` has said before."""
    discovered = known or await policy_of(resolver, author)
    by_spf, by_dkim = _spf_proofs(spf), _dkim_proofs(dkim)
    needed = undiscovered(discovered, by_spf, by_dkim)
    if not needed:
        return evaluate(author, discovered, _NOBODY, by_spf, by_dkim)
    walks = await gathered(resolver, [partial(_walk, resolver, domain) for domain in needed])
    return evaluate(author, discovered, {walk.domain: walk for walk in walks}, by_spf, by_dkim)


def undiscovered(discovered: Discovered, by_spf: Proofs, by_dkim: Proofs) -> tuple[str, ...]:
    """Return the proven domains whose own organisational domain decides, in a settled order."""
    domains = {domain for domain, _ in (*by_spf, *by_dkim)} - {discovered.domain}
    applied = discovered.applied if domains else None
    if applied is None or not applied[1].applies:
        return ()
    record = applied[1]
    proofs = (*(by_spf if record.aspf == "r" else ()), *(by_dkim if record.adkim == "r" else ()))
    organisation = discovered.organisation
    related = {d for d, _ in proofs if d in domains and organisation and _within(d, organisation)}
    return tuple(sorted(related))


def evaluate(
    author: Author, discovered: Discovered, others: Mapping[str, Discovered], by_spf: Proofs, by_dkim: Proofs
) -> Dmarc:
    """Decide. `others` has what was discovered for each of `undiscovered`."""
    if not author.verifiable:
        return Dmarc("permerror", reason=f"the author is not verifiable: {author.problem}")
    domain = discovered.domain
    applied = discovered.applied
    if applied is None:
        if discovered.failure:
            return Dmarc(TEMPERROR, domain, reason=f"the DNS did not answer: {discovered.failure}")
        return Dmarc(NONE, domain, organisation=discovered.organisation or "", reason=_why_none(discovered))
    name, record = applied
    spf_aligned = dkim_aligned = None
    result, reason = NONE, "the record has no valid policy"
    if record.applies:
        spf_aligned = _aligned(discovered, others, by_spf, strict=record.aspf == "s")
        dkim_aligned = _aligned(discovered, others, by_dkim, strict=record.adkim == "s")
        result, reason = _outcome(spf_aligned, dkim_aligned)
    return Dmarc(
        result=result,
        domain=domain,
        record_domain=name,
        organisation=discovered.organisation or "",
        policy=discovered.policy,
        record=record.text,
        spf_aligned=spf_aligned is True,
        dkim_aligned=dkim_aligned is True,
        testing=record.testing,
        reason=reason,
    )


def _outcome(by_spf: bool | None, by_dkim: bool | None) -> tuple[str, str]:
    if by_spf or by_dkim:
        return PASS, ""
    if by_spf is None or by_dkim is None:
        return TEMPERROR, "the DNS did not answer for what may be a proof"
    return "fail", "neither SPF nor a signature proves the domain"


def _why_none(discovered: Discovered) -> str:
    return f"several records at {', '.join(discovered.several)}" if discovered.several else "no record"


def _spf_proofs(spf: Spf) -> Proofs:
    # RFC 9989 §3.2.4: only MAIL FROM counts; where the reverse-path is empty, that is postmaster at the name in HELO.
    # `Spf.identity` is `helo` in that case only.
    if spf.result not in (PASS, TEMPERROR) or not spf.domain:
        return ()
    return ((_plain(spf.domain), spf.result == PASS),)


def _dkim_proofs(dkim: tuple[Dkim, ...]) -> Proofs:
    return tuple([(_plain(d.domain), d.result == PASS) for d in dkim if d.result in (PASS, TEMPERROR) and d.domain])


def _aligned(author: Discovered, others: Mapping[str, Discovered], proofs: Proofs, *, strict: bool) -> bool | None:
    """Tell whether a proven domain is aligned; None: perhaps, the DNS did not say."""
    perhaps = False
    for domain, proven in proofs:
        aligned = _is_aligned(author, others, domain, strict=strict)
        if aligned and proven:
            return True
        perhaps = perhaps or aligned is not False
    return None if perhaps else False


def _is_aligned(author: Discovered, others: Mapping[str, Discovered], domain: str, *, strict: bool) -> bool | None:
    if domain == author.domain:
        return True
    if strict:
        return False
    organisation = author.organisation
    if organisation is None:
        return None if domain.rpartition(".")[2] == author.domain.rpartition(".")[2] else False
    if not _within(domain, organisation):
        return False
    other = others[domain].organisation if domain in others else None
    return None if other is None else other == organisation


def _within(domain: str, organisation: str) -> bool:
    return domain == organisation or domain.endswith("." + organisation)


def _plain(domain: str) -> str:
    try:
        return parse_domain(domain.removesuffix("."))
    except AddressError:
        return domain.lower()


async def _walk(resolver: Resolver, domain: str) -> Discovered:
    found: list[tuple[str, Record]] = []
    several: list[str] = []
    for name in names_above(domain):
        try:
            answer = await resolver.ask(f"_dmarc.{name}", Kind.TXT)
        except DnsError as error:
            return Discovered(domain, tuple(found), tuple(several), failure=error.reason)
        records = [text for text in answer.texts if is_record(text)]
        if len(records) > 1:
            several.append(name)
        elif records and (record := parse_record(records[0])):
            found.append((name, record))
            if record.psd != "u":
                break
    return Discovered(domain, tuple(found), tuple(several))


def names_above(domain: str) -> Iterator[str]:
    """Yield the names that a walk asks about, from the domain up; of a long one, the last seven labels go on."""
    yield domain
    labels = domain.split(".")
    for first in range(max(1, len(labels) - _LABELS_LEFT), len(labels)):
        yield ".".join(labels[first:])
