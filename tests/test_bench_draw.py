"""scripts/bench_draw.py: the crowds, the order of the turns, the section, and the exit code."""

from pathlib import Path

import numpy as np
import pytest

import bench_draw
from bench_draw import CROWDS, DEFAULT, STYLES, TARGET_COUNT, Case, crowd, measure, meets_target, to_markdown
from peers.results import Machine
from posecli.draw import DrawStyle
from posecli.poses import Poses

MACHINE = Machine("A CPU", 2, ("avx2",), "Linux x86_64", 0.1, 0.2)


def cases(target_ms: float) -> list[Case]:
    """A figure for everything: 9 ms, but for the case that the target is about."""
    return [
        Case(
            style, people, [target_ms if (style, people) == (DEFAULT, TARGET_COUNT) else 9.0] * CROWDS, [10.0] * CROWDS
        )
        for style in STYLES
        for people in bench_draw.COUNTS
    ]


def test_crowds_are_whole_people_a_third_of_whose_parts_are_doubtful() -> None:
    poses = crowd(60, np.random.default_rng(0))
    assert len(poses) == 60
    assert (poses.part_scores >= DrawStyle().min_part_score).all()
    assert 0.25 < (poses.part_scores < 0.75).mean() < 0.42
    heights = np.ptp(poses.xy[..., 1], axis=1)
    assert 0.2 * bench_draw.HEIGHT < heights.min() < heights.max() < 1.1 * bench_draw.HEIGHT


def test_every_case_draws_every_crowd_once_a_round_after_an_untimed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, DrawStyle | None]] = []

    def pretend(image: object, poses: Poses, style: DrawStyle | None) -> tuple[float, float]:
        drawn.append((id(poses), style))
        return (99.0 if len(drawn) <= turns else len(poses)), 5.0

    turns = len(STYLES) * len(bench_draw.COUNTS) * CROWDS
    monkeypatch.setattr(bench_draw, "time_of", pretend)
    measured = measure(2, seed=0)
    assert len(drawn) == 3 * turns
    rounds = [drawn[start : start + turns] for start in range(0, 3 * turns, turns)]
    assert all(len(set(each)) == turns for each in rounds)
    assert rounds[0] != rounds[1]
    assert len(measured) == len(STYLES) * len(bench_draw.COUNTS)
    assert all(case.median_ms == case.people and len(case.wall_ms) == 2 * CROWDS for case in measured)


def test_the_target_is_about_five_people_in_the_default_style() -> None:
    assert meets_target(cases(1.5))
    assert not meets_target(cases(1.51))
    assert "5 people in the default style in at most 1.5 ms; measured 1.40 ms: met." in to_markdown(cases(1.4), MACHINE)
    assert "measured 1.60 ms: **missed**." in to_markdown(cases(1.6), MACHINE)


def test_the_section_has_a_row_for_each_style() -> None:
    page = to_markdown(cases(1.4), MACHINE)
    assert page.startswith("## Drawing\n")
    assert "| ms a frame | 1 person | 5 people | 10 people | 20 people |" in page
    assert "| default | 9.00 (10.00) | 1.40 (10.00) | 9.00 (10.00) | 9.00 (10.00) |" in page
    assert all(f"| {style} | " in page for style in STYLES)
    assert "This run: 1 rounds." in page
    assert "A CPU, 2 cores (avx2), Linux x86_64; load average 0.10 before, 0.20 after." in page
    assert str(Path.home()) not in page


@pytest.mark.parametrize(("target_ms", "exit_code"), [(1.0, 0), (2.0, 1)])
def test_a_target_that_is_missed_ends_in_exit_code_1(
    target_ms: float, exit_code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_draw, "measure", lambda *_: cases(target_ms))
    monkeypatch.setattr(bench_draw, "keep_freed_memory", lambda: True)  # which would last for the other tests
    assert bench_draw.main(["-o", str(tmp_path / "page.md")]) == exit_code
    assert "<!-- begin: scripts/bench_draw.py -->\n## Drawing" in (tmp_path / "page.md").read_text()
    assert bench_draw.main([]) == exit_code


def test_drawing_is_timed_for_real() -> None:
    image = np.zeros((90, 160, 3), np.uint8)
    for style in (None, DrawStyle()):
        cpu_ms, wall_ms = bench_draw.time_of(image, crowd(1, np.random.default_rng(0)), style)
        assert cpu_ms >= 0
        assert wall_ms > 0
