"""Which certificates TLSA records let pass."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from maild.delivery.dane import Tlsa, authenticates, usable

HOST, DOMAIN = "mx.there.example", "there.example"
LONG_AGO = datetime.now(UTC) - timedelta(days=1)
ROOT = trustme.CA()
BETWEEN = ROOT.create_child_ca()
STRANGER = trustme.CA()


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def key(certificate: bytes) -> bytes:
    public = x509.load_der_x509_certificate(certificate).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def chain(authority: trustme.CA, *names: str, over: bool = False) -> list[bytes]:
    made = authority.issue_cert(*names, not_after=LONG_AGO, not_before=LONG_AGO - timedelta(days=1)) if over else (
        authority.issue_cert(*names)
    )  # fmt: skip
    return [der(pem.bytes()) for pem in made.cert_chain_pems]


ROOT_DER, BETWEEN_DER, STRANGER_DER = (der(each.cert_pem.bytes()) for each in (ROOT, BETWEEN, STRANGER))
GOOD = chain(BETWEEN, HOST)  # own, then BETWEEN
OTHER = chain(STRANGER, HOST)


def records(usage: int, certificate: bytes) -> list[Tlsa]:
    """Return each way to name a certificate."""
    found = []
    for selector, octets in enumerate((certificate, key(certificate))):
        digests = (octets, hashlib.sha256(octets).digest(), hashlib.sha512(octets).digest())
        found += [Tlsa(usage, selector, matching, each) for matching, each in enumerate(digests)]
    return found


def passes(record: Tlsa, shown: Sequence[bytes], *names: str) -> bool:
    assert record.is_usable
    return authenticates([record], shown, names or (HOST, DOMAIN))


@pytest.mark.parametrize("record", records(3, GOOD[0]), ids=lambda r: f"{r.usage}{r.selector}{r.matching}")
def test_a_record_of_the_hosts_own_certificate_fits_that_and_no_other(record: Tlsa) -> None:
    assert passes(record, GOOD)
    assert passes(record, GOOD[:1], "another.example")  # names do not count
    assert not passes(record, OTHER)
    assert not passes(record, [OTHER[0], *GOOD])  # shown, and not its own
    assert not passes(record, [])


def test_a_record_of_the_hosts_own_certificate_does_not_ask_for_dates() -> None:
    over = chain(ROOT, HOST, over=True)
    assert passes(records(3, over[0])[1], over)
    assert not passes(records(2, ROOT_DER)[1], [*over, ROOT_DER])


@pytest.mark.parametrize("record", records(2, ROOT_DER), ids=lambda r: f"{r.usage}{r.selector}{r.matching}")
def test_a_record_of_an_authority_lets_pass_what_is_valid_under_it(record: Tlsa) -> None:
    assert passes(record, [*GOOD, ROOT_DER])
    assert passes(record, [*chain(ROOT, DOMAIN), ROOT_DER])  # for the domain
    assert not passes(record, [*chain(ROOT, "another.example"), ROOT_DER])
    assert not passes(record, [*OTHER, STRANGER_DER, ROOT_DER])  # it stands there, and has not signed
    # What is only named by a digest must be shown; what stands in the DNS need not: BETWEEN is, and ROOT signed it.
    assert passes(record, GOOD) is (record.matching == 0)
    assert not passes(record, [*chain(BETWEEN, "another.example")])
    assert not passes(record, [*OTHER, BETWEEN_DER])


def test_an_authority_in_the_middle_may_be_named() -> None:
    assert passes(records(2, BETWEEN_DER)[1], GOOD)
    assert not passes(records(2, BETWEEN_DER)[1], [*chain(ROOT, HOST), BETWEEN_DER])


def test_the_hosts_own_certificate_is_no_authority() -> None:
    assert not passes(records(2, GOOD[0])[1], GOOD)


def test_one_record_that_fits_is_enough() -> None:
    assert authenticates([*records(3, OTHER[0]), *records(3, GOOD[0])], GOOD, [HOST])


def test_a_bare_key_in_the_dns_is_an_authority_that_need_not_be_shown() -> None:
    bare = next(each for each in records(2, BETWEEN_DER) if each[1:3] == (1, 0))
    assert passes(bare, GOOD[:1])
    assert not passes(bare, chain(BETWEEN, "another.example")[:1])
    assert not passes(bare, chain(BETWEEN, HOST, over=True)[:1])
    # Another key under the very name of the authority.
    forged = Tlsa(2, 1, 0, key(STRANGER_DER))
    assert not passes(forged, GOOD[:1])
    assert not passes(Tlsa(2, 1, 0, b"\x30\x00"), GOOD[:1])
    # The host's own key, bare, under usage 3.
    assert passes(Tlsa(3, 1, 0, key(GOOD[0])), GOOD[:1])


@pytest.mark.parametrize(("usage", "named", "other"), [(3, GOOD[0], OTHER[0]), (2, BETWEEN_DER, STRANGER_DER)])
@pytest.mark.parametrize("selector", [0, 1])
def test_of_digests_only_the_strongest_counts(usage: int, named: bytes, other: bytes, selector: int) -> None:
    full, sha256, sha512 = (each for each in records(usage, named) if each.selector == selector)
    strange = next(each for each in records(usage, other) if each[1:3] == (selector, 2))
    shown = [*GOOD, BETWEEN_DER]
    assert authenticates([sha256, sha512], shown, [HOST])
    # One who has broken SHA-256 shows what fits it; SHA-512 is published, too, and speaks against that.
    assert not authenticates([sha256, strange], shown, [HOST])
    assert authenticates([full, strange], shown, [HOST])  # octets are no digest
    elsewhere = next(each for each in records(usage, other) if each[1:3] == (1 - selector, 2))
    assert authenticates([sha256, elsewhere], shown, [HOST])  # a digest of something else


def test_what_cannot_be_checked_for_mail_is_not_usable() -> None:
    digest = bytes(32)
    good = [(3, 1, 1, digest), (2, 0, 2, bytes(64)), (3, 0, 0, b"x")]
    bad = [(0, 1, 1, digest), (1, 1, 1, digest), (4, 1, 1, digest), (3, 2, 1, digest), (3, 1, 3, digest),
           (3, 1, 1, digest[1:]), (3, 1, 2, digest), (3, 0, 0, b""), (255, 0, 0, b"x"), "x", (3, 1)]  # fmt: skip
    assert usable([*bad, *good]) == tuple(Tlsa(*each) for each in good)


@pytest.mark.parametrize("shown", [b"", b"x", b"\x30\x82\xff\xff", GOOD[0][:-1]])
def test_a_certificate_that_cannot_be_read_fits_nothing(shown: bytes) -> None:
    for record in [*records(3, GOOD[0]), *records(2, ROOT_DER), Tlsa(2, 0, 0, b"x")]:
        assert not passes(record, [shown, shown])
