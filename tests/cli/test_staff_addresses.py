"""`maild doctor` and the addresses of staff: who has one that others read, or one of a domain that maild serves."""

from __future__ import annotations

import pytest

from maild.cli.staff_addresses import _findings
from maild.mail.address import parse_address
from tests.web.office import rules


@pytest.mark.parametrize(
    ("mails", "by_provider", "state", "said"),
    [
        ({}, True, "good", "0 accounts"),
        ({"petra": "petra@kreis.example"}, True, "good", "1 account with"),
        ({"petra": "petra@musterstadt.example"}, False, "good", "1 account with"),
        ({"petra": "petra@musterstadt.example"}, True, "doubt", "another domain"),
        ({"petra": "Kita+x@musterstadt.example", "karl": "k@kreis.example"}, False, "bad", "petra: "),
    ],
)
def test_the_doctor_names_accounts_whose_mail_others_read(
    mails: dict[str, str], by_provider: bool, state: str, said: str
) -> None:
    addresses = {login: parse_address(mail) for login, mail in mails.items()}
    (found,) = _findings(rules(), addresses, by_provider=by_provider)
    assert (found.state, found.what) == (state, "staff addresses")
    assert said in found.text
