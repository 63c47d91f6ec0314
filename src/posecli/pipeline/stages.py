"""What is done with one frame, stage by stage; a failure passes through those that are left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

from posecli.errors import PosecliError
from posecli.estimate import Estimator, Prepared, SeenFields, Times, timed
from posecli.poses import Poses
from posecli.sinks.base import Sink
from posecli.sources import Failure, Frame, Reader


@dataclass(frozen=True, slots=True)
class Loaded:
    """A frame that was read, and what the network is to see of it."""

    frame: Frame
    prepared: Prepared
    resize_s: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame that went through the network."""

    loaded: Loaded
    fields: SeenFields
    network_s: float  # its share of what the batch took


@dataclass(frozen=True, slots=True)
class Decoded:
    """A frame and who is in it."""

    frame: Frame  # as the sinks see it
    poses: Poses
    times: Times  # of this image alone


@dataclass(frozen=True, slots=True)
class Finished:
    """A frame whose results only have to be put in their places."""

    frame: Frame  # as the sinks see it
    poses: Poses
    writes: tuple[Callable[[], None], ...]  # one for each sink; raises as the sink's `write` does
    times: Times  # of this image alone


Follow = Callable[[Frame, Poses], Poses]  # what was found, as the frames before it suggest


class Stages:
    """The stages before writing, for one estimator and its sinks. A PosecliError becomes the frame's failure."""

    def __init__(self, estimator: Estimator, sinks: Sequence[Sink], follow: Follow | None = None) -> None:
        self._estimator = estimator
        self._sinks = sinks
        self._follow = follow

    @property
    def in_order(self) -> bool:
        """Whether there is a stage before drawing that takes the frames in order."""
        return self._follow is not None

    def load(self, read: Reader) -> Loaded | Failure:
        """Read a frame and resize it. On any thread."""
        item = read()
        if isinstance(item, Failure):
            return item
        try:
            return Loaded(item, *timed(self._estimator.prepare, item.image))
        except PosecliError as error:
            return Failure(item.name, item.index, error)

    def see(self, batch: Sequence[Loaded]) -> Sequence[Seen | Failure]:
        """Run the network on frames of one shape, together. On any thread."""
        try:
            fields, seconds = timed(self._estimator.infer, [loaded.prepared for loaded in batch])
        except PosecliError as error:
            return [Failure(loaded.frame.name, loaded.frame.index, error) for loaded in batch]
        return [Seen(loaded, each, seconds / len(batch)) for loaded, each in zip(batch, fields, strict=True)]

    def decode(self, seen: Seen | Failure) -> Decoded | Failure:
        """Decode a frame's poses. On any thread."""
        if isinstance(seen, Failure):
            return seen
        frame = seen.loaded.frame
        try:
            poses, decode_s = timed(self._estimator.finish, seen.loaded.prepared, seen.fields)
        except PosecliError as error:
            return Failure(frame.name, frame.index, error)
        if self._estimator.options.mirror:
            frame = replace(frame, image=frame.image[:, ::-1])
        return Decoded(frame, poses, Times([seen.loaded.resize_s], [seen.network_s], [decode_s]))

    def follow(self, decoded: Decoded | Failure) -> Decoded | Failure:
        """See a frame's poses as those of the frames before it suggest. In order, on one thread."""
        if self._follow is None or isinstance(decoded, Failure):
            return decoded
        return replace(decoded, poses=self._follow(decoded.frame, decoded.poses))

    def render(self, decoded: Decoded | Failure) -> Finished | Failure:
        """Do what the sinks can do of a frame's work out of order. On any thread."""
        if isinstance(decoded, Failure):
            return decoded
        writes = tuple(_prepared(sink, decoded.frame, decoded.poses) for sink in self._sinks)
        return Finished(decoded.frame, decoded.poses, writes, decoded.times)


def _prepared(sink: Sink, frame: Frame, poses: Poses) -> Callable[[], None]:
    """What writes the frame; an error waits until it is the frame's and the sink's turn."""
    try:
        return sink.prepare(frame, poses)
    except Exception as error:
        return partial(_raise, error)


def _raise(error: Exception) -> NoReturn:
    raise error
