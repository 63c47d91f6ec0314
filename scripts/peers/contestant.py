"""`Contestant`: a process that sleeps on a pipe until it is told what to run, and answers what that took."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from peers.child import ONCE, Task

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
SCRIPTS = Path(__file__).resolve().parents[1]
END_S = 10.0  # given to a contestant to end by itself


class ContestantError(Exception):
    """A contestant cannot start, gives an error or dies; the message says in one line which, and why."""


class Contestant:
    """One peer at work: a context manager, whose end is the process's."""

    def __init__(self, name: str, command: Sequence[str], threads: int) -> None:
        self.name = name
        self.trials: frozenset[str] = frozenset()
        self._warmed: set[str] = set()
        self._folder = tempfile.TemporaryDirectory()  # it works there, and may leave files
        self._errors = Path(self._folder.name, "stderr")  # a file, as a pipe could fill and block it
        path = os.pathsep.join(filter(None, (str(SCRIPTS), os.environ.get("PYTHONPATH"))))
        try:
            with self._errors.open("wb") as errors:
                self._process = subprocess.Popen(
                    command,
                    cwd=self._folder.name,
                    env={**os.environ, "PYTHONPATH": path, **dict.fromkeys(THREAD_VARIABLES, str(threads))},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    encoding="utf-8",
                )
        except OSError as error:
            self._folder.cleanup()
            raise ContestantError(f"{name}: {command[0]} does not start ({error.strerror})") from error

    def __enter__(self) -> Contestant:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return self._process.poll() is None

    def load(self, task: Task) -> Mapping[str, str]:
        """Get ready. The versions of what it uses."""
        answer = self.ask(do="load", task=asdict(task))
        self.trials = frozenset(answer["trials"])
        versions: Mapping[str, str] = answer["versions"]
        return versions

    def fields(self, photo: int) -> bytes:
        """What its network says about a photo: four fields (channels, h, w) one after the other, float32."""
        file = Path(self._folder.name, "fields.bin")
        self.ask(do="fields", photo=photo, file=str(file))
        return file.read_bytes()

    def turn(self, trial: str, photos: Sequence[int]) -> float:
        """Run a trial on each photo, the first once before that untimed; the median of what they took, ms.

        What takes the whole folder at once runs once, and untimed before its first turn; a command is always cold.
        """
        if trial in ONCE:
            warm = trial == "folder" and trial not in self._warmed
            self._warmed.add(trial)
            return float(self.ask(do="run", trial=trial, photos=[0], warm=warm)["ms"][0])
        return float(median(self.ask(do="run", trial=trial, photos=list(photos), warm=True)["ms"]))

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request, and wait for its answer. Raises ContestantError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise ContestantError(f"{self.name}: ended with exit code {self._process.wait()}{self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ContestantError(f"{self.name}: {answer['error']}")
        return answer

    def _last_words(self) -> str:
        """The last line it wrote to stderr, if any."""
        lines = self._errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f" ({lines[-1]})" if lines else ""
