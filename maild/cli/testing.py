"""`maild rules test`: the tests of a rules file, one by one."""

from __future__ import annotations

from pathlib import Path

import click

from maild.cli.rules import errors_of, shown_path
from maild.cli.verb import counted, note, plain, put_json, settings
from maild.errors import ConfigurationError
from maild.rules.findings import Code
from maild.rules.rule_tests import TestResult
from maild.rules.rulebook import read_rules


def run(file: Path | None, *, as_json: bool) -> bool:
    """Print how each test came out; return whether there are tests and all of them passed.

    Raises:
        ConfigurationError: the file has errors other than failing tests.
    """
    path = file if file is not None else settings().server.rules
    loaded = read_rules(path, shown=shown_path(path))
    wrong = tuple(error for error in errors_of(loaded.diagnostics) if error.code != Code.FAILED_TEST)
    if wrong:
        raise ConfigurationError(wrong)
    for result in loaded.results:
        _put(result, as_json=as_json)
    failed = sum(bool(result.differences) for result in loaded.results)
    if not as_json:
        note(f"{counted(len(loaded.results), 'test')}, {failed} failed" if loaded.results else "there are no tests")
    return bool(loaded.results) and not failed


def _put(result: TestResult, *, as_json: bool) -> None:
    if as_json:
        differences = [
            {"what": each.what, "expected": each.expected, "found": each.found} for each in result.differences
        ]
        passed = not differences
        put_json({"name": result.name, "line": result.line, "passed": passed, "differences": differences})
        return
    click.echo(f"{'FAILED' if result.differences else 'passed'}  {plain(result.name)} (line {result.line})")
    for each in result.differences:
        click.echo(f"        {plain(str(each.text))}")
