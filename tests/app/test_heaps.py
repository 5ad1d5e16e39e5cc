from __future__ import annotations

import subprocess
import sys

# Forty thousand blocks of a kilobyte, and beside each sixteenth one that stays: none are free at the end of a heap.
CROWD = """
import asyncio, ctypes, sys
from pathlib import Path
from maild.app.heaps import give_back_heaps

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def resident_mb():
    return int(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines()
                    if line.startswith("RssAnon:"))) / 1024

def crowd():
    blocks, kept = [], []
    for number in range(40_000):
        blocks.append(libc.malloc(1000))
        ctypes.memset(ctypes.c_void_p(blocks[-1]), 1, 1000)
        if number % 16 == 0:
            kept.append(libc.malloc(40))
    for block in blocks:
        libc.free(block)

async def main():
    crowd()
    crowded = resident_mb()
    giving = asyncio.create_task(give_back_heaps(pause_s=0.01))
    async with asyncio.timeout(60):
        while resident_mb() > crowded - 20:
            await asyncio.sleep(0.01)
    giving.cancel()

asyncio.run(main())
"""


def test_what_a_crowd_of_letters_leaves_free_between_others_is_given_back() -> None:
    subprocess.run([sys.executable, "-c", CROWD], check=True)
