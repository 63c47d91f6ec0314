#!/usr/bin/env python3
"""Annotate many photos through the real network, as `posecli annotate` does, and write down the memory that takes.

    python scripts/memory_trial.py [--images 5000] [--size 513] [--photos examples] [-o docs/benchmarks.md]

The photos, linked under as many names as it takes, are annotated again and again into pictures and JSON. Prints the
resident memory on the way, then the page's section, or puts that into the file of -o. Exit code 1 where memory grows by
more than 5 % after the first 100 images (of 1,000 and more; a tenth of fewer), or ever passes 900 MB.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from peers.machine import cores
from posecli.backends.opening import choose
from posecli.bench.machine import library_versions, peak_memory_bytes
from posecli.cli import runs
from posecli.draw import DrawStyle
from posecli.options import EstimatorOptions, FollowOptions, InputOptions, VideoOptions, resolve_options
from posecli.sources import IMAGE_SUFFIXES
from sections import write_section

EXAMPLES = Path(__file__).parents[1] / "examples"
SECTION = "scripts/memory_trial.py"
SETTLED = 100  # images after which nothing new should be kept
STEPS = 20
MOST_GROWTH = 0.05
MOST_MB = 900

REPRODUCE = f"    python {SECTION} -o docs/benchmarks.md"


@dataclass(frozen=True, slots=True)
class Trial:
    """Resident memory of one process over the images that it annotated."""

    settings: str
    photos: int  # that differ
    images: int  # that they were annotated as
    measured: tuple[tuple[int, float], ...]  # images done, MB then; from the first SETTLED on
    peak_mb: float  # since the process started, loading and compiling included

    @property
    def growth(self) -> float:
        """By how much memory ever exceeded that after the first images, as a fraction of it."""
        return max(mb for _, mb in self.measured) / self.measured[0][1] - 1

    @property
    def is_flat(self) -> bool:
        """Whether the growth is within its limit."""
        return self.growth <= MOST_GROWTH

    @property
    def is_small(self) -> bool:
        """Whether the peak is within its limit."""
        return self.peak_mb <= MOST_MB


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Annotate many photos and write down the memory that takes.")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--size", type=int, default=513, help="long side of the network's input")
    parser.add_argument("--photos", type=Path, default=EXAMPLES, help="folder of photos to use again and again")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="put the section there, between its marks")
    asked = parser.parse_args(argv)
    trial = measure(asked.photos, asked.images, asked.workers, resolve_options(size=asked.size, backend=asked.backend))
    if asked.output is None:
        print(to_markdown(trial))
    else:
        write_section(asked.output, SECTION, to_markdown(trial))
    return int(not (trial.is_flat and trial.is_small))


def measure(photos: Path, images: int, workers: int | None, options: EstimatorOptions) -> Trial:
    """Annotate so many images, and look at this process's memory on the way."""
    settled = max(min(SETTLED, images // 10), 1)
    step = max(math.ceil((images - settled) / STEPS), 1)
    measured: list[tuple[int, float]] = []

    def look(done: int) -> None:
        if done >= settled and (done - settled) % step == 0:
            measured.append((done, resident_mb()))
            print(f"{done:6} of {images} images {measured[-1][1]:8.1f} MB", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as name, telling(look):
        folder = Path(name)
        count = link_photos(photos, folder / "in", images)
        annotate(folder, options, workers)
        assert len(list((folder / "out").iterdir())) == images
    peak = (peak_memory_bytes() or 0) / 1e6  # the kernel's count, which may lag a little behind
    settings = f"{options.model} at {options.size}, {choose(options)} {options.precision}"
    return Trial(settings, count, images, tuple(measured), max(peak, *(mb for _, mb in measured)))


@contextmanager
def telling(look: Callable[[int], None]) -> Iterator[None]:
    """Have `annotate` tell, after each image, how many are done."""
    module: Any = runs  # whose own name for the loop is another function for a while
    run, done = module.run, 0

    def run_and_tell(*given: Any, on_item: Callable[[Any], None], **named: Any) -> None:
        def tell(item: object) -> None:
            nonlocal done
            on_item(item)
            done += 1
            look(done)

        run(*given, on_item=tell, **named)

    module.run = run_and_tell
    try:
        yield
    finally:
        module.run = run


def annotate(folder: Path, options: EstimatorOptions, workers: int | None) -> None:
    """Do what `posecli annotate FOLDER/in -o FOLDER/out --poses FOLDER/poses.json` does."""
    runs.annotate(
        [str(folder / "in")],
        folder / "out",
        DrawStyle(),
        options,
        InputOptions(),
        FollowOptions(),
        VideoOptions(),
        recursive=False,
        poses=str(folder / "poses.json"),
        poses_format=None,
        image_format=None,
        exists="overwrite",
        fetch=False,
        batch_size=None,
        workers=workers,
        quiet=True,
    )


def resident_mb() -> float:
    """Memory of this process that is in RAM now, MB (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1e6  # the line has KiB


def link_photos(photos: Path, folder: Path, count: int) -> int:
    """Give `count` names in a new folder to the photos in another, in turn; the number of these photos.

    Ends the program where there are none.
    """
    found = sorted(path.resolve() for path in photos.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        sys.exit(f"{photos}: no photos there")
    folder.mkdir()
    for index, photo in enumerate(islice(cycle(found), count)):
        (folder / f"{index:06}{photo.suffix}").symlink_to(photo)
    return min(len(found), count)


def to_markdown(trial: Trial) -> str:
    """The section of the page."""
    first = trial.measured[0][0]
    rows = [
        (f"growth after the first {first} images", f"{MOST_GROWTH:.0%}", f"{trial.growth:.1%}", trial.is_flat),
        ("peak, loading included", f"{MOST_MB} MB", f"{trial.peak_mb:.0f} MB", trial.is_small),
    ]
    versions = ", ".join(f"{package} {version}" for package, version in library_versions().items())
    lines = [
        "## Memory of `annotate`",
        "",
        "| target | at most | measured | |",
        "|---|---|---|---|",
        *(f"| {text} | {limit} | {value} | {'met' if ok else '**missed**'} |" for text, limit, value, ok in rows),
        "",
        f"`posecli annotate` on {trial.images:,} files, {trial.photos} photos over and over, into pictures and JSON,",
        f"in one process; {trial.settings}.",
        "",
        "| images done | resident MB |",
        "|---|---|",
        *(f"| {done:,} | {mb:.0f} |" for done, mb in trial.measured),
        "",
        "The peak is the kernel's, of the whole process. Growth is that of the most measured over what was resident",
        f"after {first} images. Photos of other sizes: `--photos DIR`.",
        "",
        f"{cores()} cores; {versions}.",
        "",
        REPRODUCE,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
