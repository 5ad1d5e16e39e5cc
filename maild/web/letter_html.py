"""A letter's HTML as a document for a sandboxed frame: tidied, sanitised, its addresses and styles judged.

Three layers, each of which holds alone: the sanitiser's lists of elements and attributes, the policy on
addresses and styles (here, called by the sanitiser for each attribute that it lets pass), and the frame, in
which no script runs and from which nothing is fetched, whatever the first two let through.

The frame's route must send `letter_headers`, and the page must write
`<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer" src=…>`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from maild.mail.links import link_target
from maild.web.letter_elements import ATTRIBUTES, CLASSES, GENERIC, TAGS
from maild.web.letter_images import data_uri_of
from maild.web.letter_links import LINK_REL, host_of
from maild.web.letter_style import PROPERTIES, safe_style
from maild.web.letter_tidy import tidy
from maild.web.letter_tokens import TooMuchError

MAX_HTML = 4_000_000
MAX_INLINE_BYTES = 8_000_000
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
_DIRECTIVES = "default-src 'none'; style-src 'unsafe-inline'; img-src {images}; form-action 'none'; base-uri 'none'"
_META_CSP = _DIRECTIVES.format(images="data:")
_META_CSP_IMAGES = _DIRECTIVES.format(images="data: https: http:")
LETTER_CSP = f"{_META_CSP}; frame-ancestors 'self'; sandbox {SANDBOX}"
LETTER_CSP_IMAGES = f"{_META_CSP_IMAGES}; frame-ancestors 'self'; sandbox {SANDBOX}"
DROPPED_WITH_CONTENT = frozenset(
    {"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "svg", "math", "template"}
    | {"select", "datalist", "noscript", "plaintext", "audio", "video", "canvas"}
)
SANITISED_ATTRIBUTES: dict[str, set[str]] = {
    **{name: set(ATTRIBUTES.get(name, ())) | GENERIC for name in TAGS},
    "details": {"open"},
    "summary": set(),
}
_LENGTH = re.compile(r"\+?\d{1,4}(?:\.\d{1,4})?(?:px|%)?")
_COUNT = re.compile(r"[+-]?\d{1,3}")
_COLOUR = re.compile(r"#?[0-9A-Za-z]{1,24}|(?:rgb|hsl)a?\([\d\s.,%/]{1,60}\)")
_WORDS = re.compile(r"[\w ,'\"-]{1,200}")
_ATTRIBUTE_VALUES = {
    "align": _WORDS,
    "bgcolor": _COLOUR,
    "class": re.compile("quote|MsoNormal"),
    "border": _COUNT,
    "cellpadding": _COUNT,
    "cellspacing": _COUNT,
    "color": _COLOUR,
    "colspan": _COUNT,
    "dir": re.compile("ltr|rtl|auto", re.IGNORECASE),
    "face": _WORDS,
    "height": _LENGTH,
    "nowrap": re.compile(".{0,10}"),
    "open": re.compile(""),
    "referrerpolicy": re.compile("no-referrer"),
    "rel": re.compile(LINK_REL),
    "rowspan": _COUNT,
    "size": _COUNT,
    "start": _COUNT,
    "target": re.compile("_blank"),
    "type": re.compile("[1aAiI]"),
    "valign": _WORDS,
    "width": _LENGTH,
}
_COLOURED = re.compile(r'(?:color="|color:|background|bgcolor=)')
_STYLE = """
:root{color-scheme:%s}
html{overflow-wrap:anywhere}
body{margin:0;padding:12px;font:16px/1.5 system-ui,sans-serif;background:Canvas;color:CanvasText}
img{max-width:100%%;height:auto}
table{max-width:100%%}
pre{white-space:pre-wrap}
p.MsoNormal,li.MsoNormal,div.MsoNormal{margin:0}
blockquote{margin:0 0 0 2px;padding:0 0 0 12px;border-left:2px solid #8888}
details.quote>summary{cursor:pointer;width:max-content;padding:2px 8px;margin:4px 0;border:1px solid #8888;
border-radius:4px;font-size:14px}
summary:focus-visible,a:focus-visible{outline:2px solid;outline-offset:2px}
a{color:LinkText}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterHtml:
    """A document for the frame; `lines` is an estimate of its height; `lies` are links whose words deceive."""

    document: str
    remote_images: bool
    is_empty: bool
    lines: int
    lies: tuple[tuple[str, str], ...]


def letter_headers(*, images: bool = False) -> dict[str, str]:
    """Return the response headers of the frame's document."""
    return {
        "Content-Security-Policy": LETTER_CSP_IMAGES if images else LETTER_CSP,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # Security: a name that is looked up tells the sender that the letter was read.
        "X-DNS-Prefetch-Control": "off",
        "Cache-Control": "private, no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


@dataclass(slots=True, kw_only=True)
class Policy:
    """The judgement on each attribute that the sanitiser lets pass; remembers whether it refused an image."""

    images: bool
    inline: Mapping[str, str]  # Content-ID → data: URI
    remote_images: bool = False
    inline_left: int = MAX_INLINE_BYTES
    _judged: dict[str, str | None] = field(default_factory=dict)

    def __call__(self, tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return safe_style(value) or None
        if name == "href":
            return link_target(value)
        if name == "src":
            return self._image(value) if tag == "img" else None
        if name == "title":
            return link_target(value)
        if name == "alt":
            return value[:500]
        allowed = _ATTRIBUTE_VALUES.get(name)
        return value if allowed and allowed.fullmatch(value.strip()) else None

    def _image(self, value: str) -> str | None:
        source = value.strip()
        scheme = source[:5].lower()
        if scheme.startswith("cid:"):
            return self._within(self.inline.get(source[4:].strip()))
        if scheme == "data:":
            return self._within(data_uri_of(source))
        target = link_target(source)
        if target is None or not is_public(host_of(target)):
            return None
        if self.images:
            return target
        self.remote_images = True
        return None

    def _within(self, uri: str | None) -> str | None:
        if uri is None or len(uri) > self.inline_left:
            return None
        self.inline_left -= len(uri)
        return uri


def is_public(host: str) -> bool:
    """Tell whether a host may be one of the public Internet: a name with a dot, and no address.

    Security: a picture from `http://192.168.0.1/…` would be a request that staff's browsers make inside.
    """
    if "." not in host or host.endswith((".", ".local", ".localhost", ".internal", ".lan", ".home.arpa", ".test")):
        return False
    if re.fullmatch(r"[0-9.]+|0x.*", host.rsplit(".", 1)[-1]):
        return False
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return not host.startswith("[")
    return False


def sanitised(html: str, policy: Policy) -> str:
    """Return what the sanitiser and the policy leave of a text in HTML; it may be any text."""
    import nh3  # noqa: PLC0415 - only letters with HTML pay for it

    return nh3.clean(
        html,
        tags=set(TAGS),
        clean_content_tags=set(DROPPED_WITH_CONTENT),
        attributes=SANITISED_ATTRIBUTES,
        attribute_filter=policy,
        filter_style_properties=set(PROPERTIES),
        allowed_classes={name: set(classes) for name, classes in CLASSES.items()},
        link_rel=LINK_REL,
        set_tag_attribute_values={"a": {"target": "_blank"}, "img": {"referrerpolicy": "no-referrer"}},
        url_schemes={"http", "https", "mailto", "cid", "data"},
        url_relative="deny",
        strip_comments=True,
    )


def letter_html(
    html: str, *, quoted_word: str, inline: Mapping[str, str], images: bool = False, fold: bool = True
) -> LetterHtml:
    """Return a letter's HTML as a document for the frame.

    Raises:
        TooMuchError: beyond the limit that it names; the letter is shown as text then.
    """
    if len(html) > MAX_HTML:
        raise TooMuchError("size")
    tidied = tidy(html, quoted_word=quoted_word, fold=fold)
    policy = Policy(images=images, inline=inline)
    body = sanitised(tidied.html, policy)
    # A letter without colours of its own follows the reader's; any other was written for white paper.
    scheme = "light" if _COLOURED.search(body) else "light dark"
    csp = _META_CSP_IMAGES if images else _META_CSP
    document = (
        '<!doctype html><html><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{csp}">'
        '<meta http-equiv="x-dns-prefetch-control" content="off">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title></title><style>{_STYLE % scheme}</style></head><body dir="auto">{body}</body></html>'
    )
    return LetterHtml(
        document=document,
        remote_images=policy.remote_images,
        is_empty=tidied.is_empty,
        lines=tidied.lines,
        lies=tidied.links,
    )
