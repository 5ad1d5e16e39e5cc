from __future__ import annotations

from maild.rules.reach import receiving
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
