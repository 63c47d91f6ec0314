"""The loop behind every command: source -> estimator -> sinks, in the source's order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from posecli.estimate import Estimator
from posecli.poses import Poses
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


def run(
    source: Iterable[Frame | Failure],
    estimator: Estimator,
    sinks: Sequence[Sink],
    report: Report,
    *,
    batch_size: int = 1,
    on_item: Callable[[Frame | Failure], None] = lambda _: None,
) -> None:
    """Find the poses in each frame of `source` and give them to every sink, in order; fill in `report`.

    A failed input is reported to the sinks and the run goes on; so it does when a sink cannot write that frame, and the
    sinks after it then hear of a failure in place of the frame. A sink whose reader has left (BrokenPipeError) is done;
    the run ends with that error once no sink remains. `on_item` is called once an item is done. Sinks are closed
    whatever happens, an interruption included, so that what was finished stays.
    """
    listening = list(sinks)

    def give(action: Callable[[Sink], None], sink: Sink) -> None:
        try:
            action(sink)
        except BrokenPipeError:
            listening.remove(sink)
            if not listening:
                raise

    def fail(failure: Failure, listeners: Sequence[Sink]) -> None:
        report.failures.append(failure)
        for sink in listeners:
            give(lambda sink: sink.fail(failure), sink)
        on_item(failure)

    def write(frame: Frame, poses: Poses) -> None:
        if estimator.options.mirror:
            frame = replace(frame, image=frame.image[:, ::-1])
        remaining = list(listening)
        while remaining:
            sink = remaining.pop(0)
            try:
                give(lambda sink: sink.write(frame, poses), sink)
            except FrameOutputError as error:
                fail(Failure(frame.name, frame.index, error), remaining)
                return
        report.images += 1
        report.people += len(poses)
        on_item(frame)

    def flush(pending: list[Frame | Failure]) -> None:
        items, pending[:] = list(pending), []
        found = iter(estimator.batch([item.image for item in items if isinstance(item, Frame)]))
        for item in items:
            if isinstance(item, Failure):
                fail(item, list(listening))
            else:
                write(item, next(found))

    with ExitStack() as stack:
        for sink in sinks:
            stack.enter_context(sink)
        pending: list[Frame | Failure] = []
        for item in source:
            pending.append(item)
            frames = sum(isinstance(each, Frame) for each in pending)
            if frames in (0, batch_size):  # failures that no frame is before wait for nothing
                flush(pending)
        flush(pending)
