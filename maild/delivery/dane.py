"""DANE: what a host's TLSA records say of its certificate, and whether a certificate fits.

A record of usage 3 names the host's own certificate or key: nothing else of it counts, neither names nor dates. One of
usage 2 names an authority, under which the certificate must be valid, for the host or for the domain; it may be a bare
key, whose certificate the host need not show. Of digests of one thing only the strongest counts.

Source: RFC 7672 §3.1, §3.2.2; RFC 7671 §5, §9 (digests); RFC 6698 §2.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

ANCHOR, END_ENTITY = 2, 3
_WHOLE, _KEY = 0, 1
_DIGESTS = {1: ("sha256", 32), 2: ("sha512", 64)}
_ANY = Criticality.AGNOSTIC
_ANYBODY = ec.derive_private_key(1, ec.SECP256R1())
_MOST_CERTIFICATES = 10
_MOST_OCTETS = 16_384


class Tlsa(NamedTuple):
    """One record. `selector` 0: the certificate, 1: its key. `matching` 0: octet for octet, 1 and 2: its digest."""

    usage: int
    selector: int
    matching: int
    octets: bytes

    @property
    def is_usable(self) -> bool:
        """Whether it says something that can be checked for mail: PKIX usages (0, 1) do not."""
        if self.usage not in (ANCHOR, END_ENTITY) or self.selector not in (_WHOLE, _KEY):
            return False
        if self.matching in _DIGESTS:
            return len(self.octets) == _DIGESTS[self.matching][1]
        return self.matching == 0 and 0 < len(self.octets) <= _MOST_OCTETS

    def fits(self, certificate: bytes) -> bool:
        """Tell whether it names a certificate (DER)."""
        selected = certificate if self.selector == _WHOLE else _key_of(certificate)
        if selected is None:
            return False
        if self.matching in _DIGESTS:
            return hashlib.new(_DIGESTS[self.matching][0], selected).digest() == self.octets
        return selected == self.octets


def usable(values: Iterable[object]) -> tuple[Tlsa, ...]:
    """Return those of a TLSA answer's values that can be checked."""
    found = [Tlsa(*value) for value in values if isinstance(value, tuple) and len(value) == 4]
    return tuple(record for record in found if record.is_usable)


def strongest(records: Iterable[Tlsa]) -> tuple[Tlsa, ...]:
    """Return records without the weaker digests of what a stronger one names, too; bare octets always stay.

    Security: who has broken the weaker one could else pass by it, though all others are better protected.
    """
    found = tuple(records)
    best: dict[tuple[int, int], int] = {}
    for record in found:
        place = (record.usage, record.selector)
        best[place] = max(record.matching, best.get(place, 0))  # 2 is SHA-512
    return tuple(each for each in found if each.matching in (0, best[each.usage, each.selector]))


def authenticates(records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str]) -> bool:
    """Tell whether one of the records authenticates a server.

    Args:
        records: usable ones.
        chain: what the server has shown (DER), its own certificate first.
        names: one of which the certificate must be for, where a record names an authority.
    """
    if not chain:
        return False
    records = strongest(records)
    if any(record.usage == END_ENTITY and record.fits(chain[0]) for record in records):
        return True
    anchors = [record for record in records if record.usage == ANCHOR]
    shown = chain[1:_MOST_CERTIFICATES]
    found = [each for each in shown if any(record.fits(each) for record in anchors)]
    # The authority itself may stand in the DNS, and need not be shown then.
    found += [record.octets for record in anchors if record.selector == _WHOLE and record.matching == 0]
    bare = [record.octets for record in anchors if record.selector == _KEY and record.matching == 0]
    found += [made for key in bare for made in _bearers(key, chain[:_MOST_CERTIFICATES])]
    return any(_is_valid_under(anchor, chain[0], shown, names) for anchor in found)


def _is_valid_under(anchor: bytes, certificate: bytes, between: Sequence[bytes], names: Sequence[str]) -> bool:
    try:
        builder = PolicyBuilder().store(Store([x509.load_der_x509_certificate(anchor)]))
        own = x509.load_der_x509_certificate(certificate)
        others = [x509.load_der_x509_certificate(each) for each in between]
    except ValueError:
        return False
    builder = builder.extension_policies(ee_policy=_OWN, ca_policy=_AUTHORITY)
    for name in names:
        try:
            builder.build_server_verifier(x509.DNSName(name)).verify(own, others)
        except (VerificationError, ValueError, UnsupportedAlgorithm):
            continue
        return True
    return False


def _bearers(key: bytes, chain: Sequence[bytes]) -> list[bytes]:
    """Return certificates that give a bare key the names of those who issued the ones that were shown.

    Whether it signed any of these is found out as with any other authority: an authority's own signature is not asked
    for, and nobody else ever sees these.
    """
    try:
        public = load_der_public_key(key)
        issuers = dict.fromkeys(x509.load_der_x509_certificate(each).issuer for each in chain)
        return [_bearer(public, issuer) for issuer in issuers]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return []


def _bearer(public: PublicKeyTypes, name: x509.Name) -> bytes:
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(cast("CertificatePublicKeyTypes", public)).serial_number(1)
    builder = builder.not_valid_before(datetime(1970, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(9999, 1, 1, tzinfo=UTC)
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(_ANYBODY, SHA256()).public_bytes(Encoding.DER)


def _signs_certificates(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("its key is not for this")


def _serves(_policy: Policy, _certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    if usage is not None and not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & {
        *usage
    }:
        raise ValueError("its key is not for servers")


# Interop: authorities of one house are not those of the web, and pass over the rules that browsers make for these.
_OWN = (
    ExtensionPolicy.webpki_defaults_ee()
    .require_present(x509.SubjectAlternativeName, _ANY, None)
    .may_be_present(x509.ExtendedKeyUsage, _ANY, _serves)
)
_AUTHORITY = ExtensionPolicy.webpki_defaults_ca().may_be_present(x509.KeyUsage, _ANY, _signs_certificates)


def _key_of(certificate: bytes) -> bytes | None:
    """Return the SubjectPublicKeyInfo of a certificate; None where it cannot be read."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
