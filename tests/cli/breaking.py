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
from maild.archive.writer import Writer


def _fail(_writer: Writer, _group: object) -> bool:
    raise SystemExit


def _break(part: str) -> None:
    while not Path("break").exists():
        time.sleep(0.02)
    if part == "writer":
        # Not like other threads: what it has just been given would be in nobody's hands, as by no fault of its own.
        Writer._drain = _fail  # type: ignore[assignment,method-assign]  # the fault itself
        return
    thread = next((each for each in threading.enumerate() if each.name == part), None)
    if thread is not None:
        # It meets this with its next instruction: one that waits has to be given something to do. And again, for one
        # that is amid a callback, where faults end unheard.
        number, fault = ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
        while thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(number, fault)
            thread.join(0.5)
        return
    gc.unfreeze()  # the daemon's parts are passed over by its collector
    task = next(each for each in gc.get_objects() if isinstance(each, asyncio.Task) and each.get_name() == part)
    task.get_loop().call_soon_threadsafe(task.cancel)


if __name__ == "__main__":
    threading.Thread(target=_break, args=(sys.argv.pop(1),), daemon=True).start()
    sys.exit(main())
