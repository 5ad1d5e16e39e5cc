"""M4: a plain letter becomes text and links to http, https and mailto, and nothing else."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.mail.links import link_target
from maild.web.letter_links import contradicted, linkify, shown_domain
from maild.web.letter_text import text_html
from tests.security.hostile_letters import elements_of, text_of, vectors

ALLOWED = {"div": {"class", "dir"}, "details": {"class", "open"}, "summary": set[str](), "blockquote": set[str]()}
ALLOWED["a"] = {"href", "target", "rel"}
PLAIN_VECTORS = [
    "http://a.example/<script>alert(1)</script>",
    'http://a.example/"onmouseover="alert(1)',
    "http://a.example/'onmouseover='alert(1)",
    "http://a.example/`onmouseover=`alert(1)",
    'https://"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "javascript://a.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "http://javascript:alert(1)@a.example/",
    "https://bank.example@evil.example/",
    "https://bank.example%40evil.example/",
    "http://a.example\\@b.example/",
    'www.a.example" onclick=alert(1)',
    'a@b.example" onclick=alert(1)',
    "<a@b.example>",
    '"<img src=x onerror=alert(1)>"@b.example',
    "mailto:a@b.example?attach=/etc/passwd",
    "mailto:a@b.example?subject=<script>",
    "http://a.example/\u202egpj.exe",
    "http://a.example/\u2028<script>",
    "http://[::1]<script>/",
    "> <script>alert(1)</script>",
    ">>>>>>>>>>>>>>>>>>>>>>>>> <b>x</b>",
    "-- \n<script>alert(1)</script>",
    "On <b>Monday</b> x@y.example wrote:\n> <i>x</i>",
    "-----Original Message-----\n<script>alert(1)</script>",
    "Von: <script>\nGesendet: x\nAn: y\n",
    "</div></details><script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    *vectors(),
]


def _assert_plain(html: str) -> None:
    for element in elements_of(html):
        assert element.name in ALLOWED, element
        assert set(element.attributes) <= ALLOWED[element.name], element
        if element.name == "a":
            assert element.attributes["href"].startswith(("http://", "https://", "mailto:")), element
            assert element.attributes["rel"] == "noopener noreferrer nofollow"


@pytest.mark.parametrize("flowed", [False, True])
@pytest.mark.parametrize("text", PLAIN_VECTORS)
def test_a_hostile_text_stays_text(text: str, flowed: bool) -> None:
    _assert_plain(text_html(f"Hello,\n{text}\nbye", quoted_word="Quoted", flowed=flowed))
    _assert_plain(text_html(f"> {text}\n>> {text}", quoted_word="Quoted", flowed=flowed))


def test_the_word_for_quotations_is_text_too() -> None:
    _assert_plain(text_html("a\n> b", quoted_word="<script>alert(1)</script>"))


@given(st.text(alphabet=st.sampled_from("a.@:/<>\"'&;- \n\r\t>hwtpsml\u202e\u00fc"), max_size=200), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_text_gives_only_allowed_elements_and_loses_no_word(text: str, flowed: bool) -> None:
    html = text_html(text, quoted_word="", flowed=flowed)
    _assert_plain(html)
    shown = [c for c in text_of(html) if c.isalpha()]
    assert shown == [c for c in text if c.isalpha()]


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_linking_changes_no_character(text: str) -> None:
    clean = "".join(c for c in text if c.isprintable())
    assert text_of(linkify(clean)) == clean or "xn--" in linkify(clean)


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        ("http://a.example", "http://a.example"),
        ("HTTPS://A.example/B?c#d", "https://A.example/B?c#d"),
        ("  https://a.example/x y", "https://a.example/x%20y"),
        ('https://a.example/"x', "https://a.example/%22x"),
        ("http://a.example:8080/", "http://a.example:8080/"),
        ("https://müller.example/ü", "https://müller.example/ü"),
        ("mailto:a@b.example?subject=x&attach=y", "mailto:a@b.example?subject=x"),
        ("ht\ntp://a.example", "http://a.example"),
        ("javascript:x", None),
        ("java\tscript:x", None),
        ("data:text/html,x", None),
        ("//a.example", None),
        ("/a", None),
        ("#a", None),
        ("http:a.example", None),
        ("http:///a.example", None),
        ("http://a@b.example", None),
        ("http://a%2eb.example", None),
        ("http://a.example\\x", None),
        ("http://", None),
        ("mailto:", None),
        ("mailto:a@b.example%0abcc:c@d.example", None),
        ("ftp://a.example", None),
        ("https://a.example/" + "x" * 5000, None),
    ],
)
def test_a_link_leads_to_the_web_or_to_an_address_or_nowhere(raw: str, target: str | None) -> None:
    assert link_target(raw) == target


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        ("see https://a.example/x.", "https://a.example/x"),
        ("(https://a.example/x)", "https://a.example/x"),
        ("https://a.example/x_(y)", "https://a.example/x_(y)"),
        ("https://a.example/?q=1&r=2, and", "https://a.example/?q=1&r=2"),
        ("<https://a.example/>", "https://a.example/"),
        ("www.a.example!", "https://www.a.example"),
        ("mail a.b+c@d-e.example.", "mailto:a.b+c@d-e.example"),
        ("Größe: https://müller.example/ä", "https://müller.example/ä"),
    ],
)
def test_the_sentence_around_an_address_is_not_part_of_it(text: str, linked: str) -> None:
    links = [e for e in elements_of(linkify(text)) if e.name == "a"]
    assert [e.attributes["href"] for e in links] == [linked]
    assert text_of(linkify(text)) == text


def test_a_look_alike_host_is_shown_as_what_it_is() -> None:
    html = linkify("https://\u0430pple.com/x")
    assert text_of(html) == "https://xn--pple-43d.com/x"


@pytest.mark.parametrize(
    ("domain", "shown", "suspect"),
    [
        ("example.com", "example.com", False),
        ("EXAMPLE.com.", "example.com", False),
        ("müller.de", "müller.de", False),
        ("xn--mller-kva.de", "müller.de", False),
        ("straße.de", "straße.de", False),
        ("żółw.pl", "żółw.pl", False),
        ("\u0430pple.com", "xn--pple-43d.com", True),
        ("\u0430\u0440\u0440\u04cf\u0435.com", "xn--80ak6aa92e.com", True),
        ("xn--80ak6aa92e.com", "xn--80ak6aa92e.com", True),
        ("президент.рф", "президент.рф", False),
        ("goog\u0131e.com", "xn--googe-q4a.com", True),
        ("b\u0251nk.de", "xn--bnk-gsb.de", True),
        ("paypal\u200b.com", "xn--paypal-gf0c.com", True),
    ],
)
def test_a_domain_is_shown_in_a_form_that_can_be_trusted(domain: str, shown: str, suspect: bool) -> None:
    assert shown_domain(domain) == (shown, suspect)


@pytest.mark.parametrize(
    ("words", "target", "place"),
    [
        ("www.bank.de", "http://evil.example/", "evil.example"),
        ("https://bank.de/login", "https://bank.de.evil.example/", "bank.de.evil.example"),
        ("bank.de", "https://\u0430pple.com/", "xn--pple-43d.com"),
        ("chef@stadt.de", "mailto:x@evil.example", "x@evil.example"),
        ("www.bank.de", "https://bank.de/", ""),
        ("bank.de", "https://www.bank.de/", ""),
        ("www.shop.de", "https://click.shop.de/?x", ""),
        ("bank.co.uk", "https://evil.co.uk/", "evil.co.uk"),
        ("click here", "http://evil.example/", ""),
        ("Rechnung.pdf", "http://a.example/", ""),
        ("chef@stadt.de", "mailto:Chef@Stadt.de", ""),
    ],
)
def test_a_link_whose_words_name_another_place_is_found(words: str, target: str, place: str) -> None:
    assert contradicted(words, target) == place


HOSTILE = {
    "letters": "a" * 1_000_000,
    "at signs": "@" * 1_000_000,
    "addresses": "a@" * 500_000,
    "dots": "a@" + "a." * 500_000,
    "domains": "a@a.de" * 166_000,
    "schemes": "http://" * 140_000,
    "links": "http://a.example " * 58_000,
    "www": "www." * 250_000,
    "open brackets": "http://a.example/" + "(" * 1_000_000,
    "closed brackets": "http://a.example/" + ")" * 1_000_000,
    "stops": "http://a.example/" + "." * 1_000_000,
    "line ends": "\n" * 1_000_000,
    "quoted line ends": ">\n" * 500_000,
    "quotation and answer": "> a\nb\n" * 160_000,
    "deep quotations": ">" * 1_000_000,
    "signatures": "-- \n" * 250_000,
    "headers": "Von: x\n" * 140_000,
    "headers and blanks": "Von: x\n\n\n" * 110_000,
    "attributions": "x wrote:\n>\n" * 80_000,
    "colons": "a:\n" * 300_000 + "> x",
    "rules": "-" * 1_000_000,
    "original messages": "-----Original Message" * 48_000,
    "underscores": "_" * 1_000_000 + "\n",
}


@pytest.mark.parametrize("flowed", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_of_a_megabyte_costs_a_second(name: str, flowed: bool) -> None:
    before = time.process_time()
    assert len(text_html(HOSTILE[name], quoted_word="Quoted", flowed=flowed)) < 10_000_000
    assert time.process_time() - before < 1.5, "aimed at 1 s, with room for a loaded machine"
