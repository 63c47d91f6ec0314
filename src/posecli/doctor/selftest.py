"""The bundled model on the packaged photo must find the poses that the original, TF.js, finds there."""

from __future__ import annotations

import json
import math
from functools import partial
from importlib.resources import files
from time import perf_counter
from typing import TYPE_CHECKING, Any

from posecli.doctor.report import Problem, SelfTest, probe
from posecli.weights import store

if TYPE_CHECKING:
    from posecli.poses import Poses

# The test suite holds 0.05 px and 1e-4 on a CPU. The arithmetic of another device may be a little further off; a broken
# installation is by much.
MAX_DEVIATION_PX = 0.5
MAX_SCORE_DEVIATION = 0.01


def self_test(device: str) -> SelfTest:
    """Find the poses twice on a device, compare those of the second time, and time it."""
    result = probe(partial(_find_and_compare, device))
    return SelfTest(device, None, None, None, result.problem) if isinstance(result, Problem) else result


def read_reference() -> dict[str, Any]:
    """The original's poses on the packaged photo and the settings that it found them with.

    scripts/make_example_poses.py writes them.
    """
    text = (files("posecli") / "assets" / "example-poses.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _find_and_compare(device: str) -> SelfTest:
    from posecli.estimate import load_estimator
    from posecli.sources import read_image

    reference = read_reference()
    settings = reference["settings"]
    estimator = load_estimator(
        store.bundled_path(reference["model"]),
        preset="tfjs",
        resize="tfjs",
        size=settings["resolution"],
        stride=settings["stride"],
        max_poses=settings["max"],
        score_threshold=settings["score"],
        nms_radius=settings["nms"],
        device=device,
    )
    photo = read_image((files("posecli") / "assets" / "example.jpg").read_bytes(), "the packaged photo")
    estimator(photo)  # compiles, allocates
    start = perf_counter()
    poses = estimator(photo)
    time_ms = (perf_counter() - start) * 1000
    deviation_px, problem = _compare(poses, [pose["keypoints"] for pose in reference["poses"]])
    return SelfTest(device, len(poses), deviation_px, time_ms, problem)


def _compare(poses: Poses, expected: list[list[list[float]]]) -> tuple[float | None, str | None]:
    """The largest distance, and what is wrong; `expected` is x, y, score of 17 keypoints of each person."""
    import numpy as np

    if len(poses) != len(expected):
        return None, f"{len(poses)} people found where the original finds {len(expected)}"
    table = np.array(expected, np.float64)  # (N, 17, 3)
    xy = float(np.linalg.norm(poses.xy - table[..., :2], axis=-1).max())
    score = float(np.abs(poses.part_scores - table[..., 2]).max())
    deviation_px = xy if math.isfinite(xy) else None
    if not xy <= MAX_DEVIATION_PX:  # so that NaN fails too
        return deviation_px, f"a keypoint is {xy:.3g} px from the original's, at most {MAX_DEVIATION_PX} is fine"
    if not score <= MAX_SCORE_DEVIATION:
        return deviation_px, f"a score is {score:.3g} from the original's, at most {MAX_SCORE_DEVIATION} is fine"
    return deviation_px, None
