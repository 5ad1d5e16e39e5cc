"""The settings about an identity provider (OpenID Connect) by which staff sign in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from maild.config.kinds import TEXT, Kind, integer, setting

# As in maild.policy.roles, which settings do not know; a test compares.
TEAM_ROLES = frozenset({"reader", "drafter", "responder", "coordinator", "manager"})
OTHER_ROLES = frozenset({"administrator", "rule-editor", "auditor"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_GRANT = re.compile(r"(?:([^:\s]+):)?([a-z-]+)")

Groups = tuple[tuple[str, tuple[tuple[str | None, str], ...]], ...]


def _issuer(value: Any) -> str:
    if not isinstance(value, str) or any(ord(c) < 33 for c in value):
        raise ValueError
    parts = urlsplit(value)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if value and (not is_safe or not parts.hostname or parts.query or parts.fragment or parts.username is not None):
        raise ValueError
    return value


def _groups(value: Any) -> Groups:
    if value == []:
        return ()
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 - one exception for "does not fit", whatever the reason
    return tuple((name, tuple(map(_grant, _listed(grants)))) for name, grants in value.items())


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _grant(value: Any) -> tuple[str | None, str]:
    found = _GRANT.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2] not in (OTHER_ROLES if found[1] is None else TEAM_ROLES):
        raise ValueError
    return found[1], found[2]


def _parse_groups(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


ISSUER = Kind(
    expects='an address that begins with https://, such as "https://sso.musterstadt.example/realms/staff"', read=_issuer
)
GROUPS = Kind(
    expects='a table such as { "maild-kita" = ["kita:responder"], "it" = ["administrator"] }, '
    "each group with its grants, TEAM:ROLE or ROLE",
    read=_groups,
    parse=_parse_groups,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oidc:
    """The sign-in of the house: an identity provider that speaks OpenID Connect. Accounts with a password stay."""

    issuer: str = setting(
        "",
        ISSUER,
        "The provider, exactly as it names itself; `/.well-known/openid-configuration` below it is read. Plain http "
        "is taken from this machine only. Empty: there is none. Give the provider "
        "`<base_url>/login/provider/return` as the only redirect address.",
    )
    client_id: str = setting("", TEXT, "The name under which the provider knows maild.")
    client_secret: str = setting(
        "",
        TEXT,
        "The secret that the provider gave maild; empty for a public client. PKCE (S256) is always used.",
        secret=True,
    )
    label: str = setting("", TEXT, "What staff call it, as on the button of the sign-in page. Empty: a general word.")
    groups_claim: str = setting("groups", TEXT, "The claim of the ID token that lists a person's groups.")
    groups: Groups = setting(
        (),
        GROUPS,
        "Which group brings which grants. They are reckoned anew at each sign-in: what a group no longer brings is "
        "taken back. Who is in none of these groups does not get in. Grants that were given otherwise stay.",
    )
    grants_days: int = setting(
        14,
        integer(1, 366),
        "How long the grants of the groups hold after a sign-in. Pages close with the session, after 12 hours at the "
        "latest; until then mail programs of the person work, and the person counts as a reader of the team.",
    )
