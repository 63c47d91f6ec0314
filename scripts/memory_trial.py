#!/usr/bin/env python3
"""Annotate many tiny images through the real network and print how much memory that takes as it goes.

    python scripts/memory_trial.py [--images 10000]

Prints the resident memory every tenth of the way. Exits with 1 when the second half of the run grows by more than 5 %.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

import posecli.draw
from posecli.cli import runs
from posecli.draw import DrawStyle
from posecli.options import resolve_options


def resident_mb() -> float:
    """Memory of this process that is in RAM now, MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1e3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    count = parser.parse_args().images
    rng = np.random.default_rng(0)
    measured: list[float] = []
    drawn = 0

    def draw_and_measure(*args: object) -> np.ndarray:
        nonlocal drawn
        drawn += 1
        if drawn % (count // 10) == 0:
            measured.append(resident_mb())
            print(f"{drawn:6} images {measured[-1]:8.1f} MB", flush=True)
        return posecli.draw.draw(*args)

    runs.draw = draw_and_measure
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for i in range(count):  # every tenth has another shape
            image = rng.integers(0, 256, (24 + 8 * (i % 10), 64, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / f"in/{i:05}.jpg"), image)
        runs.annotate(
            [str(folder / "in")],
            folder / "out",
            DrawStyle(),
            resolve_options(size=65, score_threshold=0.0, min_pose_score=0.0, max_poses=2),
            recursive=False,
            poses=str(folder / "poses.json"),
            poses_format=None,
            image_format=None,
            exists="overwrite",
            batch_size=1,
            quiet=False,
        )
        assert len(list((folder / "out").iterdir())) == count
    half = measured[len(measured) // 2 - 1 :]
    growth = max(half) / half[0] - 1
    print(f"second half grows by {100 * growth:.1f} %")
    return int(growth > 0.05)


if __name__ == "__main__":
    sys.exit(main())
