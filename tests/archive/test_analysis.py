from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maild.archive.analysis import MAX_GROWTH, MAX_TOKEN, analyse


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Straße STRASSE straẞe", "strasse strasse strasse"),
        ("Müller Mueller Muller MÜLLER Mu\u0308ller", "muller muller muller muller muller"),
        ("Schröer Schroeer Schroer", "schror schror schror"),
        ("Ärzte Aerzte", "arzte arzte"),
        ("Steuer Bauer neue Quelle Trauung", "steuer bauer neue quelle trauung"),
        ("Crème brûlée Łódź Ørsted Œuvre", "creme brulee lodz orsted ouvre"),
        ("max.mustermann@kita.stadt-x.de", "max mustermann kita stadt x de"),
        ("Az. 12/2026-B, Tel. 0170 1234567", "az 12 2026 b tel 0170 1234567"),
        ("m² ½ Ⅷ ﬁnden", "m2 viii finden"),
        ("Привет ΛΑΣ", "привет \u03bb\u03b1\u03c3"),
        ("東京都です 한국", "東 京 都 で す 한 국"),
        ("0㋾ ﾜｦ", "0 ヲ ワ ヲ"),
        ("हिन्दी", "हिनदी"),
        ("Kin\u00adder\u200bgarten", "kindergarten"),
        ("„Zitat“ \u2013 5\u00a0€ …", "zitat 5"),
        ("µm μm", "um um"),
        ("a\x00b\ud800c\ufffdd", "a b c d"),
        ("  \t\n…!  ", ""),
        ("👍🏽 gut ❤️", "gut"),
    ],
)
def test_analysis_folds_what_people_hold_to_be_the_same(text: str, tokens: str) -> None:
    assert analyse(text) == tokens


def test_a_very_long_word_is_cut_and_its_neighbours_are_not() -> None:
    assert analyse(f"vor {'x' * 1_000} nach") == f"vor {'x' * MAX_TOKEN} nach"
    assert analyse("x" * MAX_TOKEN + " y") == "x" * MAX_TOKEN + " y"


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_analysis_is_its_own_fixed_point(text: str) -> None:
    once = analyse(text)
    assert analyse(once) == once
    assert len(once) <= MAX_GROWTH * max(len(text), 1)
    once.encode()
    assert not set(once) & set("'\"\\*()\x00")
    assert "  " not in once
    assert once == once.strip()


@given(st.text(alphabet="aeouqbAEOUäöüÄÖÜßs "))
@settings(max_examples=300, deadline=None)
def test_the_fast_path_for_latin_letters_says_what_the_slow_one_says(text: str) -> None:
    assert analyse(f"{text} Д") == f"{analyse(text)} д".strip()


@pytest.mark.parametrize(
    "unit", ["ae", "e", "aeue ", "\u0301", "a\u0301", " ", "ueq", "東", "\u2013a", "x", "\ufdfa", "\U000e0100"]
)
def test_analysis_takes_time_in_proportion_to_the_text(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        best = min(_timed(text) for _ in range(3))
        return max(best, 1e-4)

    assert seconds(200_000) / seconds(10_000) < 100  # linear is 20, quadratic 400


def _timed(text: str) -> float:
    start = time.process_time()
    analyse(text)
    return time.process_time() - start
