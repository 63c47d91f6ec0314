"""What the trials of whole commands on videos share: people who move, commands as they are typed, and their results."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from posecli.cli import app
from posecli.opencv import cv2

Image = NDArray[np.uint8]  # (H, W, 3) RGB
SMALL = ("--size", "193", "--threads", "1", "--backend", "torch")
PEOPLE_HW = (192, 256)
WAIT_S, STEP_S = 600.0, 0.05  # for other processes; whoever waits longer has found a bug


def people(examples: Path, hw: tuple[int, int] = PEOPLE_HW) -> Image:
    """An example photo of two people, made small."""
    image = cv2.imread(str(examples / "two-pioneers.jpg"))
    return np.ascontiguousarray(cv2.resize(image, hw[::-1], interpolation=cv2.INTER_AREA)[:, :, ::-1])


def panned(photo: Image, count: int) -> list[Image]:
    """So many frames of a camera that moves slowly to and fro over a photo."""
    return [np.roll(photo, 2 * min(number % 20, 20 - number % 20), axis=1) for number in range(count)]


def command(*words: object, exit_code: int = 0) -> Result:
    """Type a command in this process."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return result


@dataclass(frozen=True)
class Running:
    """A command in a process of its own."""

    process: "subprocess.Popen[str]"
    log: Path  # what it says on standard error

    @property
    def talk(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_until(self, it_is_so: Callable[[], bool]) -> None:
        """Look until it is so: what another process has done, it tells nobody."""
        end = time.monotonic() + WAIT_S
        while not it_is_so():
            assert self.process.poll() is None, f"it has ended: {self.talk}"
            assert time.monotonic() < end, f"nothing happens: {self.talk}"
            time.sleep(STEP_S)


@contextmanager
def running(*words: object, folder: Path, before: Sequence[str] = ()) -> Iterator[Running]:
    """Type a command in `folder`, in a process that is gone in the end; `before` is what starts it."""
    line = [*before, sys.executable, "-m", "posecli", *map(str, words)]
    with (
        (folder / "stderr.txt").open("wb") as log,
        subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8") as process,
    ):
        try:
            yield Running(process, folder / "stderr.txt")
        finally:
            process.kill()


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The lines that are complete, of a file that may be in the making."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]


def folder_of(path: Path) -> list[str]:
    """Names of all that is in a folder, hidden and temporary files included."""
    return sorted(entry.name for entry in path.iterdir())
