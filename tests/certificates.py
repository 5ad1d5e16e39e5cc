"""Fixtures: an authority of our own, a certificate of its making, and a client that believes it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from maild.smtp.tls import TlsFiles


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_files(authority: trustme.CA, tmp_path: Path) -> TlsFiles:
    cert = authority.issue_cert("us.example")
    files = TlsFiles(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem")
    cert.private_key_pem.write_to_path(str(files.key_file))
    files.cert_file.write_bytes(b"".join(pem.bytes() for pem in cert.cert_chain_pems))
    return files


@pytest.fixture
def tls_client(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
