from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from maild.rules.zone import organisation_zone

NORTH = "organisation:\n  name: X\n\n  # east of here\n  timezone: Pacific/Auckland\n"


@pytest.mark.parametrize(
    ("source", "zone"),
    [
        (f"version: 1\n{NORTH}domains: [a.example]\n", "Pacific/Auckland"),
        (f"version: 1\ndomains: [a.example]\n{NORTH}", "Pacific/Auckland"),
        (f"{NORTH}teams: {{broken: [\n", "Pacific/Auckland"),  # another part is
        ("organisation: {name: X, timezone: 'America/New_York'}\nversion: 1\n", "America/New_York"),
        ("organisation: {\n  name: X,\n  timezone: Asia/Tokyo\n}\nversion: 1\n", "Asia/Tokyo"),
        ("organisation: {name: X}\ndomains: [a.example]\n", "Europe/Berlin"),
        ("organisation: {name: X, timezone: Mars/Phobos}\n", None),
        ("organisation: [X]\n", None),
        ("organisation: {name: X\n", None),
        ("version: 1\nteams:\n  organisation: {name: X, timezone: Asia/Tokyo}\n", None),
        ("", None),
    ],
)
def test_the_time_zone_is_read_without_the_rest_of_the_file(source: str, zone: str | None) -> None:
    assert organisation_zone(source) == (None if zone is None else ZoneInfo(zone))
