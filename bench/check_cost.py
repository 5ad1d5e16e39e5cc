"""What `maild check` costs: CPU seconds of the whole process, from its start to its end.

`python -m bench.check_cost` checks three rules files: the example, a town's with a hundred addresses, and a large one
with two thousand addresses and five hundred rules. Administrators run it at every save; it shall not be felt.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.site import rules, write_site

_ROUNDS = 7
_FLOOR_S = 0.4
_EXAMPLE = Path(__file__).parent.parent / "rules.example.yaml"


class CheckError(Exception):
    """A rules file that `maild check` refused."""


def check_s(settings: Path) -> float:
    """Return the CPU seconds of one `maild check`.

    Raises:
        CheckError: it found an error.
    """
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-m", "maild", "check"],
        capture_output=True, text=True, check=False, env=os.environ | {"MAILD_CONFIG": str(settings)},
    )  # fmt: skip
    after = os.times()
    if done.returncode:
        raise CheckError(done.stdout + done.stderr)
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> int:
    cases = {
        "rules.example.yaml": _EXAMPLE.read_text("utf-8"),
        "100 addresses, 10 rules": rules(),
        "2,000 addresses, 510 rules": rules(2_000, 500),
    }
    print("| rules | CPU s, median (lowest to highest) |\n|---|---|")
    with TemporaryDirectory() as name:
        settings = write_site(Path(name), smtp_port=8025, web_port=8080)
        for case, text in cases.items():
            (Path(name) / "rules.yaml").write_text(text, "utf-8")
            check_s(settings)  # compiles and caches
            used_s = [check_s(settings) for _ in range(_ROUNDS)]
            print(f"| {case} | {statistics.median(used_s):.2f} ({min(used_s):.2f} to {max(used_s):.2f}) |", flush=True)
    print(f"\nThe example has {_FLOOR_S} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
