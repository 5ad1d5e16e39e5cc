"""Which mails hand over an account, and which only speak of one."""

from __future__ import annotations

import pytest

from maild.mail.account_words import CODE, LINK, WORDS_REACH, Wording
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


@pytest.mark.parametrize("wording", [CODE, LINK], ids=["code", "link"])
def test_whatever_the_words_match_lies_around_a_stem(wording: Wording) -> None:
    """Or the recogniser, which looks around stems alone, would never see it."""
    matches = [
        found
        for sample in (*ARE, *ARE_NOT)
        for found in wording.pattern.finditer(f"{sample.subject}\n{sample.text}".lower())
    ]
    assert len(matches) > 10
    for found in matches:
        spots = [found[0].find(stem) for stem in wording.stems if stem in found[0]]
        assert any(spot <= WORDS_REACH and len(found[0]) - spot <= WORDS_REACH for spot in spots), found[0]
