"""What maild and an identity provider say to each other: discovery, keys, the exchange of a code, the ID token.

Only the configured issuer is asked, and what its own description names. Redirects are not followed. Algorithms are
fixed, keys come from the provider's set alone, and each claim is checked before anything of it is believed.

Source: OpenID Connect Core 1.0 §3.1; Discovery 1.0 §4; RFC 7636 (PKCE); RFC 9700 §2.1; RFC 9207 (iss)
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from maild.config.sign_in import Oidc

ALGORITHMS = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
_FETCH_S = 10.0
_MAX_BYTES = 512_000
_MAX_TOKEN = 50_000
_KEEP_MS = 3_600_000
_KEYS_AGAIN_MS = 60_000
_LEEWAY_S = 60
_OLDEST_S = 600
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ProviderError(Exception):
    """The provider cannot be believed, or not be reached. `reason` is a word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnreachableError(ProviderError):
    """The provider does not answer as one, for now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the provider says of itself."""

    authorization: str
    token: str
    jwks: str
    says_issuer: bool  # in its answers (RFC 9207)
    basic: bool  # how it wants the secret: in a header, else in the form


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Whom the provider vouches for."""

    subject: str
    login: str
    name: str
    groups: frozenset[str]
    signed_in_s: int | None  # when the person last proved to be there


class Provider:
    """One identity provider."""

    def __init__(self, settings: Oidc, now_ms: Callable[[], int]) -> None:
        """Ask nobody yet."""
        self.settings = settings
        self._now_ms = now_ms
        self._described: Description | None = None
        self._described_ms = 0
        self._keys: KeySet | None = None
        self._keys_ms = 0

    async def describe(self) -> Description:
        """Return the provider's description, an hour old at most."""
        if self._described is None or self._now_ms() - self._described_ms > _KEEP_MS:
            found = await _fetch_json(self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
            # Security: whose description it is must be told exactly (Discovery §4.3).
            if found.get("issuer") != self.settings.issuer:
                raise ProviderError("issuer")
            self._described = Description(
                authorization=_address(found, "authorization_endpoint"),
                token=_address(found, "token_endpoint"),
                jwks=_address(found, "jwks_uri"),
                says_issuer=found.get("authorization_response_iss_parameter_supported") is True,
                basic="client_secret_basic"
                in found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]),
            )
            self._described_ms = self._now_ms()
        return self._described

    async def authorization_url(self, *, state: str, nonce: str, verifier: str, redirect_uri: str, again: bool) -> str:
        """Return where to send the browser. `again`: the person is to prove to be there, whatever session there is."""
        described = await self.describe()
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        query |= {"prompt": "login", "max_age": "0"} if again else {}
        mark = "&" if urlsplit(described.authorization).query else "?"
        return described.authorization + mark + urlencode(query)

    async def redeem(self, *, code: str, verifier: str, redirect_uri: str, nonce: str) -> Claims:
        """Exchange a code for an ID token and read it; raises ProviderError."""
        described = await self.describe()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.settings.client_id,
            "code_verifier": verifier,
        }
        secret, basic = self.settings.client_secret, None
        if secret and described.basic:  # RFC 6749 §2.3.1: both are form-encoded first
            basic = httpx2.BasicAuth(quote(self.settings.client_id, safe=""), quote(secret, safe=""))
        elif secret:
            form["client_secret"] = secret
        answer = await _fetch_json(described.token, form=form, auth=basic)
        token = answer.get("id_token")
        if not isinstance(token, str) or len(token) > _MAX_TOKEN:
            raise ProviderError("no-token")
        return self._claims(await self._verified(token), nonce)

    async def _verified(self, token: str) -> Mapping[str, Any]:
        try:
            header = json.loads(urlsafe_b64decode(token.partition(".")[0] + "=="))
        except ValueError:
            raise ProviderError("token") from None
        algorithm = header.get("alg") if isinstance(header, dict) else None
        # Security: fixed here, and a key is used only for its own kind: no `none`, no HMAC with a public key.
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise ProviderError("algorithm")
        key = await self._key(header.get("kid"), ALGORITHMS[algorithm])
        try:
            claims: Mapping[str, Any] = jwt.decode(token, key, algorithms=[algorithm]).claims
        except (JoseError, ValueError, TypeError):
            raise ProviderError("signature") from None
        return claims

    async def _key(self, key_id: object, kind: str) -> Any:
        for is_last in (False, True):
            keys = await self._key_set(anew=is_last)
            fitting = [k for k in keys.keys if k.key_type == kind and k.as_dict().get("use", "sig") == "sig"]
            named = [k for k in fitting if k.as_dict().get("kid") == key_id] if key_id is not None else fitting
            if len(named) == 1:
                return named[0]
        raise ProviderError("key")

    async def _key_set(self, *, anew: bool) -> KeySet:
        age_ms = self._now_ms() - self._keys_ms
        # A provider that has changed its keys is asked again, but not for every token that a stranger makes up.
        if self._keys is None or age_ms > (_KEYS_AGAIN_MS if anew else _KEEP_MS):
            found = await _fetch_json((await self.describe()).jwks)
            try:
                public = [k for k in found["keys"] if k.get("kty") in ALGORITHMS.values()]
                self._keys = KeySet.import_key_set({"keys": public})
            except (JoseError, ValueError, TypeError, KeyError, AttributeError):
                raise UnreachableError("keys") from None
            self._keys_ms = self._now_ms()
        return self._keys

    def _claims(self, said: Mapping[str, Any], nonce: str) -> Claims:
        settings, now_s = self.settings, self._now_ms() // 1000
        audience = said.get("aud")
        audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
        checks = {
            "issuer": said.get("iss") == settings.issuer,
            "audience": settings.client_id in audiences,
            "party": said.get("azp", settings.client_id if len(audiences) == 1 else None) == settings.client_id,
            "expired": _number(said, "exp") > now_s - _LEEWAY_S,
            "issued": now_s - _OLDEST_S <= _number(said, "iat") <= now_s + _LEEWAY_S,
            "early": said.get("nbf") is None or _number(said, "nbf") <= now_s + _LEEWAY_S,
            "nonce": hmac.compare_digest(str(said.get("nonce", "")).encode(), nonce.encode()),
            "subject": isinstance(said.get("sub"), str) and 0 < len(said["sub"]) <= 255,
        }
        for reason, holds in checks.items():
            if not holds:
                raise ProviderError(reason)
        groups = said.get(settings.groups_claim, [])
        return Claims(
            subject=said["sub"],
            login=str(said.get("preferred_username") or ""),
            name=str(said.get("name") or ""),
            groups=frozenset(g for g in groups if isinstance(g, str)) if isinstance(groups, list) else frozenset(),
            signed_in_s=_number(said, "auth_time") if "auth_time" in said else None,
        )


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12 else -1


def _address(found: Mapping[str, Any], name: str) -> str:
    """Return an address of the description: encrypted, or on this machine."""
    text = found.get(name)
    parts = urlsplit(text) if isinstance(text, str) and text.isprintable() else urlsplit("")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ProviderError("address")
    return str(text)


async def _fetch_json(url: str, *, form: Mapping[str, str] | None = None, auth: httpx2.BasicAuth | None = None) -> Any:
    try:
        async with (
            asyncio.timeout(_FETCH_S),
            httpx2.AsyncClient(timeout=_FETCH_S, follow_redirects=False, trust_env=False, auth=auth) as client,
            client.stream("GET" if form is None else "POST", url, data=form) as answer,
        ):
            if answer.status_code == 400 and form is not None:
                raise ProviderError("code")
            if answer.status_code != 200:
                raise UnreachableError(f"status-{answer.status_code}")
            octets = b""
            async for piece in answer.aiter_bytes():
                octets += piece
                if len(octets) > _MAX_BYTES:
                    raise UnreachableError("size")
        found = json.loads(octets)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise UnreachableError(type(error).__name__) from None
    if not isinstance(found, dict):
        raise UnreachableError("json")
    return found
