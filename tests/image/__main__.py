"""`make image`: the Dockerfile, really built and run, on a machine without Docker and without any registry of images.

As root on Debian, with the packages buildah and debootstrap. The image that ours is made from is made here, too: Debian
with its own Python, under the name that the Dockerfile knows. What is built runs as its settings say, as its user, with
a volume; a letter comes by SMTP, is found and shown, and is still there after SIGTERM and a new container.
"""

from __future__ import annotations

import json
import os
import re
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.footprint import family
from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 120.0
PACKAGES = "ca-certificates,netbase,tzdata,python3,python3-pip"
# As in the official image there is one Python, and pip installs for it.
AS_OFFICIAL = (
    "rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && ln -s /usr/bin/python3 /usr/local/bin/python "
    "&& ln -s /usr/bin/pip3 /usr/local/bin/pip"
)
LETTER = "From: a@b.example\nTo: info@musterstadt.example\nSubject: Ein Brief\n\nGuten Tag\n"


class Store:
    """Images and containers in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._options = (f"--root={folder / 'root'}", f"--runroot={folder / 'run'}", "--storage-driver=vfs")

    def command(self, *arguments: str) -> list[str]:
        return ["buildah", *self._options, *arguments]

    def __call__(self, *arguments: str) -> str:
        return subprocess.run(self.command(*arguments), check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def make_base(store: Store, folder: Path, name: str) -> None:
    """Make what stands behind FROM."""
    tree = folder / "base"
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", tree], check=True)
    subprocess.run(["chroot", tree, "sh", "-c", AS_OFFICIAL], check=True)
    container = store("from", "scratch")
    store("add", "-q", container, f"{tree}/", "/")
    store("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "--env", "LANG=C.UTF-8", container)
    store("commit", "-q", "--format", "docker", "--rm", container, name)
    subprocess.run(["rm", "-rf", tree], check=True)


def build(store: Store, name: str) -> dict[str, Any]:
    """Build ours; return its settings."""
    # A machine's own way to the packages, as far as it has one.
    ours = [f"--volume={path}:{path}:ro" for path in ("/etc/ssl/certs", "/etc/pip.conf") if Path(path).exists()]
    store("bud", "--isolation=chroot", "--format=docker", "--pull-never", *ours, "-t", name, str(ROOT))
    settings: dict[str, Any] = json.loads(store("inspect", "--type=image", name))["Docker"]["config"]
    return settings


# What a container is made of here: a root, two folders put into it, processes and mounts of its own.
BEGIN = """
root=$1 volume=$2 conf=$3 user=$4; shift 4
mount --bind "$volume" "$root/var/lib/maild" && mount --bind "$conf" "$root/etc/maild" &&
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
exec chroot --userspec="$user" "$root" env -i "$@"
"""


class Container:
    """A container with a volume and the rules' folder, on ports of this machine."""

    def __init__(self, store: Store, settings: dict[str, Any], folder: Path) -> None:
        self._store, self._settings, self._folder = store, settings, folder
        self._name = store("from", "--pull-never", "maild")
        self._pid = 0
        self.smtp_port, self.web_port = free_port(), free_port()
        self._environment = (
            *settings["Env"],
            f"MAILD_SMTP__LISTEN=127.0.0.1:{self.smtp_port}",
            f"MAILD_WEB__LISTEN=127.0.0.1:{self.web_port}",
        )

    def execute(self, *command: str) -> str:
        """Run a program in it, as `docker exec` does; return what it printed."""
        inside = ("nsenter", f"--target={self._pid}", "--mount", "--pid", "--root", "--wd")
        user = ("setpriv", "--reuid=1025", "--regid=1025", "--clear-groups", "env", "-i", *self._environment)
        return subprocess.run(
            [*inside, *user, *command], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ).stdout.strip()

    def finds(self, subject: str) -> bool:
        """Tell whether a letter is found."""
        return subject in self.execute("maild", "search", f'subject:"{subject}"')

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run what the image runs, as its first process; end it as `docker stop` does."""
        root, settings = self._store("mount", self._name), self._settings
        places = (root, str(self._folder / "volume"), str(self._folder / "conf"), settings["User"])
        program = (*self._environment, *settings["Entrypoint"], *settings["Cmd"])
        apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", BEGIN, "sh")
        process = subprocess.Popen([*apart, *places, *program])
        try:
            until(self._answers, process, "the pages answer")
            self._pid = family(process.pid)[1]
            yield process
            os.kill(self._pid, getattr(signal, settings["StopSignal"]))
            assert process.wait(timeout=PATIENCE_S) == 0
        finally:
            if process.poll() is None:
                # The first process there takes the others along; a change of user has let it forget its parent.
                for pid in reversed(family(process.pid)):
                    os.kill(pid, signal.SIGKILL)
                process.wait()
            self._store("umount", self._name)
            self._store("rm", self._name)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S:.0f} s"
        time.sleep(0.2)


def main() -> int:
    if os.geteuid() != 0:
        print("make image needs root", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="maild-image-", dir="/var/tmp") as name:
        folder = Path(name)
        store = Store(folder)
        base = re.search(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        assert base is not None
        make_base(store, folder, f"docker.io/library/{base[1]}")
        settings = build(store, "maild")
        for place in ("volume", "conf"):
            (folder / place).mkdir()
            os.chown(folder / place, 1025, 1025)
        (folder / "conf" / "rules.yaml").write_bytes((ROOT / "rules.example.yaml").read_bytes())
        first = Container(store, settings, folder)
        with first.running() as process:
            with smtplib.SMTP("127.0.0.1", first.smtp_port, timeout=PATIENCE_S) as smtp:
                smtp.sendmail("a@b.example", ["info@musterstadt.example"], LETTER)
            assert first.execute("id", "-u") == "1025"
            until(lambda: first.finds("Ein Brief"), process, "the letter is found")
        second = Container(store, settings, folder)
        with second.running():
            assert second.finds("Ein Brief")
            assert "1 message" in second.execute("maild", "verify", "--full")
    print("the image is good")
    return 0


sys.exit(main())
