"""The elements and attributes of HTML that have a use in letters; all others are left out.

Both the rewriting and the sanitiser work from these lists.
"""

from __future__ import annotations

FORMATTING = frozenset({"a", "b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u"})
INLINE = FORMATTING | {"abbr", "cite", "del", "ins", "kbd", "q", "samp", "span", "sub", "sup", "var"}
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
GROUPS = frozenset({"tbody", "thead", "tfoot"})
CELLS = frozenset({"td", "th"})
TABLE = frozenset({"table", "tr"}) | GROUPS | CELLS
VOID = frozenset({"br", "hr", "img", "wbr"})
BLOCK = (
    frozenset({"blockquote", "center", "dd", "details", "div", "dl", "dt", "li", "ol", "p", "pre", "summary", "ul"})
    | HEADINGS
    | TABLE
)
TAGS = INLINE | BLOCK | VOID
_CELL_ATTRIBUTES = frozenset({"align", "bgcolor", "colspan", "height", "nowrap", "rowspan", "valign", "width"})
ATTRIBUTES: dict[str, frozenset[str]] = {
    "a": frozenset({"href", "title"}),
    "div": frozenset({"align"}),
    "font": frozenset({"color", "face", "size"}),
    "hr": frozenset({"align", "color", "size", "width"}),
    "img": frozenset({"align", "alt", "height", "src", "width"}),
    "ol": frozenset({"start", "type"}),
    "p": frozenset({"align"}),
    "table": frozenset({"align", "bgcolor", "border", "cellpadding", "cellspacing", "height", "width"}),
    "td": _CELL_ATTRIBUTES,
    "th": _CELL_ATTRIBUTES,
    "tr": frozenset({"align", "bgcolor", "valign"}),
    **{name: frozenset({"align"}) for name in HEADINGS},
}
GENERIC = frozenset({"dir", "style"})
# Interop: Word writes every line as such a paragraph and relies on it to have no margin.
CLASSES = {
    "details": frozenset({"quote"}),
    **dict.fromkeys(("p", "li", "div"), frozenset({"MsoNormal"})),
}
