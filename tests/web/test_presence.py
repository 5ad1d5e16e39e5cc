from __future__ import annotations

import pytest

from maild.web.presence import WRITING_MS, Here, Presence, Present

PETRA = Present(user_id=1, name="Petra", teams=frozenset({"kita"}))
JONAS = Present(user_id=2, name="Jonas", teams=frozenset({"kita", "bauamt"}))


@pytest.mark.parametrize(
    ("teams", "user_id", "seen"),
    [
        ({"kita"}, 9, {7: Here(reading=("Jonas", "Petra"))}),
        ({"bauamt"}, 9, {7: Here(reading=("Jonas",))}),
        ({"kita"}, 2, {7: Here(reading=("Petra",))}),
        ({"amt"}, 9, {}),
    ],
)
def test_who_reads_is_seen_by_colleagues_of_the_same_inbox_and_not_by_themselves(
    teams: set[str], user_id: int, seen: dict[int, Here]
) -> None:
    presence = Presence()
    with presence.read(7, PETRA), presence.read(7, JONAS):
        assert presence.here([7, 8], frozenset(teams), user_id, 0) == seen


def test_who_closes_one_of_two_windows_is_still_there_and_then_forgotten() -> None:
    presence = Presence()
    with presence.read(7, PETRA):
        with presence.read(7, PETRA):
            pass
        assert presence.here([7], frozenset({"kita"}), 9, 0) == {7: Here(reading=("Petra",))}
    assert presence.here([7], frozenset({"kita"}), 9, 0) == {}
    assert not presence._reading


def test_who_types_is_writing_for_some_seconds_and_said_once() -> None:
    presence = Presence()
    with presence.read(7, PETRA):
        assert presence.write(7, PETRA, 100)
        assert not presence.write(7, PETRA, 200)
        assert presence.here([7], frozenset({"kita"}), 9, 200) == {7: Here(writing=("Petra",))}
        assert presence.here([7], frozenset({"kita"}), 9, 200 + WRITING_MS) == {7: Here(reading=("Petra",))}
        assert presence.write(7, PETRA, 200 + WRITING_MS)
        presence.stop(7, 1)
        assert presence.here([7], frozenset({"kita"}), 9, 201 + WRITING_MS) == {7: Here(reading=("Petra",))}
