"""What a browser and a device say about a passkey, and whether it is true. No clock, no database.

The library of Yubico parses and verifies; what it leaves to its caller is decided here: exact origin, no frames of
others, three algorithms with keys of a sound shape, sizes, whose passkey it is.

Source: Web Authentication Level 3 §7.1, §7.2; RFC 9053 §2, RFC 8230 §4
"""

from __future__ import annotations

import json
import struct
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from maild.errors import MaildError

if TYPE_CHECKING:
    from fido2.server import Fido2Server
    from fido2.webauthn import CollectedClientData

ES256, EDDSA, RS256 = -7, -8, -257
_ALGORITHMS = (ES256, EDDSA, RS256)
_TIMEOUT_MS = 120_000
# Security: octets of base64 that are read at all; a statement of a TPM, which is not looked at, takes six thousand.
_MAX_CREATED = 40_000
_MAX_SHOWN = 6_000
_MAX_CREDENTIAL = 1_023  # §4: a credential id
_RSA_BITS = range(2_048, 4_097)
_NONSENSE = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, AssertionError,
    struct.error, UnsupportedAlgorithm,
)  # fmt: skip


class PasskeyError(MaildError):
    """What was shown proves nothing; the text says why, for tests and for nobody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where passkeys hold. Both come from the settings: no header of a request says where the site is."""

    rp_id: str
    origin: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A passkey that a device has just made."""

    credential: bytes
    public_key: bytes
    counter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a device said of itself. Nothing of it is true before `verified`."""

    credential: bytes
    handle: bytes | None


def site_at(origin: str, name: str) -> Site | None:
    """Return where passkeys hold for a site of this origin; None where browsers have none: no https, or no name."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if not _is_name(host) or (parts.scheme != "https" and host != "localhost"):
        return None
    return Site(rp_id=host, origin=origin, name=name)


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return bool(host)
    return False


def creation_options(
    site: Site, *, challenge: bytes, handle: bytes, login: str, name: str, known: list[bytes]
) -> dict[str, Any]:
    """Return what a browser needs to have a passkey made; octets in base64url."""
    return {
        "rp": {"id": site.rp_id, "name": site.name or "maild"},
        "user": {"id": _text(handle), "name": login, "displayName": name or login},
        "challenge": _text(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in _ALGORITHMS],
        "timeout": _TIMEOUT_MS,
        "excludeCredentials": [{"type": "public-key", "id": _text(each)} for each in known],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


def request_options(site: Site, *, challenge: bytes, allowed: list[bytes], alone: bool) -> dict[str, Any]:
    """Return what a browser needs to show a passkey; `alone` it stands for both factors."""
    return {
        "rpId": site.rp_id,
        "challenge": _text(challenge),
        "timeout": _TIMEOUT_MS,
        "allowCredentials": [{"type": "public-key", "id": _text(each)} for each in allowed],
        "userVerification": "required" if alone else "preferred",
    }


def created(site: Site, answer: str, challenge: bytes) -> Created:
    """Return the passkey that answers a challenge; raises PasskeyError."""
    with _told("created"):
        said = _said(answer, _MAX_CREATED)
        from fido2.webauthn import RegistrationResponse  # noqa: PLC0415 - as in `_server`

        registration = RegistrationResponse.from_dict(said)
        _require_own_frame(registration.response.client_data)
        data = _server(site).register_complete(_state(challenge, alone=True), registration)
        found = data.credential_data
        if found is None or found.credential_id != registration.raw_id:
            raise PasskeyError("credential")
        if not 0 < len(found.credential_id) <= _MAX_CREDENTIAL:
            raise PasskeyError("credential")
        if not _is_sound(found.public_key):
            raise PasskeyError("key")
        return Created(
            credential=bytes(found.credential_id), public_key=_encoded(found.public_key), counter=data.counter
        )


def shown(answer: str) -> Shown:
    """Return which passkey somebody says to have; raises PasskeyError."""
    with _told("shown"):
        response = _assertion(answer)
        return Shown(credential=bytes(response.raw_id), handle=response.response.user_handle)


def verified(
    site: Site, answer: str, challenge: bytes, *, credential: bytes, public_key: bytes, handle: bytes, alone: bool
) -> int:
    """Return what the device has counted, if the passkey answers the challenge; raises PasskeyError."""
    with _told("verified"):
        response = _assertion(answer)
        _require_own_frame(response.response.client_data)
        whose = response.response.user_handle
        if (whose is None and alone) or whose not in {None, handle}:
            raise PasskeyError("handle")
        from fido2.webauthn import Aaguid, AttestedCredentialData  # noqa: PLC0415 - as in `_server`

        known = AttestedCredentialData(Aaguid.NONE + struct.pack(">H", len(credential)) + credential + public_key)
        _server(site).authenticate_complete(_state(challenge, alone=alone), [known], response)
        return int(response.response.authenticator_data.counter)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Make one error of all that a parser can stumble over in what a stranger wrote."""
    try:
        yield
    except _NONSENSE as error:
        raise PasskeyError(f"{where}: {type(error).__name__}: {error}") from None


def _said(answer: str, most: int) -> dict[str, Any]:
    if len(answer) > most:
        raise PasskeyError("size")
    found = json.loads(answer)
    response = found["response"]
    if found["type"] != "public-key" or not all(isinstance(v, str) for v in [found["rawId"], *response.values()]):
        raise PasskeyError("form")
    return {"id": found["id"], "rawId": found["rawId"], "type": found["type"], "response": dict(response)}


def _assertion(answer: str) -> Any:
    from fido2.webauthn import AuthenticationResponse  # noqa: PLC0415 - as in `_server`

    return AuthenticationResponse.from_dict(_said(answer, _MAX_SHOWN))


def _server(site: Site) -> Fido2Server:
    # It reads a list of all public suffixes, which takes longer than the rest of the site: for who has a passkey alone.
    from fido2.server import Fido2Server  # noqa: PLC0415
    from fido2.webauthn import PublicKeyCredentialRpEntity  # noqa: PLC0415

    entity = PublicKeyCredentialRpEntity(name=site.name or "maild", id=site.rp_id)
    # Security: the very origin. By itself the library takes every name below the site's, which others may serve.
    return Fido2Server(entity, attestation=None, verify_origin=lambda origin: origin == site.origin)


def _state(challenge: bytes, *, alone: bool) -> dict[str, Any]:
    return {"challenge": _text(challenge), "user_verification": "required" if alone else "preferred"}


def _require_own_frame(client_data: CollectedClientData) -> None:
    said = json.loads(bytes(client_data))
    if said.get("crossOrigin") not in {None, False} or "topOrigin" in said:
        raise PasskeyError("frame")


def _is_sound(key: Mapping[int, Any]) -> bool:
    """Tell whether a key has nothing but what its algorithm asks for (RFC 9053 §2, RFC 8230 §4)."""
    match key.get(3):
        case -7:
            x, y = key.get(-2), key.get(-3)
            if dict(key) != {1: 2, 3: ES256, -1: 1, -2: x, -3: y}:
                return False
            if not isinstance(x, bytes) or not isinstance(y, bytes) or len(x) != 32 or len(y) != 32:
                return False
            # Raises ValueError for what is no point of the curve.
            ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1()).public_key()
            return True
        case -8:
            x = key.get(-2)
            return dict(key) == {1: 1, 3: EDDSA, -1: 6, -2: x} and isinstance(x, bytes) and len(x) == 32
        case -257:
            modulus, exponent = key.get(-1), key.get(-2)
            if dict(key) != {1: 3, 3: RS256, -1: modulus, -2: exponent}:
                return False
            if not isinstance(modulus, bytes) or not isinstance(exponent, bytes):
                return False
            return int.from_bytes(modulus).bit_length() in _RSA_BITS and int.from_bytes(exponent) == 65_537
        case _:
            return False


def _encoded(key: Mapping[int, Any]) -> bytes:
    from fido2 import cbor  # noqa: PLC0415 - as in `_server`

    return cbor.encode(dict(key))


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()
