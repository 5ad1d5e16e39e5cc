from __future__ import annotations

import mailbox
import os
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.archive.sources import SourceError, recognise

SEPARATOR = b"From a@b.example Mon Jan  5 10:00:00 2026\n"
LETTER = b"From: a@b.example\nSubject: x\n\nbody\n"


def octets(path: Path) -> list[bytes]:
    return [item.octets for source in recognise(path) for item in source.items()]


def mbox(path: Path, *pieces: bytes) -> Path:
    path.write_bytes(b"".join(pieces))
    return path


def test_an_mbox_gives_each_message_without_separator_and_blank_line(tmp_path: Path) -> None:
    path = mbox(tmp_path / "a.mbox", SEPARATOR, LETTER, b"\n", SEPARATOR, LETTER, b"more\n", b"\n")
    assert octets(path) == [LETTER, LETTER + b"more\n"]


def test_quoted_from_lines_stay_as_they_are_in_the_file(tmp_path: Path) -> None:
    body = LETTER + b">From here\n>>From there\n"
    assert octets(mbox(tmp_path / "a", SEPARATOR, body, b"\n")) == [body]


def test_crlf_and_lf_are_kept(tmp_path: Path) -> None:
    crlf = LETTER.replace(b"\n", b"\r\n")
    path = mbox(tmp_path / "a", SEPARATOR.replace(b"\n", b"\r\n"), crlf, b"\r\n", SEPARATOR, LETTER, b"\n")
    assert octets(path) == [crlf, LETTER]


def test_blank_lines_at_the_end_of_a_message_are_its_own_but_for_the_last(tmp_path: Path) -> None:
    assert octets(mbox(tmp_path / "a", SEPARATOR, LETTER, b"\n\n\n", SEPARATOR, LETTER)) == [LETTER + b"\n\n", LETTER]


def test_an_unquoted_from_in_prose_separates_nothing_where_separators_have_dates(tmp_path: Path) -> None:
    body = LETTER + b"\nFrom here it is a mile.\n"
    assert octets(mbox(tmp_path / "a", SEPARATOR, body, b"\n", SEPARATOR, LETTER, b"\n")) == [body, LETTER]


def test_separators_without_a_date_separate_after_a_blank_line(tmp_path: Path) -> None:
    path = mbox(tmp_path / "a", b"From -\n", LETTER, b"\nFrom -\n", LETTER, b"x\nFrom y\n")
    assert octets(path) == [LETTER, LETTER + b"x\nFrom y\n"]


@pytest.mark.parametrize(
    "line",
    [
        b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011\n",
        b"From - Sun Nov 22 03:47:00 2026\n",
        b"From 1234567890@xxx Mon Jan 01 00:00:00 +0000 2024\n",
        b'From "a b"@c.example  Thu Jan  1 00:00 1970\n',
        b"From a@b.example Mon, 5 Jan 2026 10:00:00 +0100\n",
    ],
)
def test_separators_as_programs_write_them_are_known(tmp_path: Path, line: bytes) -> None:
    body = LETTER + b"\nFrom here on.\n"
    assert octets(mbox(tmp_path / "a", line, body, b"\n", line, LETTER, b"\n")) == [body, LETTER]


def test_what_the_standard_library_writes_is_read_back(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "a.mbox")
    for text in (LETTER, LETTER + b"\n\n", LETTER + b"From you\n"):
        box.add(text)
    box.close()
    assert octets(tmp_path / "a.mbox") == [LETTER, LETTER + b"\n\n", LETTER + b">From you\n"]


def test_a_message_without_octets_is_one_all_the_same(tmp_path: Path) -> None:
    assert octets(mbox(tmp_path / "a", SEPARATOR, b"\n", SEPARATOR, LETTER)) == [b"", LETTER]


LINES = st.lists(st.sampled_from([b"a", b"", b">From x", b"From a", b"x: y", b"\r", b" "]), max_size=8)


@settings(max_examples=80, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=4))
def test_messages_that_end_with_a_line_end_come_back_octet_for_octet(
    tmp_path_factory: pytest.TempPathFactory, messages: list[list[bytes]]
) -> None:
    wanted = [b"".join(line + b"\n" for line in lines) for lines in messages]
    path = tmp_path_factory.mktemp("box") / "a.mbox"
    path.write_bytes(b"".join(SEPARATOR + message + b"\n" for message in wanted))
    assert octets(path) == wanted


@pytest.mark.parametrize("start", [b"Dear Sir,\nFrom now on\n", b"%PDF-1.4\n", b"\0\1\2", b""])
def test_what_is_no_mbox_is_refused_in_a_line(tmp_path: Path, start: bytes) -> None:
    path = mbox(tmp_path / "notes.txt", start)
    with pytest.raises(SourceError) as caught:
        recognise(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: not an mbox: its first line does not begin with 'From '")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("start", "way"),
    [(b"\x1f\x8b\x08\0", "`gunzip`"), (b"!BDN\0\0", "`readpst "), (b"\xd0\xcf\x11\xe0\xa1", "`msgconvert`")],
)
def test_what_another_program_can_turn_into_mail_is_refused_with_its_name(
    tmp_path: Path, start: bytes, way: str
) -> None:
    with pytest.raises(SourceError, match=way):
        recognise(mbox(tmp_path / "old.mbox", start))


def test_an_empty_folder_of_a_mail_program_has_no_messages(tmp_path: Path) -> None:
    assert octets(mbox(tmp_path / "Drafts.mbox")) == []


def test_a_line_that_never_ends_costs_time_in_proportion(tmp_path: Path) -> None:
    hostile = b"\nFrom " + b"Mon " * 500_000
    path = mbox(tmp_path / "a", SEPARATOR, LETTER, hostile, b"\nFrom Mon \n" * 50_000)
    start = time.process_time()
    assert len(octets(path)) == 1
    assert time.process_time() - start < 5


def test_a_maildir_gives_what_is_in_cur_and_new(tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"1.{name}:2,S").write_bytes(LETTER + name.encode())
    (tmp_path / "cur" / ".hidden").write_bytes(b"x")
    (tmp_path / "new" / "link").symlink_to("/etc/hostname")
    assert octets(tmp_path) == [LETTER + b"cur", LETTER + b"new"]


def test_a_folder_is_searched_for_every_kind(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(b"1")
    (tmp_path / "sub" / ".Sent" / "cur").mkdir(parents=True)
    (tmp_path / "sub" / ".Sent" / "new").mkdir()
    (tmp_path / "sub" / ".Sent" / "new" / "x").write_bytes(b"2")
    mbox(tmp_path / "sub" / "old.mbox", SEPARATOR, LETTER)
    (tmp_path / "notes.txt").write_text("no mail", encoding="utf-8")
    assert octets(tmp_path) == [b"1", b"2", LETTER]


def test_a_folder_without_mail_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no mail in this folder"):
        recognise(tmp_path)


def test_any_octets_are_a_message_when_the_name_says_eml(tmp_path: Path) -> None:
    (tmp_path / "x.eml").write_bytes(b"\0\xff\r\n\r")
    assert octets(tmp_path / "x.eml") == [b"\0\xff\r\n\r"]


def test_a_zip_gives_the_mail_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.eml", LETTER)
        archive.writestr("deep/box.mbox", SEPARATOR + LETTER + b"\n" + SEPARATOR + b"x: y\n\n")
        archive.writestr("Maildir/cur/1:2,S", b"3")
        archive.writestr("../../evil.txt", b"no mail")
    assert octets(tmp_path / "a.zip") == [LETTER, LETTER, b"x: y\n", b"3"]


def test_a_zip_that_unpacks_to_far_more_than_mail_does_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a.eml", bytes(90_000_000))
    with pytest.raises(SourceError, match="would unpack to far more than mail does"):
        octets(tmp_path / "bomb.zip")


def test_a_zip_that_lies_about_its_sizes_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.eml", bytes(5_000_000))
    path.write_bytes(path.read_bytes().replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(SourceError, match="not a zip that can be read"):
        octets(path)


@pytest.mark.parametrize("damage", [slice(0, 40), slice(30, 60)])
def test_a_damaged_zip_is_refused_in_a_line(tmp_path: Path, damage: slice) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.eml", LETTER * 50)
    text = bytearray(path.read_bytes())
    text[damage] = os.urandom(len(text[damage]))
    path.write_bytes(text)
    with pytest.raises(SourceError, match=r"a\.zip: not a zip that can be read"):
        octets(path)


def test_a_zip_without_mail_says_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", b"hello")
    with pytest.raises(SourceError, match="no mail in this zip"):
        octets(tmp_path / "a.zip")


def test_how_much_was_read_grows_to_the_size_of_the_source(tmp_path: Path) -> None:
    (source,) = recognise(mbox(tmp_path / "a", SEPARATOR, LETTER, b"\n", SEPARATOR, LETTER, b"\n"))
    consumed = [item.consumed for item in source.items()]
    assert consumed == sorted(consumed)
    assert consumed[-1] == source.size
