"""What a source yields for each input: a `Frame`, or a `Failure` that says why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from posecli.errors import PosecliError


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What the frames of one video, stream or camera have in common. Equal only to itself: played again, it differs."""

    name: str  # as the results call it, and each of its frames
    index: int  # position in the whole list of inputs, from 0
    location: Path | str | int  # a file, an address, or the index of a camera
    time_base: Fraction  # s; times of frames are whole multiples of it, as far as floats go
    fps: float | None  # frames a second on average, of those that are taken, where that is known
    length: int | None  # how many frames will come, where that can be told; it may be wrong by some
    start_s: float = 0.0  # time of the first frame that is taken
    has_audio: bool = False
    is_live: bool = False
    pixel_aspect: Fraction = Fraction(1)  # width by height of a pixel, once frames are upright


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture to find people in."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    index: int  # a photo's position in the whole list of inputs, a frame's number in its video; from 0
    time_s: float | None  # from the start of the video; None for photos
    name: str  # posix path below the input argument, or the stream's name
    clip: Clip | None = None  # None for photos


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
