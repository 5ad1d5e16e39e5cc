from __future__ import annotations

from dataclasses import replace

from maild.archive.commit import accept
from maild.archive.database import Database
from maild.archive.examinations import evidence_of, verdicts_between
from maild.archive.filing import file
from maild.archive.received import received
from maild.archive.work import waiting, waiting_ids
from maild.mail.authentication import Verdicts
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf, from_json, to_json
from tests.archive.samples import NOW_MS, acceptance, filing

FOUND = Evidence(
    checked_ms=5,
    spf=Spf("pass", "stadtwerke.example", record="v=spf1 -all"),
    dkim=(Dkim("fail", "stadtwerke.example", "s1"), Dkim("pass", "versand.example", "s2", key_bits=2048)),
    arc=Arc("pass", ("liste.example",), trusted=True, verdicts=Verdicts(dmarc="pass")),
    dmarc=Dmarc("pass", "stadtwerke.example", spf_aligned=True),
)
VERDICTS = Verdicts(spf="pass", dkim="pass", dmarc="pass")


def test_evidence_is_read_as_it_was_written() -> None:
    assert from_json(to_json(FOUND)) == FOUND


def test_evidence_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert from_json('{"checked_ms":5,"bimi":"pass","spf":{"result":"pass","new":1}}') == Evidence(5, Spf("pass"))


def test_what_was_found_out_before_the_acceptance_waits_with_the_mail(database: Database) -> None:
    first = database.writer.submit(accept, replace(acceptance(1), evidence=to_json(FOUND))).result()
    second = database.writer.submit(accept, acceptance(2)).result()
    with database.read() as connection:
        found = {item.message_id: item.evidence for item in waiting(connection, waiting_ids(connection, 10))}
    assert found == {first.message_id: FOUND, second.message_id: None}


def test_what_was_found_out_later_is_kept_with_the_filing(database: Database) -> None:
    accepted = database.writer.submit(accept, acceptance(1)).result()
    database.writer.submit(file, filing(accepted.message_id)._replace(evidence=to_json(FOUND))).result()
    with database.read() as connection:
        assert evidence_of(connection, [accepted.message_id]) == {accepted.message_id: FOUND}
        assert verdicts_between(connection, accepted.message_id, accepted.message_id + 5) == {
            accepted.message_id: VERDICTS
        }


def test_a_filing_without_news_leaves_the_evidence_of_the_acceptance(database: Database) -> None:
    accepted = database.writer.submit(accept, replace(acceptance(1), evidence=to_json(FOUND))).result()
    database.writer.submit(file, filing(accepted.message_id)).result()
    with database.read() as connection:
        assert evidence_of(connection, [accepted.message_id]) == {accepted.message_id: FOUND}


def test_rules_are_asked_about_archived_mail_with_the_verdicts_of_its_time(database: Database) -> None:
    database.writer.submit(accept, replace(acceptance(1), evidence=to_json(FOUND))).result()
    database.writer.submit(accept, acceptance(2)).result()
    with database.read() as connection:
        (page,) = received(connection, NOW_MS - 1000, NOW_MS + 1000, 10)
    assert [message.verdicts for message in page] == [VERDICTS, None]
