"""What systemd does for the daemon: it opens the ports, and hears when all is ready and when it ends."""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from maild.smtp.tls import TlsFiles
from tests.cli.daemons import ROOT, Daemon, until
from tests.ports import free_port

PEER = "192.0.2.7"


class Behind(smtplib.SMTP):
    """A client behind a load balancer that says where it is."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected = socket.create_connection((host, port), timeout)
        connected.sendall(f"PROXY TCP4 {PEER} 192.0.2.1 40000 25\r\n".encode())
        return connected


@pytest.fixture
def told(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd listens to the daemon."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


def started(site: Path, ports: tuple[int, int], variables: dict[str, str], err: int) -> subprocess.Popen[bytes]:
    everywhere = {"MAILD_CONFIG": str(site / "maild.toml"), "PYTHONPATH": str(ROOT), "MAILD_WEB__LISTEN": "127.0.0.1:0"}
    return subprocess.Popen(
        [
            "systemd-socket-activate", *(f"--listen=127.0.0.1:{port}" for port in ports),
            "--fdname=maild.socket:submission", *(f"-E{k}={v}" for k, v in (everywhere | variables).items()),
            sys.executable, "-m", "maild", "serve",
        ],
        stderr=err, cwd=site,
    )  # fmt: skip


def certificate(port: int, authority: trustme.CA) -> bytes | None:
    """Return what is shown to a client that believes in an authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.check_hostname = False
    with Behind("127.0.0.1", port, timeout=60) as smtp:
        smtp.starttls(context=context)
        assert isinstance(smtp.sock, ssl.SSLSocket)
        return smtp.sock.getpeercert(binary_form=True)


@pytest.mark.needs("systemd")
def test_ports_that_systemd_opened_are_served_behind_a_proxy_with_the_certificate_of_the_day(
    site: Path, tls_files: TlsFiles, authority: trustme.CA, told: socket.socket
) -> None:
    ports = free_port(), free_port()
    end, err = os.pipe()
    process = started(site, ports, {
        "MAILD_SMTP__TRUSTED_PROXIES": "127.0.0.1/32", "MAILD_DNS__RESOLVERS": "127.0.0.1:9",
        "MAILD_TLS__CERT_FILE": str(tls_files.cert_file), "MAILD_TLS__KEY_FILE": str(tls_files.key_file),
        "NOTIFY_SOCKET": str(told.getsockname()),
    }, err)  # fmt: skip
    os.close(err)
    said = os.fdopen(end, encoding="utf-8")
    daemon = Daemon(process, said)
    try:
        until(lambda: any("Listening on" in line for line in daemon.lines), "systemd listens")
        with Behind("127.0.0.1", ports[0], timeout=60) as smtp:  # the first one waits while the daemon starts
            smtp.sendmail("a@b.example", "info@musterstadt.example", "Subject: x\r\n\r\nGuten Tag\r\n")
        ready = daemon.ready()
        assert daemon.first("message.accepted")["peer"] == PEER
        assert (ready["smtp"], ready["submission"]) == ([ports[0]], [ports[1]])
        assert told.recv(100) == b"READY=1"
        before = certificate(ports[0], authority)
        new = authority.issue_cert("us.example")
        new.private_key_pem.write_to_path(str(tls_files.key_file))
        new.cert_chain_pems[0].write_to_path(str(tls_files.cert_file))
        assert before != certificate(ports[0], authority) is not None
        with Behind("127.0.0.1", ports[1], timeout=60) as smtp:
            assert smtp.ehlo()[0] == 250
            assert smtp.has_extn("starttls")
        assert daemon.stop() == 0
        assert told.recv(100) == b"STOPPING=1"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        daemon._reader.join(timeout=60)
        said.close()
