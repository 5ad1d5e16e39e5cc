"""A digest as it is read: set well, and with no more in it than it was given."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from maild.archive.digests import REASONS
from maild.mail.digest import Digest, Line, Standing, written

AT = datetime(2026, 9, 21, 14, 13, tzinfo=UTC)
DIGEST = Digest(
    lines=(
        Line(reference="7K3F-9Q2A", team="Kita-Platzvergabe", why="assigned", since=AT, waiting=True,
             subject="Frage\r\nBcc: x@y.example \x1b[31m" + "lang " * 40),
        Line(reference="AAAA-BBBB", team="Zentrale Poststelle", why="new", since=AT, waiting=False),
    ),
    more=2_970, confidential=1,
    standings=(Standing(team="Kita-Platzvergabe", open=12, unassigned=3, mine=4, unanswered=5),),
    personal=False, url="https://post.example", settings="https://post.example/sessions#digest",
)  # fmt: skip
GERMAN = """\
Guten Tag,

seit der letzten Übersicht ist neu:

7K3F-9Q2A  Kita-Platzvergabe
    Ihnen zugewiesen, wartet seit 21.09.2026, 14:13 Uhr
    Frage Bcc: x@y.example [31mlang lang lang lang lang lang lang lang…
    https://post.example/c/7K3F-9Q2A

AAAA-BBBB  Zentrale Poststelle
    neu, niemand ist zuständig, vom 21.09.2026, 14:13 Uhr
    https://post.example/c/AAAA-BBBB

Und 2970 weitere Vorgänge.

Und eine vertrauliche Sache.

Stand in Ihren Teams
  Kita-Platzvergabe
    offen 12, niemand zuständig 3, Ihre 4, unbeantwortet 5

Alles ansehen: https://post.example/

-- 
Diese Nachricht kommt von einem Programm. Antworten darauf liest niemand.
Ändern oder abbestellen: https://post.example/sessions#digest
"""  # noqa: W291 - the mark before a signature ends in a blank


def test_a_digest_is_set_for_any_mail_program() -> None:
    subject, text = written(DIGEST, "de")
    assert subject == "Neu: 2973 Vorgänge"
    assert text == GERMAN
    assert all(len(line) <= 78 for line in text.splitlines())


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("why", REASONS)
def test_each_reason_has_words_in_each_language(language: str, why: str) -> None:
    line = Line(reference="7K3F-9Q2A", team="Kita", why=why, since=AT, waiting=True)
    one = Digest(
        lines=(line,), more=0, confidential=0, standings=(), personal=True, url="https://p.example", settings="s"
    )
    subject, text = written(one, language)
    assert subject == {"de": "Für Sie: ein Vorgang", "en": "For you: one conversation"}[language]
    assert "7K3F-9Q2A" in text
