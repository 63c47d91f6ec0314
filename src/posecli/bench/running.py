"""The clock: images in memory through an estimator, one batch after another, and what each stage took.

Nothing is timed before the warm-up, which runs every shape of network input once: what is done once (compiling the
decoder and the network's graph, taking memory) is in no figure. Backends give their fields back on the CPU, so a GPU
has finished when its clock stops. Python's garbage collector stays on, as it is in use, but starts clean; its runs
within the measurement are counted.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecli.bench.pictures import Picture, Pictures
from posecli.estimate import Estimator, Times
from posecli.options import EstimatorOptions

if TYPE_CHECKING:
    from typing_extensions import Self

Clock = Callable[[], float]  # in seconds
InputHws = tuple[tuple[int, int], ...]  # height and width of the network's input in px, at each scale

WARM_UP_IMAGES = 10  # at least


@dataclass
class Samples:
    """What was measured, image by image in their order; it outlives an interruption."""

    stages: dict[str, list[float]] = field(default_factory=dict)  # seconds
    total: list[float] = field(default_factory=list)  # seconds, with what lies between the stages
    people: list[int] = field(default_factory=list)
    wall_s: float = 0.0  # of all images together

    def add(self, stages: Mapping[str, Sequence[float]], wall_s: float, people: Sequence[int]) -> None:
        """Append one batch: seconds of each image in each stage, those of the whole, and the people on each image.

        What the whole took beyond its stages is shared evenly among the images.
        """
        staged = [sum(seconds) for seconds in zip(*stages.values(), strict=True)]
        between = (wall_s - sum(staged)) / len(people)
        for name, seconds in stages.items():
            self.stages.setdefault(name, []).extend(seconds)
        self.total += [seconds + between for seconds in staged]
        self.people += people
        self.wall_s += wall_s

    @property
    def images(self) -> int:
        """How many images were measured."""
        return len(self.people)


@dataclass
class Collections:
    """Counts the runs of the garbage collector, from a clean start."""

    count: int = 0
    seconds: float = 0.0
    _start: float = 0.0

    def __enter__(self) -> Self:
        gc.collect()
        gc.callbacks.append(self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        gc.callbacks.remove(self._note)

    def _note(self, phase: str, _: Mapping[str, int]) -> None:
        if phase == "start":
            self._start = perf_counter()
        else:
            self.count += 1
            self.seconds += perf_counter() - self._start


@dataclass
class Measured:
    """Everything measured so far; it outlives an interruption."""

    samples: Samples = field(default_factory=Samples)
    collections: Collections = field(default_factory=Collections)
    pipeline_images: int = 0  # that went from file to file, once all have
    pipeline_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What ran before the clock."""

    images: int
    seconds: float


def warm_up(
    pictures: Pictures,
    num_images: int,
    batch_size: int,
    options: EstimatorOptions,
    run: Callable[[Sequence[Picture]], object],
    clock: Clock = perf_counter,
) -> WarmUp:
    """Run each batch that gives the network an input of a new shape, and at least WARM_UP_IMAGES images."""
    seen: set[tuple[InputHws, int]] = set()
    images, start = 0, clock()
    for batch in pictures.batches(max(num_images, WARM_UP_IMAGES), batch_size):
        shapes = _shapes(batch, options)
        if images < WARM_UP_IMAGES or not shapes <= seen:
            run(batch)
            seen |= shapes
            images += len(batch)
    return WarmUp(images, clock() - start)


def estimate(batch: Sequence[Picture], estimator: Estimator, samples: Samples, clock: Clock = perf_counter) -> None:
    """Find the poses in pictures that are held in memory, and append what it took."""
    images = [_held(picture) for picture in batch]
    times = Times()
    start = clock()
    found = estimator.batch(images, times)
    wall_s = clock() - start
    stages = {"resize": times.resize, "network": times.network, "decode": times.decode}
    samples.add(stages, wall_s, [len(poses) for poses in found])


def measure(
    batches: Iterable[Sequence[Picture]],
    estimator: Estimator,
    samples: Samples,
    *,
    on_images: Callable[[int], object] = lambda _: None,
    clock: Clock = perf_counter,
) -> None:
    """Measure batch after batch; `on_images` hears how many images are done, outside the clock."""
    for batch in batches:
        estimate(batch, estimator, samples, clock)
        on_images(len(batch))


def _shapes(batch: Sequence[Picture], options: EstimatorOptions) -> set[tuple[InputHws, int]]:
    """What the network gets: the sides of inputs, and how many images have them and so run together."""
    return set(Counter(tuple(picture.input_hws(options)) for picture in batch).items())


def _held(picture: Picture) -> NDArray[np.uint8]:
    assert picture.image is not None  # in this mode all are held
    return picture.image
