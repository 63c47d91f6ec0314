#!/usr/bin/env python3
"""Time how long posecli takes to start: its help, and one photo cold from the shell.

    python scripts/start_up.py -o docs/benchmarks.md

Each is held against Python importing the libraries that it cannot do without. Prints the page's section, or puts it
into the file of -o; exit code 1 where a target is missed. Fifteen rounds take two minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random
from time import perf_counter

import numpy as np

from peers.machine import cores, load_average, this_cpu
from peers.page import machine_text, ratio
from peers.results import Machine, spread
from posecli.bench.machine import library_versions
from sections import write_section

SECTION = "scripts/start_up.py"
PHOTO = Path(__file__).resolve().parents[1] / "examples/two-pioneers.jpg"

METHOD = """\
Every run is a process of its own, started as a shell does and timed until it has ended, with its output thrown away.
In each round everyone runs once, in an order drawn anew, after an untimed round that fills the caches: those of the
system, and what posecli keeps compiled. Times are medians over the rounds; a ratio is the median of the rounds' ratios,
with its 10th and 90th percentile. For the photo 1 s is taken off before: it is what the target allows for loading the
model, finding the people, drawing them and writing the picture. posecli runs with its default options.
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """What posecli may take at most, beside Python with the same libraries."""

    text: str
    ours: Sequence[str]  # what the shell would start
    baseline: str  # code for python -c
    at_most: float  # times the baseline
    allowance_s: float = 0.0  # that come on top

    @property
    def limit(self) -> str:
        """The target in words."""
        return f"{self.at_most:g}x" + (f" + {self.allowance_s:g} s" if self.allowance_s else "")


@dataclass(frozen=True, slots=True)
class Timed:
    """The times of a claim, round by round."""

    claim: Claim
    ours_s: Sequence[float]
    baseline_s: Sequence[float]

    @property
    def ratios(self) -> Sequence[float]:
        """How many times the baseline posecli took in each round, beyond its allowance."""
        return [(ours - self.claim.allowance_s) / base for ours, base in zip(self.ours_s, self.baseline_s, strict=True)]

    @property
    def met(self) -> bool:
        """Whether the median of the ratios is within the target."""
        return spread(self.ratios).median <= self.claim.at_most


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time how long posecli takes to start.")
    add = parser.add_argument
    add("--rounds", type=int, default=15, metavar="N", help="default: %(default)s")
    add("--photo", type=Path, default=PHOTO, metavar="FILE", help="default: one of examples/")
    add("--seed", type=int, default=0, metavar="N", help="of the orders of the rounds")
    add("-o", "--output", type=Path, metavar="FILE", help="put the section there, between its marks")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] = ()) -> int:
    asked = parse(arguments)
    cpu, instructions = this_cpu()
    before = load_average()
    with tempfile.TemporaryDirectory() as folder:
        used = what_runs(asked.photo)
        timed = measure(claims(asked.photo, Path(folder)), asked.rounds, Random(asked.seed))
    system = f"{platform.system()} {platform.machine()}"
    machine = Machine(cpu, cores(), instructions, system, before, load_average())
    page = to_markdown(timed, asked.photo.name, used, machine)
    if asked.output is None:
        print(page)
    else:
        write_section(asked.output, SECTION, page)
    return int(not all(each.met for each in timed))


def posecli() -> list[str]:
    """The command as it is installed beside this Python; where there is none, the module."""
    script = shutil.which("posecli", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "posecli"]


def claims(photo: Path, folder: Path) -> list[Claim]:
    """What is promised; pictures go to `folder`."""
    return [
        Claim("`posecli --help`", [*posecli(), "--help"], "import typer, rich", 1.6),
        Claim(
            "one photo: `posecli annotate PHOTO`",
            [*posecli(), "annotate", str(photo), "--output", str(folder)],
            "import torch, cv2",
            1.3,
            1.0,
        ),
    ]


def what_runs(photo: Path) -> str:
    """The model, backend and precision that the defaults come to here, as posecli itself says."""
    done = subprocess.run([*posecli(), "export", str(photo), "--quiet"], capture_output=True, check=True)
    options = json.loads(done.stdout)["options"]
    return f"{options['model']} on {options['backend']}, {options['precision']}, long side {options['size']} px"


def measure(promised: Sequence[Claim], rounds: int, random: Random) -> list[Timed]:
    """Time everyone once in each round, in a new order, after an untimed round."""
    commands = [command for claim in promised for command in (claim.ours, [sys.executable, "-c", claim.baseline])]
    times = np.zeros((rounds + 1, len(commands)))  # s
    for turn in times:
        for index in random.sample(range(len(commands)), len(commands)):
            turn[index] = time_of(commands[index])
    return [
        Timed(claim, times[1:, 2 * index].tolist(), times[1:, 2 * index + 1].tolist())
        for index, claim in enumerate(promised)
    ]


def time_of(command: Sequence[str]) -> float:
    """Run a command to its end: the seconds that it took. Ends the program where the command fails."""
    start = perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seconds = perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return seconds


def to_markdown(timed: Sequence[Timed], photo: str, used: str, machine: Machine) -> str:
    """The section: the targets, how they were measured, and on what."""
    versions = library_versions() | {name: version(name) for name in ("typer", "rich")}
    versions = {"Python": versions.pop("python"), **versions}
    parts = [
        "## Start-up",
        "\n".join(
            [
                "| from the shell | s | beside it | s | ratio | at most | |",
                "|---|---|---|---|---|---|---|",
                *map(table_row, timed),
            ]
        ),
        METHOD.rstrip(),
        f"This run: {len(timed[0].ours_s)} rounds; the photo is {photo}, with {used}.",
        machine_text(machine),
        ", ".join(f"{name} {number}" for name, number in versions.items()) + ".",
        f"Reproduce: `python {SECTION} -o docs/benchmarks.md`.",
    ]
    return "\n\n".join(parts) + "\n"


def table_row(timed: Timed) -> str:
    """A claim, both times, and whether it holds."""
    claim = timed.claim
    ours, baseline = (f"{spread(values).median:.2f}" for values in (timed.ours_s, timed.baseline_s))
    cells = [claim.text, ours, f'`python -c "{claim.baseline}"`', baseline, ratio(spread(timed.ratios))]
    return f"| {' | '.join([*cells, claim.limit, 'met' if timed.met else '**missed**'])} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
