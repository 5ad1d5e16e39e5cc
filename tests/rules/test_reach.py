from __future__ import annotations

import pytest

from maild.rules.reach import confiding, receiving
from tests.rules.samples import rules_of

TEAMS = """teams:
  poststelle: {name: Poststelle}
  kita: {name: Kita, parent: jugendamt}
  jugendamt: {name: Jugendamt}
  leitung: {name: Leitung}
  archiv: {name: Archiv}
  probe: {name: Probe}
addresses:
  kita: {team: kita}
  krippe: {team: kita, listed: false}
  alt: {retired: {successor: kita}}
"""
RULES = """rules:
  - {id: a, when: {subject: x}, then: {deliver: [archiv, kita]}}
  - {id: b, when: {subject: y}, then: {copy: leitung, tag: t}}
  - {id: c, mode: observe, when: {subject: z}, then: {deliver: probe}}
"""


def test_mail_reaches_the_fallback_the_teams_of_addresses_and_those_that_rules_name() -> None:
    assert receiving(rules_of(TEAMS)) == {"poststelle": (), "kita": ("kita", "krippe", "alt")}
    assert list(receiving(rules_of(TEAMS + RULES))) == ["poststelle", "kita", "leitung", "archiv"]


@pytest.mark.parametrize(
    ("rule", "teams"),
    [
        ("{id: a, when: {subject: x}, then: {tag: t}}", set()),
        ("{id: a, when: {to: krippe}, then: {confidential: true}}", {"kita"}),
        ("{id: a, when: {to: alt, subject: x}, then: {confidential: true, copy: leitung}}", {"kita", "leitung"}),
        ("{id: a, when: {to: kita@musterstadt.example}, then: {confidential: true}}", {"kita"}),
        ("{id: a, when: {subject: x}, then: {confidential: true}}", {"kita", "poststelle"}),
        ("{id: a, when: {to: '@musterstadt.example'}, then: {confidential: true}}", {"kita", "poststelle"}),
        ("{id: a, when: {any: [{to: kita}, {subject: x}]}, then: {confidential: true}}", {"kita", "poststelle"}),
        ("{id: a, mode: observe, then: {confidential: true}}", set()),
    ],
)
def test_a_confiding_rule_reaches_the_teams_of_the_addresses_it_asks_for(rule: str, teams: set[str]) -> None:
    assert confiding(rules_of(f"{TEAMS}rules:\n  - {rule}\n")) == teams
