"""`maild status`, `verify`, `doctor` and `reindex`: how maild is, and what to do about it."""

from __future__ import annotations

import click

from maild.cli.verb import json_option, note, settings, verb, yes_option


@verb("maild status", "maild status --json")
@json_option
def status(*, as_json: bool) -> None:
    """Say how maild is: the daemon, the mail, the rules, the index, the disk. Exits with 1 when something is wrong."""
    from maild.cli.state import run

    if not run(settings(), as_json=as_json):
        raise click.exceptions.Exit(1)


@verb("maild verify", "maild verify --full --json")
@click.option("--full", is_flag=True, help="Read and hash every message, too.")
@json_option
def verify(*, full: bool, as_json: bool) -> None:
    """Check that the archive is complete and unchanged; name what is missing or changed.

    Walks the hash chain over everything that was ever accepted. With --full every message is read and compared with
    its digest, which takes as long as reading the whole archive does. Exits with 1 when something is found.
    """
    from maild.cli.verifying import run

    if not run(settings(), full=full, as_json=as_json):
        raise click.exceptions.Exit(1)


@verb("maild doctor", "maild doctor --json", "maild doctor --dns musterstadt.example --selector s2026")
@click.option("--dns", "domain", metavar="DOMAIN", help="Examine the DNS records of a domain instead.")
@click.option("--selector", "selectors", multiple=True, metavar="S",
              help="With --dns: a selector of DKIM, s= in the signature of your mail; may be repeated.")  # fmt: skip
@click.option("--no-mail", is_flag=True, help="With --dns: the domain is to send and take no mail at all.")
@json_option
def doctor(*, domain: str | None, selectors: tuple[str, ...], no_mail: bool, as_json: bool) -> None:
    """Examine the machine, the storage's durability, the files' modes and the certificates; or a domain's records.

    With --dns: SPF, DKIM, DMARC, MX, MTA-STS (its policy is fetched by HTTPS), TLSRPT, DANE and the names of our
    addresses; for each what is there, what is wrong, and what to publish. Nothing else that maild does asks strangers.

    Exits with 1 when there is something that must not stay so.
    """
    if domain is None:
        if selectors or no_mail:
            raise click.UsageError("--selector and --no-mail go with --dns DOMAIN")
        from maild.cli.examination import run

        good = run(settings(), as_json=as_json)
    else:
        from maild.cli.dns_examination import examine

        good = examine(settings(), domain, selectors, sends_mail=not no_mail, as_json=as_json)
    if not good:
        raise click.exceptions.Exit(1)


@verb("maild reindex --yes")
@yes_option
def reindex(*, yes: bool) -> None:
    """Build the full-text index anew, from the archive. The daemon must not run meanwhile.

    The index is derived: whatever becomes of it, no mail is touched. The daemon itself completes an index that is
    behind; this is for one that is damaged.
    """
    from maild.cli.reindexing import run

    here = settings()
    if not yes:
        note(f"would empty the full-text index in {here.server.data_dir} and fill it again; --yes does it")
        raise click.exceptions.Exit(1)
    run(here)
