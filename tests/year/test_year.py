"""A year of a house, by the real daemon with a moved clock, through browsers and SMTP; all of it is `make year`."""

from __future__ import annotations

import pytest

from tests.year.report import Judged, judge
from tests.year.story import SLICE, Year, run


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    return run(tmp_path_factory.mktemp("year"), SLICE)


@pytest.fixture(scope="module")
def judged(year: Year) -> Judged:
    found = judge(year)
    print(found.text)
    return found


@pytest.mark.timeout(300)
def test_on_no_day_of_the_year_does_anything_open_wait_unseen(year: Year) -> None:
    assert len(year.looks) > 10
    assert [(each.title, each.unseen) for each in year.looks if each.unseen] == []
    assert [(each.title, each.unlisted) for each in year.looks if each.unlisted] == []


def test_at_the_end_everything_was_answered_or_is_visible_to_somebody_present(judged: Judged) -> None:
    assert judged.of("answered")
    assert judged.of("open")
    assert judged.of("unseen") + judged.of("filed away") == []


def test_the_audit_log_has_what_was_done_and_nothing_else(judged: Judged) -> None:
    assert judged.compared.found > 150
    assert judged.compared.missing == ()
    assert judged.compared.surplus == ()


def test_nothing_went_wrong_behind_the_doors(judged: Judged) -> None:
    assert judged.failures == ()
