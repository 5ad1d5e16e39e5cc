"""What `maild audit` does. The signature is Ed25519 (RFC 8032) over the head as JSON, keys sorted, without spaces."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from maild.archive.audit import exported, extended, note_acts
from maild.cli.store import by_operator, carry_out, reading
from maild.cli.times import now_ms, rfc3339
from maild.cli.verb import counted, note, put_json
from maild.config import Settings
from maild.durable import make_durably
from maild.errors import MaildError, StorageError
from maild.mail.acts import Act

FILE_NAME = "audit.key"


def _signing_key(settings: Settings) -> Ed25519PrivateKey:
    """Return the key of this data directory, made when it is first asked for."""
    path = settings.server.data_dir / FILE_NAME
    if not path.exists():
        fresh = Ed25519PrivateKey.generate()
        octets = fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with contextlib.suppress(FileExistsError):  # another process was quicker
            make_durably(path, octets)
    try:
        found = load_pem_private_key(path.read_bytes(), None)
    except ValueError:
        found = None
    if not isinstance(found, Ed25519PrivateKey):
        raise StorageError(f"{path} holds no Ed25519 key")
    return found


def _public(key: Ed25519PrivateKey) -> str:
    octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(octets).decode()


def put_key(settings: Settings) -> None:
    """Print the public key."""
    click.echo(_public(_signing_key(settings)))


def put_export(settings: Settings, since: int | None) -> None:
    """Print the log, signed; first record that it is."""
    key = _signing_key(settings)
    carry_out(settings, note_acts, by_operator(Act.EXPORTED, "audit log", since_ms=since))
    with reading(settings) as connection:
        for line in exported(connection, since):
            put_json(_signed(line["head"], key) if "head" in line else line)


def _signed(head: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    dated = {**head, "signed_at": rfc3339(now_ms())}
    signature = base64.b64encode(key.sign(_octets(dated))).decode()
    return {"head": dated, "public_key": _public(key), "signature": signature}


def _octets(head: Mapping[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()


def check_file(file: Path, expected: str | None) -> bool:
    """Say what is wrong with an exported file; return whether nothing is."""
    try:
        with file.open(encoding="utf-8") as lines:
            count, wrong = _checked((json.loads(line) for line in lines), expected)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MaildError(f"{file} is no exported audit log") from error
    for text in wrong:
        click.echo(text)
    signer = "" if expected else "; whose key it is was not asked (--key)"
    note(
        f"{counted(count, 'record')}: " + (counted(len(wrong), "finding") if wrong else f"as they were signed{signer}")
    )
    return not wrong


def _checked(lines: Iterator[dict[str, Any]], expected: str | None) -> tuple[int, list[str]]:
    first: dict[str, Any] = next(lines, {})
    sequence, chain, count = int(first["begins_after"]), bytes.fromhex(first["chain"]), 0
    wrong: list[str] = []
    end: dict[str, Any] | None = None
    for line in lines:
        if "head" in line:
            end = line
            break
        count += 1
        if line["sequence"] != sequence + 1:
            wrong.append(f"record {sequence + 1} is missing, or out of its place")
        elif extended(chain, line).hex() != line["chain"]:
            wrong.append(f"record {line['sequence']} was changed")
        sequence, chain = line["sequence"], bytes.fromhex(line["chain"])
    if end is None:
        return count, [*wrong, "the head is missing: the file was cut off"]
    if (end["head"]["sequence"], end["head"]["chain"]) != (sequence, chain.hex()):
        wrong.append(f"the newest record should be number {end['head']['sequence']}, but it is {sequence}")
    return count, [*wrong, *_check_signature(end, expected)]


def _check_signature(end: Mapping[str, Any], expected: str | None) -> Iterator[str]:
    if expected is not None and end["public_key"] != expected:
        yield "it was signed with another key"
    key = load_der_public_key(base64.b64decode(end["public_key"]))
    if not isinstance(key, Ed25519PublicKey):
        yield "the key is none of Ed25519"
        return
    try:
        key.verify(base64.b64decode(end["signature"]), _octets(end["head"]))
    except InvalidSignature:
        yield "the signature is not of this head"
