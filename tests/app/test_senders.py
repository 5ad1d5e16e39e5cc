"""Who is examined, by the settings."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from maild.app.senders import examiner_of
from maild.config import Settings
from tests.authentication.zone import Zone
from tests.web.office import Book, rules


def test_a_mail_server_in_front_is_never_taken_for_the_senders_machine_although_it_reports_nothing() -> None:
    smtp = replace(Settings().smtp, trusted_relays=(ip_network("192.0.2.0/24"),))
    examiner = examiner_of(replace(Settings(), smtp=smtp), Zone({}), Book(rules()))
    assert examiner is not None
    assert not examiner.concerns("192.0.2.1")
    assert not examiner.concerns("127.0.0.1")
    assert examiner.concerns("198.51.100.1")
