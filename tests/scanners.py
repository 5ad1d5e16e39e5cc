"""rspamd and ClamAV of the system, as processes of the tests' own, on loopback and without any network."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port
from tests.screening.mails import EICAR

PASSWORD = "was-staff-call-spam"
_WITHIN_S = 60.0
_FILES_MISSING = "cannot init backend"
_RSPAMD = """
options {{
  pidfile = "{d}/rspamd.pid"; control_socket = "{d}/control.sock mode=0600"; tempdir = "{d}"; hs_cache_dir = "{d}";
  url_tld = "{d}/tld.dat"; history_file = "{d}/history"; stats_file = "{d}/stats";
  filters = ""; dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }}
}}
logging {{ type = "console"; level = "warning"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
worker "controller" {{
  bind_socket = "127.0.0.1:{controller}"; count = 1; password = "{password}"; enable_password = "{password}";
  secure_ip = [];
}}
actions {{ reject = 15; add_header = 6; greylist = 4; }}
classifier "bayes" {{
  tokenizer {{ name = "osb"; }}
  backend = "sqlite3"; min_learns = 1; min_tokens = 1;
  cache {{ path = "{d}/learn_cache.sqlite"; }}
  statfile {{ symbol = "BAYES_HAM"; path = "{d}/ham.sqlite"; spam = false; }}
  statfile {{ symbol = "BAYES_SPAM"; path = "{d}/spam.sqlite"; spam = true; }}
}}
"""
_CLAMD = """
DatabaseDirectory {d}/signatures
TCPSocket {port}
TCPAddr 127.0.0.1
LocalSocket {d}/clamd.sock
Foreground true
LogFile {d}/clamd.log
StreamMaxLength 1M
MaxThreads 2
"""


@dataclass
class Scanner:
    """A program under test conditions; it can be killed and started again on the same port."""

    command: list[str]
    port: int
    directory: Path
    socket: str = ""
    controller: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        # rspamd's workers make the files that it learns into, each for itself: one of them may fail to, and learns
        # nothing until it is started anew, when they are there.
        while _FILES_MISSING in self._begun():
            self.kill()

    def _begun(self) -> str:
        """Start the program and wait until it answers; return what it has said."""
        with (self.directory / "out").open("wb") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out, start_new_session=True)
        deadline = time.monotonic() + _WITHIN_S
        while not self._answers():
            assert self.process.poll() is None, (self.directory / "out").read_text()[-2000:]
            assert time.monotonic() < deadline, "the scanner did not start"
            time.sleep(0.05)
        return (self.directory / "out").read_text(errors="replace")

    def kill(self) -> None:
        """End it at once, with whatever it has begun."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def _answers(self) -> bool:
        """Tell whether it does: rspamd's ports are open before anybody stands behind them."""
        try:
            if not self.controller:
                socket.create_connection(("127.0.0.1", self.port), timeout=30).close()
                return True
            pings = [f"http://{address}/ping" for address in (self.address, self.controller)]
            return [urllib.request.urlopen(ping, timeout=30).status for ping in pings] == [200, 200]
        except OSError:
            return False


def rspamd_in(directory: Path) -> Scanner:
    """Prepare rspamd with nothing but its test pattern and a filter that learns."""
    port, controller = free_port(), free_port()
    # The list of all public suffixes would take a quarter of a minute to compile.
    (directory / "tld.dat").write_text("example\n")
    configuration = directory / "rspamd.conf"
    configuration.write_text(_RSPAMD.format(d=directory, port=port, controller=controller, password=PASSWORD))
    command = ["rspamd", "-f", "-c", str(configuration)]
    if os.getuid() == 0:
        command.insert(2, "-i")
    return Scanner(command, port, directory, controller=f"127.0.0.1:{controller}")


def clamd_in(directory: Path) -> Scanner:
    """Prepare clamd with two signatures of its own: the test file of EICAR alone, and within anything."""
    port = free_port()
    signatures = directory / "signatures"
    signatures.mkdir()
    digest = hashlib.md5(EICAR, usedforsecurity=False).hexdigest()
    (signatures / "test.hdb").write_text(f"{digest}:{len(EICAR)}:Eicar-Test-File\n")
    (signatures / "test.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
    configuration = directory / "clamd.conf"
    configuration.write_text(_CLAMD.format(d=directory, port=port))
    command = ["clamd", "-c", str(configuration)]
    return Scanner(command, port, directory, socket=str(directory / "clamd.sock"))
