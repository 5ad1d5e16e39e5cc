"""The program `maild`: which verbs there are, and what an error means to a shell.

Exit codes: 0 done; 1 the answer is no; 2 wrong usage; 75 try again; 78 configuration refused (sysexits.h).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence

import click

from maild import errors

EX_NO = 1
EX_TEMPFAIL = 75
EX_CONFIG = 78

# verb → the module and name of its command, and the line `maild --help` shows without importing it.
VERBS: dict[str, tuple[str, str]] = {
    "demo": ("maild.cli.demo:demo", "A running maild with sample people and mail, to look around in."),
    "init": ("maild.cli.init:init", "Write maild.toml and rules.yaml, the database and an administrator."),
    "serve": ("maild.cli.serve:serve", "Run the daemon in the foreground."),
    "check": ("maild.cli.check:check", "Check settings and rules; list every mistake."),
    "route": ("maild.cli.route:route", "Say what the rules would do with a mail, and why."),
    "rules": ("maild.cli.workshop:rules", "The rules' history, what a change would do, and the way back."),
    "directory": ("maild.cli.directory:directory", "The public list of function addresses."),
    "import": ("maild.cli.transfer:import_", "Take in mbox, Maildir, .eml and .zip, byte-exact."),
    "search": ("maild.cli.archive:search", "Find messages."),
    "show": ("maild.cli.archive:show", "Show one message: readable, raw, or its trace."),
    "trace": ("maild.cli.archive:trace", "Tell every fate of a mail."),
    "queue": ("maild.cli.queue:queue", "What is still to be done with mail; release what is held."),
    "returned": ("maild.cli.returned:returned", "Who did not get what was sent in our name, and why."),
    "dkim": ("maild.cli.dkim:dkim", "The keys that mail of ours is signed with, and what to publish."),
    "reports": ("maild.cli.reports:reports", "Who sends in our domains' name, as other mail servers report it."),
    "status": ("maild.cli.health:status", "Say how maild is, as a person reads it."),
    "user": ("maild.cli.people:user", "Add, list and disable people; set passwords."),
    "grant": ("maild.cli.people:grant", "Give or revoke a dated role in a team."),
    "handover": ("maild.cli.handover:handover", "Hand over what somebody holds who leaves, and close the account."),
    "absent": ("maild.cli.absent:absent", "Note that somebody is away, with a deputy, or that they are back."),
    "audit": ("maild.cli.audit:audit", "The audit log as a signed file that others can check."),
    "verify": ("maild.cli.health:verify", "Check that the archive is complete and unchanged."),
    "doctor": ("maild.cli.health:doctor", "Examine the machine, the storage and the certificates."),
    "reindex": ("maild.cli.health:reindex", "Build the full-text index anew."),
}


class Verbs(click.Group):
    """A group that imports a verb only when it is called: `maild check` shall start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order in which one meets them."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb."""
        del ctx
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{name} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb when there is none of that name."""
        name = args[0]
        if name not in VERBS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, VERBS, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"there is no verb '{name}'{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`maild VERB --help` says more, with an example. A first look: `maild demo`.",
)
@click.version_option(package_name="maild", message="%(prog)s %(version)s")
@click.option("--config", metavar="FILE", help="The settings; else $MAILD_CONFIG, ./maild.toml, /etc/maild/maild.toml.")
def program(config: str | None) -> None:
    """Mail for offices: function addresses, team inboxes, and an archive that outlives its people."""
    if config is not None:
        # One way for every verb, and for the processes it starts.
        os.environ["MAILD_CONFIG"] = config


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    _keep_private()
    try:
        result = program.main(args=arguments, prog_name="maild", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.Abort:
        _say("maild: stopped")
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit:
        return 0  # click's answer to a reader of our output (`| head`) that has enough
    except (errors.MaildError, OSError) as error:
        return _explain(error)
    return result if isinstance(result, int) else 0


def _keep_private() -> None:
    """See to it that no file of ours is readable by others, and that no crash writes mail to a core file."""
    import resource

    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _explain(error: errors.MaildError | OSError) -> int:
    if isinstance(error, errors.ConfigurationError):
        for diagnostic in error.diagnostics:
            _say(str(diagnostic))
        return EX_CONFIG
    if isinstance(error, OSError):
        from maild.cli.explain import os_error

        _say(f"maild: {os_error(error)}")
        return EX_TEMPFAIL
    _say(f"maild: {error}")
    return EX_TEMPFAIL if isinstance(error, errors.TemporaryError) else EX_NO


def _say(text: str) -> None:
    click.echo(text, err=True)
