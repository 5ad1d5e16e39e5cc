"""A device with passkeys, in software: what it says is encoded and signed here, without the library under test."""

from __future__ import annotations

import hashlib
import html
import json
import re
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from starlette.testclient import TestClient

from tests.web.office import token_in

ORIGIN, RP_ID = "https://post.musterstadt.example", "post.musterstadt.example"
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def octets(said: str) -> bytes:
    return urlsafe_b64decode(said + "=" * (-len(said) % 4))


def cbor(value: Any) -> bytes:
    """Encode what devices say (RFC 8949)."""
    match value:
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            return _head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())
    raise TypeError(value)


def _head(kind: int, number: int) -> bytes:
    for size, code, form in ((24, None, ""), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"), (1 << 32, 26, ">I")):
        if number < size:
            return bytes([kind << 5 | (number if code is None else code)]) + (
                struct.pack(form, number) if form else b""
            )
    return bytes([kind << 5 | 27]) + struct.pack(">Q", number)


@dataclass(frozen=True)
class Key:
    """A key pair of one algorithm."""

    cose: Mapping[int, Any]
    sign: Callable[[bytes], bytes]


def es256() -> Key:
    private = ec.generate_private_key(ec.SECP256R1())
    at = private.public_key().public_numbers()
    cose = {1: 2, 3: -7, -1: 1, -2: at.x.to_bytes(32), -3: at.y.to_bytes(32)}
    return Key(cose, lambda message: private.sign(message, ec.ECDSA(hashes.SHA256())))


def eddsa() -> Key:
    private = ed25519.Ed25519PrivateKey.generate()
    return Key({1: 1, 3: -8, -1: 6, -2: private.public_key().public_bytes_raw()}, private.sign)


def rs256(bits: int = 2048) -> Key:
    private = rsa.generate_private_key(65_537, bits)
    modulus = private.public_key().public_numbers().n.to_bytes(bits // 8)
    cose = {1: 3, 3: -257, -1: modulus, -2: b"\x01\x00\x01"}
    return Key(cose, lambda message: private.sign(message, padding.PKCS1v15(), hashes.SHA256()))


@dataclass
class Saying:
    """What a device and its browser say; an attack changes a part of it."""

    client: dict[str, Any]
    rp_id: str = RP_ID
    flags: int = PRESENT | VERIFIED
    counter: int = 0
    tail: bytes = b""  # behind the counter
    handle: bytes | None = None
    spoil: Callable[[bytes], bytes] = field(default=lambda signature: signature)

    @property
    def data(self) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", self.flags, self.counter) + self.tail

    @property
    def client_json(self) -> bytes:
        return json.dumps(self.client).encode()


@dataclass
class Device:
    """A device with one passkey."""

    key: Key = field(default_factory=es256)
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes = b""
    counter: int = 0
    counts: bool = True

    def make(self, options: Mapping[str, Any], **changed: Any) -> str:
        """Make a passkey as a page asks for it; returns what the browser sends."""
        self.handle = octets(options["user"]["id"])
        attested = b"\0" * 16 + struct.pack(">H", len(self.credential)) + self.credential + cbor(dict(self.key.cose))
        saying = Saying(
            client={"type": "webauthn.create", "challenge": options["challenge"], "origin": ORIGIN},
            flags=PRESENT | VERIFIED | ATTESTED,
            tail=attested,
        )
        saying = _changed(saying, changed)
        statement = {"fmt": "none", "attStmt": {}, "authData": saying.data}
        return self._said(saying, attestationObject=changed.get("statement") or cbor(statement))

    def show(self, options: Mapping[str, Any], **changed: Any) -> str:
        """Show the passkey; returns what the browser sends."""
        self.counter += self.counts
        saying = Saying(
            client={"type": "webauthn.get", "challenge": options["challenge"], "origin": ORIGIN},
            counter=self.counter,
            handle=self.handle,
        )
        saying = _changed(saying, changed)
        signature = saying.spoil(self.key.sign(saying.data + hashlib.sha256(saying.client_json).digest()))
        more = {} if saying.handle is None else {"userHandle": saying.handle}
        return self._said(saying, authenticatorData=saying.data, signature=signature, **more)

    def _said(self, saying: Saying, **more: bytes) -> str:
        said = {"clientDataJSON": text(saying.client_json), **{name: text(value) for name, value in more.items()}}
        return json.dumps(
            {"id": text(self.credential), "rawId": text(self.credential), "type": "public-key", "response": said}
        )


def _changed(saying: Saying, changed: Mapping[str, Any]) -> Saying:
    client = {**saying.client, **changed.get("client", {})}
    fields = {name: value for name, value in changed.items() if name in Saying.__dataclass_fields__}
    return replace(saying, **{**fields, "client": client})


def options_in(page: str) -> dict[str, Any]:
    """Return what a page asks of the browser."""
    found = re.search(r'data-passkey="([^"]+)"', page)
    assert found is not None, page[:3000]
    said: dict[str, Any] = json.loads(html.unescape(found[1]))
    return said


def passkey_ticket_in(page: str) -> str:
    found = re.search(r'name="(?:confirm-)?passkey-ticket" value="([^"]+)"', page)
    assert found is not None, page[:3000]
    return found[1]


def set_up_passkey(browser: TestClient, device: Device, name: str = "Schlüssel", **changed: Any) -> Any:
    """Have a passkey made for who is signed in; returns the answer."""
    page = browser.get("/sessions/passkeys").text
    fields = {"token": token_in(page), "passkey-ticket": passkey_ticket_in(page), "name": name}
    return browser.post("/sessions/passkeys", data={**fields, "passkey": device.make(options_in(page), **changed)})


def sign_in_by(browser: TestClient, device: Device, **changed: Any) -> Any:
    """Sign in with a passkey alone; returns the answer."""
    page = browser.get("/login").text
    fields = {"token": token_in(page), "passkey-ticket": passkey_ticket_in(page), "next": "/sessions"}
    return browser.post("/login/passkey", data={**fields, "passkey": device.show(options_in(page), **changed)})
