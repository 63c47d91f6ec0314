"""The last stage: what was found goes to the sinks in order, and into the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from posecli.estimate import Times
from posecli.pipeline.stages import Finished
from posecli.sinks.base import FrameOutputError, Sink
from posecli.sources import Failure, Frame


@dataclass
class Report:
    """What a run has done so far; it outlives an interruption."""

    images: int = 0
    people: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 when everything was done, otherwise the gravest failure's code."""
        return max((failure.error.exit_code for failure in self.failures), default=0)


class Writer:
    """Gives what comes to the sinks that still have a reader."""

    def __init__(
        self, sinks: Sequence[Sink], report: Report, times: Times | None, on_item: Callable[[Frame | Failure], None]
    ) -> None:
        self._sinks = sinks
        self._left: set[int] = set()  # positions of the sinks whose reader has left
        self._report = report
        self._times = times
        self._on_item = on_item

    def write(self, item: Finished | Failure) -> None:
        """Write a frame, or report a failure. Raises what a sink raises, but for what concerns this frame alone."""
        if isinstance(item, Failure):
            self._fail(item, after=-1)
            return
        for position, write in enumerate(item.writes):
            try:
                self._give(position, write)
            except FrameOutputError as error:
                self._fail(Failure(item.frame.name, item.frame.index, error), after=position)
                return
        self._report.images += 1
        self._report.people += len(item.poses)
        if self._times is not None:
            self._times.extend(item.times)
        self._on_item(item.frame)

    def _fail(self, failure: Failure, after: int) -> None:
        """Report a failure, and tell the sinks behind position `after` of it."""
        self._report.failures.append(failure)
        for position, sink in enumerate(self._sinks):
            if position > after:
                self._give(position, partial(sink.fail, failure))
        self._on_item(failure)

    def _give(self, position: int, action: Callable[[], None]) -> None:
        """Let a sink act; one whose reader leaves is done, and the last such ends the run."""
        if position in self._left:
            return
        try:
            action()
        except BrokenPipeError:
            self._left.add(position)
            if len(self._left) == len(self._sinks):
                raise
