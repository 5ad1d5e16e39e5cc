"""M8: names of attachments made to leave a folder, to hide what they are, or to break a header."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.filename import safe_filename
from maild.mail.reading import facts_of

HIDDEN = [*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF, 0xAD, 0x061C, 0x180E]
DEVICES = [name + extension for name in ("CON", "nul", "Com1", "lpt9", "AUX ", "prn") for extension in ("", ".txt")]
CLIMBING = [
    f"{up * times}{target}"
    for up in ("../", "..\\", "./", "/", "\\", "C:\\", "//host/share/", "..\u2215", "..\uff0f", "....//", "file:///")
    for times in (1, 3)
    for target in ("x", "etc/passwd", ".htaccess", "..")
]
CONTROLS = [f"a{chr(code)}b.txt" for code in [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xD800, 0xE000, 0xFFFF]]
ODD = [
    "", " ", ".", "..", "...", "/", "\\", ".htaccess", "\u200b.htaccess", "a" * 4096, "ü" * 4096, "a." + "x" * 300,
    "a\r\nX-Evil: yes", 'a"; filename="b.exe', "a;b=c", "$(rm -rf ~)", "`id`", "a|b", "con.tar.gz", "a.txt ", "a.txt.",
    "photo\u202egpj.exe", "invoice.pdf\u2066.exe", "a\u0000.png", "%2e%2e%2f", "=?utf-8?q?=2E=2E=2Fx?=", "-rf", "~root",
    "\ud83d\ude00.png", "e\u0301.txt", "desktop.ini:stream", "a<b>c?.txt", "*", "?",
]  # fmt: skip
NAMES = [*CLIMBING, *CONTROLS, *DEVICES, *(f"a{chr(code)}b.txt" for code in HIDDEN), *ODD]


def assert_safe(name: str) -> None:
    assert name
    assert name == PurePosixPath(name).name == PureWindowsPath(name).name
    assert not PureWindowsPath(name).is_reserved()
    assert not name.startswith(".")
    assert name == name.strip(" .")
    assert len(name.encode()) <= 200
    assert not re.search(r'[<>:"|?*`$/\\]', name)
    assert not [c for c in name if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")]


def test_there_are_two_hundred_names() -> None:
    assert len(set(NAMES)) >= 200


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_becomes_a_plain_visible_one(name: str) -> None:
    assert_safe(safe_filename(name))


@given(name=st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_name_becomes_a_plain_visible_one(name: str) -> None:
    once = safe_filename(name)
    assert_safe(once)
    assert safe_filename(once) == once


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Antrag für Anna (2).pdf", "Antrag für Anna (2).pdf"),
        ("photo\u202egpj.exe", "photo[U+202E]gpj.exe"),
        ("a\u200bb.txt", "a[U+200B]b.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\anna\\brief.doc", "brief.doc"),
        (".htaccess", "htaccess"),
        ("con.txt", "_con.txt"),
        ("a\0.png", "a_.png"),
        ("x" * 500 + ".pdf", "x" * 176 + ".pdf"),
        ("", "attachment"),
        ("../", "attachment"),
    ],
)
def test_what_a_name_says_stays_readable(name: str, expected: str) -> None:
    assert safe_filename(name) == expected


@pytest.mark.parametrize("name", NAMES[::7])
def test_a_name_in_a_message_neither_breaks_reading_nor_makes_a_line(name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8", "replace")
    facts = facts_of(b'Content-Type: image/png\r\nContent-Disposition: attachment; filename="' + quoted + b'"\r\n\r\nx')
    assert all("\n" not in a.name and "\r" not in a.name and "\0" not in a.name for a in facts.attachments)
