"""Frames, an estimator and sinks that say what the pipeline does with them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import SimpleNamespace, TracebackType

import numpy as np
from numpy.typing import NDArray

from posecli.errors import InputError, OutputError
from posecli.options import resolve_options
from posecli.poses import Poses
from posecli.sinks import FrameOutputError, Sink
from posecli.sources import Failure, Frame, Input, Reader

WAIT_S = 600  # for what must happen; whoever waits longer has found a bug


def wait_for(event: Event) -> None:
    assert event.wait(WAIT_S)


def frame(name: str, people: int = 1, index: int = 0, height: int = 2) -> Frame:
    image = np.zeros((height, 3, 3), np.uint8)
    image[0, 0, 0], image[0, 0, 1] = people, ord(name[0])
    return Frame(image, index, None, name)


def failure(name: str, error: InputError | None = None) -> Failure:
    return Failure(name, 0, error or InputError(f"{name}: bad"))


@dataclass(frozen=True)
class Letter:
    """What `Counting` prepares of a frame."""

    name: str  # the frame's first letter
    people: int
    shape: tuple[tuple[int, int], ...]


class Counting:
    """An estimator that finds as many people as the image's first pixel says. Its stages tell `at` what they do."""

    def __init__(
        self, mirror: bool = False, device: str = "cpu", at: Callable[[str, str], None] = lambda stage, name: None
    ) -> None:
        self.options = resolve_options(mirror=mirror)
        self.backend = SimpleNamespace(device=device)
        self.batches: list[str] = []  # the letters that ran together
        self.at = at
        self.callers = 1

    def shared_by(self, callers: int) -> "Counting":
        self.callers = callers
        return self

    def prepare(self, image: NDArray[np.uint8]) -> Letter:
        name = chr(image[0, 0, 1])
        self.at("prepare", name)
        return Letter(name, int(image[0, 0, 0]), (image.shape[:2],))

    def infer(self, letters: Sequence[Letter]) -> list[int]:
        self.batches.append("".join(letter.name for letter in letters))
        for letter in letters:
            self.at("infer", letter.name)
        return [letter.people for letter in letters]

    def finish(self, letter: Letter, people: int) -> Poses:
        self.at("finish", letter.name)
        return Poses(
            np.zeros((people, 17, 2), np.float32), np.ones((people, 17), np.float32), np.ones(people, np.float32)
        )


class Recording(Sink):
    """A sink that remembers everything, and cannot write the frames named in `refuses`."""

    def __init__(self, refuses: Iterable[str] = (), error: type[OutputError] = FrameOutputError) -> None:
        self.events: list[str] = []
        self.images: list[NDArray[np.uint8]] = []
        self.refuses, self.error = set(refuses), error

    def __enter__(self) -> "Recording":
        self.events.append("open")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.events.append("close")

    def write(self, frame: Frame, poses: Poses) -> None:
        if frame.name in self.refuses:
            raise self.error(f"{frame.name}: cannot be written")
        self.events.append(f"{frame.name}:{len(poses)}")
        self.images.append(frame.image)

    def fail(self, failure: Failure) -> None:
        self.events.append(f"{failure.name}!")

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        raise AssertionError("planning is not the pipeline's business")


class Drawing(Recording):
    """A sink that refuses, and tells `at`, before it is a frame's turn."""

    at: Callable[[str], None] = staticmethod(lambda name: None)

    def prepare(self, frame: Frame, poses: Poses) -> Callable[[], None]:
        self.at(frame.name)
        if frame.name in self.refuses:
            raise self.error(f"{frame.name}: cannot be drawn")
        return super().prepare(frame, poses)


@dataclass
class Several:
    """A source that can be read on several threads, by the calls that it is made of."""

    reads: Sequence[Reader]
    asked: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[Frame | Failure]:
        raise AssertionError("it has readers")

    def readers(self) -> Iterator[Reader]:
        for index, read in enumerate(self.reads):
            self.asked.append(index)
            yield read
