"""`maild reports`: what other mail servers report about our domains, on the command line."""

from __future__ import annotations

import time
from pathlib import Path

from maild.archive.database import Database
from tests.cli.shell import Maild
from tests.mail.dmarc_samples import dmarc_mail, feedback, mail, record, tls, tls_mail
from tests.router.filed import file_mail


def test_letters_that_came_before_are_read_and_what_they_report_is_printed(maild: Maild, site: Path) -> None:
    now = int(time.time())
    yesterday = now // 86_400 * 86_400 - 86_400
    dmarc = feedback(
        record(number=1_998), record("198.51.100.9", 2, dkim="fail", disposition="reject", signer="\x1b[2J"),
        begin=yesterday, end=yesterday + 86_399,
    )  # fmt: skip
    dates = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(yesterday))
    said = tls() | {"date-range": {"start-datetime": dates, "end-datetime": dates}}
    database = Database("", site / "var")
    database.start()
    octets = (
        dmarc_mail(dmarc.replace(b"\x1b", b"")),
        tls_mail(said),
        mail(("image/png", "a.png", b"x"), subject="Bild"),
    )
    for number, each in enumerate(octets):
        file_mail(database, number, each, at_ms=now * 1000)
    database.close()

    assert maild("reports").code == 1
    first = maild("reports", "--read", "--since", "7d")
    assert first.code == 0
    assert "3 letters with attachments, 2 new reports" in first.err
    assert (
        "musterstadt.example: 1,998 of 2,000 messages passed (99.9%), p=none; 1 report by grosse-post.example"
        in first.out
    )
    lines = [line.split() for line in first.out.splitlines()]
    assert ["192.0.2.7", "1,998", "1,998", "1,998", "0", "0", "stadtwerke.example"] in lines
    assert ["198.51.100.9", "2", "0", "0", "0", "2", "nothing", "proven"] in lines
    assert "musterstadt.example: 4 failures in 5,330 TLS sessions" in first.out
    assert "3 letters with attachments, 0 new reports" in maild("reports", "--read", "--since", "7d").err

    use, sessions = maild("reports", "--domain", "Musterstadt.example.", "--json").objects
    assert (use["kind"], use["messages"], use["passed"], use["policy"]["p"]) == ("dmarc", 2_000, 1_998, "none")
    assert use["days"] == [{"day": dates[:10], "passed": 1_998, "failed": 2}]
    assert (sessions["kind"], sessions["failures"]) == ("tls", 4)
    assert sessions["kinds"] == {"certificate-expired": 3, "starttls-not-supported": 1}
    assert maild("reports", "--domain", "fremd.example").code == 1
