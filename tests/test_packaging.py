"""What ships: the lock, the wheel, the units, the tasks."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from maild.cli.demo_site import example_rules

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def locked(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))


def normal(requirement: str) -> str:
    return re.split(r"[\[><=;~! ]", requirement)[0].lower().replace("_", "-").replace(".", "-")


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_everything_that_is_installed_is_locked_with_hashes_and_without_addresses(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text.split("\n", 2)[2])
    assert len(entries) > 20
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text


def test_every_declared_dependency_is_in_the_lock() -> None:
    project = PROJECT["project"]
    wanted = {normal(r) for r in [*project["dependencies"], *project["optional-dependencies"]["postgresql"]]}
    assert wanted - set(locked("run.txt")) == set()
    assert {normal(r) for r in PROJECT["dependency-groups"]["dev"]} - set(locked("dev.txt")) == set()


def test_tests_run_with_the_very_versions_that_are_shipped() -> None:
    run, dev = locked("run.txt"), locked("dev.txt")
    assert {name: dev.get(name) for name in run} == run


def test_the_demos_rules_are_the_example_and_ship_with_the_package() -> None:
    assert example_rules() == (ROOT / "rules.example.yaml").read_text(encoding="utf-8")
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["rules.example.yaml"] == "maild/cli/rules.example.yaml"


def test_every_task_says_what_it_does() -> None:
    phony = set(re.findall(r"^\.PHONY: (\S+)$", MAKEFILE, re.MULTILINE))
    described = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert phony == described
    assert {"run", "test", "check", "format", "lock", "docs", "screenshots", "crash", "bench", "clean"} <= phony


def test_the_pages_name_only_tasks_that_there_are() -> None:
    described = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        named = set(re.findall(r"(?:`|^    |&& )make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= described, page.name


@pytest.mark.needs("systemd")
def test_the_service_is_hardened() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", ROOT / "systemd" / "maild.service"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]


def test_the_service_keeps_what_the_daemon_relies_on() -> None:
    unit = (ROOT / "systemd" / "maild.service").read_text(encoding="utf-8")
    for line in ("Type=notify", "WatchdogSec=60", "UMask=0077", "LimitCORE=0", "RestartPreventExitStatus=78"):
        assert f"\n{line}\n" in unit
    assert "ListenStream=25\n" in (ROOT / "systemd" / "maild.socket").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_scripts_are_bash() -> None:
    assert subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=False).returncode == 0
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
