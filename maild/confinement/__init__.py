"""Worker processes for whatever reads untrusted structure: limited in CPU, memory and time, and expendable.

A call names a function as `package.module:function` and gives it arguments; the function runs in a process that
may not exceed its bounds, and whose death costs that one call.

    pool = Pool(2, preload=("maild.mail.reading",))
    facts = await pool.run("maild.mail.reading:facts_of", content)

Workers are copies of one process that has imported what they need (`nursery`), so that another costs milliseconds.

Promises: a worker that broke a bound never runs another call; a worker does not outlive its parent; what a worker
answers is data (plain values, dataclasses and enumerations of maild), never code. Only the standard library is used,
and workers import only what the targets of their program need.

Source: getrlimit(2), prctl(2), PEP 574 (large arguments travel beside the pickle, not in it).
"""

from maild.confinement.batches import Batches
from maild.confinement.child import Streamed, StreamError, give_back_memory
from maild.confinement.pool import Pool
from maild.confinement.worker import BOUNDS, Bounds, ConfinementError, Worker

__all__ = [
    "BOUNDS",
    "Batches",
    "Bounds",
    "ConfinementError",
    "Pool",
    "StreamError",
    "Streamed",
    "Worker",
    "give_back_memory",
]
