from __future__ import annotations

from pathlib import Path

import pytest

from maild.errors import TemporaryError
from maild.rules import rules_file


def test_a_second_one_is_kept_out(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    with rules_file.alone(path) as target:
        assert target == path.resolve()
        with pytest.raises(TemporaryError), rules_file.alone(path):
            pass
    with rules_file.alone(path):
        pass


def test_what_never_served_is_put_aside_each_time_under_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    assert rules_file.replace(path, None, "neu\n", unknown=True) is None
    kept = []
    for draft in (b"eins\xff", b"zwei"):
        path.write_bytes(draft)
        aside = rules_file.replace(path, rules_file.present(path), "neu\n", unknown=True)
        assert aside is not None
        kept.append(aside.read_bytes())
        assert path.read_text() == "neu\n"
    assert kept == [b"eins\xff", b"zwei"]
    assert len(list(tmp_path.iterdir())) == 3
    assert rules_file.replace(path, b"neu\n", "neu\n", unknown=True) is None
    assert rules_file.replace(path, b"neu\n", "anders\n", unknown=False) is None


def test_a_folder_that_may_not_be_written_is_known_beforehand(tmp_path: Path) -> None:
    assert rules_file.may_be_written(tmp_path / "rules.yaml")
    assert not rules_file.may_be_written(tmp_path / "nowhere" / "rules.yaml")
