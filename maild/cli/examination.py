"""What `maild doctor` examines. Every finding says what to do."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maild.archive.database import check_durability
from maild.cli.explain import os_error
from maild.cli.finding import Finding, bad, doubt, good
from maild.cli.reaching import listeners, resolvers, scanners
from maild.cli.rules import errors_of, read_rules
from maild.cli.staff_addresses import staff_addresses
from maild.cli.store import writing
from maild.cli.verb import counted, put_json
from maild.config import Settings
from maild.errors import MaildError

if TYPE_CHECKING:
    from cryptography import x509

_FSYNCS = 20
_TOO_QUICK_S = 30e-6
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_CERTIFICATE_DAYS = 14
_VOLATILE = frozenset({"tmpfs", "ramfs"})
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"})


def run(settings: Settings, *, as_json: bool) -> bool:
    """Print every finding; return whether none is bad."""
    well = True
    for finding in examine(settings):
        well = well and finding.state != "bad"
        if as_json:
            put_json({"state": finding.state, "what": finding.what, "text": finding.text})
        else:
            click.echo(f"{finding.state:5} {finding.what}: {finding.text}")
    return well


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what is found, part by part."""
    yield from _programs()
    data_dir = settings.server.data_dir
    if data_dir.is_dir():
        yield from _modes(data_dir)
        yield from _file_system(data_dir)
        yield from _room(settings)
        yield from _storage(settings)
    else:
        yield bad("data directory", f"{data_dir} is not there; `maild init` or `maild serve` makes it")
    yield from _rules(settings)
    if data_dir.is_dir():
        yield from staff_addresses(settings)
    yield from _signing(settings)
    yield from _certificate(settings)
    yield from _clock()
    yield from listeners(settings)
    yield from resolvers(settings)
    yield from scanners(settings)


def _programs() -> Iterator[Finding]:
    versions = f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < (3, 40):
        yield bad("programs", f"{versions}; maild needs SQLite 3.40 or newer")
    else:
        yield good("programs", versions)


def _modes(data_dir: Path) -> Iterator[Finding]:
    """Nothing of the archive may be readable by other users of the machine."""
    wrong = [data_dir] if data_dir.stat().st_mode & 0o077 else []
    wrong += [path for path in data_dir.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077]
    links = [path for path in data_dir.rglob("*") if path.is_symlink()]
    for path in wrong[:10]:
        yield bad("modes", f"{path} is open to other users; chmod go= {path}")
    for path in links[:10]:
        yield bad("modes", f"{path} is a link; the data directory holds files of its own only")
    if not wrong and not links:
        yield good("modes", f"{data_dir} and what it holds are closed to other users")


def _file_system(data_dir: Path) -> Iterator[Finding]:
    kind = _kind_of(data_dir)
    if kind in _VOLATILE:
        yield bad("file system", f"{data_dir} is on {kind}: it is empty after a restart of the machine")
    elif kind in _REMOTE:
        yield bad("file system", f"{data_dir} is on {kind}: SQLite cannot lock or sync reliably there")
    else:
        yield good("file system", kind)


def _kind_of(path: Path) -> str:
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
        _, point, found, *_ = line.split()
        point = point.encode().decode("unicode_escape")
        if path.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


def _room(settings: Settings) -> Iterator[Finding]:
    state = os.statvfs(settings.server.data_dir)
    free = state.f_bavail * state.f_frsize
    if free < settings.server.min_free_bytes:
        yield bad("room", f"{free // 1_000_000:,} MB free; new mail is refused below min_free_bytes")
    elif state.f_files and not state.f_favail:
        yield bad("room", "the file system has no inodes left")
    else:
        yield good("room", f"{free / 1e9:,.1f} GB free")


def _storage(settings: Settings) -> Iterator[Finding]:
    try:
        with writing(settings) as database:
            check_durability(database.writing)
    except MaildError as error:
        yield bad("durability", str(error))
    else:
        yield good("durability", "the database waits for the disk at each commit (read back)")
    try:
        median = _fsync_s(settings.server.data_dir)
    except OSError as error:
        yield bad("disk", os_error(error))
        return
    text = f"{median * 1e3:.2f} ms for a write to be on the disk"
    if median < _TOO_QUICK_S:
        yield doubt("disk", f"{text}: quicker than disks are; does the storage (or its controller) keep its word?")
    else:
        yield good("disk", text)


def _fsync_s(data_dir: Path) -> float:
    times = []
    with tempfile.TemporaryFile(dir=data_dir) as file:
        for _ in range(_FSYNCS):
            file.write(bytes(4096))
            file.flush()
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def _rules(settings: Settings) -> Iterator[Finding]:
    found = read_rules(settings).diagnostics
    if errors := errors_of(found):
        yield bad("rules", f"{counted(len(errors), 'error')}; `maild check` lists them")
    elif found:
        yield doubt("rules", f"{counted(len(found), 'warning')}; `maild check` lists them")
    else:
        yield good("rules", str(settings.server.rules))


def _signing(settings: Settings) -> Iterator[Finding]:
    from maild.cli.signing_keys import findings

    rules = read_rules(settings).ruleset
    yield from findings(settings, rules.domains if rules is not None else frozenset())


def _certificate(settings: Settings) -> Iterator[Finding]:
    cert, key = settings.tls.cert_file, settings.tls.key_file
    if cert is None or key is None:
        yield doubt("certificate", "none: mail arrives in clear; set cert_file and key_file in [tls]")
        return
    import ssl

    from cryptography import x509

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
        certificate = x509.load_pem_x509_certificate(cert.read_bytes())
    except (OSError, ValueError) as error:
        reason = os_error(error) if isinstance(error, OSError) else str(error)
        yield bad("certificate", f"{cert}, {key}: {reason}")
        return
    if key.stat().st_mode & 0o007:
        yield bad("certificate", f"{key} is readable by everyone; chmod o= {key}")
    ends = certificate.not_valid_after_utc
    days = (ends - datetime.now(UTC)).days
    text = f"valid until {ends:%Y-%m-%d}"
    if days < 0:
        yield bad("certificate", f"expired on {ends:%Y-%m-%d}; renew it")
    elif days < _CERTIFICATE_DAYS:
        yield doubt("certificate", f"{text}, {days} days; is its renewal working?")
    else:
        yield good("certificate", text)
    host = settings.server.hostname.lower().rstrip(".")
    names = names_of(certificate)
    if host and not any(_is_for(name, host) for name in names):
        yield doubt("certificate", f"it is for {', '.join(names[:5]) or 'no name'}, and this machine is {host}: "
                                   "senders that look (MTA-STS) will not send here")  # fmt: skip


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the names of hosts that a certificate is for, in lower case."""
    from cryptography import x509

    try:
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.lower() for name in named.get_values_for_type(x509.DNSName)]


def _is_for(name: str, host: str) -> bool:
    """Tell whether a name of a certificate covers a host (RFC 6125 §6.4.3)."""
    return host.partition(".")[2] == name[2:] if name.startswith("*.") else host == name


def _clock() -> Iterator[Finding]:
    """Signatures, grants and retention go by the clock; the kernel knows whether somebody sets it."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(1024))
    except (OSError, AttributeError):
        return
    text = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    if state == _UNSYNCHRONISED:
        yield doubt("clock", f"{text}; nothing keeps it right: install chrony or systemd-timesyncd")
    elif state >= 0:
        yield good("clock", text)
