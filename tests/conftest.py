"""Fixtures that every package's tests share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = {
    "postgresql": ("initdb",),
    "chromium": ("chromium",),
    "strace": ("strace",),
    "postfix": ("postconf",),
}


def _present(package: str) -> bool:
    extra = os.pathsep.join(str(p) for p in sorted(Path("/usr/lib/postgresql").glob("*/bin")))
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", extra])
    return all(shutil.which(program, path=path) for program in PROGRAMS[package])


def require(package: str) -> None:
    """Skip a test for want of a Debian package; in CI, where it must be there, fail instead."""
    if _present(package):
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI must install the Debian package {package}")
    pytest.skip(f"needs the Debian package {package}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for package in marker.args:
            require(package)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The collection of real mail, where it is present."""
    path = Path(os.environ.get("MAILD_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not path.is_dir():
        pytest.skip("the corpus of real mail is not here (set MAILD_CORPUS)")
    return path
