from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.plain import html_to_text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("one<br>two<BR/>three", "one\ntwo\nthree"),
        ("a<b>b</b>c", "abc"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("a\n  b\t c", "a b c"),
        ("<head><title>t</title><style>x</style></head><body>b</body>", "b"),
        ("a<script>var x = '<p>'</script>b", "a b"),
        ("a<STYLE>p{}</STYLE>b", "a b"),
        ("a<!-- c <p> -->b", "a b"),
        ("a<script>never closed", "a"),
        ("<head>never closed<p>b", "never closed\nb"),
        ("a &lt;b&gt; &amp; &uuml;&#252;&#xfc; &nbsp;c", "a <b> & üüü c"),
        ("&#0;&#xD800;&#9999999999999999999;&bogus;", "\ufffd\ufffd\ufffd&bogus;"),
        ("a<blockquote>b</blockquote>c", "a\n> b\nc"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a<br", "a<br"),
        ("", ""),
    ],
)
def test_html_is_reduced_to_its_text(source: str, expected: str) -> None:
    assert html_to_text(source) == expected


def test_a_number_of_ten_thousand_digits_is_no_error() -> None:
    assert html_to_text("&#" + "9" * 10_000 + ";x") == "\ufffdx"


@given(source=st.text(alphabet="<>/!-abr scipthed&#x90;\"'\u0130\n", max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_text_is_reduced(source: str) -> None:
    found = html_to_text(source)
    assert found == found.strip()
    found.encode()
