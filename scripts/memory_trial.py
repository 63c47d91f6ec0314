#!/usr/bin/env python3
"""Annotate many tiny images through the real network and print how much memory that takes as it goes.

    python scripts/memory_trial.py [--images 10000]

Prints the resident memory every tenth of the way. Exits with 1 when the second half of the run grows by more than 5 %.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from posecli.cli import runs
from posecli.draw import DrawStyle, draw
from posecli.estimate import make_estimator
from posecli.options import resolve_options
from posecli.pipeline import Report, run
from posecli.sinks import open_poses
from posecli.sinks.images import ImageSink
from posecli.sources import Stills

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_mb() -> float:
    """Memory of this process that is in RAM now, MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    count = parser.parse_args().images
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for i in range(count):  # every tenth has another shape
            image = rng.integers(0, 256, (24 + 8 * (i % 10), 64, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / f"in/{i:05}.jpg"), image)
        estimator = make_estimator(resolve_options(size=65, score_threshold=0.0, min_pose_score=0.0))
        style = DrawStyle()
        sinks = [
            ImageSink(folder / "out", lambda frame, poses: draw(frame.image, poses, style)),
            open_poses(str(folder / "poses.json"), "json", runs.header(estimator), 0.0),
        ]
        measured = []

        def measure(_: object) -> None:
            done = report.images
            if done % (count // 10) == 0:
                measured.append(resident_mb())
                print(f"{done:6} images {measured[-1]:8.1f} MB", flush=True)

        report = Report()
        run(Stills.from_inputs([str(folder / "in")]), estimator, sinks, report, on_item=measure)
        assert report.images == count
    half = measured[len(measured) // 2 - 1 :]
    growth = max(half) / half[0] - 1
    print(f"second half grows by {100 * growth:.1f} %")
    return int(growth > 0.05)


if __name__ == "__main__":
    sys.exit(main())
