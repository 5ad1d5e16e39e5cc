"""S7: who asks for addresses learns those of the public directory, and of the others nothing: neither by asking for the
directory in any of its forms, nor by trying a dictionary at RCPT.
"""

from __future__ import annotations

import pytest

from maild.intake.admit import UNKNOWN, admit
from maild.mail.address import Address, parse_address
from maild.policy.roles import Role
from maild.rules.directory import as_csv, listed
from maild.rules.nearby import Nearby
from tests.web.office import RULES, Office, rules

SECRET = ("intern", "Geheime Adresse", "geheimakte", "Personalrat", "vertrauen", "Ombudsstelle")
TOWN = RULES.replace(
    "rules:\n",
    "  geheimakte: {team: personalrat, listed: false, aliases: [vertrauen]}\n"
    "  ombud: {team: personalrat, title: Ombudsstelle, listed: false, retired: {successor: geheimakte}}\nrules:\n",
).replace("  bauamt: {name", "  personalrat: {name: Personalrat, office: Personalrat}\n  bauamt: {name")


def test_no_form_of_the_directory_has_what_is_not_listed(office: Office) -> None:
    office.book.current = rules(TOWN)
    office.user("petra", (Role.READER, "personalrat"), name="Ombudsstelle Petra")
    with office.client("petra") as signed_in, office.client() as stranger:
        for path in (
            "/directory",
            "/directory?q=e",
            "/directory?embed=1",
            "/directory.json",
            "/directory?q=geheimakte",
        ):
            for client in (signed_in, stranger):
                text = client.get(path).text.replace('value="geheimakte"', "").replace("„geheimakte“", "")
                text = text.replace("q=geheimakte", "")
                assert not [word for word in SECRET if word in text], path
    assert not [word for word in SECRET if word in as_csv(listed(rules(TOWN)))]


@pytest.mark.parametrize("typed", ["geheimakt", "geheimakten", "inter", "intenr", "ombut", "vertraun", "krippen"])
def test_a_refusal_never_names_what_is_not_listed(typed: str) -> None:
    ruleset = rules(TOWN)
    assert admit(ruleset, parse_address(f"{typed}@musterstadt.example"), Nearby(ruleset)) == UNKNOWN


def test_who_tries_a_dictionary_learns_of_no_name_but_those_of_the_directory() -> None:
    ruleset = rules(TOWN)
    nearby = Nearby(ruleset)
    public = {address for line in listed(ruleset) for address in line.addresses}
    letters = "abcdefghijklmnopqrstuvwxyz.-"
    named: set[str] = set()
    for name in ("geheimakte", "vertrauen", "ombud", "intern", "krippe", "bauamt", "info"):
        for at in range(len(name)):
            for other in (name[:at] + name[at + 1 :], *(name[:at] + c + name[at + 1 :] for c in letters)):
                if ruleset.find(typed := Address(local=other, domain="musterstadt.example")) is None:
                    reply = admit(ruleset, typed, nearby)
                    assert (reply.code, reply.enhanced) == (550, "5.1.1")
                    named.update(reply.text.removesuffix("?").split()[-1:] if reply != UNKNOWN else ())
    assert named
    assert named <= public
