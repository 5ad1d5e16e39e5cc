"""An identity provider on a loopback port that does what the standard says, or one thing of it wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

CLIENT = "maild"
SECRET = "geheim:mit%Sonderzeichen"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
FOREIGN = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
OKP = OKPKey.generate_key("Ed25519", {"kid": "okp", "use": "sig"})
KEYS: dict[str, RSAKey | ECKey | OKPKey] = {"RS256": RSA, "ES256": EC, "Ed25519": OKP}


@dataclass
class FakeProvider:
    """Its state and its faults. `claims` are added to every token, `None` takes one away."""

    issuer: str
    now_s: Callable[[], int]
    algorithm: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    described: dict[str, Any] = field(default_factory=dict)
    keys: list[Any] | None = None
    raw: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # answers as they are, by path
    token_answer: dict[str, Any] | None = None
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def heal(self) -> None:
        """Do nothing wrong any more."""
        fresh = FakeProvider(issuer=self.issuer, now_s=self.now_s)
        for name in ("algorithm", "claims", "header", "sign", "described", "keys", "raw", "token_answer", "asked"):
            setattr(self, name, getattr(fresh, name))

    def authorize(self, location: str, **person: Any) -> dict[str, str]:
        """Stand for the pages of the provider: return what it sends back to where the browser came from."""
        asked = dict(parse_qsl(urlsplit(location).query))
        assert location.startswith(self.issuer + "/authorize?")
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = f"code{len(self.codes)}"
        self.codes[code] = {**asked, "person": json.dumps(person)}
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def description(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
            **self.described,
        }

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        given = self.codes.pop(form.get("code", ""), None)
        wanted = "Basic " + base64.b64encode(b"maild:geheim%3Amit%25Sonderzeichen").decode()
        if given is None or authorization != wanted or form.get("redirect_uri") != given["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if challenge.rstrip(b"=").decode() != given["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        if self.token_answer is not None:
            return 200, self.token_answer
        return 200, {"id_token": self.id_token(given), "access_token": "x", "token_type": "Bearer"}

    def id_token(self, given: dict[str, str]) -> str:
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "person-1",
            "exp": self.now_s() + 300,
            "iat": self.now_s(),
            "auth_time": self.now_s(),
            "nonce": given["nonce"],
            "preferred_username": "vera",
            "name": "Vera Vorbild",
            "groups": ["maild-kita"],
            **json.loads(given["person"]),
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": KEYS[self.algorithm].kid, **self.header}
        header = {name: value for name, value in header.items() if value is not None}
        if self.sign is not None:
            return self.sign(header, claims)
        return jwt.encode(header, claims, KEYS[self.algorithm], algorithms=[self.algorithm])


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Write a token that nobody signed."""
    parts = (json.dumps(part).encode() for part in ({**header, "alg": "none"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def with_public_key_as_secret(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Write a token whose HMAC has a key that everybody knows."""
    parts = (json.dumps(part).encode() for part in ({**header, "alg": "HS256"}, claims))
    text = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    mark = hmac.digest(RSA.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def by_a_foreign_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Sign with another key of the same name."""
    return jwt.encode(header, claims, FOREIGN, algorithms=["RS256"])


def with_another_hash(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Sign rightly by an algorithm that was not agreed on."""
    return jwt.encode({**header, "alg": "RS512"}, claims, RSA, algorithms=["RS512"])


def with_its_own_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Bring the key along."""
    header = {**header, "jwk": FOREIGN.as_dict(private=False)}
    return jwt.encode(header, claims, FOREIGN, algorithms=["RS256"])


def tampered(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Change a claim after the signature."""
    head, _, mark = jwt.encode(header, claims, RSA, algorithms=["RS256"]).split(".")
    body = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "admin"}).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{mark}"


@contextmanager
def fake_provider(now_s: Callable[[], int]) -> Iterator[FakeProvider]:
    """Run a provider."""
    provider = FakeProvider(issuer="", now_s=now_s)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            if self.path in provider.raw:
                self.put(*provider.raw[self.path])
            elif self.path == "/.well-known/openid-configuration":
                self.put(200, json.dumps(provider.description()).encode())
            else:
                shown = provider.keys or [key.as_dict(private=False) for key in KEYS.values()]
                self.put(200, json.dumps({"keys": shown}).encode())

        def do_POST(self) -> None:
            provider.asked.append(self.path)
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            if self.path in provider.raw:
                self.put(*provider.raw[self.path])
                return
            status, answer = provider.token(form, self.headers.get("authorization", ""))
            self.put(status, json.dumps(answer).encode())

        def put(self, status: int, octets: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(octets)))
            if status in {301, 302}:
                self.send_header("location", f"{provider.issuer}/elsewhere")
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=60)
