"""What the doctor says of staff whose own address is one that maild receives for."""

from __future__ import annotations

from collections.abc import Iterator

from maild.archive.accounts import list_users
from maild.cli.finding import Finding, bad, doubt, good
from maild.cli.rules import read_rules
from maild.cli.store import reading
from maild.cli.verb import counted
from maild.config import Settings
from maild.errors import MaildError
from maild.mail.address import Address, as_address
from maild.rules.model import Ruleset

_NAMED = 5
_WHAT = "staff addresses"


def staff_addresses(settings: Settings) -> Iterator[Finding]:
    """Yield what is to be said of the addresses of open accounts. A lost password is mailed there, by whomever.

    Source: threats T6 and W6.
    """
    rules = read_rules(settings).ruleset
    if rules is None:
        return
    try:
        with reading(settings) as connection:
            people = [user for user in list_users(connection) if user.disabled_ms is None and user.mail]
    except MaildError as error:
        yield doubt(_WHAT, str(error))
        return
    addresses = {user.login: address for user in people if (address := as_address(user.mail)) is not None}
    yield from _findings(rules, addresses, by_provider=bool(settings.oidc.issuer))


def _findings(rules: Ruleset, addresses: dict[str, Address], *, by_provider: bool) -> Iterator[Finding]:
    shared = sorted(login for login, address in addresses.items() if rules.find(address) is not None)
    ours = sorted({address.domain for address in addresses.values() if rules.serves(address.domain)})
    if shared:
        named = ", ".join(shared[:_NAMED]) + (" …" if len(shared) > _NAMED else "")
        yield bad(_WHAT, f"{named}: the address of the account is a team's inbox here, where others read what is sent "
                         "to it; give each person an own one")  # fmt: skip
    elif ours and by_provider:
        yield doubt(_WHAT, f"{', '.join(ours[:_NAMED])}: maild receives for this domain, and people sign in by the "
                           "provider with addresses of it; whoever reads a function address may pass for staff "
                           "elsewhere: let accounts have another domain (docs/sign-in.md)")  # fmt: skip
    else:
        yield good(_WHAT, f"{counted(len(addresses), 'account')} with an address, none of them a team's inbox here")
