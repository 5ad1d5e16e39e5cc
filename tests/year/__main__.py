"""`make year`: the whole year, some minutes; prints the report.

python -m tests.year [FILE]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.year.report import judge
from tests.year.story import WHOLE, run


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="year-") as folder:
        found = judge(run(Path(folder), WHOLE, lambda text: print(text, file=sys.stderr)))
    print(found.text)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(found.text)
    print(*(f"missing in the audit log: {each}" for each in found.compared.missing), sep="\n", file=sys.stderr)
    print(*(f"done by nobody: {each}" for each in found.compared.surplus), sep="\n", file=sys.stderr)
    return 0 if found.is_good else 1


sys.exit(main())
