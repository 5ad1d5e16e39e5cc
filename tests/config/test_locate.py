from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from maild.config.locate import line_and_column, places

TEXT = '''\
# a comment with [brackets] and key = "value"
title = "it's [not] a # section"

[server]  # with a comment
hostname = """
[smtp]
listen = "no"
"""
nested = { a = 1, "b c" = [1, 2] }
[smtp]
listen = [
  "127.0.0.1:25", # ] not the end
  '[::]:25',
]
'quoted key' = 1
dotted.inner.key = 2
'''


def test_keys_and_values_are_found_whatever_stands_between_them() -> None:
    found = places(TEXT)
    where = {keys: line_and_column(TEXT, place.key) for keys, place in found.items()}
    assert where["title",] == (2, 1)
    assert where["server",] == (4, 1)
    assert where["server", "nested"] == (9, 1)
    assert where["smtp",] == (10, 1)
    assert where["smtp", "listen"] == (11, 1)
    assert where["smtp", "quoted key"] == (15, 1)
    assert where["smtp", "dotted", "inner", "key"] == (16, 1)
    assert line_and_column(TEXT, found["smtp", "listen"].value) == (11, 10)


def test_text_inside_strings_makes_no_keys() -> None:
    assert ("server", "listen") not in places(TEXT)


def paths_of(table: dict[str, Any], above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for key, value in table.items():
        found.add((*above, key))
        if isinstance(value, dict):
            found |= paths_of(value, (*above, key))
    return found


NAMES = st.text("abcxyz_-019", min_size=1, max_size=6)
VALUES = st.one_of(
    st.integers(-99, 99).map(str),
    st.sampled_from(
        ['"a = 1"', "'''x\n[y]\nz = 1\n'''", '"""q\\"""" """', "[1, [2, '#'], 3]", "[\n 'a', # b\n]", "true"]
    ),
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4), st.text("#[]=\"' ab", max_size=12)
)
def test_every_key_that_the_parser_finds_has_its_place(tables: dict[str, dict[str, str]], comment: str) -> None:
    lines = []
    for table, pairs in tables.items():
        lines.append(f"[{table}] # {comment}")
        lines += [f"{key} = {value} # {comment}" for key, value in pairs.items()]
    text = "\n".join(lines)
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = places(text)
    assert paths_of(parsed) == set(found)
    for keys, place in found.items():
        assert text[place.key :].lstrip("[").startswith(keys[-1])


@settings(max_examples=60, deadline=None)
@given(st.text("[]='\"#\n a.b{}\\", max_size=60))
def test_any_text_ends_the_search(text: str) -> None:
    places(text)
