"""maild, one part of which ends of itself when a file `break` appears beside its settings.

`python -m tests.cli.breaking PART serve …`
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import threading
import time
from pathlib import Path

from maild.__main__ import main


def _break(part: str) -> None:
    while not Path("break").exists():
        time.sleep(0.02)
    thread = next((each for each in threading.enumerate() if each.name == part), None)
    if thread is not None:
        # It meets this with its next instruction: one that waits has to be given something to do.
        number, fault = ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(number, fault)
        return
    task = next(each for each in gc.get_objects() if isinstance(each, asyncio.Task) and each.get_name() == part)
    task.get_loop().call_soon_threadsafe(task.cancel)


if __name__ == "__main__":
    threading.Thread(target=_break, args=(sys.argv.pop(1),), daemon=True).start()
    sys.exit(main())
