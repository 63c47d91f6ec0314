#!/usr/bin/env python3
"""Annotate many photos, and a long video, through the real network, and write down the memory that takes.

    python scripts/memory_trial.py [--images 5000] [--size 513] [--photos examples] [-o docs/benchmarks.md]
        [--video FILE|composed] [--frames 10000] [--video-size 193]

The photos, linked under as many names as it takes, are annotated again and again into pictures and JSON. The video, one
that passes over the photos or any other, is repeated until it has as many frames; in a process of its own it is
annotated into H.264 and JSON, tracked and smoothed. Prints the resident memory on the way, then the page's section, or
puts that into the file of -o. Exit code 1 where memory grows by more than 5 % after the first 100 images (of 1,000 and
more; a tenth of fewer) or a tenth of the frames, or ever passes 900 MB. With --images 0 there are no photos.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from long_video import compose, loop
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

COMPOSED = "composed"
REPRODUCE = f"    python {SECTION} --video {COMPOSED} -o docs/benchmarks.md"


@dataclass(frozen=True, slots=True)
class Trial:
    """Resident memory of one process over the images, or frames, that it annotated."""

    settings: str
    different: int  # of the images
    images: int  # that they were annotated as
    measured: tuple[tuple[int, float], ...]  # images done, MB then; once it has settled
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
    parser.add_argument("--video", metavar="FILE", help=f"a video to use again and again, or {COMPOSED}: of the photos")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--video-size", type=int, default=193, help="--size of the video")
    asked = parser.parse_args(argv)
    if not asked.images and asked.video is None:
        parser.error("nothing to do; give --images, or --video")
    photos = video = None
    if asked.images:
        options = resolve_options(size=asked.size, backend=asked.backend)
        photos = measure(asked.photos, asked.images, asked.workers, options)
    if asked.video is not None:
        options = resolve_options(size=asked.video_size, backend=asked.backend)
        source = asked.photos if asked.video == COMPOSED else Path(asked.video)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:  # its peak is its own
            video = process.submit(measure_video, source, asked.frames, asked.workers, options).result()
    page = to_markdown(photos, video)
    if asked.output is None:
        print(page)
    else:
        write_section(asked.output, SECTION, page)
    return int(not all(trial.is_flat and trial.is_small for trial in (photos, video) if trial is not None))


def measure(photos: Path, images: int, workers: int | None, options: EstimatorOptions) -> Trial:
    """Annotate so many images, and look at this process's memory on the way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = link_photos(photos, folder / "in", images)
        watched = Watched(images, max(min(SETTLED, images // 10), 1))
        with telling(watched.look):
            annotate(folder, options, workers)
        assert len(list((folder / "out").iterdir())) == images
    return watched.trial(options, count)


def measure_video(source: Path, frames: int, workers: int | None, options: EstimatorOptions) -> Trial:
    """Annotate a video of so many frames, and look at this process's memory on the way.

    It repeats `source`, or is made of the photos there where that is a folder.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        once, video = folder / "once.mp4", folder / "in" / "video.mp4"
        video.parent.mkdir()
        if source.is_dir():
            compose(source, once)
        own = loop(once if source.is_dir() else source, video, frames)
        watched = Watched(frames, max(frames // 10, 1))
        with telling(watched.look):
            annotate(folder, options, workers)
        assert (folder / "out" / "video.mp4").exists()
    return watched.trial(options, min(own, frames))


class Watched:
    """Looks at this process's memory, time and again."""

    def __init__(self, images: int, settled: int) -> None:
        self._images, self._settled = images, settled
        self._step = max(math.ceil((images - settled) / STEPS), 1)
        self._measured: list[tuple[int, float]] = []

    def look(self, done: int) -> None:
        """So many images are done."""
        if done >= self._settled and (done - self._settled) % self._step == 0:
            self._measured.append((done, resident_mb()))
            print(f"{done:6} of {self._images} done {self._measured[-1][1]:8.1f} MB", file=sys.stderr, flush=True)

    def trial(self, options: EstimatorOptions, different: int) -> Trial:
        """What was seen."""
        peak = (peak_memory_bytes() or 0) / 1e6  # the kernel's count, which may lag a little behind
        settings = f"{options.model} at {options.size}, {choose(options)} {options.precision}"
        measured = tuple(self._measured)
        return Trial(settings, different, self._images, measured, max(peak, *(mb for _, mb in measured)))


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
    """Do what `posecli annotate FOLDER/in -o FOLDER/out --poses FOLDER/poses.json --smooth` does."""
    runs.annotate(
        [str(folder / "in")],
        folder / "out",
        DrawStyle(),
        options,
        InputOptions(),
        FollowOptions(track=True, smooth=True),  # photos are not concerned
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


def to_markdown(photos: Trial | None, video: Trial | None) -> str:
    """The section of the page."""
    versions = ", ".join(f"{package} {version}" for package, version in library_versions().items())
    lines = ["## Memory of `annotate`", ""]
    if photos is not None:
        lines += [
            *_targets(photos, "images"),
            f"`posecli annotate` on {photos.images:,} files, {photos.different} photos over and over, into pictures",
            f"and JSON, in one process; {photos.settings}. Photos of other sizes: `--photos DIR`.",
            "",
            *_table(photos, "images"),
        ]
    if video is not None:
        lines += [
            *_targets(video, "frames"),
            f"`posecli annotate --smooth` on a video of {video.images:,} frames, {video.different} over and over, into",
            f"H.264 and JSON, tracked, in a process of its own; {video.settings}. Another video: `--video FILE`.",
            "",
            *_table(video, "frames"),
        ]
    lines += [
        "The peak is the kernel's, of the whole process. Growth is that of the most measured over what was resident",
        "after the first images or frames.",
        "",
        f"{cores()} cores; {versions}.",
        "",
        REPRODUCE,
    ]
    return "\n".join(lines) + "\n"


def _targets(trial: Trial, unit: str) -> list[str]:
    first = trial.measured[0][0]
    rows = [
        (f"growth after the first {first:,} {unit}", f"{MOST_GROWTH:.0%}", f"{trial.growth:.1%}", trial.is_flat),
        ("peak, loading included", f"{MOST_MB} MB", f"{trial.peak_mb:.0f} MB", trial.is_small),
    ]
    return [
        "| target | at most | measured | |",
        "|---|---|---|---|",
        *(f"| {text} | {limit} | {value} | {'met' if ok else '**missed**'} |" for text, limit, value, ok in rows),
        "",
    ]


def _table(trial: Trial, unit: str) -> list[str]:
    rows = (f"| {done:,} | {mb:.0f} |" for done, mb in trial.measured)
    return [f"| {unit} done | resident MB |", "|---|---|", *rows, ""]


if __name__ == "__main__":
    sys.exit(main())
