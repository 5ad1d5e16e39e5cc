"""Pages: templates filled in, in one of the languages. Nothing here knows of requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, nodes
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from maild.mail.ids import format_id
from maild.mail.subject import without
from maild.policy.grants import Principal
from maild.web import times
from maild.web.language import LANGUAGES, catalogue
from maild.web.notices import notice_text
from maild.web.refused_words import refused_text

_HERE = Path(__file__).parent
STATIC = {path.name: path.read_bytes() for path in sorted((_HERE / "static").iterdir())}
VERSIONS = {name: sha256(octets).hexdigest()[:16] for name, octets in STATIC.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every page knows of its reader and its moment."""

    language: str
    nonce: str
    form_token: str
    organisation: str
    zone: tzinfo
    now_ms: int
    path: str
    query: str
    person: Principal | None
    may_rules: bool = False  # edit them
    may_people: bool = False  # see them, and give roles
    may_audit: bool = False
    may_operate: bool = False  # see the queue
    may_reports: bool = False  # see what is reported of our domains


class Pages:
    """The templates, an environment for each language."""

    def __init__(self) -> None:
        """Load nothing yet; templates are compiled when first asked for, and kept."""
        self._environments = {language: _environment(language) for language in LANGUAGES}

    def render(self, template: str, here: Surroundings, **context: Any) -> str:
        """Return a page as HTML."""
        return (
            self._environments[here.language]
            .get_template(template)
            .render(
                here=here,
                when=partial(_when, here=here),
                since=partial(_since, here=here),
                date_text=partial(_date_text, here=here),
                date_value=partial(_date_value, here=here),
                size=partial(times.size, language=here.language),
                static=_static,
                id_text=format_id,
                notice_text=partial(notice_text, language=here.language),
                weekday=partial(times.weekday, language=here.language),
                **context,
            )
        )


class _Translated(NodeTransformer):
    """Puts the words of a language in the place of `_("…")`, once for all times that the template is filled in."""

    def __init__(self, language: str) -> None:
        self._gettext = catalogue(language).gettext

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802  # the name by which Jinja2 finds it
        self.generic_visit(node)
        match node:
            case nodes.Call(
                node=nodes.Name(name="_"), args=[nodes.Const(value=str(words))], kwargs=[], dyn_args=None,
                dyn_kwargs=None,
            ):  # fmt: skip
                # Security: words of ours, from the code and the catalogue; what is filled in goes the other way still.
                return nodes.Const(Markup(self._gettext(words)) % {}, lineno=node.lineno)  # noqa: S704
        return node


class _Environment(Environment):
    """The templates in one language."""

    def __init__(self, language: str, **options: Any) -> None:
        super().__init__(**options)
        self._language = language

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Translated(self._language).visit(super()._parse(source, name, filename))
        return tree


@cache  # compiling a template costs more than a hundred times filling it in: whoever makes pages, it is done once
def _environment(language: str) -> Environment:
    environment = _Environment(
        language,
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    words = catalogue(language)
    environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    environment.globals["language"] = language
    environment.filters["without"] = lambda subject, reference: without(subject, (reference,))
    environment.globals["refused_text"] = partial(refused_text, language)
    return environment


def _when(ms: int, here: Surroundings) -> str:
    return times.time_element(ms, here.now_ms, here.zone, here.language)


def _since(ms: int, here: Surroundings) -> str:
    return times.span(here.now_ms - ms, here.language)


def _date_text(ms: int, here: Surroundings) -> str:
    return times.day(times.moment(ms, here.zone).date(), here.language)


def _date_value(ms: int, here: Surroundings) -> str:
    """Return a day as the date field of a form has it."""
    return times.moment(ms, here.zone).date().isoformat()


def _static(name: str) -> str:
    return f"/static/{name}?v={VERSIONS[name]}"
