"""What it costs to find out who sent a mail, through the whole way: messages a second with it against without.

`python -m bench.sender_proofs [--rounds N]` starts two daemons that differ in nothing but `[authentication]`, sends the
same 5,000 mails to one and the other in turn, and waits until the last is found by a search. Each mail is signed
(RSA, 2,048 bits); its domain has SPF, a key and a DMARC policy that asks for refusal, so that all is found out before
the 250: the dearest case. The DNS is a server of the tests on this machine; the cache is warm after the first round.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.compare import await_arrival, run_load
from bench.load import Load
from bench.material import DOMAIN_COUNT, sender_domain
from bench.peers import Maild
from maild.authentication.signing import SigningKey, new_private_key
from tests.dns_server import DnsServer

_LOADS = {
    "4 KB, 1 a connection": Load(shape="4k", messages=4_000, per_connection=1),
    "4 KB, 50 a connection": Load(shape="4k", messages=5_000, per_connection=50),
    "100 KB, 50 a connection": Load(shape="100k", messages=1_500, per_connection=50),
}
_FLOOR = 0.75
_CHECKED = '[authentication]\nown_networks = []\n[dns]\nresolvers = ["127.0.0.1:{port}"]\n'
_UNCHECKED = "[authentication]\ncheck = false\n"


class Town(Maild):
    """A daemon with settings of its own beside the usual ones."""

    more = ""

    def start(self) -> None:
        super().start()
        self.stop()
        self.settings.write_text(self.settings.read_text("utf-8") + self.more, "utf-8")
        super().start()


class Round(NamedTuple):
    """Messages a second from the first to the last that is found, and CPU of all of the daemon for each."""

    rate: float
    cpu_ms: float


def send(town: Town, load: Load) -> Round:
    """Send one round."""
    before, cpu_s = town.arrived(), town.cpu_s()
    result = run_load(load, town.port)
    took_s = await_arrival(town, before + result.messages) - result.started_s
    return Round(result.messages / took_s, (town.cpu_s() - cpu_s) / result.messages * 1000)


@contextmanager
def names(key: SigningKey) -> Iterator[int]:
    """Serve the records of all senders in a thread; yield the port."""
    zone: dict[str, dict[str, list[str]]] = {}
    half = len(key.record) // 2
    for number in range(DOMAIN_COUNT):
        domain = sender_domain(number)
        zone[domain] = {"TXT": ['"v=spf1 ip4:127.0.0.1 -all"']}
        zone[f"_dmarc.{domain}"] = {"TXT": ['"v=DMARC1; p=reject"']}
        zone[f"mail._domainkey.{domain}"] = {"TXT": [f'"{key.record[:half]}" "{key.record[half:]}"']}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = DnsServer(zone, ttl_s=86_400, negative_s=86_400)
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        yield server.address.port
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.sender_proofs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    key = SigningKey("any.example", "mail", new_private_key("rsa"))
    worst = 1.0
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name, names(key) as port:
        pem = Path(name) / "key.pem"
        pem.write_bytes(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        checked, unchecked = (Town(Path(name) / word) for word in ("checked", "unchecked"))
        checked.more, unchecked.more = _CHECKED.format(port=port), _UNCHECKED
        try:
            checked.start()
            unchecked.start()
            for title, load in _LOADS.items():
                worst = min(worst, compare(title, replace(load, key=str(pem)), (unchecked, checked), rounds))
        finally:
            checked.stop()
            unchecked.stop()
    return 0 if worst >= _FLOOR else 1


def compare(title: str, load: Load, towns: tuple[Town, Town], rounds: int) -> float:
    """Measure one workload in turns; return the median ratio."""
    found: list[tuple[Round, Round]] = []
    for number in range(rounds + 1):
        found.append((send(towns[0], replace(load, seed=number + 1)), send(towns[1], replace(load, seed=number + 1))))
        time.sleep(1)
    found = found[1:]  # the first warms
    for word, sent in zip(("without", "with"), zip(*found, strict=True), strict=True):
        rates, cpu_ms = [each.rate for each in sent], statistics.median([each.cpu_ms for each in sent])
        spread = f"({min(rates):.0f} to {max(rates):.0f})"
        print(f"{title}, {word:8} {statistics.median(rates):6.0f} /s {spread}, {cpu_ms:.2f} ms of CPU each")
    ratios = [with_.rate / without.rate for without, with_ in found]
    print(
        f"  ratio of each round: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})", flush=True
    )
    return statistics.median(ratios)


if __name__ == "__main__":
    raise SystemExit(main())
