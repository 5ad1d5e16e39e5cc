"""What the tests of confinement run inside workers."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from maild.mail.facts import Automatic, Mailbox


@dataclass
class Stranger:
    """A class that is not maild's."""

    value: int


@dataclass
class Attribute:
    """Pickled as Python 3.11.2 pickles a member of an enumeration."""

    of: object
    name: str

    def __reduce__(self) -> tuple[object, tuple[object, str]]:
        return getattr, (self.of, self.name)


def attribute_of(enumeration: bool, name: str) -> Attribute:
    return Attribute(Automatic if enumeration else Mailbox, name)


def add(left: int, right: int) -> int:
    return left + right


def echo(octets: bytes) -> bytes:
    return octets


def kind_of(octets: bytes) -> tuple[str, int]:
    return type(octets).__name__, len(octets)


def kinds_of(*values: bytes) -> list[tuple[str, int]]:
    return [kind_of(value) for value in values]


def lengths(*contents: bytes) -> list[tuple[int, int]]:
    """Return of each content its length, and in how large a company it came; some are poison."""
    if b"die" in contents:
        os.kill(os.getpid(), signal.SIGKILL)
    return [(len(content), len(contents)) for content in contents]


def mailbox(name: str) -> tuple[Mailbox, ...]:
    return (Mailbox(name=name, mail="a@b.example"),)


def spin() -> None:
    while True:
        pass


def burn(cpu_s: float) -> str:
    end = time.process_time() + cpu_s
    while time.process_time() < end:
        pass
    return "burnt"


def hog() -> None:
    kept = []
    while True:
        kept.append(bytearray(1 << 24))


def hang() -> None:
    signal.pause()


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave() -> None:
    os._exit(0)


def refuse() -> None:
    raise ValueError("not this one")


def stranger() -> Stranger:
    return Stranger(1)


def code() -> object:
    return os.system


def unpicklable() -> object:
    return lambda: None


def write(path: str) -> None:
    Path(path).write_text("x")


def pid() -> int:
    return os.getpid()


def parent() -> int:
    return os.getppid()


def limits() -> dict[str, tuple[int, int]]:
    names = ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC")
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}


def status() -> str:
    return Path("/proc/self/status").read_text()


def environment() -> dict[str, str]:
    return dict(os.environ)


def descriptors() -> list[str]:
    return [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]


def modules_after_reading() -> list[str]:
    importlib.import_module("maild.mail.reading")
    return sorted(sys.modules)
