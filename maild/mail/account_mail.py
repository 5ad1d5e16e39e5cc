"""Mail by which some service hands over an account: a code, a sign-in link, an invitation, a link to a new password.

Whoever reads such a mail owns the account. A stranger can have it sent to any address of ours that is printed
somewhere, so that those who read it are to be few (`maild.rules.leads`). This tells it by who wrote it, which is no
person, by its words (`maild.mail.account_words`), and by the code or the link that stands beside them.

Promises: never raises; linear; looks at a bounded part of the text, and at none of it unless the sender or the subject
gives cause. It is a guess: a service that words its mail otherwise is not recognised, and who wants to, writes a letter
that is. Nothing may be lost by it.

Source: threats T6; RFC 3834 §5 for the marks of automatic mail.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from itertools import islice

from maild.mail.account_words import (
    ACCOUNT_URL,
    ANSWER,
    CODE,
    EVENTS,
    INVITED,
    LINK,
    MACHINE,
    MACHINE_FIELDS,
    MAILBOXES,
    NO_REPLY,
    OTHER_CODES,
    PERSON,
    PERSONS_FIELDS,
    REPLIES,
    WEAK,
    WORDS_REACH,
    Wording,
)
from maild.mail.plain import html_to_text

_MOST_TEXT = 8_000  # characters: what is to be clicked or typed stands above
_MOST_HTML = 60_000
_NO_TEXT = 300  # characters: no more than that there is HTML
_MOST_WORDS = 40  # places that are looked at
_MOST_LINKS = 100
_SHORT = 3_000
_LONGEST_CODE = 8  # in figures, of one that begins with 0
_NEAR = 160  # from the words to their code, in either direction

_DIGITS = re.compile(
    r"(?<![\w.,/:+=-])(?:[A-Z]-)?\d(?:[ -]?\d){3,9}(?![\w/:=]|[.,]\d|-\d|\.\w| ?(?:eur|€|uhr|tage|days))", re.IGNORECASE
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_MIXED = re.compile(
    r"(?<![\w./:=@-])(?=[A-Z0-9-]{0,9}[0-9])(?=[0-9-]{0,9}[A-Z])[A-Z0-9]{2,5}(?:-?[A-Z0-9]{2,5})(?![\w/:=@-]|\.\w)"
)
_HYPHENED = re.compile(r"(?<![\w-])[A-Z0-9]{3,5}-[A-Z0-9]{3,5}(?![\w-])")
# A word of letters and figures, of its own line or after a colon at its end.
_TYPED = re.compile(
    r"[:\n][ \t]{0,9}(?=[^\s\d]{0,63}\d)(?=[^\sa-z]{0,63}[a-z])[a-z0-9_!#$%&*+-]{8,64}[ \t]{0,9}(?=\r?\n|$)",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?://[^\s<>\"'\])}]{4,1000}")
_TOKEN = re.compile(
    r"[?&#;][\w.-]{0,40}(?:token|key|code|hash|ticket|otp|sig|secret|confirm|verif|t|k|h|c|id|upn|data|q|p)"
    r"=[\w.~%+/=-]{8,}"
    r"|[/=#](?=[A-Za-z_.~%-]{0,60}\d)(?=[\d_.~%-]{0,60}[A-Za-z])[\w.~%-]{16,}",
    re.IGNORECASE,
)
# Security: in two steps. One expression for both would try every end of every link for every beginning.
_ANCHOR = re.compile(r"<a\s[^<>]{0,3000}>", re.IGNORECASE)
_HREF = re.compile(r"href\s{0,9}=\s{0,9}[\"']?\s{0,9}(https?:[^<>\"'\s]{4,1000})", re.IGNORECASE)
# Letters of other scripts that look like ours (Cyrillic, Greek), as far as the words have them.
_ALIKE = str.maketrans(
    "аеорсухіјѕԁһԛԝпвкмтАВЕКМНОРСТХІЈЅαοριντκυΑΒΕΗΙΚΜΝΟΡΤΧΖ",
    "aeopcyxijsdhqwnbkmtABEKMHOPCTXIJSaopivtkuABEHIKMNOPTXZ",
)
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)


def is_account_mail(
    *,
    subject: str,
    sender: str,
    fields: Collection[str],
    automatic: bool,
    on_list: bool,
    text: str,
    html: Callable[[], str],
) -> bool:
    """Tell whether a mail looks as if it handed over an account.

    Args:
        subject: decoded.
        sender: the first address of From, "" when there is none.
        fields: the lower-case names of the header fields.
        automatic: it is marked as automatic, or its envelope has the null reverse-path.
        on_list: it came through a mailing list.
        text: of the body.
        html: returns the source of its HTML, "" when there is none; asked only where the text leaves it open.
    """
    local, _, domain = sender[:320].lower().partition("@")
    # Of most mail this is all that is asked: the expression only where one of its words is.
    nobody = automatic or (any(word in local for word in REPLIES) and NO_REPLY.fullmatch(local) is not None)
    machine = nobody or not MACHINE_FIELDS.isdisjoint(fields) or MACHINE.fullmatch(local) is not None
    if not nobody and not PERSONS_FIELDS.isdisjoint(fields):
        return False
    if domain in MAILBOXES and not nobody and MACHINE_FIELDS.isdisjoint(fields):
        return False
    head = _plain(subject[:500])
    if not nobody and ANSWER.match(head):
        return False
    # Whoever has a name of their own says it in the subject, or is a person.
    strict = on_list or not machine
    if strict and not _names(_small(head)):
        return False
    body = _plain(text[:_MOST_TEXT])
    if not machine and PERSON.search(body):
        return False  # somebody writes about it
    bulk = strict or "list-unsubscribe" in fields
    if _hands_over(head, body, strict=strict, bulk=bulk):
        return True
    # What the HTML has besides are links; and all of the words, where the text only says that there is HTML.
    if len(body) > _NO_TEXT and not _names(_small(f"{head}\n{body}")):
        return False
    source = _ANCHOR.sub(_link_of, html()[:_MOST_HTML])
    return bool(source) and _hands_over(head, _plain(html_to_text(source)[:_MOST_TEXT]), strict=strict, bulk=bulk)


def _link_of(anchor: re.Match[str]) -> str:
    """Return where an anchor of HTML leads, to stand among its words."""
    found = _HREF.search(anchor[0])
    return anchor[0] if found is None else f" {found[1]} "


def _plain(text: str) -> str:
    """Return text without what is not seen, and with letters that look like ours as ours."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", _UNSEEN.sub("", text).translate(_ALIKE))


def _small(text: str) -> str:
    """Return text in small letters, each where it was."""
    small = text.lower()
    return small if len(small) == len(text) else "".join([c.lower() if len(c.lower()) == 1 else c for c in text])


def _names(small: str) -> bool:
    return bool(_found(CODE, small) or _purposes(small))


def _purposes(small: str) -> list[re.Match[str]]:
    """Return where it says what a link is for, invitations to meet left out."""
    return [
        found
        for found in _found(LINK, small)
        if not INVITED.search(found[0]) or not EVENTS.search(small, max(found.start() - _NEAR, 0), found.end() + _NEAR)
    ]


def _found(wording: Wording, small: str) -> list[re.Match[str]]:
    """Return where words stand, at most a few."""
    found: list[re.Match[str]] = []
    for start, end in _around(wording.stems, small):
        for each in wording.pattern.finditer(small, start, end):
            found.append(each)
            if len(found) == _MOST_WORDS:
                return found
    return found


def _around(stems: tuple[str, ...], small: str) -> Iterable[tuple[int, int]]:
    """Yield the stretches of a text in which a stem stands, in order and apart from each other."""
    spots: list[int] = []
    for stem in stems:
        at = small.find(stem)
        while at >= 0:
            spots.append(at)
            at = small.find(stem, at + len(stem))
    spots.sort()
    start = end = -1
    for at in spots:
        if at - WORDS_REACH > end:
            if end > 0:
                yield start, end
            start = max(at - WORDS_REACH, 0)
        end = at + WORDS_REACH
    if end > 0:
        yield start, end


def _hands_over(head: str, body: str, *, strict: bool, bulk: bool) -> bool:
    whole = f"{head}\n{body}"
    small = _small(whole)
    titled = small[: len(head)]
    return _has_code(whole, small, titled, strict=strict) or _has_link(small, titled, strict=strict, bulk=bulk)


def _has_code(whole: str, small: str, head: str, *, strict: bool) -> bool:
    """Tell whether a code stands beside the words for one; `strict`: the subject must have the words."""
    if strict and not _found(CODE, head):
        return False
    other = OTHER_CODES.search(head) is not None
    for found in _found(CODE, small):
        near = max(found.start() - _NEAR, 0), found.end() + _NEAR
        if WEAK.search(found[0]) and (other or OTHER_CODES.search(small, *near)):
            continue
        after = whole[found.end() : near[1]]
        before = whole[max(found.start() - _NEAR // 2, 0) : found.start()]
        if _code_in(after) or _code_in(before):
            return True
    return False


def _code_in(text: str) -> bool:
    text = _LINK.sub(" ", text)
    digits = (found[0].replace(" ", "").replace("-", "") for found in _DIGITS.finditer(text))
    if any(not (len(code) == 4 and _YEAR.fullmatch(code)) and not _is_telephone(code) for code in digits):
        return True
    return any(pattern.search(text) for pattern in (_MIXED, _HYPHENED, _TYPED))


def _is_telephone(code: str) -> bool:
    return len(code) > _LONGEST_CODE and code[0] == "0"


def _has_link(small: str, head: str, *, strict: bool, bulk: bool) -> bool:
    """Tell whether a link that no other mail has stands beside words that say what it is for."""
    links = [found for found in islice(_LINK.finditer(small), _MOST_LINKS) if _TOKEN.search(found[0])]
    if not links:
        return False
    telling = [found for found in links if ACCOUNT_URL.search(found[0])]
    if (telling or not bulk) and _names(head):
        return True
    if strict:
        return False
    words = [found.start() for found in _purposes(small) if not _within(found.start(), links)]
    if any(-_NEAR <= link.start() - at <= 3 * _NEAR for at in words for link in telling):
        return True
    # A link that is counted leads elsewhere: only of a short mail is it clear what it is for.
    if bulk or len(_LINK.sub("", small)) > _SHORT:
        return False
    return any(0 <= link.start() - at <= 2 * _NEAR for at in words for link in links)


def _within(at: int, links: Iterable[re.Match[str]]) -> bool:
    return any(link.start() <= at < link.end() for link in links)
