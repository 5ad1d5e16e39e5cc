"""What `maild dkim` does, and what the doctor says about keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from maild.authentication.advice import txt
from maild.authentication.own_keys import OwnKeys
from maild.authentication.signing import SigningKey
from maild.cli.finding import Finding, bad, doubt, good
from maild.cli.store import by_operator, check_owner, remember_acts
from maild.cli.verb import note, plain, put_json, put_table, settings
from maild.config import Settings
from maild.errors import MaildError
from maild.mail.acts import Act

_HEADS = ("DOMAIN", "SELECTOR", "KEY", "STATE")


def _keys(here: Settings) -> OwnKeys:
    data_dir = here.server.data_dir
    if not data_dir.is_dir():
        raise MaildError(f"there is no data directory {data_dir} yet; `maild init` or `maild serve` makes it")
    check_owner(data_dir)
    return OwnKeys(data_dir)


def make(domain: str, kind: str, selector: str | None) -> None:
    """Make a key and print its record."""
    here = settings()
    keys = _keys(here)
    selector = selector.lower() if selector else keys.free_selector(domain, kind, datetime.now(UTC))
    made = keys.make(domain, selector, kind)
    remember_acts(here, by_operator(Act.MAINTAINED, domain, what="dkim key made", selector=selector))
    _put_record(made)
    note(f"mail from {domain} is signed with {selector} from now on; publish this record, then look at it with "
         f"`maild doctor --dns {domain}`")  # fmt: skip


def put_keys(*, as_json: bool) -> None:
    """Print all keys; of one that cannot be read, why."""
    keys, rows = _keys(settings()), list[tuple[str, ...]]()
    for domain in keys.domains():
        found = [(each, "signs") for each in keys.active(domain)] + [(each, "retired") for each in keys.retired(domain)]
        for selector, state in found:
            kind = _kind(keys, domain, selector) if state == "signs" else ""
            if as_json:
                put_json({"domain": domain, "selector": selector, "kind": kind or None, "state": state})
            rows.append((domain, selector, kind, state))
    if not rows:
        note("there are no keys: what leaves is not signed; `maild dkim new DOMAIN` makes one")
    elif not as_json:
        put_table(_HEADS, rows)


def _kind(keys: OwnKeys, domain: str, selector: str) -> str:
    try:
        return keys.key(domain, selector).algorithm.partition("-")[0]
    except (OSError, ValueError) as error:
        return f"unreadable: {error}"


def put_records(domain: str) -> bool:
    """Print what to publish; return whether there is anything."""
    keys = _keys(settings())
    selectors = keys.active(domain)
    for selector in selectors:
        try:
            _put_record(keys.key(domain, selector))
        except ValueError as error:
            raise MaildError(f"the key '{selector}' of {domain} is none: {error}") from None
    if not selectors:
        note(f"{domain} has no key; `maild dkim new {domain}` makes one")
    return bool(selectors)


def _put_record(key: SigningKey) -> None:
    click.echo(plain(txt(f"{key.selector}._domainkey.{key.domain}", key.record)))


def put_away(domain: str, selector: str) -> None:
    """Retire a key."""
    here = settings()
    keys = _keys(here)
    keys.retire(domain, selector.lower())
    remember_acts(here, by_operator(Act.MAINTAINED, domain, what="dkim key retired", selector=selector.lower()))
    left = ", ".join(keys.active(domain)) or "none"
    note(f"nothing is signed with {selector} any more; {domain} signs with: {left}. Take the record away in a week")


def findings(settings: Settings, domains: frozenset[str]) -> Iterator[Finding]:
    """Yield what the doctor says: of each domain of ours whether what leaves is signed."""
    keys = OwnKeys(settings.server.data_dir)
    try:
        known = {domain: keys.active(domain) for domain in sorted({*keys.domains(), *domains})}
    except OSError as error:
        yield bad("dkim", f"the keys cannot be read: {error}")
        return
    for domain, selectors in known.items():
        kinds = {selector: _kind(keys, domain, selector) for selector in selectors}
        broken = [f"{selector} ({kind})" for selector, kind in kinds.items() if kind.startswith("unreadable")]
        if broken:
            yield bad("dkim", f"{domain}: mail is not signed with {', '.join(broken)}")
        elif kinds:
            yield good("dkim", f"{domain}: signed with {', '.join(f'{each} ({kind})' for each, kind in kinds.items())}")
        elif domain in domains:
            yield doubt("dkim", f"{domain}: what leaves is not signed; `maild dkim new {domain}` makes a key")
