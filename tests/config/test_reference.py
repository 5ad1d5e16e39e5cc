from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from maild.config import load_settings
from maild.config.load import CODES
from maild.config.model import SECTIONS
from maild.config.reference import page

ROOT = Path(__file__).parent.parent.parent


def test_the_page_in_docs_is_the_one_that_the_declarations_give() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_setting_is_described() -> None:
    for section in SECTIONS.values():
        assert section.__doc__
        for declared in fields(section):
            assert len(declared.metadata["text"]) > 10, declared.name
            assert declared.metadata["text"].endswith("."), declared.name


def test_the_defaults_on_the_page_are_the_defaults(tmp_path: Path) -> None:
    lines = []
    for line in page().splitlines():
        if match := re.fullmatch(r"## \[(\w+)\]", line):
            lines.append(f"[{match[1]}]")
        elif match := re.fullmatch(r"### `(\w+)`", line):
            lines.append(match[1])
        elif match := re.search(r"; default `(.*?)`", line):
            lines[-1] += f" = {match[1]}"
    text = "\n".join(lines)
    tomllib.loads(text)
    (tmp_path / "said.toml").write_text(text, encoding="utf-8")
    (tmp_path / "empty.toml").write_text("", encoding="utf-8")
    said, empty = (load_settings(tmp_path / name, {}) for name in ("said.toml", "empty.toml"))
    for section in SECTIONS:
        assert getattr(said, section) == getattr(empty, section)


def test_every_code_is_explained_and_used() -> None:
    source = (ROOT / "maild" / "config" / "load.py").read_text(encoding="utf-8")
    used = re.findall(r'(?:refuse\(|where, |1, 1, )"([a-z0-9-]+)"', source)
    assert set(used) == set(CODES)
