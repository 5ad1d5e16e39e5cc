"""How the target of a link in a letter is shown, and which words of a plain text are links.

Where one may lead says `maild.mail.links`. Everything here is linear in its input: texts are a stranger's.

Source: Unicode Technical Standard 39 for the idea that a label of mixed scripts is suspect.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape
from urllib.parse import unquote

from maild.mail.links import SCHEME, link_target

MAX_LINKS = 5_000
LINK_REL = "noopener noreferrer nofollow"
_LINK = re.compile(
    r"""(?P<url>(?<![A-Za-z0-9])(?:https?://|www\.(?=\w))
        [^\s<>"`\\{}|^\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]++)
    |(?P<mail>(?<![\w.+%-])[\w.+%-]{1,64}+@(?:[\w-]{1,63}+\.){1,8}[^\W\d_]{2,24}(?![\w@-]))""",
    re.IGNORECASE | re.VERBOSE,
)
# Words count as naming a place when they begin as an address does, or are a domain of a common kind.
_NAMED_HOST = re.compile(
    r"(?:https?://|www\.)([\w-]{1,63}(?:\.[\w-]{1,63}){1,8})(?![\w@])"
    r"|([\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.(?:at|be|ch|com|de|dk|edu|eu|fr|gov|info|io|it|lu|net|nl|org|pl|uk))/?\Z",
    re.IGNORECASE,
)
_NAMED_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w.-]{3,253}")
_TRAILING = ".,;:!?'*_~"
_PAIRS = {")": "(", "]": "["}
# Letters that Latin writing has and that pass for another Latin letter.
_DECEPTIVE = frozenset("\u0131\u0138\u0140\u017f")


def host_of(url: str) -> str:
    """Return the host of an http or https address in lower case, without its port; "" when there is none."""
    scheme, found, rest = url.partition("://")
    if not found or scheme.lower() not in {"http", "https"}:
        return ""
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    return re.sub(r":[0-9]*$", "", authority).lower()


def shown_domain(domain: str) -> tuple[str, bool]:
    """Return a domain as a reader may trust it, and whether it tries to pass for another one.

    A label outside Latin writing under a Latin top-level domain, or of several scripts, is shown as
    punycode; `müller.example` is shown as it is, also when it was written as punycode.
    """
    labels = [_unicode_label(label) for label in domain.lower().rstrip(".").split(".")]
    top_is_latin = labels[-1].isascii()
    shown = []
    suspect = False
    for label in labels:
        if label.isascii() or _is_honest(label, top_is_latin=top_is_latin):
            shown.append(label)
        else:
            suspect = True
            shown.append("xn--" + label.encode("punycode").decode("ascii"))
    return ".".join(shown), suspect


def _unicode_label(label: str) -> str:
    if not label.startswith("xn--") or not label.isascii() or len(label) > 63:
        return label[:63]
    try:
        return label[4:].encode("ascii").decode("punycode") or label
    except (UnicodeError, ValueError):
        return label


def _is_honest(label: str, *, top_is_latin: bool) -> bool:
    scripts = set()
    for character in label:
        if character.isascii() and not character.isalpha():
            continue
        if not character.isalpha() or character in _DECEPTIVE:
            return False
        scripts.add(unicodedata.name(character, "UNKNOWN").split()[0])
    if scripts == {"LATIN"}:
        return all(ord(c) < 0x180 or 0x1E80 <= ord(c) <= 0x1EFF for c in label)
    return len(scripts) == 1 and not top_is_latin


def contradicted(words: str, target: str) -> str:
    """Return the place that a link leads to when its words name another one, else ""."""
    named = _NAMED_ADDRESS.fullmatch(words)
    if named and target.startswith("mailto:"):
        address = unquote(target[7:].partition("?")[0])
        return "" if address.lower() == words.lower() else address[:320]
    named = _NAMED_HOST.match(words)
    host = host_of(target)
    if not named or not host:
        return ""
    first, second = (h.lower().removeprefix("www.") for h in (named.group(1) or named.group(2), host))
    return "" if _is_same_place(first, second) else shown_domain(host)[0]


def _is_same_place(first: str, second: str) -> bool:
    if first == second or first.endswith("." + second) or second.endswith("." + first):
        return True
    owners = [host.split(".")[-2:] for host in (first, second)]
    return owners[0] == owners[1] and len(owners[0][0]) > 3


def _trimmed(url: str) -> str:
    """Leave out what belongs to the sentence, not to the address: its stop, and a bracket never opened."""
    open_count = {c: url.count(o) - url.count(c) for c, o in _PAIRS.items()}
    end = len(url)
    while end:
        last = url[end - 1]
        if last in _PAIRS and open_count[last] < 0:
            open_count[last] += 1
        elif last not in _TRAILING:
            break
        end -= 1
    return url[:end]


def anchor(target: str, text: str) -> str:
    """Write a link that tells the page it leads to nothing about the page it came from."""
    return f'<a href="{escape(target)}" target="_blank" rel="{LINK_REL}">{escape(text)}</a>'


def _shown_url(url: str) -> str:
    if url.isascii() and "xn--" not in url:
        return url
    host = host_of(url)
    shown, suspect = shown_domain(host)
    return url.replace(host, shown, 1) if suspect and host in url else url


def linkify(text: str, *, limit: int = MAX_LINKS) -> str:
    """Return the text as HTML, with its web and mail addresses as links; about `limit` of them at most."""
    if not _may_link(text):
        return escape(text)
    parts: list[str] = []
    left = limit
    for line in text.split("\n"):
        if left > 0 and _may_link(line):
            linked = _linked(line, left)
            left -= len(linked) // 2
            parts.append("".join(linked))
        else:
            parts.append(escape(line))
    return "\n".join(parts)


def _may_link(text: str) -> bool:
    return "@" in text or "://" in text or "www." in text or "WWW." in text


def _linked(text: str, limit: int) -> list[str]:
    """Return text and links by turns."""
    parts = []
    at = 0
    for count, match in enumerate(_LINK.finditer(text)):
        if count >= limit:
            break
        found = match.group("mail") or _trimmed(match.group())
        written = "mailto:" + found if match.group("mail") else found
        target = link_target(written if SCHEME.match(written) else "https://" + written)
        if target is None:
            continue
        parts.append(escape(text[at : match.start()]))
        parts.append(anchor(target, found if match.group("mail") else _shown_url(found)))
        at = match.start() + len(found)
    parts.append(escape(text[at:]))
    return parts
