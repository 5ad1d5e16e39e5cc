"""A draft of the rules on its way through the pages: the text, and the version that it was made from.

Nothing of it is kept on the server before it is saved: each page carries the text on to the next, so that nothing a
person wrote is lost by an error, and a reload changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from maild.archive.versions import ever_served, newest_of, source_of
from maild.errors import Diagnostic
from maild.rules.editing import with_line_ends
from maild.rules.findings import Code, one_line
from maild.rules.model import Ruleset
from maild.rules.rulebook import Loaded, read_text
from maild.web.language import THOUSANDS, catalogue
from maild.web.visit import Visit

_MOST_SHOWN = 200
_MAX_DIGEST = 64
_WIDEST = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text of the rules. `base` is the hash of the version that it was made from, `base_text` that version's text."""

    text: str
    base: str
    base_text: str

    def over(self, text: str) -> Draft:
        """Return the same draft with another text."""
        return replace(self, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A diagnostic in the reader's language, with the line that it is about."""

    told: Diagnostic
    text: str
    line_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the check of a draft has found.

    `ruleset` is what would serve; `rehearsable` also what would, if it were not for failing tests.
    """

    ruleset: Ruleset | None
    rehearsable: Ruleset | None
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    failed: tuple[Finding, ...]  # tests that fail; each is an error, too, and not among `errors`
    more: int  # findings that are not listed

    @property
    def test_count(self) -> int:
        """How many tests were run."""
        return len(self.rehearsable.tests) if self.rehearsable is not None else 0

    @property
    def failed_count(self) -> int:
        """How many tests failed: one may say several things."""
        return len({(finding.told.line, finding.told.column) for finding in self.failed})


async def draft_of(visit: Visit) -> Draft:
    """Return the draft that a form carries, or a fresh one of what serves now."""
    rulebook = visit.services.rulebook
    base = visit.form.get("base", "")[:_MAX_DIGEST]
    serving, version = rulebook.source, rulebook.current.version
    base_text = serving
    if base and base != version:
        # One that is not known any more is no base that could be compared: it counts as changed since.
        base_text = await visit.read(_text_of, base)
    submitted = visit.form.get("text")
    text = base_text if submitted is None else await run_in_threadpool(with_line_ends, base_text or serving, submitted)
    return Draft(text=text, base=base or version, base_text=base_text)


def fresh_draft(visit: Visit, text: str | None = None) -> Draft:
    """Return a draft made from what serves now."""
    rulebook = visit.services.rulebook
    source = rulebook.source
    return Draft(text=source if text is None else text, base=rulebook.current.version, base_text=source)


def is_stale(visit: Visit, draft: Draft) -> bool:
    """Tell whether another text serves than the one that the draft was made from."""
    return draft.base_text != visit.services.rulebook.source


async def check(visit: Visit, text: str, *, by_hand: bool = False) -> Checked:
    """Check a text as if it were the rules file, with its tests; `by_hand` when it comes from the disk itself."""
    rulebook, today = visit.services.rulebook, visit.today

    known = by_hand or await visit.read(ever_served, text)
    may_read = None if known else partial(_may_read, rulebook.current)

    def look(*, tested: bool = True) -> Loaded:
        folder, shown = rulebook.path.parent, rulebook.path.name
        return read_text(text, folder, shown=shown, today=today, tested=tested, may_read=may_read)

    loaded = await run_in_threadpool(look)
    rehearsable = loaded.ruleset
    if loaded.ruleset is None and all(d.code == Code.FAILED_TEST for d in loaded.diagnostics if d.severity == "error"):
        rehearsable = (await run_in_threadpool(look, tested=False)).ruleset
    return _checked(loaded, rehearsable, visit.language)


def _may_read(serving: Ruleset, name: str) -> bool:
    # Security: diagnostics quote the lines of list files, and beside the rules lie files with secrets. Who edits in the
    # browser has no account on this machine, and chooses among the files that are meant for it.
    parts = PurePosixPath(name).parts
    return any(kept.file == name for kept in serving.lists.values()) or (parts[:1] == ("lists",) and ".." not in parts)


def in_language(told: Diagnostic, language: str) -> str:
    """Say a diagnostic in a reader's language."""
    if told.said is None:
        return told.text
    return one_line(told.said.in_words(catalogue(language, "rules").gettext, THOUSANDS[language]))


def findings_of(diagnostics: tuple[Diagnostic, ...], source: str, language: str) -> tuple[Finding, ...]:
    """Put the lines beside what was found in them."""
    lines = source.split("\n")

    def line(told: Diagnostic) -> str:
        text = lines[told.line - 1].strip() if 0 < told.line <= len(lines) else ""
        return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"

    return tuple(
        Finding(told=told, text=in_language(told, language), line_text=line(told)) for told in diagnostics[:_MOST_SHOWN]
    )


def _checked(loaded: Loaded, rehearsable: Ruleset | None, language: str) -> Checked:
    errors = tuple(d for d in loaded.diagnostics if d.severity == "error" and d.code != Code.FAILED_TEST)
    warnings = tuple(d for d in loaded.diagnostics if d.severity != "error")
    failed = tuple(d for d in loaded.diagnostics if d.severity == "error" and d.code == Code.FAILED_TEST)
    return Checked(
        ruleset=loaded.ruleset,
        rehearsable=rehearsable,
        errors=findings_of(errors, loaded.source, language),
        warnings=findings_of(warnings, loaded.source, language),
        failed=findings_of(failed, loaded.source, language),
        more=sum(max(0, len(found) - _MOST_SHOWN) for found in (errors, warnings, failed)),
    )


def _text_of(connection: Connection, digest: str) -> str:
    found = newest_of(connection, digest)
    return "" if found is None else source_of(connection, found.number)
