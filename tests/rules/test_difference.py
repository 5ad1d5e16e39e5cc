from __future__ import annotations

import random
from itertools import takewhile

from hypothesis import given
from hypothesis import strategies as st

from maild.rules.difference import difference

TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n"]), max_size=30).map("".join)


def _applied(old: str, lines: list[str]) -> str:
    """Do what `patch` does."""
    before, after, at = old.splitlines(), list[str](), 0
    for line in lines[2:]:
        if line.startswith("@@"):
            first, _, count = line.split(" ")[1].removeprefix("-").partition(",")
            start = int(first) - (count != "0")
            after += before[at:start]
            at = start
            continue
        if line[0] != "+":
            assert before[at] == line[1:]
            at += 1
        if line[0] != "-":
            after.append(line[1:])
    return "".join(f"{line}\n" for line in [*after, *before[at:]])


@given(old=TEXTS, new=TEXTS)
def test_a_difference_put_to_the_old_text_gives_the_new_one(old: str, new: str) -> None:
    lines = list(difference(old, new, "old", "new"))
    assert bool(lines) == (old != new)
    assert lines[:2] == (["--- old", "+++ new"] if lines else [])
    assert _applied(old, lines) == new


def test_few_changes_in_a_long_text_are_told_line_by_line() -> None:
    old = [f"line {n}" if n % 3 else "    then: x" for n in range(30_000)]
    new = [*old[:10], "x", *old[11:20_000], *old[20_001:]]
    lines = list(difference("\n".join(old), "\n".join(new), "", ""))
    assert [line for line in lines[2:] if line[0] in "+-"] == ["-line 10", "+x", "-line 20000"]


def test_texts_that_are_made_to_be_compared_for_hours_count_as_replaced() -> None:
    chance, words = random.Random(1), [f"# {n}" for n in range(110)]
    old = [chance.choice(words) for _ in range(40_000)]
    new = words * (len(old) // len(words))
    chance.shuffle(new)
    lines = list(difference("\n".join(["a", *old, "z"]), "\n".join(["b", *new, "y"]), "", ""))[3:]
    gone = len(list(takewhile(lambda line: line[0] == "-", lines)))
    assert gone == len(old) + 2
    assert {line[0] for line in lines[gone:]} == {"+"}
