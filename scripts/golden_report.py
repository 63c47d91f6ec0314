#!/usr/bin/env python3
"""Compare posecli with the original's own poses and print the largest deviations.

    python scripts/golden_report.py

Reads tests/data/golden-*.json (the example photos, bundled model) and, where it is there, ../shared/golden (25 photos,
several models, converted on the spot). The test suite holds the same comparison to the project's limits.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import posecli
from posecli.sources import read_image
from posecli.weights import checkpoint
from posecli.weights.convert import convert
from posecli.weights.tfjs import read_model

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

SCORE_LIMIT = 1e-4
XY_LIMIT = {513: 0.01}  # px; 0.05 at other resolutions, where the original's resize in float32 takes part


@dataclass(frozen=True)
class Golden:
    """The original's poses on some photos, with the settings that it found them with."""

    name: str
    model: Path | str
    settings: dict[str, Any]
    poses: dict[Path, NDArray[np.float64]]  # photo -> (N, 18, 3) x, y, score; the 18th row holds the pose score

    @property
    def xy_limit(self) -> float:
        """Largest distance allowed, in px."""
        return XY_LIMIT.get(self.settings["resolution"], 0.05)


@dataclass(frozen=True)
class Deviation:
    """How far posecli is from a golden: keypoints compared, largest distances, photos with other numbers of poses."""

    keypoints: int
    xy: float  # px
    score: float
    other_counts: list[str]


def bundled_goldens() -> list[Golden]:
    """The example photos, bundled model: in the repository."""
    goldens = []
    for path in sorted((ROOT / "tests/data").glob("golden-*.json")):
        data = json.loads(path.read_text())
        poses = {ROOT / "examples" / name: _table(found) for name, found in data["images"].items()}
        goldens.append(Golden(path.stem, data["model"], data["settings"], poses))
    return goldens


def shared_goldens(shared: Path, converted: Path) -> Iterator[Golden]:
    """The original's demo photos, models converted into the folder `converted`."""
    photos = {path.stem: path for path in (shared / "images").iterdir()}
    for path in sorted((shared / "golden").glob("*.json")):
        data = json.loads(path.read_text())
        settings = {"resolution": 257, "max": 5, "score": 0.5, "nms": 20, **_arguments(data["arguments"])}
        weights = converted / f"{Path(data['model']).parent.as_posix().replace('/', '-')}.safetensors"
        if not weights.exists():
            model = shared / "tfjs-mirror/savedmodel/posenet/mobilenet" / data["model"]
            checkpoint.save(weights, checkpoint.Checkpoint.of(convert(read_model(model))))
        poses = {photos[name]: _table(_compact(image["poses"])) for name, image in data["images"].items()}
        yield Golden(path.stem, weights, settings, poses)


def compare(golden: Golden) -> Deviation:
    """Find the poses of every photo of `golden` through the public API, with the preset tfjs, and compare."""
    settings = golden.settings
    estimator = posecli.load_estimator(
        str(golden.model),
        preset="tfjs",
        resize="tfjs",
        size=settings["resolution"],
        stride=settings.get("stride", 16),
        max_poses=settings["max"],
        score_threshold=settings["score"],
        nms_radius=settings["nms"],
        single=settings.get("single", False),
        mirror=settings.get("flip", False),
    )
    keypoints, xy_error, score_error, other_counts = 0, 0.0, 0.0, []
    for photo, expected in golden.poses.items():
        poses = estimator(read_image(photo, photo.name))
        if len(poses) != len(expected):
            other_counts.append(f"{photo.name}: {len(poses)} poses, not {len(expected)}")
            continue
        if len(poses) == 0:
            continue
        keypoints += poses.part_scores.size
        xy_error = max(xy_error, np.linalg.norm(poses.xy - expected[:, :17, :2], axis=-1).max())
        score_error = max(score_error, np.abs(poses.part_scores - expected[:, :17, 2]).max())
        score_error = max(score_error, np.abs(poses.scores - expected[:, 17, 2]).max())
    return Deviation(keypoints, float(xy_error), float(score_error), other_counts)


def _arguments(words: list[str]) -> dict[str, Any]:
    """Settings from the reference program's command line."""
    settings: dict[str, Any] = {}
    for position, word in enumerate(words):
        if word in ("--single", "--flip"):
            settings[word[2:]] = True
        elif word.startswith("--"):
            settings[word[2:]] = float(words[position + 1]) if "." in words[position + 1] else int(words[position + 1])
    return settings


def _compact(poses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "score": pose["score"],
            "keypoints": [[k["position"]["x"], k["position"]["y"], k["score"]] for k in pose["keypoints"]],
        }
        for pose in poses
    ]


def _table(poses: list[dict[str, Any]]) -> NDArray[np.float64]:
    rows = [[*pose["keypoints"], [0.0, 0.0, pose["score"]]] for pose in poses]
    return np.array(rows, np.float64).reshape(-1, 18, 3)


def main() -> int:
    failed = False
    print(f"{'golden':48}{'photos':>7}{'keypoints':>10}{'largest px':>12}{'limit':>7}{'largest score':>14}")
    with tempfile.TemporaryDirectory() as folder:
        goldens = bundled_goldens()
        if SHARED.is_dir():
            goldens.extend(shared_goldens(SHARED, Path(folder)))
        for golden in goldens:
            found = compare(golden)
            row = f"{golden.name:48}{len(golden.poses):7}{found.keypoints:10}{found.xy:12.6f}{golden.xy_limit:7.2f}"
            print(f"{row}{found.score:14.2e}", *found.other_counts, sep="  ")
            failed |= bool(found.other_counts) or found.xy > golden.xy_limit or found.score > SCORE_LIMIT
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
