"""Which CSS a letter may bring: colours, type, spacing and borders inside its own frame, and nothing else.

No address, no variable, no function but colours, nothing that takes an element out of the flow or moves it
over another, nothing of a size that no letter needs.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_STYLE = 4_000
_SIDES = ("top", "right", "bottom", "left")
_MARGINS = frozenset({"margin", *(f"margin-{s}" for s in _SIDES)})
_SIZES = frozenset({"width", "height", "min-width", "max-width", "min-height", "max-height"})
_NEVER_NEGATIVE = _MARGINS | _SIZES | {"letter-spacing"}
PROPERTIES = frozenset(
    {
        "background",
        "background-color",
        "border",
        "border-collapse",
        "border-color",
        "border-radius",
        "border-spacing",
        "border-style",
        "border-width",
        *(f"border-{s}" for s in _SIDES),
        *(f"border-{s}-{w}" for s in _SIDES for w in ("color", "style", "width")),
        "clear",
        "color",
        "direction",
        "display",
        "float",
        "font",
        "font-family",
        "font-size",
        "font-style",
        "font-variant",
        "font-weight",
        "letter-spacing",
        "line-height",
        "list-style-type",
        *_MARGINS,
        "padding",
        *(f"padding-{s}" for s in _SIDES),
        *_SIZES,
        "table-layout",
        "text-align",
        "text-decoration",
        "text-transform",
        "vertical-align",
        "white-space",
        "word-break",
        "overflow-wrap",
    }
)
_DISPLAY = frozenset(
    {"block", "inline", "inline-block", "none", "table", "table-row", "table-cell", "list-item", "inline-table"}
)
_VALUE = re.compile(r"[-\w\s#%.,+/\"'()]{1,300}", re.ASCII)
_FUNCTION = re.compile(r"([-\w]*)\(")
_COLOURS = frozenset({"rgb", "rgba", "hsl", "hsla"})
_COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|(?:rgb|hsl)a?\([^()]*\)|(?<![-\w])[a-z]{3,24}(?![-\w(])")
_NOT_COLOURS = frozenset(
    {
        "none",
        "repeat",
        "scroll",
        "fixed",
        "local",
        "top",
        "left",
        "right",
        "bottom",
        "center",
        "cover",
        "url",
        "auto",
        "round",
        "space",
        "contain",
        "initial",
        "inherit",
        "unset",
    }
)
_NO_LENGTH = re.compile(r"#[0-9a-f]+|\([^()]*\)", re.IGNORECASE)
_IMPORTANT = re.compile(r"\s*!\s*important$", re.IGNORECASE)
_NUMBER = re.compile(r"(-?)(\d{0,7}(?:\.\d{1,9})?)([a-z%]*)", re.IGNORECASE)
_LARGEST = {"px": 2_000, "pt": 1_500, "em": 120, "rem": 120, "%": 300, "in": 20, "cm": 50, "mm": 500, "": 2_000}


def _numbers(value: str) -> list[tuple[bool, float, str]]:
    found = (m for m in _NUMBER.finditer(_NO_LENGTH.sub("", value)) if m.group(2) not in {"", "."})
    return [(bool(m.group(1)), float(m.group(2)), m.group(3).lower()) for m in found]


def _is_sized(value: str) -> bool:
    """Tell whether every length is in the range that letters need; unknown units (vw, vh) are not."""
    return all(n <= _LARGEST.get(unit, -1) for _, n, unit in _numbers(value))


def _background_colour(value: str) -> str | None:
    """Keep the colour of a shorthand whose picture goes: the text was written to be read on it."""
    without_picture = re.sub(r"url\([^)]*\)?", " ", value)
    words = (m.group() for m in _COLOUR.finditer(without_picture))
    return next((w for w in words if w not in _NOT_COLOURS), None)


def _only_colours(value: str) -> bool:
    return value.count("(") == value.count(")") and all(f.lower() in _COLOURS for f in _FUNCTION.findall(value))


def _allowed(name: str, value: str) -> str | None:
    value = value.strip().lower() if name != "font-family" else value.strip()
    if "!" in value:
        value = _IMPORTANT.sub("", value)
    if name == "background":
        return _background_colour(value)
    if name not in PROPERTIES or not _VALUE.fullmatch(value):
        return None
    if ("(" in value or ")" in value) and not _only_colours(value):
        return None
    if name == "display":
        return value if value in _DISPLAY else None
    if name in _NEVER_NEGATIVE:
        return value if _is_sized(value) and not any(negative for negative, _, _ in _numbers(value)) else None
    if name in {"font-size", "font", "line-height"} or name.startswith(("padding", "border")):
        return value if _is_sized(value) else None
    return value


@lru_cache(maxsize=2_048)
def safe_style(style: str) -> str:
    """Return the declarations that are allowed, in order, in one canonical form; "" when none is.

    A backslash or a comment can hide any word from this reading but not from a browser's, so a style with
    one is refused as a whole.
    """
    if len(style) > MAX_STYLE or "\\" in style or "/*" in style or "<" in style:
        return ""
    kept = []
    for declaration in style.split(";"):
        name, found, value = declaration.partition(":")
        name = name.strip().lower()
        if found and (allowed := _allowed(name, value)) is not None:
            kept.append(f"{'background-color' if name == 'background' else name}:{allowed}")
    return ";".join(kept)
