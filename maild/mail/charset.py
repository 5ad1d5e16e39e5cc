"""Characters of mail: which codec a charset label means, and what to do when the label lies.

Promises: never raises; every text is valid Unicode without NUL and lone surrogates; time is linear in the octets.

Source: RFC 2045 §6, RFC 2046 §4.1.2; labels as the WHATWG Encoding Standard groups them, for senders write
`iso-8859-1` and mean windows-1252, or `gb2312` and mean its supersets.
"""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"
_SURROGATES = re.compile("[\ud800-\udfff]")

# Security: only these names reach the codec machinery. A stranger's label could otherwise name a codec that is no
# charset (`unicode_escape`, `punycode`: quadratic), or fill the cache that Python keeps of names it looked for.
_FAMILIES = {
    "utf-8": "utf8 unicode11utf8 utf8mb4 xunicode20utf8",
    "utf-7": "utf7 unicode11utf7 csutf7",
    "utf-16": "utf16 ucs2 iso10646ucs2 unicode",
    "utf-16-le": "utf16le",
    "utf-16-be": "utf16be unicodefffe",
    "utf-32": "utf32 ucs4",
    "utf-32-le": "utf32le",
    "utf-32-be": "utf32be",
    "cp1252": "iso88591 latin1 l1 windows1252 cp1252 xcp1252 cp819 ibm819 csisolatin1 win1252 iso885911987 ansi",
    "iso8859-2": "iso88592 latin2 l2 csisolatin2",
    "iso8859-3": "iso88593 latin3 l3",
    "iso8859-4": "iso88594 latin4 l4",
    "iso8859-5": "iso88595 cyrillic csisolatincyrillic",
    "iso8859-6": "iso88596 iso88596e iso88596i arabic asmo708",
    "iso8859-7": "iso88597 greek greek8 elot928",
    "iso8859-8": "iso88598 iso88598e iso88598i hebrew visual logical",
    "cp1254": "iso88599 latin5 l5 windows1254 cp1254",
    "iso8859-10": "iso885910 latin6 l6",
    "cp874": "iso885911 tis620 windows874 cp874 dos874",
    "iso8859-13": "iso885913 latin7",
    "iso8859-14": "iso885914 latin8",
    "iso8859-15": "iso885915 latin9 latin0 l9",
    "iso8859-16": "iso885916 latin10",
    "cp1250": "windows1250 cp1250 xcp1250 win1250",
    "cp1251": "windows1251 cp1251 xcp1251 win1251",
    "cp1253": "windows1253 cp1253",
    "cp1255": "windows1255 cp1255",
    "cp1256": "windows1256 cp1256",
    "cp1257": "windows1257 cp1257",
    "cp1258": "windows1258 cp1258",
    "cp437": "cp437 ibm437 437",
    "cp850": "cp850 ibm850 850",
    "cp852": "cp852 ibm852 852",
    "cp855": "cp855 ibm855",
    "cp857": "cp857 ibm857",
    "cp858": "cp858 ibm00858 cp00858",
    "cp862": "cp862 ibm862 dos862",
    "cp866": "cp866 ibm866 866",
    "cp037": "cp037 ibm037 ebcdiccpus",
    "cp500": "cp500 ibm500",
    "koi8-r": "koi8r koi8 koi cskoi8r",
    "koi8-u": "koi8u koi8ru",
    "mac-roman": "macintosh macroman xmacroman mac applemacintosh xmac",
    "mac-cyrillic": "xmaccyrillic maccyrillic xmacukrainian",
    "mac-greek": "xmacgreek macgreek",
    "mac-latin2": "xmacce xmaccentraleurope maccentraleurope macce",
    "mac-turkish": "xmacturkish macturkish",
    "iso2022_jp_2": "iso2022jp iso2022jp2 csiso2022jp iso2022jp1 iso2022jpms cp50220 cp50221",
    "iso2022_kr": "iso2022kr csiso2022kr",
    "cp932": "shiftjis sjis xsjis mskanji cp932 windows31j shiftjisms ms932",
    "euc_jis_2004": "eucjp xeucjp eucjpms",
    "cp949": "euckr ksc56011987 ksc56011989 ksc5601 cp949 windows949 uhc korean ksx1001",
    "johab": "johab cp1361",
    "gb18030": "gb2312 gbk gb18030 cp936 ms936 xgbk chinese euccn csgb2312 gb231280 windows936",
    "hz": "hzgb2312 hz",
    "big5hkscs": "big5 big5hkscs cnbig5 xxbig5 csbig5 big5tw",
    "cp950": "cp950 ms950 windows950",
}
_CODECS = {label: codec for codec, labels in _FAMILIES.items() for label in labels.split()}
_NOT_ASCII = frozenset(
    {"utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"}
    | {"cp037", "cp500", "iso2022_jp_2", "iso2022_kr", "hz"}
)
_NAME = re.compile(r"[^a-z0-9]+")
_LONGEST_LABEL = 60


def codec_of(label: str) -> str | None:
    """Return the codec for a charset label as found in mail, None when it says nothing that helps."""
    if len(label) > _LONGEST_LABEL:
        return None
    return _CODECS.get(_NAME.sub("", label.lower()))


def clean(text: str) -> str:
    """Replace NUL and lone surrogates, which databases and UTF-8 refuse, by U+FFFD."""
    if not text.isascii() and _SURROGATES.search(text):
        text = _SURROGATES.sub(REPLACEMENT, text)
    return _without_nul(text)


def _without_nul(text: str) -> str:
    return text.replace("\0", REPLACEMENT) if "\0" in text else text


def guess(octets: bytes) -> str:
    """Decode octets of which nothing is known: UTF-8 when it is that, else windows-1252."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        text = octets.decode("cp1252", "replace")
    return _without_nul(text)


def decode(octets: bytes, label: str | None) -> str:
    """Decode octets as their label says; where it is missing, unknown or refuted by the octets, guess."""
    codec = codec_of(label) if label else None
    if codec is None:
        return guess(octets)
    if codec not in _NOT_ASCII and octets.isascii():
        text = octets.decode("ascii")
    else:
        try:
            text = octets.decode(codec)
        except UnicodeError:
            text = _rescue(octets, codec)
    # Only UTF-7 can spell a lone surrogate; looking for one costs more than decoding.
    return clean(text) if codec == "utf-7" else _without_nul(text)


def _rescue(octets: bytes, codec: str) -> str:
    """Decode octets that their codec refuses, keeping as much as can be told."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        text = octets.decode(codec, "replace")
    if codec != "utf-8":
        return text
    # Interop: one cut character in UTF-8 text stays one U+FFFD; Latin-1 that is labelled UTF-8 is read as such.
    wrong = text.count(REPLACEMENT)
    right = len(text) - wrong - len(octets.translate(None, _HIGH))
    return text if right >= wrong else octets.decode("cp1252", "replace")


_HIGH = bytes(range(128, 256))
