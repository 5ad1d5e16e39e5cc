"""`maild doctor`: the machine as others reach it, and a domain's records from a real DNS server on the loopback."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maild.smtp.tls import TlsFiles
from tests.cli.shell import Maild
from tests.dns_server import DnsServer

ZONE = {
    "musterstadt.example": {"MX": ["10 mx.musterstadt.example."], "TXT": ['"v=spf1 mx -all"']},
    "mx.musterstadt.example": {"A": ["127.0.0.9"]},
    "9.0.0.127.in-addr.arpa": {"PTR": ["mx.musterstadt.example."]},
    "_dmarc.musterstadt.example": {"TXT": ['"v=DMARC1; p=quarantine; rua=mailto:postmaster@musterstadt.example"']},
    "_smtp._tls.musterstadt.example": {"TXT": ['"v=TLSRPTv1; rua=mailto:postmaster@musterstadt.example"']},
    "sicher.example": {"MX": ["10 mx.sicher.example.", "20 mx2.sicher.example."], "TXT": ['"v=spf1 mx -all"']},
    "mx.sicher.example": {"A": ["127.0.0.9"]},
    "mx2.sicher.example": {"A": ["127.0.0.10"]},
    "_25._tcp.mx.sicher.example": {"TLSA": ["3 1 1 " + "ab" * 32]},
    "geparkt.example": {"MX": ["0 ."], "TXT": ['"v=spf1 -all"']},
    "_dmarc.geparkt.example": {"TXT": ['"v=DMARC1; p=reject"']},
}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder on a disk: `doctor` rightly finds fault with one in memory."""
    with tempfile.TemporaryDirectory(prefix="maild-cli-") as name:
        yield Path(name)


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a DNS server of our own asked, in a thread beside the verb."""
    ready, done = threading.Event(), threading.Event()
    address: list[str] = []

    async def serve() -> None:
        secure = [name for name in ZONE if name.endswith("sicher.example")]
        async with DnsServer(ZONE, secure=secure) as server:
            address.append(f"{server.address.host}:{server.address.port}")
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        monkeypatch.setenv("MAILD_DNS__RESOLVERS", address[0])
        yield
    finally:
        done.set()
        thread.join(60)


def test_the_doctor_says_what_mail_of_ours_to_a_domain_is_held_to(
    maild: Maild, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILD_OUTBOUND__ALLOW_PRIVATE", "127.0.0.0/8")
    with answering(monkeypatch):
        said = maild("doctor", "--dns", "sicher.example").out
        assert "good  TLS to mx.sicher.example: a certificate that the DNS names (DANE), or the mail waits\n" in said
        assert "good  TLS to mx2.sicher.example: TLS where it is offered" in said
        said = maild("doctor", "--dns", "geparkt.example").out
        assert "good  TLS to geparkt.example: no mail goes there from here: 5.1.10" in said


def test_the_doctor_says_what_a_domain_should_publish(
    maild: Maild, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILD_SERVER__HOSTNAME", "mx.musterstadt.example")
    with answering(monkeypatch):
        result = maild("doctor", "--dns", "Musterstadt.example.")
        assert result.code == 0, result.out + result.err
        assert "good  SPF: v=spf1 mx -all (1 of 10 questions)\n" in result.out
        assert "doubt MTA-STS: there is none" in result.out
        assert '        _mta-sts.musterstadt.example. IN TXT "v=STSv1; id=1"\n' in result.out
        assert "good  PTR 127.0.0.9: mx.musterstadt.example" in result.out
        keys = maild("doctor", "--dns", "musterstadt.example", "--selector", "s1", "--json")
        assert keys.code == 1
        (bad,) = [each for each in keys.objects if each["state"] == "bad"]
        assert bad["what"] == "DKIM s1"
        assert bad["publish"][0].startswith('s1._domainkey.musterstadt.example. IN TXT "v=DKIM1; ')
        assert maild("doctor", "--dns", "geparkt.example").code == 0
        assert maild("doctor", "--dns", "musterstadt.example", "--no-mail").code == 1
        machine = maild("doctor")
        assert "good  dns: 127.0.0.1:" in machine.out
        assert "good  clock: " in machine.out or "doubt clock: " in machine.out


@pytest.mark.parametrize("arguments", [["--dns", "a..b"], ["--dns", "x" * 300], ["--selector", "s"], ["--no-mail"]])
def test_what_is_no_domain_is_wrong_usage(maild: Maild, site: Path, arguments: list[str]) -> None:
    assert maild("doctor", *arguments).code == 2


def test_a_dns_server_that_does_not_answer_is_a_doubt(
    maild: Maild, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        port = mute.getsockname()[1]
        monkeypatch.setenv("MAILD_DNS__RESOLVERS", f"127.0.0.1:{port}")
        monkeypatch.setenv("MAILD_DNS__TIMEOUT_S", "0.2")
        for part in ("SMTP", "WEB"):  # another test may have the usual ports
            monkeypatch.setenv(f"MAILD_{part}__LISTEN", "127.0.0.1:0")
        result = maild("doctor")
    assert f"doubt dns: 127.0.0.1:{port}: no answer about musterstadt.example (timeout)" in result.out
    assert result.code == 0


def test_a_certificate_for_another_name_is_a_doubt(
    maild: Maild, site: Path, monkeypatch: pytest.MonkeyPatch, tls_files: TlsFiles
) -> None:
    monkeypatch.setenv("MAILD_TLS__CERT_FILE", str(tls_files.cert_file))
    monkeypatch.setenv("MAILD_TLS__KEY_FILE", str(tls_files.key_file))
    monkeypatch.setenv("MAILD_SERVER__HOSTNAME", "mx.musterstadt.example")
    assert ", and this machine is mx.musterstadt.example" in maild("doctor").out
    monkeypatch.setenv("MAILD_SERVER__HOSTNAME", "us.example")
    assert ", and this machine is" not in maild("doctor").out


def test_the_doctor_looks_at_the_ports_of_mail_programs(
    maild: Maild, site: Path, monkeypatch: pytest.MonkeyPatch, tls_files: TlsFiles
) -> None:
    monkeypatch.setenv("MAILD_TLS__CERT_FILE", str(tls_files.cert_file))
    monkeypatch.setenv("MAILD_TLS__KEY_FILE", str(tls_files.key_file))
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        places = {
            setting: f"127.0.0.1:{taken.getsockname()[1]}" for setting, taken in (("listen", one), ("listen_tls", two))
        }
        for setting, place in places.items():
            monkeypatch.setenv(f"MAILD_SUBMISSION__{setting.upper()}", place)
        said = maild("doctor").out
    for setting, place in places.items():
        assert f"bad   listeners: [submission] {setting} {place}: " in said
