"""Which mails hand over an account, and which only speak of one."""

from __future__ import annotations

import pytest

from maild.mail.reading import facts_for_rules, facts_of
from tests.mail.account_letters import ARE, ARE_NOT, Sample


@pytest.mark.parametrize("sample", ARE, ids=lambda sample: sample.name)
def test_a_mail_with_a_code_or_a_link_for_an_account_is_recognised(sample: Sample) -> None:
    assert facts_of(sample.octets).account_mail
    assert facts_for_rules(sample.octets).account_mail


@pytest.mark.parametrize("sample", ARE_NOT, ids=lambda sample: sample.name)
def test_a_mail_that_only_speaks_of_one_is_not(sample: Sample) -> None:
    assert not facts_of(sample.octets).account_mail
    assert not facts_for_rules(sample.octets).account_mail
