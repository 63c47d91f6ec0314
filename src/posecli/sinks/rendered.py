"""What pictures and videos have in common: they are drawn, one file for each input, and it may be there already."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecli.files import exists as is_there
from posecli.options import Exists
from posecli.poses import Poses
from posecli.sinks.base import FrameOutputError, Sink
from posecli.sinks.outputs import check_originals, check_outputs, make_folder
from posecli.sources import Frame, Input

if TYPE_CHECKING:
    from typing_extensions import Self

Render = Callable[[Frame, Poses], NDArray[np.uint8]]  # to (H, W, 3) RGB, or (H, W, 4) RGBA


class RenderedSink(Sink):
    """Writes below a folder. What exists is replaced unless `exists` says otherwise.

    Where it says nothing, what may be an original is not replaced either. `file` is where the result of an only input
    goes, in place of its own name.
    """

    def __init__(self, folder: Path, render: Render, exists: Exists | None, file: Path | None) -> None:
        self._folder = folder
        self._render = render
        self._exists = exists
        self._file = file

    def __enter__(self) -> Self:
        make_folder(self._folder)
        return self

    def path_for(self, name: str) -> Path:
        """Where the result of the input called `name` goes."""
        return self._below_folder(name) if self._file is None else self._file

    @abstractmethod
    def _below_folder(self, name: str) -> Path:
        """Where it goes by its name."""
        ...

    def is_done(self, name: str) -> bool:
        """Whether the result of the input called `name` is there already, such as from an interrupted run."""
        return is_there(self.path_for(name))

    def refusal(self, name: str) -> FrameOutputError | None:
        """Why the result of the input called `name` must not be written: it exists, and that was to be an error."""
        if self._exists != "error" or not self.is_done(name):
            return None
        return FrameOutputError(f"{self.path_for(name)}: exists already; use --exists overwrite or skip, or another -o")

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Raise UsageError where two inputs would share a file, or one, or maybe an original, be replaced."""
        entries = list(entries)
        check_outputs(entries, self._path_of, protected)
        if self._exists is None and self._file is None:
            check_originals(entries, self._path_of, self._folder)

    def _path_of(self, entry: Input) -> Path:
        return self.path_for(entry.name)

    def _is_kept(self, name: str) -> bool:
        """Whether a result is there already and stays; raises FrameOutputError where that was to be an error."""
        if refusal := self.refusal(name):
            raise refusal
        return self._exists == "skip" and self.is_done(name)
