"""Which teams mail can come to, by the rules: what must be read by somebody."""

from __future__ import annotations

from maild.rules.model import Copy, Deliver, Ruleset


def receiving(ruleset: Ruleset) -> dict[str, tuple[str, ...]]:
    """Return every team that mail can reach, in the order of the file, with the addresses whose mail goes there.

    Those are the fallback, the teams of addresses (after retirement, the successor's), and where rules that are in
    force deliver or copy to.
    """
    reached: dict[str, list[str]] = {ruleset.fallback: []}
    for address in ruleset.addresses:
        reached.setdefault(address.team, []).append(address.name)
    for rule in ruleset.rules:
        for action in rule.then if not rule.observe else ():
            if isinstance(action, Deliver | Copy):
                for team in action.teams:
                    reached.setdefault(team, [])
    return {team: tuple(reached[team]) for team in ruleset.teams if team in reached}
