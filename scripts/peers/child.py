"""A contestant's side: a process that answers one line of JSON on stdout for each line of JSON on stdin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

STRIDE = 16
ONCE = ("folder", "command")  # trials that take the whole folder at once


@dataclass(frozen=True, slots=True)
class Task:
    """What every contestant of a scenario is given; paths are absolute."""

    model: str  # weights, as safetensors
    photos: str  # folder; for network and decode, each of the network's own size already
    size: int  # long side of the network's input, px
    threads: int
    folder: str = ""  # of the photos that folder and command run through
    quality: str = ""  # of posecli, for the trial image
    calibrate: str = ""  # folder of photos for posecli's int8; empty: what comes with the model
    tfjs_model: str = ""  # the same weights as a TF.js model.json


class Runner(Protocol):
    """A contestant, loaded."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Of what it uses."""
        ...

    @property
    def trials(self) -> Mapping[str, Callable[[int], object]]:
        """What is timed, given a photo's index, by name."""
        ...

    def fields(self, photo: int) -> Sequence[NDArray[np.float32]]:
        """Heatmaps after the sigmoid, offsets, forward, backward: each (channels, h, w)."""
        ...


def serve(load: Callable[[Task], Runner]) -> None:
    """Answer until stdin ends. Whatever a contestant prints goes to stderr."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        runner: Runner | None = None
        for line in sys.stdin:
            request = json.loads(line)
            try:
                if request["do"] == "load":
                    runner = load(Task(**request["task"]))
                    answer: dict[str, Any] = {"versions": dict(runner.versions), "trials": list(runner.trials)}
                else:
                    assert runner is not None
                    answer = respond(runner, request)
            except Exception as error:  # whatever a peer raises becomes the line of the report that says so
                answer = {"error": (str(error).strip() or type(error).__name__).splitlines()[0]}
            print(json.dumps(answer), file=answers, flush=True)


def respond(runner: Runner, request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what is asked of a loaded contestant: `fields` into a file, or `run` a trial on photos."""
    if request["do"] == "fields":
        flat = np.concatenate([np.ravel(field) for field in runner.fields(request["photo"])])
        Path(request["file"]).write_bytes(flat.astype("<f4").tobytes())
        return {}
    trial = runner.trials[request["trial"]]
    if request["warm"]:
        trial(request["photos"][0])
    return {"ms": [timed(trial, photo) for photo in request["photos"]]}


def timed(trial: Callable[[int], object], photo: int) -> float:
    """What the trial takes on one photo, ms."""
    start = perf_counter()
    trial(photo)
    return 1e3 * (perf_counter() - start)


def run_program(command: Sequence[str]) -> None:
    """Run a program to its end. Raises RuntimeError with its last words where it fails."""
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["without a word"]
        raise RuntimeError(f"the command ends with exit code {done.returncode} ({words[-1]})")


def photos_of(folder: str) -> list[Path]:
    """The photos of a folder, in the order that their indices mean."""
    return sorted(Path(folder).iterdir())
