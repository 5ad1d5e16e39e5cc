"""The site that maild is measured with: a town's rules for every mailbox of `bench.material`, and its settings.

Twenty teams with five addresses each, and a dozen rules of every kind, all of which are tried for every mail; words
of two of them occur in the mail that is sent.
"""

from __future__ import annotations

from pathlib import Path

from bench.material import DOMAIN, MAILBOX_COUNT, mailbox

_TEAM_COUNT = 20

_HEAD = f"""\
version: 1
organisation: {{name: Stadt Musterstadt, language: de, timezone: Europe/Berlin}}
domains: [{DOMAIN}]
fallback: amt00
"""

_RULES = r"""
lists:
  eilwoerter: [dringend, eilt, sofort, umgehend]
  kammern: ["@ihk.example", "@hwk.example", poststelle@kreis.example]
rules:
  - {id: fristen, when: {subject: {contains: frist}}, then: {tag: frist}}
  - {id: mahnungen, when: {subject: {contains: mahnung}}, then: {tag: mahnung, priority: high}}
  - id: eilt
    when: {subject: {contains: {list: eilwoerter}}}
    unless: {auto_submitted: true}
    then: {tag: eilt, priority: high}
  - id: rechnungen
    when: {any: [{subject: {regex: '\b(e-?)?rechnung\b'}}, {attachment: {name: ["*rechnung*.pdf", "*.xml"]}}]}
    then: {tag: rechnung}
  - {id: kammern, when: {from: {list: kammern}}, then: {copy: amt01, tag: kammer}}
  - {id: erste-stelle, when: {to: stelle000, from: "@post7.example"}, then: {tag: post}}
  - {id: pruefung, when: {header: {X-Pruefung: {contains: ja}}}, then: {tag: pruefung}}
  - {id: spam, when: {header: {X-Spam-Flag: {contains: "yes"}}}, then: {file: closed, tag: spam}}
  - {id: abwesend, when: {auto_submitted: true}, then: {tag: abwesend, priority: low}}
  - {id: newsletter, when: {list: true}, then: {file: closed, tag: newsletter, priority: low}}
"""

_SETTINGS = """\
[server]
hostname = "mx.{domain}"
rules = "rules.yaml"
data_dir = "var"
[smtp]
listen = ["127.0.0.1:{smtp_port}"]
[web]
listen = "127.0.0.1:{web_port}"
"""


def rules(address_count: int = MAILBOX_COUNT, more_rules: int = 0) -> str:
    """Return a rules file with so many addresses, and so many rules beside the dozen."""
    teams = "".join(f"  amt{n:02}: {{name: Amt {n}}}\n" for n in range(_TEAM_COUNT))
    names = [mailbox(n).partition("@")[0] if n < MAILBOX_COUNT else f"stelle{n:05}" for n in range(address_count)]
    addresses = "".join(
        f"  {name}: {{team: amt{n % _TEAM_COUNT:02}, title: Stelle {n}}}\n" for n, name in enumerate(names)
    )
    further = "".join(
        f"  - {{id: zusatz-{n}, when: {{to: {names[n % address_count]}, subject: {{contains: wort{n}}}}}, "
        f"then: {{tag: zusatz{n % 50}}}}}\n"
        for n in range(more_rules)
    )
    return f"{_HEAD}teams:\n{teams}addresses:\n{addresses}{_RULES}{further}"


def write_site(directory: Path, *, smtp_port: int, web_port: int) -> Path:
    """Write rules.yaml and maild.toml; return the latter's path. What is not said there is the default."""
    (directory / "rules.yaml").write_text(rules())
    settings = directory / "maild.toml"
    settings.write_text(_SETTINGS.format(domain=DOMAIN, smtp_port=smtp_port, web_port=web_port))
    return settings
