"""The shape that the code keeps: small modules, short functions, layers, and words that belong here."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "maild"
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
TEXT_SUFFIXES = {
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".txt",
    ".html",
    ".css",
    ".js",
    ".service",
    ".socket",
    ".po",
    "",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and the lines of each function, docstring left out: prose is no burden."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node) is not None:
                docstring = node.body[0]
                lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_has_fewer_than_400_lines(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") < 400


def test_of_twenty_functions_nineteen_have_fewer_than_25_lines() -> None:
    lengths = [lines for path in modules() for _, lines in functions(path)]
    assert len(lengths) > 100
    assert statistics.quantiles(lengths, n=20)[-1] < 25


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_pattern_has_a_possessive_or_atomic_group(path: Path) -> None:
    """Before Python 3.11.5 such a group, when its last turn fails half way, keeps what that turn had taken.

    Debian 12 has 3.11.2. Of single characters (`[^"]*+`) they are sound, and all that the speed needs.
    Source: https://github.com/python/cpython/issues/106052 and 100061.
    """
    assert not re.findall(r"\)(?:[*+?]|\{[0-9,]*\})\+|\(\?>", path.read_text(encoding="utf-8"))


def test_every_module_says_what_it_is_for() -> None:
    silent = [p for p in modules() if ast.get_docstring(ast.parse(p.read_text(encoding="utf-8"))) is None]
    assert silent == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [p for p in modules() if p.stem in FORBIDDEN_NAMES or p.parent.name in FORBIDDEN_NAMES] == []


@pytest.mark.parametrize(
    ("library", "room"),
    [("starlette", "web"), ("jinja2", "web"), ("click", "cli"), ("alembic", "archive"), ("dns", "dns")],
)
def test_a_library_is_known_in_one_room_only(library: str, room: str) -> None:
    pattern = re.compile(rf"^\s*(?:from|import) {library}\b", re.MULTILINE)
    knowing = {p.relative_to(PACKAGE).parts[0] for p in modules() if pattern.search(p.read_text(encoding="utf-8"))}
    assert knowing == {room}


def test_imports_go_down_only() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        check=False, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], check=False, capture_output=True, text=True, cwd=ROOT)
    if listed.returncode != 0:
        pytest.skip("these are sources without their history")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_speaks_of_one_machine_or_of_what_is_left_to_do() -> None:
    # Homes and working folders of whoever wrote it; work that is left lives in issues.
    pattern = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/\w|\b(?:TO|FIX)(?:DO|ME)\b")
    found = []
    for path in tracked():
        if path.suffix not in TEXT_SUFFIXES or path.name == "LICENSE":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/flow.md"])
def test_a_page_about_the_code_names_modules_that_exist(page: str) -> None:
    rooms = "|".join(p.name for p in PACKAGE.iterdir() if p.is_dir())
    named = re.findall(rf"`((?:{rooms})\.(?!yaml\b)[a-z_0-9]+)", (ROOT / page).read_text(encoding="utf-8"))
    assert len(named) > 10
    assert {name for name in named if not (PACKAGE / f"{name.replace('.', '/')}.py").is_file()} == set()


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_names_others_that_exist(path: Path) -> None:
    """`maild.room.module`, and what is in it: a name that moved sends its reader astray."""
    astray = []
    for name in re.findall(r"`(maild(?:\.\w+)+)`", path.read_text(encoding="utf-8")):
        place, rest = PACKAGE, name.split(".")[1:]
        while rest and (place / rest[0]).is_dir():
            place /= rest.pop(0)
        module = place / (f"{rest.pop(0)}.py" if rest and (place / f"{rest[0]}.py").is_file() else "__init__.py")
        words = set(re.findall(r"\w+", module.read_text(encoding="utf-8")))
        astray += [name for each in rest if each not in words]
    assert astray == []


def test_markdown_links_lead_somewhere() -> None:
    broken = set()
    for page in (p for p in tracked() if p.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                broken.add(f"{page.relative_to(ROOT)}: {target}")
    assert broken == set()
