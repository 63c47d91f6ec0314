"""posecli as a contestant: python -m peers.posecli_child BACKEND PRECISION."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peers.child import STRIDE, Task, photos_of, run_program, serve
from posecli.cli import app
from posecli.decode import decode
from posecli.estimate import make_estimator
from posecli.memory import keep_freed_memory
from posecli.networks.fields import Fields
from posecli.options import resolve_options
from posecli.poses import Poses
from posecli.sources import read_image

PACKAGES = ("posecli", "torch", "numba", "numpy", "opencv-python", "openvino", "nncf", "onnxruntime")


class Posecli:
    """One backend at one precision, with its defaults."""

    def __init__(self, task: Task, backend: str, precision: str) -> None:
        self.task, self.backend, self.precision = task, backend, precision
        size = None if task.quality else task.size
        self.calibrate = task.calibrate if precision == "int8" and task.calibrate else None
        self.options = resolve_options(
            model=task.model,
            device="cpu",
            backend=backend,
            precision=precision,
            calibrate=self.calibrate,
            threads=task.threads,
            size=size,
            quality=task.quality or None,
            stride=STRIDE,
        )
        keep_freed_memory()  # as the command line has it
        self.estimator = make_estimator(self.options)
        self.images = [read_image(path, path.name) for path in photos_of(task.photos)]  # (H, W, 3) RGB
        self.versions = versions()
        self.trials: Mapping[str, Callable[[int], object]] = {
            "network": self.run_network,
            "decode": self.run_decode,
            "image": lambda photo: self.estimator(self.images[photo]),
            "folder": self.run_folder,
            "command": self.run_command,
        }

    def run_network(self, photo: int) -> Fields:
        """The network alone, normalisation of the uint8 pixels included."""
        return self.estimator.backend(self.images[photo][None])

    def run_decode(self, photo: int) -> Poses:
        """Network and decoder; xy is in the network's input."""
        heatmaps, offsets, forward, backward = self.fields(photo)
        return decode(heatmaps, offsets, forward, backward, STRIDE, self.options)

    def fields(self, photo: int) -> Sequence[NDArray[np.float32]]:
        """What the network says about a photo that is its input already."""
        return [field[0].numpy() for field in self.run_network(photo)]

    def run_folder(self, _: int) -> None:
        """`posecli annotate` on the folder, in this process."""
        with tempfile.TemporaryDirectory() as output:
            if code := app(self.arguments(output), prog_name="posecli", standalone_mode=False):
                raise RuntimeError(f"posecli annotate ends with exit code {code}")

    def run_command(self, _: int) -> None:
        """`posecli annotate` on the folder, as a command of its own."""
        script = Path(sys.executable).with_name("posecli")
        command = [str(script)] if script.exists() else [sys.executable, "-m", "posecli"]
        with tempfile.TemporaryDirectory() as output:
            run_program([*command, *self.arguments(output)])

    def arguments(self, output: str) -> list[str]:
        """Of `annotate`, for the task's folder."""
        task = self.task
        options = {
            "--output": output,
            "--model": task.model,
            "--size": task.size,
            "--device": "cpu",
            "--backend": self.backend,
            "--precision": self.precision,
            "--threads": task.threads,
        }
        if self.calibrate is not None:
            options["--calibrate"] = self.calibrate
        return ["annotate", task.folder, "--quiet", *(str(word) for pair in options.items() for word in pair)]


def versions() -> dict[str, str]:
    """Of what it consists of here."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


if __name__ == "__main__":
    serve(lambda task: Posecli(task, *sys.argv[1:]))
