"""Signing and verifying, over all the mail there is; and the same by dkimpy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import dkim as dkimpy  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from maild.authentication.canonical import RELAXED, SIMPLE, read_mail
from maild.authentication.signing import sign
from tests.authentication.letters import DOMAIN, LETTER, NOW_S, SELECTOR, key_of, result_of, results_of, zone_of

FORMS = [(header, body) for header in (SIMPLE, RELAXED) for body in (SIMPLE, RELAXED)]
_FOLDERS = ("mime", "broken", "mixed", "replies", "bounces")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LARGE = 200_000


def letters(corpus: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each mail of the corpus as it would go out: with CRLF (RFC 6376 §5.3)."""
    for folder in _FOLDERS:
        for path in sorted((corpus / folder).rglob("*")):
            if path.is_file() and path.suffix != ".json" and "LICENSE" not in path.name:
                yield f"{folder}/{path.name}", _LINE_END.sub(b"\r\n", path.read_bytes())


def with_header(content: bytes) -> bytes:
    """Return mail as mail: without the line that a mailbox file puts before it, and what has no header as a body."""
    if content.startswith(b"From "):
        content = content.partition(b"\r\n")[2]
    return b"From: a@b.example\r\n\r\n" + content if read_mail(content).flaw else content


async def test_every_mail_of_the_corpus_can_be_signed_and_verified(corpus: Path) -> None:
    keys = key_of("rsa"), key_of("ed25519")
    zones = {key.algorithm: zone_of(key) for key in keys}
    wrong, signed = [], 0
    for name, content in letters(corpus):
        mail = with_header(content)
        for number, forms in enumerate(FORMS):
            # Of large mail the body is what costs, whatever the algorithm.
            for key in keys if len(mail) < _LARGE else keys[number % 2 :][:1]:
                result = (await results_of(sign(mail, key, now_s=NOW_S, forms=forms) + mail, zones[key.algorithm]))[0]
                signed += 1
                if result.result != "pass":
                    wrong.append((name, forms, key.algorithm, result))
    assert wrong == []
    assert signed > 4300


def _by_dkimpy(content: bytes, record: str) -> bool:
    try:
        return bool(dkimpy.verify(content, dnsfunc=lambda name, timeout=5: record.encode()))
    except dkimpy.DKIMException:
        return False


@pytest.mark.parametrize("forms", FORMS, ids="/".join)
def test_dkimpy_verifies_what_is_signed_here(forms: tuple[str, str]) -> None:
    key = key_of("rsa")
    for content in (
        LETTER,
        LETTER + b"x \r\n\r\n",
        b"From: a@b.example\r\n\r\n",
        b"from:\r\n a@b.example\r\nX: \r\n\r\nx\r\n",
    ):
        assert _by_dkimpy(sign(content, key, now_s=NOW_S, forms=forms) + content, key.record)


@pytest.mark.parametrize("forms", FORMS, ids="/".join)
async def test_what_dkimpy_signs_is_verified_here(forms: tuple[str, str]) -> None:
    key = key_of("rsa")
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    written = tuple(form.encode() for form in forms)
    for content in (LETTER, LETTER + b"x \r\n\r\n", b"From: a@b.example\r\n\r\n"):
        field = dkimpy.sign(content, SELECTOR.encode(), DOMAIN.encode(), pem, canonicalize=written)
        assert (await result_of(field + content, zone_of(key), now_s=2_000_000_000)).result == "pass"


# The forms that bear a change.
ALWAYS, NEVER = frozenset(FORMS), frozenset[tuple[str, str]]()
HEADER = frozenset(forms for forms in FORMS if forms[0] == RELAXED)
BODY = frozenset(forms for forms in FORMS if forms[1] == RELAXED)
# What is done to a signed letter on its way: what to look for, what is there afterwards, and the forms that bear it.
CHANGES = {
    "nothing": (b"", b"", ALWAYS),
    "case of a name": (b"Subject:", b"SUBJECT:", HEADER),
    "space before a colon": (b"To: rathaus", b"To : rathaus", HEADER),
    "space after a colon": (b"To: rathaus", b"To:   rathaus", HEADER),
    "no space after a colon": (b"To: rathaus", b"To:rathaus", HEADER),
    "space within a value": (b"Anna Weber <", b"Anna  Weber <", HEADER),
    "space that is gone": (b"Anna Weber <", b"AnnaWeber <", NEVER),
    "tab for a space": (b"Anna Weber <", b"Anna\tWeber <", HEADER),
    "folding": (b"Anna Weber <", b"Anna Weber\r\n <", HEADER),
    "space at the end of a field": (b"hlerstand\r\n", b"hlerstand \r\n", HEADER),
    "case of a value": (b"rathaus@", b"Rathaus@", NEVER),
    "an octet of a value": (b"Z\xc3\xa4hler", b"Z\xc3\xa5hler", NEVER),
    "a field that was not signed": (b"Subject:", b"X-Spam: no\r\nSubject:", ALWAYS),
    "fields in another order": (
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n",
        ALWAYS,
    ),
    "a field less": (b"To: rathaus@musterstadt.example\r\n", b"", NEVER),
    "a second From below": (b"\r\nTo:", b"\r\nFrom: eve@evil.example\r\nTo:", NEVER),
    "a second From above": (b"From: Anna", b"From: eve@evil.example\r\nFrom: Anna", NEVER),
    "a second From above all": (b"DKIM-Signature:", b"From: eve@evil.example\r\nDKIM-Signature:", NEVER),
    "a second Subject": (b"Subject:", b"Subject: other\r\nSubject:", NEVER),
    "a first Cc": (b"Subject:", b"Cc: eve@evil.example\r\nSubject:", NEVER),
    "a space more within a line": (b"der  Stand", b"der   Stand", BODY),
    "a space less within a line": (b"der  Stand", b"der Stand", BODY),
    "a space that is gone from a line": (b"der  Stand", b"derStand", NEVER),
    "a space less at the end of a line": (b"4711.  \r\n", b"4711.\r\n", BODY),
    "a space at the beginning of a line": (b"Guten Tag", b" Guten Tag", NEVER),
    "a space for a tab in a line": (b"ist\t4711", b"ist 4711", BODY),
    "an empty line more within": (b"Guten Tag,\r\n", b"Guten Tag,\r\n\r\n", NEVER),
    "an empty line less within": (b"Guten Tag,\r\n\r\n", b"Guten Tag,\r\n", NEVER),
    "empty lines at the end": (b"Anna Weber\r\n\r\n", b"Anna Weber\r\n\r\n\r\n\r\n", ALWAYS),
    "no empty line at the end": (b"Anna Weber\r\n\r\n", b"Anna Weber\r\n", ALWAYS),
    "no line end at the end": (b"Anna Weber\r\n\r\n", b"Anna Weber", ALWAYS),
    "a line of spaces at the end": (b"Anna Weber\r\n\r\n", b"Anna Weber\r\n \t \r\n", BODY),
    "text at the end": (b"Anna Weber\r\n\r\n", b"Anna Weber\r\n\r\nPS\r\n", NEVER),
    "a line end that is none": (b"Guten Tag,\r\n", b"Guten Tag,\n", NEVER),
    "an octet of the body": (b"4711", b"4712", NEVER),
    "case in the body": (b"Guten", b"guten", NEVER),
    "v= to another version": (b"v=1;", b"v=2;", NEVER),
    "v= gone": (b"v=1; ", b"", NEVER),
    "a= to SHA-1": (b"a=rsa-sha256", b"a=rsa-sha1", NEVER),
    "a= to another key": (b"a=rsa-sha256", b"a=ed25519-sha256", NEVER),
    "b= in capitals": (b" b=", b" B=", NEVER),
    "b= empty": (b" b=", b" b=; y=", NEVER),
    "b= with another octet": (b" b=", b" b=AAAA", NEVER),
    "b= with white space": (b" b=", b" b= \r\n  ", ALWAYS),
    "bh= to another": (b"bh=", b"bh=AAAA", NEVER),
    "bh= with white space": (b"bh=", b"bh= ", NEVER),
    "c= to other forms": (b"; c=", b"; c=simple/simple; y=", NEVER),
    "d= to another domain": (b"d=stadtwerke.example", b"d=evil.example", NEVER),
    "d= in capitals": (b"d=stadtwerke", b"d=Stadtwerke", NEVER),
    "h= shorter": (b"from:from:", b"from:", NEVER),
    "h= without From": (b"h=from:from", b"h=xrom:xrom", NEVER),
    "h= in capitals": (b"h=from:from", b"h=From:from", NEVER),
    "i= added": (b"t=1760000000", b"t=1760000000; i=@stadtwerke.example", NEVER),
    "l= added": (b"t=1760000000", b"t=1760000000; l=1", NEVER),
    "s= to another selector": (b"s=s1", b"s=s2", NEVER),
    "t= to another time": (b"t=1760000000", b"t=1760000001", NEVER),
    "x= added": (b"t=1760000000", b"t=1760000000; x=1999999999", NEVER),
    "an unknown tag added": (b"t=1760000000", b"t=1760000000; y=1", NEVER),
    "a tag twice": (b"v=1;", b"v=1; d=stadtwerke.example;", NEVER),
    "a space more between tags": (b"v=1; a=", b"v=1;  a=", HEADER),
    "folding between tags": (b"v=1; a=", b"v=1;\r\n\ta=", HEADER),
    "a space that is gone between tags": (b"v=1; a=", b"v=1;a=", NEVER),
    "the case of the signature's name": (b"DKIM-Signature:", b"dkim-signature:", HEADER),
}
# Where dkimpy says otherwise, and for which forms it bears the change.
DEVIATIONS = {
    # It knows no white space before a colon, which RFC 5322 §4.5 (obs-fields) has receivers accept.
    "space before a colon": NEVER,
    # It takes LF for the end of a line. Over SMTP there is none but CRLF (RFC 5321 §2.3.8), and the signer saw none.
    "a line end that is none": ALWAYS,
    # It takes a signature for a number, so that zeros before it do not count; its length must be the key's
    # (RFC 8017 §8.2.2, step 1).
    "b= with another octet": ALWAYS,
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_on_the_way_is_found_or_borne_as_its_form_says(change: str) -> None:
    key = key_of("rsa")
    zone = zone_of(key)
    old, new, borne = CHANGES[change]
    for forms in FORMS:
        signed = sign(LETTER, key, now_s=NOW_S, forms=forms) + LETTER
        assert old in signed
        changed = signed.replace(old, new, 1)
        passes = (await result_of(changed, zone)).result == "pass"
        assert passes == (forms in borne), forms
        # It looks nowhere else than in the DNS for the key.
        (name,) = zone.records
        in_dns = f" d={name.partition('._domainkey.')[2]};".encode() in changed and b" s=s1;" in changed
        assert _by_dkimpy(changed, key.record if in_dns else "") == (forms in DEVIATIONS.get(change, borne)), forms


async def test_every_octet_of_a_signed_letter_counts() -> None:
    """Each octet is replaced by another: what still passes then is white space, or the case of a name."""
    key = key_of("ed25519")
    zone = zone_of(key)
    signed = sign(LETTER, key, now_s=NOW_S) + LETTER
    assert (await result_of(signed, zone)).result == "pass"
    passing = []
    for place, octet in enumerate(signed):
        changed = signed[:place] + bytes([octet ^ 1]) + signed[place + 1 :]
        results = await results_of(changed, zone)
        if any(each.result == "pass" for each in results):
            passing.append(place)
    assert passing == []
