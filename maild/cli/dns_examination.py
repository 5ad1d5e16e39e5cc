"""What `maild doctor --dns DOMAIN` asks and prints."""

from __future__ import annotations

import asyncio
import hashlib

import click

from maild.app.protection import fetching_of
from maild.app.resolving import resolver_of
from maild.authentication.advice import BAD, Advice, txt
from maild.authentication.own_keys import OwnKeys
from maild.authentication.survey import Subject, survey
from maild.cli.verb import plain, put_json
from maild.cli.way_out import way_out
from maild.config import Settings
from maild.dns.names import plain_name


def examine(settings: Settings, domain: str, selectors: tuple[str, ...], *, sends_mail: bool, as_json: bool) -> bool:
    """Print what there is to say of a domain; return whether none of it is bad.

    Without `selectors`, those of the keys that we sign with are meant.
    """
    name = _name(domain)
    subject = Subject(
        domain=name,
        selectors=tuple(_name(selector) for selector in selectors or OwnKeys(settings.server.data_dir).active(name)),
        host=_host(settings),
        key=_key_digest(settings),
        sends_mail=sends_mail,
    )
    found = [_with_our_record(settings, name, each) for each in asyncio.run(_survey(settings, subject))]
    for each in found:
        _put(each, as_json=as_json)
    return all(each.state != BAD for each in found)


def _with_our_record(settings: Settings, domain: str, each: Advice) -> Advice:
    """Return an advice about a key of ours with the record that is to be published, instead of what one looks like."""
    kind, _, selector = each.what.partition(" ")
    keys = OwnKeys(settings.server.data_dir)
    if kind != "DKIM" or not each.publish or selector not in keys.active(domain):
        return each
    try:
        return each._replace(publish=(txt(f"{selector}._domainkey.{domain}", keys.key(domain, selector).record),))
    except (OSError, ValueError):
        return each  # `maild doctor` says what is wrong with it


def _name(text: str) -> str:
    try:
        ascii_name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_name = ""
    name = plain_name(ascii_name)
    if name is None:
        raise click.UsageError(f"'{text}' is no name that the DNS could have")
    return name


def _host(settings: Settings) -> str:
    """Return the name by which others know this machine; "" when only the machine itself knows it."""
    name = plain_name(settings.server.hostname)
    return name if name is not None and "." in name else ""


def _key_digest(settings: Settings) -> bytes | None:
    """Return SHA-256 of the certificate's public key; None without a certificate that can be read."""
    if settings.tls.cert_file is None:
        return None
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        certificate = x509.load_pem_x509_certificate(settings.tls.cert_file.read_bytes())
    except (OSError, ValueError):
        return None  # `maild doctor` says what is wrong with it
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).digest()


async def _survey(settings: Settings, subject: Subject) -> list[Advice]:
    resolver = resolver_of(settings)
    found = await survey(resolver, subject, fetching_of(settings, resolver))
    return [*found, *await way_out(settings, resolver, subject.domain)] if subject.sends_mail else found


def _put(each: Advice, *, as_json: bool) -> None:
    if as_json:
        put_json({"state": each.state, "what": each.what, "text": each.text, "publish": each.publish})
        return
    click.echo(plain(f"{each.state:5} {each.what}: {each.text}"))
    for line in each.publish:
        click.echo(plain(f"        {line}"))
