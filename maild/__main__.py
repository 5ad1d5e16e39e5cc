"""`maild VERB`, also as `python -m maild VERB`."""

import sys

from maild.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
