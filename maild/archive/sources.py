"""Mail in files of other programs: mbox, Maildir, .eml, and .zip of these, read lazily and byte-exact.

A message is the octets as they lie in the file. Of an mbox only the separator line and the one blank line before
the next separator are taken off; a quoted `>From ` stays quoted, because whether the writer quoted it or the author
wrote it is not to be known (mboxo and mboxrd look the same). A text with LF stays a text with LF.

Source: RFC 4155 (mbox); https://cr.yp.to/proto/maildir.html; mbox(5) of Mutt for the date in the separator
"""

from __future__ import annotations

import mmap
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from maild.errors import MaildError

MAX_MESSAGE_BYTES = 512_000_000
_SUFFIXES = frozenset({".eml", ".mbox", ".mbx", ".zip"})

# Interop: any line that begins with "From " separates in some files; in others bodies hold such lines unquoted. A
# line with a date in its place always separates; one without separates only where the file's first line has none.
_DATED = re.compile(
    rb"From [^\n]{0,400}?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? [^\n]{0,100}?\d\d?:\d\d[^\n]*", re.IGNORECASE
)
_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?[!-9;-~]+[ \t]*:")

# Interop: what people bring besides; each has a program that makes of it what can be read here.
_OTHERS = {
    b"\x1f\x8b": "it is packed; `gunzip` unpacks it",
    b"BZh": "it is packed; `bunzip2` unpacks it",
    b"\xfd7zXZ\0": "it is packed; `unxz` unpacks it",
    b"!BDN": "it is an Outlook data file (.pst); `readpst -o DIR`, of the package pst-utils, makes mboxes of it",
    b"\xd0\xcf\x11\xe0": "it may be a mail that Outlook saved (.msg); `msgconvert`, of libemail-outlook-message-perl, "
    "makes an .eml of it",
}

# Security: what an archive may unpack to. Mail packs 20 times at most; base64 of zeros, the most that honest mail
# holds, hundreds of times: hence what is free.
_ZIP_RATIO = 50
_ZIP_FREE_BYTES = 32_000_000
_ZIP_ENTRIES = 1_000_000


class SourceError(MaildError):
    """A file that is not what it was given as; the text is for who gave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One message. `name` says where it lies; `consumed` counts the source's octets up to its end."""

    name: str
    octets: bytes
    consumed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file or folder of messages, recognised but not read. `size` is in octets of the file system."""

    path: Path
    kind: str  # mbox | maildir | eml | zip
    size: int

    def items(self) -> Iterator[Item]:
        """Yield the messages in the order in which they lie; raises SourceError, or OSError."""
        return _READERS[self.kind](self.path)


def recognise(path: Path) -> list[Source]:
    """Return the sources under a path: one for a file or a Maildir, all that are found for another folder.

    Raises:
        SourceError: When there is nothing that is mail, with the reason.
        OSError: When it cannot be read.

    """
    if path.is_dir():
        found = sorted(_walk(path), key=lambda source: source.path)
        if not found:
            raise SourceError(f"{path}: no mail in this folder (no Maildir, no .eml, .mbox or .zip)")
        return found
    with path.open("rb") as file:
        start = file.read(4096)
    return [Source(path=path, kind=_kind(path, start), size=path.stat().st_size)]


def _kind(path: Path, start: bytes) -> str:
    suffix = path.suffix.lower()
    if suffix == ".zip" or start.startswith(b"PK\x03\x04"):
        return "zip"
    if suffix == ".eml":
        return "eml"
    if start.lstrip(b"\r\n").startswith(b"From "):
        return "mbox"
    if suffix in {".mbox", ".mbx"} and not start.strip():
        return "mbox"  # an empty folder of a mail program
    if suffix not in {".mbox", ".mbx"} and _FIELD.match(start):
        return "eml"
    other = next((what for magic, what in _OTHERS.items() if start.startswith(magic)), None)
    if other is not None:
        raise SourceError(f"{path}: {other}; nothing of it was imported")
    raise SourceError(
        f"{path}: not an mbox: its first line does not begin with 'From '"
        + ("" if suffix in {".mbox", ".mbx"} else ", nor a mail: it does not begin with a header field")
        + "; nothing of it was imported"
    )


def _is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() and (path / "new").is_dir()


def _walk(path: Path) -> Iterator[Source]:
    if _is_maildir(path):
        yield Source(path=path, kind="maildir", size=sum(p.stat().st_size for p in _maildir_files(path)))
    for child in path.iterdir():
        if child.is_symlink():
            continue  # Security: a link could lead out of the folder, or around in it
        if child.is_dir():
            if child.name not in {"cur", "new", "tmp"} or not _is_maildir(path):
                yield from _walk(child)
        elif child.suffix.lower() in _SUFFIXES:
            yield from recognise(child)


def _maildir_files(path: Path) -> Iterator[Path]:
    for folder in ("cur", "new"):
        for entry in sorted((path / folder).iterdir()):
            if not entry.name.startswith(".") and entry.is_file() and not entry.is_symlink():
                yield entry


def _read_maildir(path: Path) -> Iterator[Item]:
    consumed = 0
    for entry in _maildir_files(path):
        for item in _read_eml(entry):
            consumed += len(item.octets)
            yield Item(name=item.name, octets=item.octets, consumed=consumed)


def _read_eml(path: Path) -> Iterator[Item]:
    size = path.stat().st_size
    if size > MAX_MESSAGE_BYTES:
        raise SourceError(f"{path}: a message of {size:_} octets is beyond {MAX_MESSAGE_BYTES:_}")
    yield Item(name=str(path), octets=path.read_bytes(), consumed=size)


def _read_mbox(path: Path) -> Iterator[Item]:
    with path.open("rb") as file:
        yield from _mbox_items(file, str(path))


def _mbox_items(file: BinaryIO, name: str) -> Iterator[Item]:
    if not file.seek(0, 2):
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        for number, (start, end, after) in enumerate(_mbox_ranges(text), start=1):
            if end - start > MAX_MESSAGE_BYTES:
                raise SourceError(f"{name}: message {number} is larger than {MAX_MESSAGE_BYTES:_} octets")
            yield Item(name=f"{name}:{number}", octets=text[start:end], consumed=after)


def _mbox_ranges(text: mmap.mmap) -> Iterator[tuple[int, int, int]]:
    """Yield start and end of each message and where the next separator begins."""
    at = _first_separator(text)
    is_dated = _DATED.match(text, at) is not None
    size = len(text)
    while at < size:
        line_end = text.find(b"\n", at)
        start = size if line_end < 0 else line_end + 1
        following = _next_separator(text, start, dated_only=is_dated)
        yield start, _without_blank_line(text, start, following), following
        at = following


def _first_separator(text: mmap.mmap) -> int:
    at = 0
    while text[at : at + 1] in {b"\r", b"\n"}:
        at += 1
    return at


def _next_separator(text: mmap.mmap, start: int, *, dated_only: bool) -> int:
    at = start - 1  # the separator may follow at once: a message without octets
    while (at := text.find(b"\nFrom ", at)) >= 0:
        if _DATED.match(text, at + 1):
            return at + 1
        if not dated_only and (text[at - 1 : at] == b"\n" or text[at - 2 : at] == b"\n\r"):
            return at + 1
        at += 1
    return len(text)


def _without_blank_line(text: mmap.mmap, start: int, end: int) -> int:
    for blank in (b"\r\n", b"\n"):
        before = end - len(blank)
        if before >= start and text[before:end] == blank and (before == start or text[before - 1 : before] == b"\n"):
            return before
    return end


def _read_zip(path: Path) -> Iterator[Item]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield from _zip_items(archive, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise SourceError(f"{path}: not a zip that can be read: {error}") from error


def _zip_items(archive: zipfile.ZipFile, path: Path) -> Iterator[Item]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > _ZIP_ENTRIES:
        raise SourceError(f"{path}: more than {_ZIP_ENTRIES:_} entries")
    allowed = _ZIP_FREE_BYTES + _ZIP_RATIO * path.stat().st_size
    if sum(entry.file_size for entry in entries) > allowed:
        raise SourceError(f"{path}: would unpack to far more than mail does; unpack it by hand if it is to be trusted")
    consumed = found = 0
    for entry in entries:
        consumed += entry.compress_size
        for item in _zip_entry_items(archive, entry, path):
            found += 1
            yield Item(name=item.name, octets=item.octets, consumed=consumed)
    if not found:
        raise SourceError(f"{path}: no mail in this zip (no .eml, .mbox or Maildir)")


def _zip_entry_items(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Iterator[Item]:
    name = f"{path}!{entry.filename}"
    if entry.flag_bits & 1:
        raise SourceError(f"{name}: is encrypted; unpack it first")
    inside = Path(entry.filename)
    if inside.suffix.lower() == ".eml" or inside.parent.name in {"cur", "new"}:
        if entry.file_size > MAX_MESSAGE_BYTES:
            raise SourceError(f"{name}: larger than {MAX_MESSAGE_BYTES:_} octets")
        # Security: ZipFile.read ends at the size that was declared, and that was counted above.
        yield Item(name=name, octets=archive.read(entry), consumed=0)
    elif inside.suffix.lower() in {".mbox", ".mbx"}:
        with archive.open(entry) as packed, tempfile.TemporaryFile() as file:
            while piece := packed.read(1 << 20):
                file.write(piece)
            file.flush()
            yield from _mbox_items(file, name)


_READERS: dict[str, Callable[[Path], Iterator[Item]]] = {
    "mbox": _read_mbox,
    "maildir": _read_maildir,
    "eml": _read_eml,
    "zip": _read_zip,
}
