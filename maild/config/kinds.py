"""What a setting may hold: a kind reads a TOML value or a text of the environment, or says what it wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A host and a port to listen on. `host` may be empty: every address of the machine."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """One kind of value.

    `expects` completes the sentence "this setting wants …". `read` takes what TOML yields and raises
    ValueError when it does not fit. `parse` makes a TOML value of a text from the environment.
    """

    expects: str
    read: Callable[[Any], T]
    parse: Callable[[str], Any] = str


def setting(default: T, kind: Kind[T], text: str, *, secret: bool = False) -> T:
    """Declare a key of a section: its default, its kind, and the paragraph the reference page prints.

    A secret has a companion key `NAME_file`, and may come as the systemd credential `SECTION.NAME`.
    """
    metadata = {"kind": kind, "text": text, "secret": secret}
    return field(default=default, metadata=metadata)


def _text(value: Any) -> str:
    if not isinstance(value, str) or any(ord(c) < 32 for c in value):
        raise ValueError
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - one exception for "does not fit", whatever the reason
    return value


def _parse_boolean(text: str) -> bool | str:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text.lower(), text)


def _parse_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _parse_number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _path(value: Any) -> Path:
    text = _text(value)
    if not text:
        raise ValueError
    return Path(text).expanduser()


def _optional_path(value: Any) -> Path | None:
    return None if value == "" else _path(value)


def _endpoint(value: Any) -> Endpoint:
    host, colon, port = _text(value).rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535 or " " in host:
        raise ValueError
    return Endpoint(host="" if host == "*" else host, port=int(port))


def _endpoints(value: Any) -> tuple[Endpoint, ...]:
    return tuple(_endpoint(item) for item in _list(value))


def _resolvers(value: Any) -> tuple[Endpoint, ...]:
    return tuple(_resolver(_text(item)) for item in _list(value))


def _resolver(text: str) -> Endpoint:
    """Read an address of a DNS server, without a port or with one; names would need a DNS to be found."""
    try:
        return Endpoint(host=str(ip_address(text)), port=53)
    except ValueError:
        endpoint = _endpoint(text)
        if not endpoint.port:
            raise
        return Endpoint(host=str(ip_address(endpoint.host)), port=endpoint.port)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError  # noqa: TRY004 - as above
    return value


def _networks(value: Any) -> tuple[Network, ...]:
    return tuple(ip_network(_text(item), strict=False) for item in _list(value))


def _texts(value: Any) -> tuple[str, ...]:
    texts = tuple(_text(item) for item in _list(value))
    if not all(text.strip() for text in texts):
        raise ValueError
    return texts


def _database_url(value: Any) -> str:
    text = _text(value)
    if text and not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError
    return text


def _base_url(value: Any) -> str:
    text = _text(value).rstrip("/")
    scheme, mark, host = text.partition("://")
    if text and (scheme not in {"http", "https"} or not mark or not host or set(host) & set("/?#@ ")):
        raise ValueError
    return text


def integer(minimum: int, maximum: int | None = None) -> Kind[int]:
    """A whole number within bounds, both included."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ValueError
        if maximum is not None and value > maximum:
            raise ValueError
        return value

    bounds = f"of at least {minimum:_}" if maximum is None else f"from {minimum:_} to {maximum:_}"
    return Kind(expects=f"a whole number {bounds}", read=read, parse=_parse_number)


def seconds(minimum: float) -> Kind[float]:
    """A time span in seconds."""

    def read(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not minimum <= value < 1e9:
            raise ValueError
        return float(value)

    return Kind(expects=f"a number of seconds, at least {minimum:g}", read=read, parse=_parse_number)


def choice(*words: str) -> Kind[str]:
    """One of a few words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return Kind(expects="one of " + ", ".join(f'"{w}"' for w in words), read=read)


TEXT = Kind(expects="a text", read=_text)
BOOLEAN = Kind(expects="true or false", read=_boolean, parse=_parse_boolean)
PATH = Kind(expects="a path", read=_path)
OPTIONAL_PATH = Kind(expects="a path", read=_optional_path)
ENDPOINT = Kind(expects='an address to listen on such as "127.0.0.1:8080" or "[::1]:8080"', read=_endpoint)
ENDPOINTS = Kind(
    expects='a list of addresses to listen on such as ["0.0.0.0:25", "[::]:25"]',
    read=_endpoints,
    parse=_parse_list,
)
RESOLVERS = Kind(
    expects='a list of addresses of DNS servers such as ["127.0.0.1", "[::1]:5353"]',
    read=_resolvers,
    parse=_parse_list,
)
NETWORKS = Kind(expects='a list of networks such as ["10.0.0.0/8", "::1/128"]', read=_networks, parse=_parse_list)
NAMES = Kind(expects='a list of names such as ["mx.musterstadt.example"]', read=_texts, parse=_parse_list)
DATABASE_URL = Kind(expects='"sqlite:///PATH" or "postgresql+psycopg://user@host/name"', read=_database_url)
BASE_URL = Kind(expects='an address such as "https://post.example" without a path', read=_base_url)
