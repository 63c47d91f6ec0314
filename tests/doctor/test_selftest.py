import json
from pathlib import Path

import numpy as np
import pytest

import make_example_poses
from posecli.doctor import selftest
from posecli.doctor.selftest import MAX_DEVIATION_PX, MAX_SCORE_DEVIATION, read_reference, self_test
from posecli.poses import Poses

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "src/posecli/assets"


def test_the_reference_is_the_originals_entry_for_the_packaged_photo() -> None:
    golden = json.loads((ROOT / "tests/data/golden-default-257.json").read_text(encoding="utf-8"))
    reference = read_reference()
    assert reference["poses"] == golden["images"]["two-pioneers.jpg"]
    assert {name: reference[name] for name in ("reference", "model", "settings")} == {
        name: golden[name] for name in ("reference", "model", "settings")
    }
    assert (ASSETS / "example.jpg").read_bytes() == (ROOT / "examples/two-pioneers.jpg").read_bytes()
    assert (ASSETS / "example-poses.json").read_bytes() == make_example_poses.example_poses()


def test_this_installation_finds_what_the_original_finds() -> None:
    result = self_test("cpu")
    assert result.problem is None
    assert result.people == 2
    assert result.deviation_px < 0.05
    assert result.time_ms > 0


def test_what_goes_wrong_is_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise FileNotFoundError(2, "No such file", "example-poses.json")

    monkeypatch.setattr(selftest, "read_reference", missing)
    result = self_test("cpu")
    assert (result.people, result.deviation_px, result.time_ms) == (None, None, None)
    assert "example-poses.json" in result.problem


def test_a_device_that_is_not_there_fails() -> None:
    assert "there are only" in self_test("cuda:99").problem or "no CUDA GPU" in self_test("cuda:99").problem


def moved(xy: float, score: float) -> Poses:
    """The reference with one keypoint moved by `xy` px and another's score by `score`."""
    table = np.array([pose["keypoints"] for pose in read_reference()["poses"]], np.float32)
    table[1, 3, 0] += xy
    table[0, 5, 2] += score
    return Poses(table[..., :2], table[..., 2], np.ones(len(table), np.float32))


EXPECTED = [pose["keypoints"] for pose in read_reference()["poses"]]


@pytest.mark.parametrize(
    ("xy", "score", "problem"),
    [
        (0.9 * MAX_DEVIATION_PX, 0.9 * MAX_SCORE_DEVIATION, None),
        (1.1 * MAX_DEVIATION_PX, 0, "a keypoint is 0.55 px from the original's"),
        (np.nan, 0, "a keypoint is nan px"),
        (0, 1.1 * MAX_SCORE_DEVIATION, "a score is 0.011 from the original's"),
        (0, np.nan, "a score is nan"),
    ],
)
def test_the_limits(xy: float, score: float, problem: str | None) -> None:
    deviation, found = selftest._compare(moved(xy, score), EXPECTED)
    assert deviation == (None if np.isnan(xy) else pytest.approx(xy, abs=1e-4))  # JSON knows no NaN
    assert found is None if problem is None else problem in found


def test_another_number_of_people_fails() -> None:
    assert selftest._compare(moved(0, 0)[:1], EXPECTED) == (None, "1 people found where the original finds 2")
    assert selftest._compare(Poses.empty(), EXPECTED) == (None, "0 people found where the original finds 2")
