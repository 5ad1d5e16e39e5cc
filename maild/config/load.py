"""Read the settings: file, environment and secrets; refuse with every diagnostic at once.

For each key counts, in this order: `MAILD_<SECTION>__<KEY>`, the file, for secrets a systemd credential, the
default.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from maild.config.kinds import Endpoint, Kind
from maild.config.locate import Place, line_and_column, places
from maild.config.model import SECTIONS, Settings
from maild.errors import ConfigurationError, Diagnostic

FILE_NAME = "maild.toml"
SYSTEM_FILE = Path("/etc/maild") / FILE_NAME
SYSTEM_DATA_DIR = Path("/var/lib/maild")
CODES = {
    "no-settings": "There is no settings file, and no setting in the environment either.",
    "unreadable-file": "A file is not there, or maild's user may not read it.",
    "encoding": "The file is not UTF-8.",
    "toml": "The file is not TOML; the place is where the reader gave up.",
    "unknown-section": "There is no such section.",
    "bad-section": "A section is written as if it were a setting.",
    "unknown-key": "The section has no such setting; the nearest one is named.",
    "bad-value": "The setting wants something else; what it wants is said.",
    "set-twice": "A secret is given both by itself and by its file.",
    "incomplete": "A setting needs another one beside it.",
    "same-address": "Two doors cannot listen on one address.",
}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_VARIABLE = re.compile(r"MAILD_([A-Z0-9]+)__([A-Z0-9_]+)")


def find_file(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the settings file: the given one, `$MAILD_CONFIG`, `./maild.toml`, the system's, or None.

    A file that was asked for by name is returned whether it exists or not.
    """
    if given is not None:
        return given
    if named := environ.get("MAILD_CONFIG"):
        return Path(named)
    return next((path for path in (Path(FILE_NAME), SYSTEM_FILE) if path.exists()), None)


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings in force.

    Args:
        path: The value of `--config`, or None.
        environ: The process's environment.

    Raises:
        ConfigurationError: With every diagnostic of file and environment.
    """
    found = find_file(path, environ)
    has_variables = any(_VARIABLE.fullmatch(name) for name in environ)
    if found is None and not has_variables:
        text = f"there is none here, nor {SYSTEM_FILE}; `maild init DIR` writes one, --config FILE names one"
        raise ConfigurationError((_diagnostic(FILE_NAME, 1, 1, "no-settings", text),))
    reader = _Reader(name=str(found) if found else FILE_NAME)
    if found is not None:
        reader.take_file(found)
    reader.take_environment(environ)
    reader.take_credentials(environ)
    settings = reader.build(found)
    if reader.diagnostics:
        raise ConfigurationError(tuple(sorted(reader.diagnostics, key=lambda d: (d.path, d.line, d.column))))
    return settings


def _diagnostic(path: str, line: int, column: int, code: str, text: str) -> Diagnostic:
    return Diagnostic(path=path, line=line, column=column, severity="error", code=code, text=text)


def _nearest(word: str, words: Iterator[str] | list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - wanted only when something is wrong

    near = get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def _no_section(name: str, *, is_table: bool) -> str:
    """Say what is wrong with a name at the head of the file."""
    homes = [] if is_table else [f"[{section}]" for section in SECTIONS if name in _names(section)]
    if homes:
        return f"'{name}' stands before any section; it is a setting of {' or '.join(homes)}"
    kind = "section" if is_table else "setting outside of a section"
    return f"'{name}' is not a {kind} that maild knows{_nearest(name, list(SECTIONS)) if is_table else ''}"


def _with_one_underscore(variable: str) -> str | None:
    """Return the variable that was meant; anything else under our name, such as another program's, is no mistake."""
    _, _, rest = variable.partition("MAILD_")
    section, _, key = rest.partition("_")
    if section.lower() in SECTIONS and key.lower() in _names(section.lower()):
        return f"MAILD_{section}__{key}"
    return None


def _declared(section: str) -> dict[str, Field[Any]]:
    return {f.name: f for f in fields(SECTIONS[section])}


def _names(section: str) -> list[str]:
    declared = _declared(section)
    return [*declared, *(f"{name}_file" for name, f in declared.items() if f.metadata["secret"])]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A value someone set: in the file, unless `variable` names the variable of the environment."""

    value: Any
    variable: str = ""


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Collects what is set, and every diagnostic. A source that is taken later overrides an earlier one."""

    name: str
    text: str = ""
    given: dict[tuple[str, str], _Given] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    found: dict[tuple[str, ...], Place] | None = None

    def refuse(self, code: str, text: str, *keys: str, value: bool = False, variable: str = "") -> None:
        """Note a diagnostic about `keys`, at its key or its value in the file, or at its variable."""
        if variable:
            self.diagnostics.append(_diagnostic(f"${variable}", 1, 1, code, text))
            return
        if self.found is None:
            self.found = places(self.text)
        place = self.found.get(keys, Place(key=0, value=0))
        line, column = line_and_column(self.text, place.value if value else place.key)
        self.diagnostics.append(_diagnostic(self.name, line, column, code, text))

    def take_file(self, path: Path) -> None:
        try:
            self.text = path.read_text(encoding="utf-8")
            table = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            self.refuse_toml(str(error))
        except UnicodeDecodeError:
            self.refuse("encoding", "the file is not UTF-8")
        except OSError as error:
            self.refuse("unreadable-file", f"cannot be read: {_reason(error)}")
        else:
            self.take_table(table)

    def refuse_toml(self, message: str) -> None:
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
        text = message[: place.start()] if place else message
        where = line_and_column(self.text, len(self.text.rstrip()))
        if place and place[1]:
            where = int(place[1]), int(place[2])
        self.diagnostics.append(_diagnostic(self.name, *where, "toml", text[:1].lower() + text[1:]))

    def take_table(self, table: dict[str, Any]) -> None:
        for section, keys in table.items():
            if section not in SECTIONS:
                self.refuse("unknown-section", _no_section(section, is_table=isinstance(keys, dict)), section)
            elif not isinstance(keys, dict):
                text = f"'{section}' is a section: write [{section}], and its settings below"
                self.refuse("bad-section", text, section)
            else:
                self.take_section(section, keys)

    def take_section(self, section: str, keys: dict[str, Any]) -> None:
        names = _names(section)
        for key, value in keys.items():
            if key in names:
                self.given[section, key] = _Given(value=value)
            else:
                text = f"'{key}' is not a setting of [{section}]{_nearest(key, names)}"
                self.refuse("unknown-key", text, section, key)

    def take_environment(self, environ: Mapping[str, str]) -> None:
        for variable, text in environ.items():
            match = _VARIABLE.fullmatch(variable)
            if match is None:
                if (meant := _with_one_underscore(variable)) is not None:
                    self.refuse("unknown-key", f"write {meant}, with two underscores", variable=variable)
                continue
            section, key = match[1].lower(), match[2].lower()
            if section not in SECTIONS:
                hint = _nearest(section, list(SECTIONS))
                self.refuse("unknown-section", f"there is no section [{section}]{hint}", variable=variable)
            elif key not in (names := _names(section)):
                hint = _nearest(key, names)
                self.refuse("unknown-key", f"'{key}' is not a setting of [{section}]{hint}", variable=variable)
            else:
                self.take_variable(section, key, text, variable)

    def take_variable(self, section: str, key: str, text: str, variable: str) -> None:
        declared = _declared(section).get(key)
        value = declared.metadata["kind"].parse(text) if declared else text
        name = key.removesuffix("_file")
        if name in _secrets(section):  # a secret in the environment overrides both of its forms in the file
            for form in (name, f"{name}_file"):
                if not self.given.get((section, form), _Given(value=None)).variable:
                    self.given.pop((section, form), None)
        self.given[section, key] = _Given(value=value, variable=variable)

    def take_credentials(self, environ: Mapping[str, str]) -> None:
        """Take secrets that nobody set from systemd's credentials (systemd.exec(5), LoadCredential=)."""
        directory = environ.get("CREDENTIALS_DIRECTORY")
        for section in SECTIONS if directory else ():
            for name in _secrets(section):
                path = Path(directory or "") / f"{section}.{name}"
                if not {(section, name), (section, f"{name}_file")} & self.given.keys() and path.exists():
                    self.given[section, f"{name}_file"] = _Given(value=str(path))

    def build(self, found: Path | None) -> Settings:
        base = (found.parent if found else Path()).absolute()
        sections = {section: self.build_section(section, base) for section in SECTIONS}
        settings = Settings(path=found.absolute() if found else None, **sections)
        if found and base == SYSTEM_FILE.parent and ("server", "data_dir") not in self.given:
            settings = replace(settings, server=replace(settings.server, data_dir=SYSTEM_DATA_DIR))
        self.check_tls(settings)
        self.check_listeners(settings)
        self.check_outbound(settings)
        self.check_submission(settings)
        self.check_oidc(settings)
        return settings

    def build_section(self, section: str, base: Path) -> Any:
        values = {}
        for name, declared in _declared(section).items():
            kind: Kind[Any] = declared.metadata["kind"]
            value = self.value_of(section, name, kind, declared.default, base)
            values[name] = base / value if isinstance(value, Path) else value
        return SECTIONS[section](**values)

    def value_of(self, section: str, name: str, kind: Kind[Any], default: Any, base: Path) -> Any:
        if (section, f"{name}_file") in self.given and name in _secrets(section):
            return self.secret_of(section, name, kind, base)
        given = self.given.get((section, name))
        if given is None:
            return default
        try:
            return kind.read(given.value)
        except ValueError:
            shown = "" if name in _secrets(section) else f", not {_shown(given.value)}"
            text = f"'{name}' wants {kind.expects}{shown}"
            self.refuse("bad-value", text, section, name, value=True, variable=given.variable)
            return default

    def secret_of(self, section: str, name: str, kind: Kind[Any], base: Path) -> Any:
        key = f"{name}_file"
        given = self.given[section, key]
        if (section, name) in self.given:
            text = f"'{name}' and '{key}' are both set; keep one of them"
            self.refuse("set-twice", text, section, key, variable=given.variable)
        elif not isinstance(given.value, str) or not given.value:
            self.refuse("bad-value", f"'{key}' wants a path", section, key, value=True, variable=given.variable)
        else:
            try:
                secret = (base / Path(given.value).expanduser()).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                text = f"'{key}': {given.value} cannot be read: {_reason(error)}"
                self.refuse("unreadable-file", text, section, key, value=True, variable=given.variable)
                return ""
            try:
                return kind.read(secret)
            except ValueError:
                text = f"'{key}': what {given.value} holds is not {kind.expects}"
                self.refuse("bad-value", text, section, key, value=True, variable=given.variable)
        return ""

    def check_tls(self, settings: Settings) -> None:
        pair = {"cert_file": settings.tls.cert_file, "key_file": settings.tls.key_file}
        if None in pair.values() and any(pair.values()):
            missing, present = sorted(pair, key=lambda name: pair[name] is not None)
            given = self.given.get(("tls", present), _Given(value=None))
            text = f"'{present}' needs '{missing}' beside it"
            self.refuse("incomplete", text, "tls", present, variable=given.variable)

    def check_outbound(self, settings: Settings) -> None:
        outbound = settings.outbound
        for present, missing in (("login", "smarthost"), ("login", "password"), ("password", "login")):
            if getattr(outbound, present) and not getattr(outbound, missing):
                key = present if ("outbound", present) in self.given else f"{present}_file"
                given = self.given.get(("outbound", key), _Given(value=None))
                text = f"'{present}' needs '{missing}' beside it"
                self.refuse("incomplete", text, "outbound", key, variable=given.variable)
                return

    def check_listeners(self, settings: Settings) -> None:
        taken: dict[Endpoint, str] = {}
        doors = [("smtp", "listen", settings.smtp.listen), ("web", "listen", (settings.web.listen,))]
        doors += [("submission", key, getattr(settings.submission, key)) for key in ("listen", "listen_tls")]
        for section, key, endpoints in doors:
            for endpoint in endpoints:
                owner = taken.setdefault(endpoint, f"[{section}] {key}")
                if endpoint.port and owner != f"[{section}] {key}":
                    given = self.given.get((section, key), _Given(value=None))
                    text = f"{endpoint} is taken by {owner}"
                    self.refuse("same-address", text, section, key, variable=given.variable)

    def check_submission(self, settings: Settings) -> None:
        open_to_others = [e for e in settings.submission.listen if e.host not in _LOOPBACK]
        for key, endpoints in (("listen", open_to_others), ("listen_tls", settings.submission.listen_tls)):
            if endpoints and settings.tls.cert_file is None:
                given = self.given.get(("submission", key), _Given(value=None))
                text = f"'{key}' needs 'cert_file' in [tls]: no password is taken in the clear"
                self.refuse("incomplete", text, "submission", key, variable=given.variable)

    def check_oidc(self, settings: Settings) -> None:
        given = self.given.get(("oidc", "issuer"), _Given(value=None))
        for missing in ("client_id", "groups"):
            if settings.oidc.issuer and not getattr(settings.oidc, missing):
                text = f"'issuer' needs '{missing}' beside it"
                self.refuse("incomplete", text, "oidc", "issuer", variable=given.variable)


def _secrets(section: str) -> list[str]:
    return [name for name, declared in _declared(section).items() if declared.metadata["secret"]]


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _reason(error: Exception) -> str:
    return (error.strerror or "unknown reason").lower() if isinstance(error, OSError) else "it is not UTF-8"
