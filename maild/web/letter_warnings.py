"""What in a message's header and attachments tries to pass for something else.

Every function is pure, linear, and says what it saw; nothing is hidden or refused because of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from maild.mail.facts import Mailbox
from maild.mail.filename import safe_filename
from maild.web.letter_images import image_type
from maild.web.letter_links import shown_domain
from maild.web.letter_view import Notice, Person

_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")
_AT_SIGNS = str.maketrans("\uff20\ufe6b\U000e0040", "@@@")  # fullwidth, small, and tag form of @
# Security: these turn around or hide what stands beside them, and names need none of them.
_DIRECTION = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
# The same, spelled as escapes of an encoded word (Mailsploit: a NUL or line end inside a name).
_ENCODED_CONTROL = re.compile(r"=\?[^?\s]{1,80}\?q\?[^?]*=(?:0[0-9A-Da-d]|1[0-9A-Fa-f]|7[Ff])", re.IGNORECASE)
_BASE64_WORD = re.compile(r"=\?[^?\s]{1,80}\?b\?([A-Za-z0-9+/=]{0,20000})\?=", re.IGNORECASE)


def _endings(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EXECUTABLE = _endings(
    "ade adp apk appx appxbundle bat cab chm cmd com cpl dll dmg exe gadget hta img inf ins iso isp jar js jse lib "
    "lnk mde msc msi msix msp mst one pif ps1 ps1xml ps2 psc1 psd1 psm1 py pyc rb reg rgs scf scr sct sh shb shs "
    "settingcontent-ms sys theme url vb vbe vbp vbs vhd vhdx vxd workflow ws wsc wsf wsh xll xbap"
)
_MACRO = _endings("docm dotm xlsm xltm xlsb xlam pptm potm ppam ppsm sldm xla")
_PAGE = _endings("htm html xht xhtml shtml mht mhtml svg svgz xml xsl xslt swf")
_OFFICE_ZIP = _endings("docx docm dotx xlsx xlsm xlsb xltx pptx pptm ppsx odt ods odp odg epub")
_PICTURES = _endings("png jpg jpeg jpe jfif gif webp bmp tif tiff heic ico")
_TEXTS = _endings("txt csv log ics vcf md")
_SIGNATURES = (
    (b"MZ", "program"),
    (b"\x7fELF", "program"),
    (b"\xca\xfe\xba\xbe", "program"),
    (b"\xcf\xfa\xed\xfe", "program"),
    (b"\x4c\x00\x00\x00\x01\x14\x02\x00", "shortcut"),
    (b"#!", "script"),
    (b"MSCF", "archive"),
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"Rar!", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"),
    (b"{\\rtf", "rtf"),
)
_MARKUP = re.compile(rb"\s{0,200}<(?:!doctype html|html|head|body|script|svg|iframe|\?xml)", re.IGNORECASE)
_DANGEROUS = frozenset({"program", "shortcut", "script", "page"})
# What a name's ending may honestly hold; office programs write several.
_HONEST: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (_endings("pdf"), _endings("pdf")),
    (_endings("zip"), _endings("zip")),
    (_OFFICE_ZIP, _endings("zip office")),
    (_endings("doc dot xls xlt ppt pps msg"), _endings("office rtf zip")),
    (_endings("rtf"), _endings("rtf office")),
    (_PICTURES, _endings("picture")),
    (_TEXTS, frozenset()),
)


def shown_text(text: str) -> str:
    """Return a header's text with what cannot be seen left out."""
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub("", text)


def person(mailbox: Mailbox) -> Person:
    """Return a mailbox as it is shown: the name as claimed, the address as it truly is."""
    local, at, domain = mailbox.mail.rpartition("@")
    mail = _UNSEEN.sub("", mailbox.mail)
    shown = f"{_UNSEEN.sub('', local)}@{shown_domain(_UNSEEN.sub('', domain))[0]}" if at else mail
    return Person(name=shown_text(mailbox.name), mail=mail, shown=shown)


def hides_control(raw: str) -> bool:
    """Tell whether an undecoded header value holds a control character, also one spelled in an encoded word."""
    if "=?" not in raw:
        return False
    if _ENCODED_CONTROL.search(raw):
        return True
    from binascii import Error, a2b_base64  # noqa: PLC0415 - names in base64 are the rarer case

    for word in _BASE64_WORD.findall(raw):
        try:
            octets = a2b_base64(word + "===")
        except (Error, ValueError):
            continue
        if any(o < 0x20 or o == 0x7F for o in octets) and b"\x1b" not in octets:
            return True
    return False


def _domain(mail: str) -> str:
    return mail.rpartition("@")[2].lower().rstrip(".")


def name_notices(mailbox: Mailbox, field: str, raw: str) -> list[Notice]:
    """Return what is wrong with one address of a header field; `raw` is the field before decoding."""
    notices = []
    named = _ADDRESS.search(mailbox.name.translate(_AT_SIGNS))
    if named and named.group().lower() != mailbox.mail.lower():
        values = (shown_text(mailbox.name), person(mailbox).shown)
        notices.append(Notice(code="name-contains-address", values=values, grave=True))
    if _DIRECTION.search(mailbox.name + mailbox.mail):
        notices.append(Notice(code="hidden-direction", values=(field,), grave=True))
    elif hides_control(raw) or _UNSEEN.search(mailbox.mail):
        notices.append(Notice(code="name-contains-control", values=(shown_text(mailbox.name),), grave=True))
    domain = _domain(mailbox.mail)
    shown, suspect = shown_domain(domain)
    if suspect:
        notices.append(Notice(code="lookalike-domain", values=(shown, _UNSEEN.sub("", domain)), grave=True))
    return notices


def sender_notices(
    senders: tuple[Mailbox, ...],
    sender: tuple[Mailbox, ...],
    reply_to: tuple[Mailbox, ...],
    raws: dict[str, str],
    our_domains: Collection[str],
) -> list[Notice]:
    """Return what is doubtful in From, Sender and Reply-To.

    `raws` are the undecoded fields by lower-case name. `our_domains` are those from which no stranger may
    write; give none for mail of our own.
    """
    notices: list[Notice] = []
    if not any(m.mail for m in senders):
        notices.append(Notice(code="no-sender", grave=True))
    if len(senders) > 1:
        notices.append(Notice(code="several-senders", values=(str(len(senders)),), grave=True))
    for field, mailboxes in (("from", senders), ("sender", sender), ("reply-to", reply_to)):
        for mailbox in mailboxes[:5]:
            notices += name_notices(mailbox, field, raws.get(field, ""))
    ours = {d.lower() for d in our_domains}
    for mailbox in senders[:5]:
        if _domain(mailbox.mail) in ours:
            notices.append(Notice(code="own-domain", values=(person(mailbox).shown,), grave=True))
    notices += _differing(senders, sender, reply_to)
    return list(dict.fromkeys(notices))


def _differing(
    senders: tuple[Mailbox, ...], sender: tuple[Mailbox, ...], reply_to: tuple[Mailbox, ...]
) -> Iterable[Notice]:
    known = {m.mail.lower() for m in senders if m.mail}
    others = [m for m in reply_to if m.mail.lower() not in known]
    if others and known:
        shown = ", ".join(person(m).shown for m in others[:5])
        # An answer that leaves the sender's own domain is how a conversation is taken away.
        grave = any(_domain(m.mail) not in {_domain(k) for k in known} for m in others)
        yield Notice(code="reply-to-differs", values=(shown,), grave=grave)
    true = [m for m in sender if m.mail.lower() not in known]
    if true and known:
        yield Notice(code="sender-differs", values=(person(true[0]).shown,))


def kind_of(head: bytes) -> str | None:
    """Return what octets are, by how they begin: `program`, `page`, `pdf`, `zip` … None when that tells nothing."""
    if image_type(head):
        return "picture"
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    return "page" if _MARKUP.match(head) else None


def attachment_notices(part: str, name: str, head: bytes) -> list[Notice]:
    """Return what is doubtful in an attachment, by its name and its first octets."""
    shown = safe_filename(name)
    ending = _UNSEEN.sub("", name).rstrip(" .").rpartition(".")[2].lower()
    notices = []
    for code, endings in (
        ("executable-attachment", _EXECUTABLE),
        ("macro-attachment", _MACRO),
        ("page-attachment", _PAGE),
    ):
        if ending in endings:
            notices.append(Notice(code=code, values=(shown,), part=part, grave=True))
    if _DIRECTION.search(name):
        notices.append(Notice(code="hidden-direction", values=(shown,), part=part, grave=True))
    kind = kind_of(head)
    honest = next((kinds for endings, kinds in _HONEST if ending in endings), None)
    lies = kind is not None and (kind not in honest if honest is not None else kind in _DANGEROUS and not notices)
    if kind is not None and lies:
        values = (shown, kind)
        notices.append(Notice(code="attachment-lies", values=values, part=part, grave=kind in _DANGEROUS))
    return notices
