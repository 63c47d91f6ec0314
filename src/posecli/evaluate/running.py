"""Run an estimator over annotated images: COCO results, and the time that each stage took."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from posecli.coco import CocoImage, stills
from posecli.errors import InputError
from posecli.estimate import Estimator, Times
from posecli.pipeline import Report, run
from posecli.poses import Poses
from posecli.sinks.base import Sink
from posecli.sinks.coco import coco_results
from posecli.sinks.numbers import check_finite
from posecli.sources import Failure, Frame, Input

if TYPE_CHECKING:
    from typing_extensions import Self


class StageTimes(NamedTuple):
    """Milliseconds that an image took, stage by stage."""

    read: float
    resize: float
    network: float
    decode: float


@dataclass(frozen=True, slots=True)
class Found:
    """What an estimator found on the images that could be read."""

    image_ids: tuple[int, ...]
    results: list[dict[str, Any]]  # COCO's, in the order of the images
    poses: tuple[Poses, ...]  # the same, per image
    times: tuple[StageTimes, ...]  # per image
    failures: tuple[Failure, ...]

    @property
    def median_ms(self) -> StageTimes:
        """The median of each stage over the images."""
        return StageTimes(*np.median(np.array(self.times), axis=0).tolist())

    @property
    def median_estimate_ms(self) -> float:
        """The median over the images of what the estimator took: all but reading, which is the disk's."""
        return float(np.median(np.array(self.times)[:, 1:].sum(axis=1)))


def find_people(
    estimator: Estimator,
    images: Sequence[CocoImage],
    folder: Path,
    sinks: Sequence[Sink] = (),
    *,
    batch_size: int | None = None,
    workers: int = 0,
    on_item: Callable[[Frame | Failure], None] = lambda _: None,
) -> Found:
    """Find the people on the images, whose files lie in `folder`; one that cannot be read is a failure.

    `sinks` are given the poses too. Before the clock starts, the estimator sees one blank image: what is done once,
    such as compiling, is not the first photo's time. Without `workers` no stage disturbs another's time; with them the
    images are done sooner. Raises InputError where no image could be read.
    """
    size = estimator.options.size
    estimator(np.zeros((size, size, 3), np.uint8))
    source, collected, report = _Clock(stills(images, folder)), _Results(images), Report()
    spent, every = Times(), [*sinks, collected]  # collected last: it keeps what report.images and `spent` count
    run(source, estimator, every, report, batch_size=batch_size, workers=workers, times=spent, on_item=on_item)
    if not report.images:
        raise InputError(f"{folder}: none of the {len(images)} images could be used; check --images")
    read = [source.seconds[index] for index in collected.indices]
    stages = zip(read, spent.resize, spent.network, spent.decode, strict=True)
    return Found(
        image_ids=tuple(images[index].id for index in collected.indices),
        results=collected.results,
        poses=tuple(collected.poses),
        times=tuple(StageTimes(*(1000 * second for second in seconds)) for seconds in stages),
        failures=tuple(report.failures),
    )


@dataclass
class _Clock:
    """A source that notes how long each frame took to read."""

    source: Iterable[Frame | Failure]
    seconds: dict[int, float] = field(default_factory=dict)  # by the frame's index

    def __iter__(self) -> Iterator[Frame | Failure]:
        start = perf_counter()
        for item in self.source:
            if isinstance(item, Frame):
                self.seconds[item.index] = perf_counter() - start
            yield item
            start = perf_counter()


class _Results(Sink):
    """Keeps the COCO results of images, and which of them were done; frame i is images[i]."""

    def __init__(self, images: Sequence[CocoImage]) -> None:
        self._images = images
        self.indices: list[int] = []
        self.results: list[dict[str, Any]] = []
        self.poses: list[Poses] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing is held open."""

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Nothing is written."""

    def write(self, frame: Frame, poses: Poses) -> None:
        """Keep a frame's results. Raises FrameOutputError where a number is none."""
        check_finite(poses, frame.name)
        self.results += coco_results(self._images[frame.index].id, poses)
        self.poses.append(poses)
        self.indices.append(frame.index)
