"""`make year`: the whole year, some minutes; prints the report.

python -m tests.year [--pictures FOLDER] [FILE]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.chromium import launch
from tests.year.report import Judged, judge
from tests.year.seated import Screens
from tests.year.story import SLICE, WHOLE, run


def play(given: argparse.Namespace) -> Judged:
    """Let the year go by, and judge it."""
    if given.pictures is not None:
        given.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="year-") as folder, sync_playwright() as playwright:
        browser = launch(playwright)
        scale = SLICE if given.slice else WHOLE
        year = run(Path(folder), scale, lambda text: print(text, file=sys.stderr), Screens(browser, given.pictures))
        browser.close()
        return judge(year)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pictures", type=Path, help="where pictures of the moments in the browser go")
    arguments.add_argument("--slice", action="store_true", help="a few letters only, as in the suite")
    arguments.add_argument("file", nargs="?", type=Path, help="where the report goes, too")
    given = arguments.parse_args()
    found = play(given)
    print(found.text)
    if given.file is not None:
        given.file.write_text(found.text)
    print(*(f"missing in the audit log: {each}" for each in found.compared.missing), sep="\n", file=sys.stderr)
    print(*(f"done by nobody: {each}" for each in found.compared.surplus), sep="\n", file=sys.stderr)
    return 0 if found.is_good else 1


sys.exit(main())
