"""A page in German and its English one are a pair: they point to each other, and one has the parts of the other."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GERMAN = sorted([*ROOT.glob("*.de.md"), *(ROOT / "docs").glob("*.de.md")])
SHORTER = {"people.de.md"}  # says of itself that the English page has more
_FENCE = re.compile(r" *```")
_HEADING = re.compile(r"(#+) ")
_INDENTED = re.compile(r" {4}")


def english(page: Path) -> Path:
    """Return the English page beside a German one."""
    return page.with_name(page.name.replace(".de.md", ".md"))


def shape(page: Path) -> Counter[str]:
    """Count the headings of each level, the code blocks, fenced and indented, and the rows of tables."""
    counted: Counter[str] = Counter()
    fenced = False
    code = False  # the line above belongs to an indented block, or is an empty line after one
    after_blank = True
    for line in page.read_text(encoding="utf-8").splitlines():
        if _FENCE.match(line):
            fenced = not fenced
            counted["code blocks"] += fenced
        elif not fenced and line:
            is_code = bool(_INDENTED.match(line)) and (after_blank or code)
            counted["code blocks"] += is_code and not code
            code = is_code
            if heading := _HEADING.match(line):
                counted[heading[1]] += 1
            counted["rows"] += line.startswith("|")
        after_blank = not line
    return counted


@pytest.mark.parametrize("page", GERMAN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_german_page_and_its_english_one_point_to_each_other(page: Path) -> None:
    for here, there, words in ((page, english(page), "English version"), (english(page), page, "Deutsche Fassung")):
        title, *after = here.read_text(encoding="utf-8").splitlines()[:3]
        assert (title[:2], after) == ("# ", ["", f"*[{words}]({there.name})*"]), here


@pytest.mark.parametrize(
    "page", [page for page in GERMAN if page.name not in SHORTER], ids=lambda page: str(page.relative_to(ROOT))
)
def test_a_german_page_has_the_parts_of_its_english_one(page: Path) -> None:
    assert shape(page) == shape(english(page))


def test_a_page_is_counted_by_its_headings_blocks_and_rows(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n\n    one block\n\n    that goes on\n\ntext\n    that goes on\n\n## B\n\n```yaml\n# none\n| none |\n```\n"
        "\n1. x\n\n   ```toml\n   y\n   ```\n\n| a |\n|---|\n| b |\n",
        encoding="utf-8",
    )
    assert shape(page) == {"#": 1, "##": 1, "code blocks": 3, "rows": 3}
