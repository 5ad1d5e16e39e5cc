"""Delivery reports in plain words: recipients and what is said of them, found by how such reports are laid out.

Not by who wrote them: a recipient stands at the beginning of a line, or behind a word that announces one (`to`,
`recipient`, `RCPT TO`, a reply code); what belongs to it follows until the next one or an empty line; the returned
message begins where lines are header fields.

Promises: never raises; linear; at most 500 recipients; nothing behind the first 200,000 characters is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from maild.mail.dsn import DELAYED, FAILED, Returned
from maild.mail.dsn_reason import allowance, code_in, judge, reason_in, reply_in
from maild.mail.dsn_status import LONGEST_ADDRESS, MOST_RECIPIENTS, STATUS_FIELDS, in_one_line

_LONGEST = 200_000
_LONGEST_LINE = 2_000
_BLOCK_LINES = 30
_MOST_LINES = 2_000
_MOST_MENTIONS = 1_000
_ADDRESS_TEXT = r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}"
_ADDRESS = re.compile(_ADDRESS_TEXT)
_LEADING = re.compile(
    rf"[ \t]{{0,40}}(?:[>*-]{{1,4}}[ \t]{{0,8}})?[\"'<(\[]{{0,2}}({_ADDRESS_TEXT})[\"'>)\]]{{0,2}}"
    r"(?=[ \t]*(?:$|[:;(\[<,]|\.\.\.)|[ \t]+(?:on[ \t]|error|-[ \t]|failed|unknown|did|was|is[ \t]|has[ \t]))",
    re.IGNORECASE,
)
# Directly before an address: whom the mail was for. The words may be folded off from it.
_FOR = re.compile(
    r"(?:\bto|\bfor|recipients?|recipient\(s\)|address(?:es)?|\buser(?:id)?|addressee|attempts?|errors?|full|failed"
    r"|empf(?:ä|ae)nger|\ban|\[?to\]?|unknown|mailbox|account|[45]\d\d(?:[ -]#?[45]\.\d\.\d{1,3})?)\s{0,3}[:=]?\s{0,3}"
    r"[\"'<(\[]{0,3}\Z",
    re.IGNORECASE,
)
# Directly before an address: somebody else.
_NOT_FOR = re.compile(
    r"(?:\bfrom|sender|contact|e-?mail(?: to)?|mail to|write to|please|reply to|\bby|postmaster|mailto|message-id|help|"
    r"help@|assistance[^@\n]{0,20}|administrator|account|list|notify)\s{0,3}[:=]?\s{0,3}[\"'<(\[]{0,3}\Z",
    re.IGNORECASE,
)
_FIELD_LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60}):(?!//)")
_TRACE = frozenset({"received", "return-path", "message-id", "dkim-signature", "mime-version", "domainkey-signature"})
UNDELIVERED = re.compile(
    r"undeliver|non-?deliver|deliver\w*[ :]{0,3}(?:\w{1,10} )?(?:fail|status|problem|notif|error|delay)|failure notice|"
    r"fail\w* (?:of )?(?:deliver|notice)|delivered|returned (?:mail|message|to)|could not be|mail(?: system)? error|"
    r"error (?:sending|deliver)|mail failure|delayed mail|unzustellbar|nicht zugestellt|zustellung|не доставлено|"
    r"配信できま|"
    r"warning: (?:message|could)|mail delivery|(?:message|mail) .{0,20}delay",
    re.IGNORECASE,
)
SAYS_UNDELIVERED = re.compile(
    r"(?:\bnot|n.t|unable|could ?not|cannot|fail\w{0,6}|error\w{0,6}|problems?|trouble)\b[^.]{0,80}"
    r"(?:deliver|reach|sen[dt]\b)|"
    r"undeliver|deliver\w*[^.]{0,60}(?:fail|not possible|problem|error|delay)|permanent(?: fatal)? error|returned to|"
    r"had (?:permanent|delivery|transient)|reject\w*[^.]{0,40}(?:recipient|message|by)|delivery attempts|is delayed|"
    r"unzustellbar|konnte nicht|nicht zugestellt|送信できません|не может быть доставлено|"
    r"transcript of session|"
    r"failure reasons|mailbox is full|invalid final delivery",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"delay|still being retried|warning|not yet|temporary failure|will (?:keep|continue|be)[^.\n]{0,20}(?:try|retri)|"
    r"do not need to re-?send|verzögert",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(
    r"permanent|fatal|giv(?:en|ing) up|not going to try|failed|fail(?:ure)?\b(?! report)|returned mail", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Split:
    """The text of a report: what it says, and the header of the returned message as it stands there."""

    said: str
    returned: str


def split_text(text: str) -> Split:
    """Part a report's words from the message that stands below them."""
    text = text[:_LONGEST]
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        if not _FIELD_LINE.match(lines[at]):
            at += 1
            continue
        start, names = at, set[str]()
        while at < len(lines) and (match := _FIELD_LINE.match(lines[at]) or _folded(lines[at])):
            if isinstance(match, re.Match):
                names.add(match[1].lower())
            at += 1
        traced = not names.isdisjoint(_TRACE) or any(name.startswith("x-") for name in names)
        if len(names) > 1 and traced and names.isdisjoint(STATUS_FIELDS):
            return Split("\n".join(lines[:start]), "\n".join(lines[start:]))
    return Split(text, "")


def _folded(line: str) -> bool:
    return line[:1] in (" ", "\t") and not line.isspace()


def is_delayed(subject: str, said: str) -> bool:
    """Tell whether a report says only that it takes long."""
    if _DELAYED.search(subject):
        return True
    return _DELAYED.search(said[:_LONGEST_LINE]) is not None and _GIVEN_UP.search(said[:_LONGEST_LINE]) is None


def plain_recipients(said: str, *, named: Iterable[str], not_these: frozenset[str], delayed: bool) -> list[Returned]:
    """Return the recipients that a report's words are about.

    Args:
        said: its words, without the returned message.
        named: addresses that its header names as failed.
        not_these: folded addresses that are no recipients: whom the report is to.
        delayed: it says only that it takes long.
    """
    lines = [line[:_LONGEST_LINE] for line in said.split("\n", _MOST_LINES)[:_MOST_LINES]]
    blocks = _blocks(lines)
    first = dict.fromkeys(address for address in named if len(address) <= LONGEST_ADDRESS)
    if not first:
        first = dict.fromkeys(address for address in blocks if address not in not_these)
    if not first:
        first = _mentioned(said, not_these)
    if not first:
        first = dict.fromkeys(blocks)  # a letter to oneself that came back
    action = DELAYED if delayed else FAILED
    beside = _naming(lines)
    whole = _plain(said)
    found = []
    for number, address in enumerate(list(first)[:MOST_RECIPIENTS]):
        longest = allowance(number)
        block, naming = (texts.get(address.lower(), "")[:longest] for texts in (blocks, beside))
        text = _telling(block, naming, whole[:longest])
        code, hard, reason = judge(action, "", text[:longest])
        found.append(Returned(recipient=address, action=action, code=code, hard=hard, reason=reason,
                              text=in_one_line(text)))  # fmt: skip
    return found


def _telling(block: str, naming: str, whole: str) -> str:
    """Return the text to judge by: what stands at the address, as far as it tells anything, else more."""
    for text in (block, naming, f"{block} {naming}"):
        if code_in(text) or reply_in(text):
            return text
    rest = code_in(whole) or reply_in(whole)
    if rest:
        return f"{block} {whole}" if block else whole
    for text in (block, naming):
        if reason_in(text):
            return text
    return whole


def _plain(said: str) -> str:
    """Return a text in one piece for judging: lines as they are, cut."""
    return said[:4_000]


def _blocks(lines: list[str]) -> dict[str, str]:
    """Return what stands at each address that begins a line: by folded address, in their order."""
    blocks: dict[str, list[str]] = {}
    current: list[str] | None = None
    waiting = False  # nothing has been said of it yet
    for line in lines:
        match = _LEADING.match(line)
        address = match[1].lower().rstrip(".") if match else ""
        if match and (address not in blocks or not line[:1].isspace()):
            current = blocks.setdefault(address, [])
            rest = line[match.end() :].strip(" \t:>\"'")
            if rest.startswith("<mailto"):
                rest = rest.partition(">")[2]
            if rest:
                current.append(rest)
            waiting = not rest
        elif current is not None:
            if not line.strip():
                current = current if waiting else None
            elif len(current) < _BLOCK_LINES:
                current.append(line.strip())
                waiting = False
    return {address: "\n".join(said) for address, said in blocks.items()}


def _mentioned(said: str, not_these: frozenset[str]) -> dict[str, None]:
    """Return the addresses anywhere in a text that are announced as recipients, or else all that may be some."""
    announced: dict[str, None] = {}
    others: dict[str, None] = {}
    for match in islice(_ADDRESS.finditer(said), _MOST_MENTIONS):
        address = match[0].rstrip(".").lower()
        before = said[max(0, match.start() - 40) : match.start()]
        if address in not_these:
            continue
        if _FOR.search(before):
            announced[address] = None
        elif not _NOT_FOR.search(before) and not address.startswith(("postmaster@", "abuse@", "support@")):
            others[address] = None
    return announced or others


def _naming(lines: list[str]) -> dict[str, str]:
    """Return for each folded address the lines that name it beside a reply code."""
    found: dict[str, list[str]] = {}
    looked_at = 0
    for number, line in enumerate(lines):
        names = [match[0].rstrip(".").lower() for match in islice(_ADDRESS.finditer(line), 10)]
        if not names:
            continue
        looked_at += 1
        if code_in(line) or reply_in(line) or (looked_at < 100 and reason_in(line[:200])):
            told = [line.strip(), *(more.strip() for more in lines[number + 1 : number + 2])]
            for said in [found.setdefault(name, []) for name in names]:
                if len(said) < _BLOCK_LINES:
                    said.extend(told)
    return {address: "\n".join(said) for address, said in found.items()}
