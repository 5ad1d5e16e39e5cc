"""The text of a handbook's page as HTML: paragraphs, headings, lists, bold words and links, and nothing else.

Security: a link leads where links of letters may lead (http, https, mailto), or to a page of ours.
"""

from __future__ import annotations

import re
from html import escape

from markupsafe import Markup

from maild.mail.links import link_target
from maild.mail.markup import page_html
from maild.web.letter_links import LINK_REL

_OURS = re.compile(r"/(?:handbook|c|m|inbox|search|directory)(?:[/?][\w.,:;/?=&%+~-]*)?")


def html_of(text: str) -> Markup:
    """Return a text as HTML. A line that begins with `- ` or `1. ` is an item, with `# ` a heading."""
    return Markup(page_html(text, _link))  # noqa: S704 - every piece of the text was escaped there


def _link(to: str, words: str) -> str | None:
    if _OURS.fullmatch(to) and ".." not in to:
        return f'<a href="{escape(to)}">{escape(words)}</a>'
    target = link_target(to)
    return None if target is None else f'<a href="{escape(target)}" rel="{LINK_REL}">{escape(words)}</a>'
