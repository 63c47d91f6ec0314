"""Which frames go through the network together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from posecli.estimate import Shape
from posecli.pipeline.stages import Decoded, Finished, Loaded
from posecli.sources import Failure

WINDOW_BATCHES = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is done at once."""

    workers: int  # threads beside the network's; 0: everything in one thread
    engines: int  # threads that run the network
    batch_size: int
    fill: bool  # whether a batch waits for further frames
    window: int  # frames over which equal shapes are gathered into batches
    in_flight: int  # most frames that are taken from the source and not yet written

    @classmethod
    def of(cls, workers: int, batch_size: int, *, fill: bool, engines: int) -> Limits:
        """Beside those at the network there are two frames for each worker: one that it has, one that it finds next."""
        window = 1 if batch_size == 1 else WINDOW_BATCHES * batch_size
        return cls(workers, engines, batch_size, fill, window, window + engines + 2 * workers)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A frame's place in the order, from when it is asked for until it is written."""

    loaded: Future[Loaded | Failure] = field(default_factory=Future)
    decoded: Future[Decoded | Failure] = field(default_factory=Future)  # settled only where frames are followed
    finished: Future[Finished | Failure] = field(default_factory=Future)

    def fail(self, failure: Failure) -> None:
        """There is nothing more to do for this frame."""
        self.finished.set_result(failure)
        self.decoded.set_result(failure)  # last, as whoever waits for it looks at `finished` then

    def break_off(self, error: BaseException) -> None:
        """End the run at this frame's turn."""
        self.finished.set_exception(error)
        self.decoded.set_exception(error)


class Gathering:
    """Frames that wait, by shape, until enough of one shape have come to go through the network together.

    None waits for longer than until `window` frames, failures among them, have come since; the order of frames alone
    decides, so that the same frames make the same batches.
    """

    def __init__(self, batch_size: int, window: int) -> None:
        self._batch_size = batch_size
        self._window = window
        self._count = 0  # of frames and failures that came
        # In the order of the oldest that waits in each; with the count at which that one came.
        self._groups: dict[Shape, tuple[int, list[tuple[Place, Loaded]]]] = {}

    def add(self, place: Place, loaded: Loaded | Failure) -> Iterator[list[tuple[Place, Loaded]]]:
        """Take in what comes next; give the batches that now are to run."""
        self._count += 1
        if isinstance(loaded, Loaded):
            shape = loaded.prepared.shape
            _, group = self._groups.setdefault(shape, (self._count, []))
            group.append((place, loaded))
            if len(group) == self._batch_size:
                yield self._groups.pop(shape)[1]
        while self._groups:
            shape, (since, group) = next(iter(self._groups.items()))
            if self._count - since + 1 < self._window:
                return
            del self._groups[shape]
            yield group

    def rest(self) -> Iterable[list[tuple[Place, Loaded]]]:
        """Give all that wait, in batches."""
        groups, self._groups = [group for _, group in self._groups.values()], {}
        return groups
