from __future__ import annotations

import os
import subprocess
import sys

HEAPS = """
import ctypes, sys, threading
from maild.confinement import give_back_memory

if sys.argv[1] == "bounded":
    give_back_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
together = threading.Barrier(8)

def take():
    together.wait()
    libc.malloc(1000)

threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
stream = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


def heaps(how: str) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", HEAPS, how]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.count(
        "<heap nr="
    )


def test_threads_do_not_each_keep_a_heap_with_gaps_of_its_own() -> None:
    assert heaps("bounded") <= 2 < heaps("as the system does")
