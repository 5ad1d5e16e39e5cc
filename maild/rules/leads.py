"""Who sees a letter that not everybody of a team may, or that nobody of it can: its leads, or those of the fallback.

A letter that looks as if it handed over an account elsewhere (`maild.mail.account_mail`) is for the leads of its teams,
unless the rules say that a team waits for such mail. Who those are, and whether anybody is there, only whoever routes
knows: so the route is made for leads, and `opened` where there are none.
"""

from __future__ import annotations

from dataclasses import replace

from maild.mail.address import Address, is_reserved
from maild.mail.inbox import confidential, team_of, unled
from maild.rules.duties import HOLD, led
from maild.rules.model import Ruleset, State
from maild.rules.requested import AccountMail
from maild.rules.route import Route


def is_led(ruleset: Ruleset, recipient: Address, team: str) -> bool:
    """Tell whether mail to `recipient` that hands over an account is for a team's leads alone."""
    # Security: who reads these owns the domain, for those who sell certificates.
    if is_reserved(recipient):
        return True
    found, known = ruleset.find(recipient), ruleset.teams.get(team)
    said = None if found is None else found.account_mail
    return (said or (AccountMail.LEADS if known is None else known.account_mail)) is AccountMail.LEADS


def for_leads(ruleset: Ruleset, route: Route) -> Route:
    """Return the route of a letter that looks as if it handed over an account, whatever the rules made of it."""
    account = tuple(team for team in route.teams if is_led(ruleset, route.recipient, team))
    if route.confidential:
        # The teams' duties are those of their confidential inboxes by now.
        holds = led((duty._replace(team=team_of(duty.team)) for duty in route.duties), route.teams)
        found = holds if account else route.duties
    else:
        found = led(route.duties, account)
    held = any(duty.kind == HOLD for duty in found)
    return replace(route, account=account, duties=found, state=State.OPEN if held else route.state)


def opened(route: Route, unread: frozenset[str]) -> Route:
    """Return the route with a letter in the own inbox of those teams of whose leads nobody is there to see it.

    A guess puts nothing where nobody looks. It is not answered, and what would be sent on waits, all the same.
    """
    shown = frozenset(team for team in route.account or () if unled(team) in unread)
    if not shown:
        return route
    account = tuple(team for team in route.account or () if team not in shown)
    if route.confidential:
        return replace(route, account=account)
    names = {confidential(team): team for team in shown}
    found = tuple(duty._replace(team=names.get(duty.team, duty.team)) for duty in route.duties)
    return replace(route, account=account, duties=found)


def also_to(fallback: str, route: Route, unread: frozenset[str]) -> Route:
    """Return the route with the fallback beside those of its teams that nobody can read.

    Nothing is added where the fallback has the letter anyway, or where nobody reads the fallback either.
    """
    missing = tuple(team for team, inbox in zip(route.teams, route.inboxes, strict=True) if inbox in unread)
    stands_in = confidential(fallback) if route.confidential else fallback
    if not missing or fallback in route.teams or stands_in in unread:
        return route
    account = route.account
    if account is not None and unled(fallback) not in unread:
        account = (*account, fallback)
    return replace(route, teams=(*route.teams, fallback), unread=missing, account=account)
