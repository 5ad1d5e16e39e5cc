"""M9: archives, pictures and formats within formats are listed, never opened, when a message is read."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from maild.confinement import Bounds, Worker
from maild.mail.facts import Facts

ROOT = Path(__file__).parent.parent.parent
TIGHT = Bounds(cpu_s=2, memory_bytes=48 * 1024 * 1024)
OPENERS = ("zipfile", "tarfile", "gzip", "bz2", "lzma", "zlib", "PIL", "plistlib", "xml.etree.ElementTree", "email")


def zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(16):
            archive.writestr(f"../{n}.txt", bytes(32 << 20))
    return packed.getvalue()


def huge_png() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (40_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0" + b"x" * 100


ATTACHMENTS = {
    "zip_bomb": ("application/zip", zip_bomb),
    "picture_of_a_billion_pixels": ("image/png", huge_png),
    "tnef_that_lies_about_its_sizes": ("application/ms-tnef", lambda: b"x\x9f\x3e\x22" + b"\xff" * 1000),
    "compressed_rtf": ("application/rtf", lambda: b"\xff\xff\xff\x7f\xff\xff\xff\x7fLZFu" + b"\0" * 500),
    "calendar_of_many_events": ("text/calendar", lambda: b"BEGIN:VEVENT\r\nRRULE:FREQ=SECONDLY\r\n" * 20_000),
    "card_of_one_long_line": ("text/vcard", lambda: b"BEGIN:VCARD\r\nN:" + b"x\\," * 300_000),
    "entities_in_xml": ("text/xml", lambda: b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 1000 + b'">]><a>' + b"&b;" * 1000),
}


def message(media_type: str, octets: bytes) -> bytes:
    head = f"Subject: x\r\nContent-Type: {media_type}; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + base64.encodebytes(octets)


@pytest.mark.parametrize("name", ATTACHMENTS)
def test_what_holds_more_than_it_shows_is_listed_and_not_opened(name: str) -> None:
    media_type, make = ATTACHMENTS[name]
    octets = make()
    worker = Worker(bounds=TIGHT)
    facts = worker.call("maild.mail.reading:facts_of", message(media_type, octets))
    worker.kill()
    assert isinstance(facts, Facts)
    assert [(a.media_type, a.size_bytes) for a in facts.attachments] == [(media_type, len(octets))]
    assert (facts.source_only, facts.text) == (None, "")


def test_reading_mail_imports_nothing_that_opens_formats() -> None:
    # In a program of its own: what other tests had workers import is there in later ones, too.
    program = "from maild.confinement import Worker\nprint(*Worker().call('tests.confined:modules_after_reading'))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "maild.mail.reading" in loaded
    assert not set(OPENERS) & set(loaded)
    assert "zipfile" in sys.modules  # the name is right: this test itself uses it
