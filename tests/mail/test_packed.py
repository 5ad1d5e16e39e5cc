"""What was packed for the way comes out again, and no more of it than is allowed."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.packed import PackedError, unpack


def gzipped(octets: bytes, level: int = 9) -> bytes:
    """Pack without the time of day: what tests are called must be the same in every process."""
    return gzip.compress(octets, level, mtime=0)


TEXT = b"<feedback>" + b"Some words of a report. " * 400 + b"</feedback>"


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, octets in members:
            archive.writestr(name, octets)
    return file.getvalue()


def reason(octets: bytes, most_bytes: int = 50_000_000) -> str:
    with pytest.raises(PackedError) as refused:
        unpack(octets, most_bytes)
    return refused.value.reason


@pytest.mark.parametrize(
    "octets",
    [
        TEXT,
        gzipped(TEXT),
        gzipped(TEXT) + b"what a careless program left behind",
        zipped(("a.xml", TEXT)),
        zipped(("a.xml", TEXT), method=zipfile.ZIP_STORED),
        zipped(("reports/", b""), ("reports/a.xml", TEXT), ("__MACOSX/._a.xml", b"x")),
        b"",
    ],
    ids=["plain", "gzip", "gzip-and-more", "zip", "stored", "with-folder", "nothing"],
)
def test_what_is_packed_comes_out_whole(octets: bytes) -> None:
    assert unpack(octets) == (TEXT if octets else b"")


@pytest.mark.parametrize("size", [1, 262_143, 262_144, 262_145, 3_000_000])
def test_sizes_around_the_pieces_come_out_whole(size: int) -> None:
    octets = random.Random(size).randbytes(size)
    assert unpack(gzipped(octets)) == octets
    assert unpack(zipped(("a", octets))) == octets


def encrypted() -> bytes:
    octets = bytearray(zipped(("a.xml", TEXT)))
    octets[octets.index(b"PK\x01\x02") + 8] |= 1
    return bytes(octets)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (gzipped(TEXT)[:-9], "broken"),
        (gzipped(TEXT)[:40], "broken"),
        (b"\x1f\x8b" + b"\0" * 40, "broken"),
        (zipped(("a.xml", TEXT))[:-30], "broken"),
        (b"PK\x03\x04" + b"\0" * 100, "broken"),
        (zipped(("a.xml", TEXT), ("b.xml", TEXT)), "members"),
        (zipped(("only/", b"")), "members"),
        (zipped(*((f"{n}/", b"") for n in range(40))), "members"),
        (zipped(("a.xml", TEXT), method=zipfile.ZIP_LZMA), "kind"),
        (encrypted(), "encrypted"),
        (gzipped(gzipped(TEXT)), "nested"),
        (zipped(("a.zip", zipped(("a.xml", TEXT)))), "nested"),
        (gzipped(zipped(("a.xml", TEXT))), "nested"),
        (b"7z\xbc\xaf\x27\x1c rest", "kind"),
        (b"x" * 10_000_001, "size"),
    ],
)
def test_what_cannot_or_may_not_be_unpacked_says_why(octets: bytes, why: str) -> None:
    assert reason(octets) == why


@pytest.mark.parametrize("packed", [TEXT, gzipped(TEXT), zipped(("a.xml", TEXT))])
def test_the_room_that_is_left_counts_and_not_what_is_declared(packed: bytes) -> None:
    assert unpack(packed, len(TEXT)) == TEXT
    assert reason(packed, len(TEXT) - 1) == "size"


def test_what_grows_more_than_reports_do_is_a_bomb() -> None:
    assert reason(gzipped(b"\0" * 20_000_000)) == "ratio"
    assert reason(zipped(("a", b"\0" * 20_000_000))) == "ratio"


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"PK\x03\x04"]))
def test_no_octets_are_answered_with_another_error(octets: bytes, head: bytes) -> None:
    with contextlib.suppress(PackedError):
        unpack(head + octets)


@given(st.integers(0, 400), st.integers(0, 255))
def test_one_changed_octet_of_a_zip_is_unpacked_or_refused(at: int, value: int) -> None:
    octets = bytearray(zipped(("a.xml", TEXT)))
    octets[at % len(octets)] = value
    with contextlib.suppress(PackedError):
        assert unpack(bytes(octets)) is not None
