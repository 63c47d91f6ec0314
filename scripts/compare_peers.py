#!/usr/bin/env python3
"""Time posecli against the 2018 port and the original TF.js, side by side, and write down what that gives.

    python scripts/compare_peers.py --port CHECKOUT --tfjs scripts/tfjs -o docs/benchmarks.md

CHECKOUT is rwightman/posenet-pytorch as it is cloned; `npm install --prefix scripts/tfjs` gets TF.js. What is not at
hand is left out with a line that says so: without options, posecli's backends are compared with each other. The method
is told on the page. Prints the page, or puts it into the file of -o; exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from random import Random

from peers.child import Task
from peers.machine import cores, load_average, this_cpu
from peers.materials import get_weights, pictures, stretch, write_tfjs
from peers.page import to_markdown
from peers.results import PORT, TFJS, Machine, Outcome, Report
from peers.rounds import Settings, measure
from peers.scenarios import SCENARIOS, Peers, Scenario, lineup
from peers.targets import TARGETS, judge
from posecli.files import write_whole
from posecli.weights.store import BUNDLED
from sections import write_section

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
MOST_PHOTOS = 24  # that are kept in memory


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time posecli against the 2018 port and the original TF.js.")
    add = parser.add_argument
    add("--port", type=Path, metavar="CHECKOUT", help="rwightman/posenet-pytorch, as it is cloned")
    add("--tfjs", type=Path, metavar="NODE_DIR", help="folder with the node_modules of scripts/tfjs/package.json")
    add(
        "--tfjs-models",
        type=Path,
        metavar="DIR",
        default=SHARED / "tfjs-mirror/savedmodel/posenet/mobilenet",
        help="folder laid out as Google's savedmodel/posenet/mobilenet; its model-stride16.json are what TF.js runs",
    )
    add("--images", type=Path, metavar="DIR", help="photos; default: ../shared/images, else examples/")
    add("--quality-images", type=Path, metavar="DIR", help="for --quality fast; default: ../shared/coco/images")
    add("--rounds", type=int, default=15, metavar="N")
    add("--folder-rounds", type=int, default=3, metavar="N", help="of folder to folder")
    add("--photos", type=int, default=6, metavar="N", help="of a turn")
    add("--folder-photos", type=int, default=200, metavar="N", help="of folder to folder")
    add(
        "--threads", type=int, default=cores(), metavar="N", help="of every contestant; default: all cores, %(default)s"
    )
    add("--seed", type=int, default=0, metavar="N", help="of the orders and the photos of the rounds")
    add("--only", nargs="+", choices=[scenario.key for scenario in SCENARIOS], metavar="KEY", help="%(choices)s")
    add("-o", "--output", type=Path, metavar="FILE", help="put the page there, between its marks")
    add("--json", type=Path, metavar="FILE", help="write every figure there too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] = ()) -> int:
    asked = parse(arguments)
    peers, missing = find_peers(asked.port, asked.tfjs)
    name, instructions = this_cpu()
    before = load_average()
    outcomes, versions = list[Outcome](), {"Python": platform.python_version()}
    for scenario in SCENARIOS:
        if asked.only and scenario.key not in asked.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            outcome, used = try_scenario(scenario, peers, Path(folder), asked)
        outcomes.append(outcome)
        versions |= used
    report = Report(
        Machine(name, cores(), instructions, f"{platform.system()} {platform.machine()}", before, load_average()),
        tuple(versions.items()),
        asked.threads,
        asked.rounds,
        asked.folder_rounds,
        asked.seed,
        tuple(outcomes),
        missing,
    )
    return finish(report, asked.output, asked.json)


def find_peers(port: Path | None, tfjs: Path | None) -> tuple[Peers, tuple[str, ...]]:
    """The peers that are at hand, and a line for each that is not."""
    missing = []
    if port is None:
        missing.append(f"{PORT}: no checkout was given (--port)")
    elif not (port / "image_demo.py").is_file():
        missing.append(f"{PORT}: no image_demo.py in {port.name}; --port takes a checkout of rwightman/posenet-pytorch")
        port = None
    node = shutil.which("node")
    if tfjs is None:
        missing.append(f"{TFJS}: no folder with its node_modules was given (--tfjs)")
    elif not (tfjs / "node_modules/@tensorflow-models/posenet").is_dir():
        missing.append(f"{TFJS}: not installed in {tfjs.name}; run: npm install --prefix {tfjs.name}")
        tfjs = None
    elif node is None:
        missing.append(f"{TFJS}: node is not on the PATH")
    return Peers(port and port.resolve(), node, tfjs and tfjs.resolve()), tuple(missing)


def try_scenario(
    scenario: Scenario, peers: Peers, folder: Path, asked: argparse.Namespace
) -> tuple[Outcome, dict[str, str]]:
    """Make what a scenario works on, in `folder`, and measure it."""
    photos = choose_photos(scenario, asked)
    weights = get_weights(scenario.model, folder, asked.tfjs_models)
    tfjs_model = write_tfjs(weights, asked.tfjs_models, folder) if TFJS in scenario.peers else ""
    jpegs = ""
    if scenario.input_hw is None:
        prepared = folder / "photos"
        prepared.mkdir()
        for photo in photos:
            shutil.copyfile(photo, prepared / photo.name)
    else:
        prepared = Path(stretch(photos, scenario.input_hw, folder / "photos", len(photos), ".png"))
        if "folder" in scenario.trials:
            jpegs = stretch(photos, scenario.input_hw, folder / "jpegs", asked.folder_photos, ".jpg")
    entries = list(lineup(scenario, peers))
    left_out: tuple[str, ...] = ()
    if not tfjs_model and any(name == TFJS for name, _ in entries):
        entries = [entry for entry in entries if entry[0] != TFJS]
        left_out = (f"{TFJS}: no float/{scenario.model[-3:]}/model-stride16.json in the folder of --tfjs-models",)
    task = Task(
        model=str(weights.path),
        photos=str(prepared),
        size=scenario.size,
        threads=asked.threads,
        folder=jpegs,
        quality=scenario.quality,
        calibrate="" if scenario.model in BUNDLED else str(ROOT / "examples"),
        tfjs_model=tfjs_model,
    )
    settings = Settings(asked.rounds, asked.folder_rounds, asked.photos, asked.folder_photos, asked.seed)
    work = f"{len(photos)} photos, {min(asked.photos, len(photos))} of them in each turn; {weights.account}."
    if jpegs:
        work += f" Folder to folder: {asked.folder_photos} JPEG files, the photos over and over."
    outcome, versions = measure(scenario, work, entries, task, len(photos), settings, say)
    return replace(outcome, left_out=(*left_out, *outcome.left_out)), dict(versions)


def choose_photos(scenario: Scenario, asked: argparse.Namespace) -> list[Path]:
    """The photos of a scenario, a random sample where there are many. Ends the program where there are none."""
    defaults = [SHARED / "images", ROOT / "examples"]
    wanted = asked.images
    if scenario.quality:
        defaults, wanted = [SHARED / "coco/images", *defaults], asked.quality_images or asked.images
    folder = wanted or next(folder for folder in defaults if folder.is_dir())
    found = pictures(folder) if folder.is_dir() else []
    if not found:
        sys.exit(f"{folder}: no photos there")
    return sorted(Random(asked.seed).sample(found, min(len(found), MOST_PHOTOS)))


def finish(report: Report, output: Path | None, figures: Path | None) -> int:
    """Write the page and the figures. The exit code: 1 where a target is missed."""
    page = to_markdown(report)
    if figures is not None:
        write_whole(figures, (json.dumps(asdict(report), indent=1) + "\n").encode())
    if output is None:
        print(page)
    else:
        write_section(output, "scripts/compare_peers.py", page)
    verdicts = [judge(target, report) for target in TARGETS]
    return int(any(verdict.measured is not None and not verdict.met for verdict in verdicts))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
