"""What a source yields for each input: a `Frame`, or a `Failure` that says why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from posecli.errors import PosecliError


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture to find people in."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    index: int  # position in the whole list of inputs, from 0
    time_s: float | None  # None for stills
    name: str  # posix path below the input argument, or the stream's name


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that gives no frame, or a frame whose result cannot be kept."""

    name: str
    index: int
    error: PosecliError


Reader = Callable[[], Frame | Failure]


@runtime_checkable
class Readable(Protocol):
    """A source whose frames can be read several at a time."""

    def readers(self) -> Iterator[Reader]:
        """What reads each frame, in order: cheap to come by, to be called once each, on any thread."""
        ...
