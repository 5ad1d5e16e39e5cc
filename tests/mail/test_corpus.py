"""Every file of the corpus is read: nothing raises, nothing is lost, no text is unfit for a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from maild.mail.letter import letter_parts
from maild.mail.message import decoded, parse, text
from maild.mail.reading import facts_of


def messages(corpus: Path) -> list[tuple[Path, bytes]]:
    return [(path, path.read_bytes()) for path in sorted(corpus.glob("*/*")) if path.suffix != ".json"]


def test_the_corpus_is_read_without_raising(corpus: Path) -> None:
    for path, content in messages(corpus):
        message = parse(content)
        for part in message.root.walk():
            ranges = (0, part.header_start, part.header_end, part.body_start, part.body_end, len(content))
            assert list(ranges) == sorted(ranges), (path, part)
            decoded(content, part)
            assert "\0" not in text(content, part)
            text(content, part).encode()
        facts = facts_of(content)
        assert facts.size_bytes == len(content)
        repr(facts).encode()


def test_only_a_header_beyond_its_limit_is_source_only(corpus: Path) -> None:
    broken = {
        path.name: facts.source_only for path, content in messages(corpus) if (facts := facts_of(content)).source_only
    }
    assert broken == {"messages__long-header.eml": "header"}


def test_every_part_is_letter_attachment_or_container(corpus: Path) -> None:
    for path, content in messages(corpus):
        message = parse(content)
        letter = letter_parts(message)
        shown = {id(p) for s in letter.sections for p in (*s.plain, *s.html)}
        shown |= {id(p) for p in (*letter.attachments, *letter.related, *letter.signatures)}
        todo = [message.root]
        while todo:
            part = todo.pop()
            if id(part) in shown:
                continue
            assert part.is_multipart or "alternative" in str(message.root), (path, part)
            todo += part.children


def test_mail_without_a_word_is_empty_in_the_source_too(corpus: Path) -> None:
    silent = [path.name for path, c in messages(corpus) if not (f := facts_of(c)).text.strip() and not f.attachments]
    assert sorted(silent) == [
        "error_emails__bad_date_header.eml",
        "error_emails__must_supply_encoding.eml",
        "malformed__000.eml",
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("rfc3834-01", 1), ("lhost-postfix-73", 2), ("lhost-qmail-03", 2), ("rhost-aol-01", 2)],
)
def test_automatic_mail_of_the_corpus_is_told_apart(corpus: Path, name: str, kind: int) -> None:
    (path,) = (corpus / "bounces").glob(f"bsd__{name}.eml")
    assert facts_of(path.read_bytes()).automatic == kind


def test_delivery_reports_are_known_as_such(corpus: Path) -> None:
    reports = [p for p in sorted((corpus / "bounces").glob("bsd__[lr]host*.eml")) if "not__" not in p.name]
    known = [path for path in reports if facts_of(path.read_bytes()).automatic == 2]
    assert len(known) >= 0.9 * len(reports) > 100


def test_replies_are_told_without_what_they_quote(corpus: Path) -> None:
    for path in sorted((corpus / "replies").glob("standard_replies__*.eml")):
        excerpt = facts_of(path.read_bytes()).excerpt
        assert excerpt
        assert not excerpt.startswith((">", "On ")), path.name
        assert "wrote:" not in excerpt, path.name
