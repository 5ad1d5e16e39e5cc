"""How long a rehearsal takes: `maild rules diff` over 100,000 letters, by 200 rules, for four changes of them.

    python -m bench.rehearsal [--messages 100000] [--rounds 1] [--archive DIR]

The letters are written by the archive's own unit of work, thousands in a transaction, with what is proven about their
senders; `--archive` keeps them for another time. Beside the clock's time stand the CPU seconds of all processes: on a
machine that does other things besides, half of those is what two free cores would take.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection

from bench.material import SHAPES, Mail, Writer
from bench.site import rules, write_site
from maild.archive.commit import Acceptance, Accepted, Addressee, accept
from maild.archive.content import held
from maild.cli.store import create, writing
from maild.config import Settings
from maild.config.load import load_settings
from maild.mail.evidence import Dkim, Dmarc, Evidence, Spf, to_json
from maild.mail.ids import message_id_at

_RULES = 200
_KINDS = 10  # rules of the town without more
_UNIT = 5_000
_APART_MS = 60_000
_FLOOR_S = 60.0
_FURTHER = r"""
  - {id: text-fristsache, when: {text: {contains: [Fristsache, Zustellungsurkunde]}}, then: {tag: frist}}
  - {id: text-iban, when: {text: {regex: '\bDE\d{20}\b'}}, then: {tag: konto}}
  - {id: englisch, when: {language: en}, then: {tag: englisch}}
  - {id: gross, when: {size: {larger_than: 5MB}}, then: {tag: gross}}
  - {id: nachts, when: {office_hours: false, to: stelle001}, then: {tag: nachts}}
  - {id: gefaelscht, when: {dmarc: fail}, then: {tag: gefaelscht}}
  - {id: bilder, when: {attachment: {type: "image/*"}}, then: {tag: bilder}}
  - {id: thunderbird, when: {header: {User-Agent: {starts: Mozilla}}, to: stelle002}, then: {tag: programm}}
"""
_WORD = "subject: {contains: frist}"


def old_rules() -> str:
    """Return the town's rules: most about one address and a word, a score of every kind."""
    further = _FURTHER.strip("\n").count("\n") + 1
    return rules(more_rules=_RULES - _KINDS - further) + _FURTHER.lstrip("\n")


def changes() -> dict[str, tuple[str, str]]:
    """Return pairs of rules by what the change touches."""
    old = old_rules()
    no_text = re.sub(r"(?m)^  - \{id: (text-|englisch|bilder).*\n", "", old).replace(
        ', {attachment: {name: ["*rechnung*.pdf", "*.xml"]}}', ""
    )
    return {
        "a tag, by subject": (old, _put(old, "then: {tag: frist}}", "then: {tag: frist, copy: amt03}}")),
        "a word of the text": (old, _put(old, "[Fristsache, ", "[Fristsache, und, ")),
        "where an address leads": (old, _put(old, "stelle003: {team: amt03", "stelle003: {team: amt04")),
        "a tag, and no rule asks for the text": (
            no_text,
            _put(no_text, "then: {tag: frist}}", "then: {tag: frist, copy: amt03}}"),
        ),
    }


def _put(text: str, old: str, new: str) -> str:
    if old not in text:
        raise ValueError(f"the rules have no {old!r}")
    return text.replace(old, new, 1)


def fill(settings: Settings, count: int) -> None:
    """Write the letters."""
    create(settings)
    chance = random.Random(3)
    newest = int(time.time() * 1000)
    mails = enumerate(Writer(seed=5).mails(SHAPES["4k"], count))
    with writing(settings) as database:
        while some := list(islice(mails, _UNIT)):
            letters = [_acceptance(n, mail, newest - (count - n) * _APART_MS, chance) for n, mail in some]
            database.writer.submit(_accept, letters).result()


def _accept(connection: Connection, units: list[list[Acceptance]]) -> list[Sequence[Accepted]]:
    return [accept(connection, unit) for unit in units]


def _acceptance(number: int, mail: Mail, at_ms: int, chance: random.Random) -> Acceptance:
    octets = mail.data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
    sender, recipient = mail.sender.decode(), mail.recipient.decode()
    domain = sender.partition("@")[2]
    evidence = Evidence(
        checked_ms=at_ms,
        spf=Spf(result="pass", domain=domain),
        dkim=(Dkim(result="pass", domain=domain, selector="mail"),),
        dmarc=Dmarc(result="fail" if number % 50 == 0 else "pass", domain=domain, record_domain=domain),
    )
    return Acceptance(
        message_id=message_id_at(at_ms, chance.getrandbits(20)),
        direction="in",
        origin="smtp",
        content=held(octets),
        received_ms=at_ms,
        reverse_path=sender,
        envelope=json.dumps({"ip": "203.0.113.7", "helo": domain}),
        addressees=(Addressee(address=recipient, address_key=recipient),),
        evidence=to_json(evidence),
    )


def rehearse(settings: Path, old: Path, new: Path) -> tuple[float, float, str]:
    """Run one; return the clock's seconds, the CPU's of all processes, and the figures it tells."""
    before, started = _children_s(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "maild", "rules", "diff", str(old), str(new)],
        env=os.environ | {"MAILD_CONFIG": str(settings)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return time.perf_counter() - started, _children_s() - before, done.stderr.strip().splitlines()[-1]


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _archive(kept: Path | None, count: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        directory = kept or Path(name)
        settings = directory / "maild.toml"
        if not settings.exists():
            directory.mkdir(exist_ok=True)
            write_site(directory, smtp_port=0, web_port=0)
            fill(load_settings(settings, {}), count)
        yield settings


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.rehearsal", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--archive", type=Path)
    asked = parser.parse_args(arguments)
    slowest = 0.0
    with _archive(asked.archive, asked.messages) as settings, tempfile.TemporaryDirectory() as name:
        for what, texts in changes().items():
            files = [Path(name) / "old.yaml", Path(name) / "new.yaml"]
            for file, text in zip(files, texts, strict=True):
                file.write_text(text, "utf-8")
            runs = [rehearse(settings, files[0], files[1]) for _ in range(asked.rounds)]
            wall, cpu = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
            slowest = max(slowest, wall)
            print(f"{what:40} {wall:6.1f} s, CPU {cpu:6.1f} s, half of it {cpu / 2:5.1f} s  {runs[0][2]}", flush=True)
    print(f"slowest {slowest:.1f} s; floor {_FLOOR_S:.0f} s for 100,000 messages on two cores")
    return 0 if slowest < _FLOOR_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
