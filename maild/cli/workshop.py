"""`maild rules …`: the workshop around the rules file."""

from __future__ import annotations

from pathlib import Path

import click

from maild.cli.times import since_ms
from maild.cli.verb import json_option, settings, verb, yes_option


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def rules() -> None:
    """Look at the rules' history, see what a change would do before it is made, and take it back after."""


@verb("maild rules list", "maild rules list --json", group=rules, name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the rules that serve, in their order, with how often each matched in 30 days, and when last.

    A recipient that a rule matched is one hit; what a rule only observes, imported mail and duplicates do not count.
    """
    from maild.cli.rule_list import run

    run(settings(), as_json=as_json)


@verb("maild rules history", "maild rules history --json", group=rules, name="history")
@json_option
def history(*, as_json: bool) -> None:
    """List every version that ever served, newest first."""
    from maild.cli.versions import put_history

    put_history(settings(), as_json=as_json)


@verb("maild rules show 3", "maild rules show 3 > rules-3.yaml", group=rules, name="show")
@click.argument("number", type=click.IntRange(min=1))
@json_option
def show(number: int, *, as_json: bool) -> None:
    """Print a version, exactly as it was.

    The text goes to stdout, octet by octet; what is known of it to stderr.
    """
    from maild.cli.versions import put_version

    put_version(settings(), number, as_json=as_json)


@verb("maild rules rollback 3 --reason 'day-care mail went astray' --yes", group=rules, name="rollback")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--reason", required=True, help="Why; kept in the history.")
@yes_option
def rollback(number: int, *, reason: str, yes: bool) -> None:
    """Put an older version back.

    The old text is checked first, with this program and the list files of today; then it takes the place of the
    rules file, and the daemon on this machine takes it up. The file is replaced as a whole or
    not at all; it keeps its mode and its owner. Text that never served is put aside, beside the file. Without --yes
    only the difference is shown.
    """
    from maild.cli.rollback import run

    if not reason.strip():
        raise click.UsageError("the reason is empty; a few words will help whoever reads the history")
    run(settings(), number, reason.strip(), yes=yes)


@verb("maild rules schema > rules.schema.json", group=rules, name="schema")
def schema() -> None:
    """Print the JSON Schema of the rules file, for editors.

    An editor that knows YAML schemas then completes keys and words while one types, and underlines mistakes. The first
    line of the rules file says where the schema is: `# yaml-language-server: $schema=rules.schema.json`.
    """
    import json

    from maild.rules.schema import rules_schema

    click.echo(json.dumps(rules_schema(), indent=2, ensure_ascii=False))


@verb(
    "maild rules test",
    "maild rules test new.yaml --json",
    group=rules,
    name="test",
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
def test(file: Path | None, *, as_json: bool) -> None:
    """Run the tests of the rules file, or of FILE, and say how each came out.

    Exits with 0 when all passed, 1 when one failed or there is none, 78 when the file has other errors: then nothing
    can be tested.
    """
    from maild.cli.testing import run

    if not run(file, as_json=as_json):
        raise click.exceptions.Exit(1)


@verb(
    "maild rules diff new.yaml --since 90d",
    "maild rules diff 7 new.yaml --json",
    "maild rules diff 7 8 --text",
    group=rules,
    name="diff",
)
@click.argument("names", nargs=-1, metavar="[OLD] NEW")
@click.option("--since", "since", metavar="D", callback=since_ms, help="Mail from this date on: 2026-05-31, 36h, 90d.")
@click.option("--text", "as_text", is_flag=True, help="The difference of the texts, line by line; no mail is read.")
@json_option
def diff(names: tuple[str, ...], *, since: int | None, as_text: bool, as_json: bool) -> None:
    """Say what of the archived mail would go elsewhere.

    OLD and NEW are files or numbers of versions; OLD is what serves now unless it is given. Each archived mail is
    routed by both, in memory: nothing is stored, moved or sent. Without --since all mail is read. Exits with 1 when
    anything differs, with 0 when nothing does, with 78 when NEW would be refused; where that is for its tests alone, it
    is compared all the same.
    """
    if len(names) not in {1, 2}:
        raise click.UsageError("say NEW, or OLD NEW: files or numbers of versions")
    if as_text and since is not None:
        raise click.UsageError("--text reads no mail: it goes without --since")
    here = settings()
    if as_text:
        from maild.cli.versions import put_difference

        same = put_difference(here, names, as_json=as_json)
    else:
        from maild.cli.rehearsal import run

        same = run(here, names, since, as_json=as_json)
    if not same:
        raise click.exceptions.Exit(1)


@verb(
    "maild rules replay --since 30d",
    "maild rules replay --query 'team:poststelle subject:rechnung' --yes",
    "maild rules replay --undo --yes",
    group=rules,
    name="replay",
)
@click.option("--since", metavar="D", help="Mail from this date on: 2026-05-31, 36h, 90d.")
@click.option("--query", metavar="Q", default="", help="Mail that a search finds.")
@click.option("--undo", is_flag=True, help="Take a replay back: the newest, or that of NUMBER.")
@click.argument("number", required=False, type=click.IntRange(min=1))
@yes_option
@json_option
@click.pass_context
def replay(
    ctx: click.Context, *, since: str | None, query: str, undo: bool, number: int | None, yes: bool, as_json: bool
) -> None:
    """File archived mail by the rules that serve now.

    Mail comes to lie where the rules of today put it. Nothing is sent or acknowledged again, and what is
    held, assigned or waits to be sent on stays so. What people made of an inbox stays: states, assignees, tags; and
    where somebody has worked on a letter, a copy of it. Without --yes it says what it would do, and exits with 1 when
    that is anything. One that was cut off goes on when it is asked for again.
    """
    from maild.archive.replay import Selection
    from maild.cli import replaying

    if undo is (since is not None or bool(query)) or (number is not None and not undo):
        raise click.UsageError("say --since D, --query Q or both; or --undo [NUMBER]")
    if undo:
        same = replaying.run_undo(number, yes=yes, as_json=as_json)
    else:
        selection = Selection(since=since or "", query=query)
        same = replaying.run(selection, since_ms(ctx, ctx.command.params[0], since), yes=yes, as_json=as_json)
    if not same:
        raise click.exceptions.Exit(1)


@verb("maild rules replays", "maild rules replays --json", group=rules, name="replays")
@json_option
def replays(*, as_json: bool) -> None:
    """List every replay, newest first."""
    from maild.cli.replaying import put_replays

    put_replays(as_json=as_json)


@verb("maild rules observed", "maild rules observed kita-eilt --since 30d", group=rules, name="observed")
@click.argument("rule", required=False)
@click.option("--since", "since", metavar="D", callback=since_ms, help="Mail from this date on: 2026-05-31, 36h, 90d.")
@json_option
def observed(rule: str | None, since: int | None, *, as_json: bool) -> None:
    """Say what rules in `mode: observe` would have done.

    By rule: how much of the mail it matched, what it would have done with it, the newest messages. Exits with 1 when
    none has matched.
    """
    from maild.cli.observed import run

    if not run(rule, since, as_json=as_json):
        raise click.exceptions.Exit(1)


@verb("maild rules make-test 38G1827KM0281", group=rules, name="make-test")
@click.argument("message", metavar="ID")
def make_test(message: str) -> None:
    """Print a test of an archived message, for `tests` in the rules file.

    People have placeholders; of subject and text only the words remain that rules looked at. What more had to stay, so
    that the test has the outcome of the message, is said in the entry and on stderr.
    """
    from maild.cli.making_tests import run

    run(message)
