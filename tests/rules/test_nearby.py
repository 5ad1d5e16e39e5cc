from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.address import Address, parse_address
from maild.rules import nearby as module
from maild.rules.nearby import Nearby, is_within, slips_allowed
from tests.rules.samples import rules_of

RULES = rules_of("""domains: [a.example, b.example]
teams:
  poststelle: {name: Poststelle}
  kita: {name: Kita}
addresses:
  info: {team: poststelle}
  kita.platzvergabe: {team: kita, aliases: [tagesbetreuung]}
  jugend1: {team: kita}
  jugend2: {team: kita}
  geheimsache: {team: kita, listed: false}
  bürgerbüro: {team: kita}
  passamt-alt: {listed: true, retired: {successor: info}}
  bauaufsicht@b.example: {team: kita}
  standesamt: {team: kita}
  standesamt@b.example: {team: poststelle, listed: false}
  ab: {team: kita}
""")


def meant(text: str) -> str | None:
    found = Nearby(RULES).meant(parse_address(text))
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("kta.platzvergabe@a.example", "kita.platzvergabe@a.example"),
        ("KTA.Platzvergabe+x@b.example", "kita.platzvergabe@b.example"),
        ("ktia.platzvergabe@a.example", "kita.platzvergabe@a.example"),
        ("kita.platzvergbae@a.example", "kita.platzvergabe@a.example"),
        ("kita-platzvergabee@a.example", "kita.platzvergabe@a.example"),
        ("kta-platzvergabee@a.example", None),  # three slips
        ("inof@a.example", "info@a.example"),
        ("imof@a.example", None),  # short: one slip only
        ("inf@a.example", None),
        ("ac@a.example", None),
        ("jugend3@a.example", None),  # which of the two?
        ("jugend@a.example", None),
        ("geheimsach@a.example", None),  # not listed
        ("tagesbetreung@a.example", None),  # an alias is not in the directory
        ("buergerbuero@a.example", None),  # no ASCII name to say
        ("passamt-at@a.example", None),  # retired
        ("bauaufsich@b.example", "bauaufsicht@b.example"),
        ("bauaufsich@a.example", None),
        ("standesamd@a.example", "standesamt@a.example"),
        ("standesamd@b.example", None),  # there the name is another, unlisted one
        ("x" * 64 + "@a.example", None),
    ],
)
def test_of_listed_addresses_the_only_near_one_is_meant(asked: str, answer: str | None) -> None:
    assert meant(asked) == answer


words = st.text(alphabet="abé", max_size=6)


def _slow(one: str, other: str) -> int:
    """Optimal string alignment, as its definition has it."""
    if not one or not other:
        return len(one) + len(other)
    ways = [
        _slow(one[1:], other) + 1,
        _slow(one, other[1:]) + 1,
        _slow(one[1:], other[1:]) + (one[0] != other[0]),
    ]
    if len(one) > 1 and len(other) > 1 and one[0] == other[1] and one[1] == other[0]:
        ways.append(_slow(one[2:], other[2:]) + 1)
    return min(ways)


@given(words, words, st.integers(0, 3))
def test_slips_are_counted_as_their_definition_has_it(one: str, other: str, slips: int) -> None:
    assert is_within(one, other, slips) == (_slow(one, other) <= slips)


@given(
    st.text(alphabet="abc.", min_size=8, max_size=14),
    st.lists(st.tuples(st.integers(0, 13), st.sampled_from("abcx")), max_size=2),
)
def test_every_name_within_two_slips_is_found(name: str, slips: list[tuple[int, str]]) -> None:
    name = f"x{name.replace('.', '-')}x"
    typed = name
    for at, letter in slips:
        typed = typed[:at] + letter + typed[at + 1 :] if letter != "x" else typed[:at] + typed[at + 1 :]
    ruleset = rules_of(f"domains: [a.example]\naddresses:\n  {name}: {{team: poststelle}}\n")
    assert str(Nearby(ruleset).meant(Address(local=typed, domain="a.example"))) == f"{name}@a.example"


def test_longer_names_allow_more_slips() -> None:
    assert [slips_allowed(n) for n in (0, 3, 4, 7, 8, 64)] == [0, 0, 1, 1, 2, 2]


def test_many_names_that_begin_alike_are_told_apart() -> None:
    streets = ("hafen", "wald", "bahnhof", "markt", "schiller", "goethe", "rosen", "berg", "kirch", "post")
    names = [f"kita.{one}{two}weg" for one in streets for two in streets]
    nearby = Nearby(
        rules_of("domains: [a.example]\naddresses:\n" + "".join(f"  {n}: {{team: poststelle}}\n" for n in names))
    )
    for name in names:
        assert str(nearby.meant(Address(local=name.replace("kita", "kta"), domain="a.example"))) == f"{name}@a.example"


def test_the_work_and_the_memory_for_a_dictionary_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    names = "".join(f"  {n:04}.amt.stadt: {{team: poststelle}}\n" for n in range(3_000))
    nearby = Nearby(rules_of("domains: [a.example]\naddresses:\n" + names))
    compared: list[str] = []

    def counted(one: str, other: str, slips: int) -> bool:
        compared.append(other)
        return is_within(one, other, slips)

    monkeypatch.setattr(module, "_is_near", lambda one, other: counted(one, other, 2))
    for n in range(2_500):
        before = len(compared)
        nearby.meant(Address(local=f"{n:04}.mat.stdat", domain="a.example"))
        assert len(compared) - before <= 100
    assert compared
    assert len(nearby._names) == 2_000
    assert len(nearby._answers) <= 1_000
    before = len(compared)
    nearby.meant(Address(local="2499.MAT.stdat", domain="a.example"))
    assert len(compared) == before
