#!/usr/bin/env python3
"""Time what drawing adds to a frame of 1280 x 720 pixels.

    python scripts/bench_draw.py -o docs/benchmarks.md

Prints the page's section, or puts it into the file of -o; exit code 1 where the default style takes longer than its
target. Takes some seconds.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter, thread_time

import numpy as np
from numpy.typing import NDArray

from peers.machine import cores, load_average, this_cpu
from peers.page import machine_text
from peers.results import Machine
from posecli.bench.machine import library_versions
from posecli.draw import DrawStyle, draw
from posecli.memory import keep_freed_memory
from posecli.poses import Poses
from posecli.skeleton import NUM_PARTS
from sections import write_section

SECTION = "scripts/bench_draw.py"
WIDTH, HEIGHT = 1280, 720  # px
COUNTS = (1, 5, 10, 20)  # people
TARGET_MS, TARGET_COUNT = 1.5, 5  # of the default style, the picture's copy included
CROWDS = 10  # of each number of people
DEFAULT = "default"
STYLES: Mapping[str, DrawStyle | None] = {
    "nothing but the copy": None,
    DEFAULT: DrawStyle(),
    "`--boxes --labels --scores`": DrawStyle(boxes=True, labels=True, scores=True),
    "`--background transparent`": DrawStyle(background="transparent"),
    "`--style classic`": DrawStyle(name="classic"),
}

# Somebody who stands and faces the camera, 1 high, around (0, 0); x right, y down.
FIGURE = np.array(
    [
        *[(0, -0.44), (0.03, -0.47), (-0.03, -0.47), (0.07, -0.45), (-0.07, -0.45)],
        *[(0.13, -0.3), (-0.13, -0.3), (0.2, -0.1), (-0.2, -0.1), (0.22, 0.07), (-0.22, 0.07)],
        *[(0.09, 0.05), (-0.09, 0.05), (0.1, 0.3), (-0.1, 0.3), (0.11, 0.53), (-0.11, 0.53)],
    ]
)

METHOD = f"""\
The pictures are {WIDTH} x {HEIGHT}, with {CROWDS} crowds for each number of people: whole figures of 0.3 to 0.95 of
the picture's height in drawn places, every part found and moved at random, a third of them doubtful (scores under
0.75) and so drawn half transparent. Every case draws each crowd once a round, in an order drawn anew, after an untimed
round. Times are medians over rounds and crowds: the processor time of the thread that draws, then, in brackets, what a
clock says. They include the copy of the picture, which stays as it is. As in every command, freed memory is kept.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A style with a number of people, and the times of each drawing."""

    style: str  # a key of STYLES
    people: int
    cpu_ms: Sequence[float]
    wall_ms: Sequence[float]

    @property
    def median_ms(self) -> float:
        """What the thread computed."""
        return float(np.median(self.cpu_ms))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time what drawing adds to a frame.")
    add = parser.add_argument
    add("--rounds", type=int, default=20, metavar="N", help="default: %(default)s")
    add("--seed", type=int, default=0, metavar="N", help="of the crowds, and of the orders of the rounds")
    add("-o", "--output", type=Path, metavar="FILE", help="put the section there, between its marks")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] = ()) -> int:
    asked = parse(arguments)
    keep_freed_memory()
    cpu, instructions = this_cpu()
    before = load_average()
    cases = measure(asked.rounds, asked.seed)
    system = f"{platform.system()} {platform.machine()}"
    page = to_markdown(cases, Machine(cpu, cores(), instructions, system, before, load_average()))
    if asked.output is None:
        print(page)
    else:
        write_section(asked.output, SECTION, page)
    return int(not meets_target(cases))


def meets_target(cases: Sequence[Case]) -> bool:
    """Whether the target's case is within it."""
    return target_ms(cases) <= TARGET_MS


def target_ms(cases: Sequence[Case]) -> float:
    """The figure that the target is about."""
    return next(case.median_ms for case in cases if (case.style, case.people) == (DEFAULT, TARGET_COUNT))


def measure(rounds: int, seed: int) -> list[Case]:
    """Draw every crowd in every style once a round, in a new order, after an untimed round."""
    rng, order = np.random.default_rng(seed), Random(seed)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    crowds = [crowd(count, rng) for count in COUNTS for _ in range(CROWDS)]
    turns = [(style, poses) for style in STYLES for poses in crowds]
    times: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    for timed in range(rounds + 1):
        for style, poses in order.sample(turns, len(turns)):
            spent_ms = time_of(image, poses, STYLES[style])
            if timed:
                times[style, len(poses)].append(spent_ms)
    return [Case(style, people, *zip(*spent_ms, strict=True)) for (style, people), spent_ms in times.items()]


def time_of(image: NDArray[np.uint8], poses: Poses, style: DrawStyle | None) -> tuple[float, float]:
    """Draw once: milliseconds that this thread computed, and that passed."""
    start, cpu_start = perf_counter(), thread_time()
    drawn = image.copy() if style is None else draw(image, poses, style)
    cpu, wall = thread_time() - cpu_start, perf_counter() - start
    del drawn  # its memory is freed out of the timing, as whoever took the picture would
    return 1e3 * cpu, 1e3 * wall


def crowd(count: int, rng: np.random.Generator) -> Poses:
    """So many whole people, somewhere in the picture."""
    heights = rng.uniform(0.3, 0.95, (count, 1, 1)) * HEIGHT
    centres = rng.uniform((0.1, 0.4), (0.9, 0.6), (count, 1, 2)) * (WIDTH, HEIGHT)
    xy = centres + heights * (FIGURE + rng.normal(0, 0.02, (count, NUM_PARTS, 2)))
    doubtful = rng.uniform(size=(count, NUM_PARTS)) < 1 / 3
    part_scores = np.where(doubtful, rng.uniform(0.2, 0.75, doubtful.shape), rng.uniform(0.75, 1, doubtful.shape))
    scores = part_scores.mean(axis=1)
    return Poses(xy.astype(np.float32), part_scores.astype(np.float32), scores.astype(np.float32))


def to_markdown(cases: Sequence[Case], machine: Machine) -> str:
    """The section: the target, the table, how it was measured, and on what."""
    found = target_ms(cases)
    versions = {
        name: number for name, number in library_versions().items() if name in ("posecli", "opencv", "numpy", "numba")
    }
    versions["Python"] = platform.python_version()
    rows = [
        [style, *(cell(case) for count in COUNTS for case in cases if (case.style, case.people) == (style, count))]
        for style in STYLES
    ]
    header = ["ms a frame", *(f"{count} {'person' if count == 1 else 'people'}" for count in COUNTS)]
    parts = [
        "## Drawing",
        f"Target: {TARGET_COUNT} people in the default style in at most {TARGET_MS:g} ms; measured {found:.2f} ms: "
        f"{'met' if meets_target(cases) else '**missed**'}.",
        "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)),
        METHOD.rstrip(),
        f"This run: {len(cases[0].cpu_ms) // CROWDS} rounds.",
        machine_text(machine),
        ", ".join(f"{name} {number}" for name, number in versions.items()) + ".",
        f"Reproduce: `python {SECTION} -o docs/benchmarks.md`.",
    ]
    return "\n\n".join(parts) + "\n"


def cell(case: Case) -> str:
    """Both medians of a case."""
    return f"{case.median_ms:.2f} ({np.median(case.wall_ms):.2f})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
