"""`maild VERB`, also as `python -m maild VERB`."""

import contextlib
import os
import sys

from maild.cli.main import main as run_verb

__all__ = ["main"]


def main() -> int:
    """Run one verb; ends the process, unless what was printed cannot be written: the interpreter tells of that."""
    code = run_verb()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        # Everything is closed. To take apart what was imported, object by object, costs a fifth of a second.
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
