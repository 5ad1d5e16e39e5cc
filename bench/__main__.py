"""`python -m bench` is `python -m bench.compare`: the table of the servers, side by side."""

import sys

from bench.compare import main

sys.exit(main())
