"""scripts/smoothing_report.py: its measures, on signals whose answer is known."""

from pathlib import Path

import numpy as np
import pytest

import smoothing_report
from people import person
from posecli.poses import Poses
from smoothing_report import MOTIONS, Joints, Noise, Verdict, follow, jitter, main, measure_lag, noise_of, report, still

TIMES = np.arange(0, 6, 1 / 30)


def joints(xy: np.ndarray) -> Joints:
    return Joints(TIMES, xy, xy)


def standing(rng: np.random.Generator, deviation: float) -> list[tuple[float, Poses]]:
    return [(float(t), person(300, 300, moved=rng.normal(0, deviation, (17, 2)))) for t in TIMES]


def test_still_is_what_moves_less_than_two_px_over_a_second() -> None:
    xy = np.full((len(TIMES), 17, 2), 100.0)
    xy[:, 1, 0] += 1.9 * TIMES  # px / s
    xy[:, 2, 0] += 2.2 * TIMES
    xy[90, 3] += 3  # only for a frame
    xy[90, 4] = np.nan
    marked = still(joints(xy))
    assert marked[1:-1, [0, 1]].all()
    assert not marked[:, 2].any()
    assert marked[1:88, [3, 4]].all()
    assert not marked[90, [3, 4]].any()
    assert not marked[[0, -1]].any()


def test_jitter_is_the_mean_second_difference() -> None:
    xy = np.zeros((len(TIMES), 17, 2))
    xy[::2, 0, 0] = 0.5
    xy[:, 1, 1] = TIMES  # of constant speed
    where = np.zeros((len(TIMES), 17), bool)
    where[1:-1, 0] = True
    assert jitter(xy, where) == pytest.approx(1.0)
    where[1:-1, 1] = True
    assert jitter(xy, where) == pytest.approx(0.5)


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_noise_is_made_as_it_was_found(memory: float, rng: np.random.Generator) -> None:
    noise = Noise(0.5, memory, 100.0, 1 / 30)
    xy = 300 + noise.sample(len(TIMES), rng)
    found = noise_of(joints(xy), np.ones((len(TIMES), 17), bool))
    assert found.deviation_px == pytest.approx(0.5, rel=0.2)
    assert found.memory == pytest.approx(memory, abs=0.2)
    assert found.step_s == pytest.approx(1 / 30)


def test_lag_is_measured_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late:
        """Gives out what came 100 ms before."""

        def __init__(self) -> None:
            self.seen: list[Poses] = []

        def update(self, poses: Poses, time_s: float) -> Poses:
            self.seen.append(poses)
            return self.seen[max(len(self.seen) - 4, 0)]

    monkeypatch.setattr(smoothing_report, "Smoother", Late)
    monkeypatch.setattr(smoothing_report, "SYNTHETIC_S", 4.0)
    for motion in MOTIONS:
        lag = measure_lag(motion, Noise(0.1, 0.5, 300.0, 1 / 30))
        assert lag.late_s[0] == pytest.approx(0.0, abs=0.005)
        assert lag.added_s == pytest.approx(0.1, abs=0.005)
        assert lag.error_px[1] > lag.error_px[0]


def test_the_smoother_is_in_time(capsys: pytest.CaptureFixture[str], rng: np.random.Generator) -> None:
    verdict = report("standing", standing(rng, 0.3))
    assert verdict.cut > 0.6
    assert 0 <= verdict.added_s <= 0.04
    told = capsys.readouterr().out
    assert "cut by" in told
    assert len(told.splitlines()) == 4 + len(MOTIONS)


def test_where_nothing_is_still_nothing_can_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    walking = [(float(t), person(300 + 100 * t, 300)) for t in TIMES]
    assert report("walking", walking) == Verdict(0.0, 0.0)
    assert "nothing is still" in capsys.readouterr().out


def test_people_are_told_apart_and_the_longest_seen_comes_first(rng: np.random.Generator) -> None:
    frames = standing(rng, 0.3)
    frames[:10] = [(t, person(900, 300)) for t, _ in frames[:10]]
    longest, other = follow(frames)
    assert np.isnan(longest.raw[:10]).all()
    assert np.isfinite(longest.raw[10:]).all()
    assert np.isfinite(other.raw[:10]).all()


def test_the_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(smoothing_report, "load_estimator", lambda: None)
    monkeypatch.setattr(smoothing_report, "poses_of_video", lambda path, estimator: iter([]))
    for verdicts, code, told in (
        ([Verdict(0.8, 0.02), Verdict(0.3, 0.04)], 0, "met: jitter cut by 80% at best (at least 60%), 40 ms"),
        ([Verdict(0.8, 0.02), Verdict(0.3, 0.05)], 1, "MISSED: jitter cut by 80% at best (at least 60%), 50 ms"),
        ([Verdict(0.5, 0.02), Verdict(0.3, 0.0)], 1, "MISSED: jitter cut by 50%"),
    ):
        left = iter(verdicts)
        monkeypatch.setattr(smoothing_report, "report", lambda name, frames, left=left: next(left))
        assert main(["a.mp4", "b.mp4"]) == code
        assert capsys.readouterr().out.startswith(told)


@pytest.mark.shared
def test_the_video_names_are_those_of_the_help(shared: Path) -> None:
    for name in ("wave.mp4", "pose_squats.mp4"):
        assert name in (smoothing_report.__doc__ or "")
        assert (shared / "videos" / name).exists()
