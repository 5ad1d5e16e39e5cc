"""`maild directory`: the public list of function addresses, for the terminal, for a site, for a table."""

from __future__ import annotations

import click

from maild.cli.verb import note, put_bytes, put_table, settings, verb


@verb(
    "maild directory", "maild directory --format html > addresses.html", "maild directory --format csv > addresses.csv"
)
@click.option("--format", "form", type=click.Choice(["html", "json", "csv"]), help="Default: a table to read here.")
@click.option("--language", type=click.Choice(["de", "en"]), help="Of the page. Default: the organisation's.")
def directory(form: str | None, language: str | None) -> None:
    """List the function addresses that the rules file makes public, as /directory shows them.

    Addresses that say `listed: false` are left out, and so is everything that is a person's.
    """
    from maild.cli.rules import load_rules
    from maild.rules.directory import as_csv, hours_text, listed

    rules = load_rules(settings())
    lines = listed(rules)
    if form == "html":
        from maild.cli.times import now_ms
        from maild.web.directory import document

        put_bytes([document(rules, language or rules.organisation.language, now_ms()).encode()])
    elif form == "json":
        import json

        from maild.rules.directory import as_form

        put_bytes([f"{json.dumps(as_form(rules), ensure_ascii=False, indent=1)}\n".encode()])
    elif form == "csv":
        put_bytes([as_csv(lines).encode()])
    else:
        rows = [
            (a, line.title, line.office or line.team, hours_text(line.hours)) for line in lines for a in line.addresses
        ]
        put_table(("ADDRESS", "FOR", "OFFICE", "HOURS"), rows)
    if not lines:
        note("no address is listed")
