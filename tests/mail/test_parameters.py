from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.parameters import parse_parameters


@pytest.mark.parametrize(
    ("raw", "value", "parameters"),
    [
        ("text/plain", "text/plain", {}),
        ("Text/PLAIN; Charset=UTF-8", "text/plain", {"charset": "UTF-8"}),
        ('a/b; name="x;y\\"z"', "a/b", {"name": 'x;y"z'}),
        ('a/b; name="never closed', "a/b", {"name": "never closed"}),
        ("a/b; name=my file.txt; x=y", "a/b", {"name": "my file.txt", "x": "y"}),
        ("a/b charset=utf-8", "a/b", {"charset": "utf-8"}),
        ("a/b; c=d e=f", "a/b", {"c": "d", "e": "f"}),
        ("a/b;;; c = d ;", "a/b", {"c": "d"}),
        ("a/b; boundary=----=_Part_1", "a/b", {"boundary": "----=_Part_1"}),
        ("a/b; charset=us-ascii (plain text)", "a/b", {"charset": "us-ascii"}),
        ("(comment) a/b", "a/b", {}),
        ("a/b; c=1; c=2", "a/b", {"c": "1"}),
        ("a/b; name==?utf-8?q?=C3=BC?=", "a/b", {"name": "ü"}),
        ("a/b; name*=utf-8''%C3%BC", "a/b", {"name": "ü"}),
        ("a/b; name*=utf-8'de'%C3%BC", "a/b", {"name": "ü"}),
        ("a/b; name*=%FC", "a/b", {"name": "ü"}),
        ("a/b; name*1=b; name*0=a", "a/b", {"name": "ab"}),
        ("a/b; name*0*=utf-8''%C3; name*1*=%BC; name*2=!", "a/b", {"name": "ü!"}),
        ("a/b; name=old; name*=utf-8''new", "a/b", {"name": "new"}),
        ("a/b; name*0=a; name*0=b", "a/b", {"name": "a"}),
        ("attachment; filename*=utf-7''+2AA-", "attachment", {"filename": "\ufffd"}),
        ("", "", {}),
        (";", "", {}),
    ],
)
def test_parameters_are_read(raw: str, value: str, parameters: dict[str, str]) -> None:
    assert parse_parameters(raw, 128) == (value, parameters, False)


def test_more_parameters_than_the_limit_are_told() -> None:
    value, parameters, over = parse_parameters("a/b" + "".join(f"; p{n}=x" for n in range(5)), 3)
    assert (value, list(parameters), over) == ("a/b", ["p0", "p1", "p2"], True)


@given(raw=st.text(alphabet="a/b;=*'\"\\%0 ()?\xfc\ud800", max_size=60))
@settings(deadline=None)
def test_any_text_is_read(raw: str) -> None:
    value, parameters, _ = parse_parameters(raw, 128)
    assert all("\n" not in found and found.encode() is not None for found in parameters.values())
    assert value == value.lower()
