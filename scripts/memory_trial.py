#!/usr/bin/env python3
"""Annotate many photos through the real network, as `posecli annotate` does, and print the memory that takes.

    python scripts/memory_trial.py [--images 5000] [--size 513] [--photos examples] [--workers N] [--backend NAME]

The photos, linked under as many names as it takes, are annotated again and again into pictures and JSON. Prints the
resident memory twenty times on the way, and exits with 1 where it grows by more than 5 % after the first 100 images (of
1,000 and more; a tenth of fewer), or passes 900 MB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

from posecli.cli import runs
from posecli.draw import DrawStyle
from posecli.options import resolve_options
from posecli.pipeline import run
from posecli.sources import IMAGE_SUFFIXES

EXAMPLES = Path(__file__).parents[1] / "examples"
SETTLED = 100  # images after which nothing new should be kept
STEPS = 20
MOST_GROWTH = 0.05
MOST_MB = 900


def resident_mb() -> float:
    """Memory of this process that is in RAM now, MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1e3


def link_photos(photos: Path, folder: Path, count: int) -> None:
    """Give `count` names to the photos in a folder, in turn."""
    found = sorted(path.resolve() for path in photos.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    for index, photo in enumerate(islice(cycle(found), count)):
        (folder / f"{index:06}{photo.suffix}").symlink_to(photo)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--size", type=int, default=513, help="long side of the network's input")
    parser.add_argument("--photos", type=Path, default=EXAMPLES, help="folder of photos to use again and again")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--backend", default="auto")
    options = parser.parse_args()
    settled = min(SETTLED, options.images // 10)
    step = max((options.images - settled) // STEPS, 1)
    measured: list[float] = []
    done = 0

    def run_and_measure(*args: object, on_item: object, **settings: object) -> None:
        def measure(item: object) -> None:
            nonlocal done
            on_item(item)
            done += 1
            if done >= settled and (done - settled) % step == 0:
                measured.append(resident_mb())
                print(f"{done:6} images {measured[-1]:8.1f} MB", flush=True)

        run(*args, on_item=measure, **settings)

    runs.run = run_and_measure
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        link_photos(options.photos, folder / "in", options.images)
        runs.annotate(
            [str(folder / "in")],
            folder / "out",
            DrawStyle(),
            resolve_options(size=options.size, backend=options.backend),
            recursive=False,
            poses=str(folder / "poses.json"),
            poses_format=None,
            image_format=None,
            exists="overwrite",
            fetch=False,
            batch_size=None,
            workers=options.workers,
            quiet=False,
        )
        assert len(list((folder / "out").iterdir())) == options.images
    growth = max(measured) / measured[0] - 1
    print(f"after the first {settled}: grows by {100 * growth:.1f} %, at most {max(measured):.0f} MB")
    return int(growth > MOST_GROWTH or max(measured) > MOST_MB)


if __name__ == "__main__":
    sys.exit(main())
