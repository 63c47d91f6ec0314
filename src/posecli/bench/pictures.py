"""What is measured on: the user's pictures, or the packaged photo at several crops and sizes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecli.errors import InputError
from posecli.files import write_whole
from posecli.opencv import cv2
from posecli.options import EstimatorOptions
from posecli.preprocess import Resize
from posecli.sources import Failure, Frame, Input, Inputs, read_image
from posecli.testtime import scaled_size

MOST_HELD_BYTES = 1_000_000_000  # of pixels at once; what comes after is not taken


class _View(NamedTuple):
    """A part of the packaged photo, at a size of its own."""

    name: str
    box: tuple[float, float, float, float]  # left, top, right, bottom: shares of the photo's width and height
    scale: float


# Two people, one, nobody; landscape, portrait, square; from small pictures to what a camera gives.
_VIEWS = (
    _View("whole", (0.0, 0.0, 1.0, 1.0), 1.0),
    _View("left-person", (0.0, 0.0, 0.5, 1.0), 1.5),
    _View("whole-large", (0.0, 0.0, 1.0, 1.0), 3.0),
    _View("square", (0.16, 0.0, 0.84, 1.0), 1.0),
    _View("nobody", (0.5, 0.0, 1.0, 0.3), 2.0),
    _View("right-person", (0.5, 0.25, 1.0, 1.0), 1.0),
    _View("whole-small", (0.0, 0.0, 1.0, 1.0), 0.5),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that can be read."""

    name: str
    hw: tuple[int, int]  # px, upright
    file_bytes: int | None  # None where it is no file of this machine
    location: Path | str | None  # None for a view of the packaged photo
    image: NDArray[np.uint8] | None  # (H, W, 3) RGB, where it is held

    def input_hws(self, options: EstimatorOptions) -> list[tuple[int, int]]:
        """The sides, in px, of the network's input at each scale."""
        sizes = (scaled_size(options.size, scale) for scale in options.scales)
        return [Resize.plan(self.hw, size, options.stride, options.resize).input_hw for size in sizes]


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is measured on, and what of it could not be read."""

    usable: tuple[Picture, ...]
    failures: tuple[Failure, ...]
    listed: int  # that the inputs name
    packaged: bool = False

    @property
    def held_bytes(self) -> int:
        """Memory that the pixels held take."""
        return sum(picture.image.nbytes for picture in self.usable if picture.image is not None)

    @property
    def digest(self) -> str:
        """What two measurements of the same pictures share: of names and sizes, as decoders differ in pixels."""
        facts = [(picture.name, picture.hw, picture.file_bytes) for picture in self.usable]
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    def batches(self, num_images: int, batch_size: int) -> Iterator[list[Picture]]:
        """`num_images` of the pictures, over and over in their order, so many at a time."""
        pictures = islice(cycle(self.usable), num_images)
        while batch := list(islice(pictures, batch_size)):
            yield batch

    def input_sizes(self, num_images: int, options: EstimatorOptions) -> Counter[tuple[int, int]]:
        """How many of `num_images` pictures the network sees at each height and width."""
        return Counter(hw for (picture,) in self.batches(num_images, 1) for hw in picture.input_hws(options))


def read_pictures(
    source: Inputs, most: int, *, hold: bool, on_item: Callable[[Frame | Failure], None] = lambda _: None
) -> Pictures:
    """Read up to `most` pictures; with `hold`, keep their pixels, as far as MOST_HELD_BYTES go.

    Raises InputError where none could be read.
    """
    usable: list[Picture] = []
    failures: list[Failure] = []
    held = 0
    locations = {entry.index: entry.location for entry in source.entries}
    for item in source:
        on_item(item)
        if isinstance(item, Failure):
            failures.append(item)
            continue
        usable.append(_picture(item, locations, hold=hold))
        held += item.image.nbytes if hold else 0
        if len(usable) == most or held >= MOST_HELD_BYTES:
            break
    if not usable:
        raise InputError(f"none of the {len(failures)} inputs could be read, so nothing is measured; give others")
    return Pictures(tuple(usable), tuple(failures), source.length)


def _picture(frame: Frame, locations: Mapping[int, Path | str], *, hold: bool) -> Picture:
    """A frame as a picture; that of a video is no file of its own, and is held."""
    hw = (frame.image.shape[0], frame.image.shape[1])
    if frame.clip is not None:
        return Picture(f"{frame.name}, frame {frame.index}", hw, None, None, frame.image)
    location = locations[frame.index]
    size = location.stat().st_size if isinstance(location, Path) else None
    return Picture(frame.name, hw, size, location, frame.image if hold else None)


def packaged_pictures(most: int) -> Pictures:
    """Up to `most` views of the packaged photo, held in memory."""
    photo = read_image((files("posecli") / "assets" / "example.jpg").read_bytes(), "the packaged photo")
    usable = []
    for view in _VIEWS[:most]:
        image = _seen(photo, view)
        usable.append(Picture(view.name, (image.shape[0], image.shape[1]), None, None, image))
    return Pictures(tuple(usable), (), len(usable), packaged=True)


def write_pictures(pictures: Pictures, folder: Path) -> Pictures:
    """The same pictures as JPEG files in `folder`, no longer held in memory."""
    written = []
    for picture in pictures.usable:
        assert picture.image is not None  # they are held until they are written
        path = folder / f"{picture.name}.jpg"
        data = cv2.imencode(".jpg", cv2.cvtColor(picture.image, cv2.COLOR_RGB2BGR))[1].tobytes()
        write_whole(path, data)
        written.append(Picture(path.name, picture.hw, len(data), path, None))
    return Pictures(tuple(written), pictures.failures, pictures.listed, pictures.packaged)


def stills_of(pictures: Sequence[Picture]) -> Inputs:
    """A source of these pictures, read anew each time; index i is pictures[i]."""
    entries = []
    for index, picture in enumerate(pictures):
        assert picture.location is not None  # views are written to files before
        entries.append(Input(picture.name, index, picture.location))
    return Inputs(tuple(entries))


def _seen(photo: NDArray[np.uint8], view: _View) -> NDArray[np.uint8]:
    """A view of the photo (H, W, 3)."""
    height, width = photo.shape[:2]
    left, top, right, bottom = view.box
    part = photo[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    if view.scale == 1.0:
        return np.ascontiguousarray(part)
    method = cv2.INTER_AREA if view.scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, None, fx=view.scale, fy=view.scale, interpolation=method), np.uint8)
