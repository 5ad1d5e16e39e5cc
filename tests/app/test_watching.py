from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog

from maild.app.watching import RulesWatch
from maild.rules.model import Ruleset
from maild.rules.rulebook import LAST_GOOD, Rulebook
from tests.rules.samples import completed

LOOK_S = 0.02
LISTED = completed("lists: {x: {file: x.txt}}\nrules: [{id: r, when: {from: {list: x}}, then: {tag: x}}]\n")


def named(name: str) -> str:
    return completed(f"teams: {{poststelle: {{name: {name}}}}}\n")


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.005)


class Room:
    """A rules file, and whoever watches it."""

    def __init__(self, folder: Path, logs: list[structlog.typing.EventDict]) -> None:
        self.path = folder / "etc" / "rules.yaml"
        self.path.parent.mkdir()
        (folder / "var").mkdir()
        self.path.write_text(named("Eins"), encoding="utf-8")
        self.book = Rulebook(self.path, folder / "var")
        self.book.load_at_start()
        self.names: list[str] = []
        self.readings = 0
        self.watch = RulesWatch(self.book, look_s=LOOK_S)
        self.book.on_change(lambda rules: self.names.append(rules.teams["poststelle"].name))
        self._logs = logs

    def events(self) -> list[str]:
        return [str(entry["event"]) for entry in self._logs]

    async def serves(self, name: str) -> None:
        await until(lambda: self.book.current.teams["poststelle"].name == name, f"{name} does not serve")

    async def refused(self, count: int = 1) -> None:
        await until(lambda: self.events().count("rules.refused") >= count, "not refused")

    async def looked(self) -> None:
        """Wait until the files were looked at several times."""
        for _ in range(4):
            before = self.watch._before
            await until(lambda before=before: self.watch._before is not before, "nobody looks")  # type: ignore[misc]


@pytest.fixture
def still(tmp_path: Path) -> Room:
    """Nobody looks but the test itself."""
    return Room(tmp_path, [])


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    with structlog.testing.capture_logs() as logs:
        found = Room(tmp_path, logs)
        running = asyncio.create_task(found.watch.run())
        yield found
        running.cancel()


async def test_a_file_edited_by_hand_serves_without_being_asked(room: Room) -> None:
    room.path.write_text(named("Zwei"), encoding="utf-8")
    await room.serves("Zwei")
    assert room.names == ["Zwei"]
    assert room.events() == ["rules.reloaded"]


async def test_a_file_moved_over_the_old_one_serves(room: Room) -> None:
    new = room.path.with_name("new.yaml")
    new.write_text(named("Zwei"), encoding="utf-8")
    new.rename(room.path)
    await room.serves("Zwei")


async def test_a_file_that_git_deletes_and_writes_anew_serves(room: Room) -> None:
    room.path.unlink()
    await asyncio.sleep(0)
    room.path.write_text(named("Zwei"), encoding="utf-8")
    await room.serves("Zwei")
    assert room.names == ["Zwei"]


async def test_a_link_that_leads_elsewhere_from_now_on_is_a_change(room: Room) -> None:
    for name in ("Zwei", "Drei"):
        (room.path.parent / f"{name}.yaml").write_text(named(name), encoding="utf-8")
    link = room.path.with_name("link")
    for name in ("Zwei", "Drei"):
        link.symlink_to(f"{name}.yaml")
        link.rename(room.path)
        await room.serves(name)
    assert room.path.is_symlink()


async def test_a_list_file_is_watched_too_also_one_that_a_new_file_names(room: Room) -> None:
    entries = room.path.with_name("x.txt")
    entries.write_text("a@b.example\n", encoding="utf-8")
    room.path.write_text(LISTED, encoding="utf-8")
    for entry in ("a@b.example", "c@d.example"):
        entries.write_text(f"{entry}\n", encoding="utf-8")
        await until(lambda: "x" in room.book.current.lists, "the list is not there")
        wanted = (entry,)
        await until(lambda wanted=wanted: room.book.current.lists["x"].entries == wanted, entry)  # type: ignore[misc]
    entries.unlink()
    await room.refused()
    assert room.book.refused[0].code == "list-file"
    entries.write_text("e@f.example\n", encoding="utf-8")
    await until(lambda: room.book.current.lists["x"].entries == ("e@f.example",), "the list that is there again")


async def test_a_broken_file_is_refused_once_and_what_served_goes_on(room: Room) -> None:
    room.path.write_text(completed("fallback: postelle\n"), encoding="utf-8")
    await room.refused()
    await room.looked()
    assert room.events() == ["rules.refused"]
    assert room.names == []
    assert [d.code for d in room.book.refused] == ["unknown-team"]
    room.path.write_text(named("Eins"), encoding="utf-8")  # mended: the text that serves
    await until(lambda: not room.book.refused, "still refused")
    assert room.events() == ["rules.refused", "rules.reloaded"]
    assert room.names == []


async def test_a_file_that_is_gone_is_refused_and_its_return_is_seen(room: Room) -> None:
    room.path.unlink()
    await room.refused()
    room.path.write_text(named("Zwei"), encoding="utf-8")
    await room.serves("Zwei")


async def test_a_file_that_may_be_read_from_now_on_is_read(room: Room) -> None:
    # Root may read whatever its mode is: the text itself stands for the refusal.
    room.path.write_bytes(b"\xff")
    await room.refused()
    room.path.chmod(0o640)
    await room.refused(2)


async def test_half_a_file_is_not_read_while_an_editor_writes_in_place(still: Room) -> None:
    half = completed("") + "rules:\n  - {id: a, then: {tag: a}}\n"  # good as it stands: only its end is missing
    seen: list[Ruleset] = []
    still.book.on_change(seen.append)
    with still.path.open("w", encoding="utf-8") as file:
        file.write(half)
        for number in range(5):
            file.write(f"  - {{id: a{number}, when: {{subject: s{number}}}, then: {{tag: a}}}}\n")
            file.flush()
            await still.watch._look()
    assert seen == []
    await still.watch._look()
    assert [len(rules.rules) for rules in seen] == [6]


async def test_a_file_that_is_shorter_in_place_is_given_time_to_grow(still: Room) -> None:
    still.path.write_text(named("Ein sehr langer Name für kurze Zeit"), encoding="utf-8")
    for _ in range(2):
        await still.watch._look()
    assert still.book.current.teams["poststelle"].name.startswith("Ein sehr")
    still.path.write_text(named("Kurz"), encoding="utf-8")
    looks = 0
    while still.book.current.teams["poststelle"].name != "Kurz":
        assert looks < 20
        await still.watch._look()
        looks += 1
    assert looks > 5
    still.path.with_suffix(".new").write_text(named("K"), encoding="utf-8")
    still.path.with_suffix(".new").rename(still.path)  # moved into place, it is whole
    for _ in range(2):
        await still.watch._look()
    assert still.book.current.teams["poststelle"].name == "K"


async def test_what_was_read_of_a_file_that_is_being_written_is_thrown_away(room: Room, tmp_path: Path) -> None:
    kept = (tmp_path / "var" / LAST_GOOD).read_bytes()
    settled = dict(room.book.stamps)
    room.path.write_text(named("Halb"), encoding="utf-8")
    assert room.book.read(settled=settled) is None
    assert (tmp_path / "var" / LAST_GOOD).read_bytes() == kept
    await room.serves("Halb")


async def test_the_loop_goes_on_while_the_rules_are_read(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    held, begun = threading.Event(), threading.Event()
    read = room.book.read

    def slow(**arguments: object) -> object:
        begun.set()
        assert held.wait(60)
        return read(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(room.book, "read", slow)
    room.watch.ask()
    await until(begun.is_set, "nobody reads")  # this waits in the loop that is not held up
    room.path.write_text(named("Zwei"), encoding="utf-8")
    held.set()
    await room.serves("Zwei")


async def test_a_reading_that_began_earlier_does_not_replace_a_later_one(room: Room) -> None:
    early = room.book.read()
    room.path.write_text(named("Zwei"), encoding="utf-8")
    room.book.reload()
    assert early is not None
    room.book.take_up(early)
    assert room.names == ["Zwei"]
    assert room.book.current.teams["poststelle"].name == "Zwei"


async def test_being_asked_reads_what_has_not_changed_and_says_so_again(room: Room) -> None:
    room.path.write_text("version: 2\n", encoding="utf-8")
    await room.refused()
    room.watch.ask()
    await room.refused(2)


async def test_a_bug_in_a_reading_does_not_end_the_watch(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(room.book, "read", lambda **_: 1 / 0)
        room.path.write_text(named("Zwei"), encoding="utf-8")
        await until(lambda: "rules.failed" in room.events(), "no failure")
    await room.serves("Zwei")
