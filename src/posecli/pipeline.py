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
    sinks after it then hear of a failure in place of the frame. `on_item` is called once an item is done. Sinks are
    closed whatever happens, an interruption included, so that what was finished stays.
    """

    def fail(failure: Failure, listeners: Sequence[Sink]) -> None:
        report.failures.append(failure)
        for sink in listeners:
            sink.fail(failure)
        on_item(failure)

    def write(frame: Frame, poses: Poses) -> None:
        if estimator.options.mirror:
            frame = replace(frame, image=frame.image[:, ::-1])
        for position, sink in enumerate(sinks):
            try:
                sink.write(frame, poses)
            except FrameOutputError as error:
                fail(Failure(frame.name, frame.index, error), sinks[position + 1 :])
                return
        report.images += 1
        report.people += len(poses)
        on_item(frame)

    def flush(pending: list[Frame | Failure]) -> None:
        frames = [item for item in pending if isinstance(item, Frame)]
        found = iter(estimator.batch([frame.image for frame in frames]))
        for item in pending:
            if isinstance(item, Failure):
                fail(item, sinks)
            else:
                write(item, next(found))
        pending.clear()

    with ExitStack() as stack:
        for sink in sinks:
            stack.enter_context(sink)
        pending: list[Frame | Failure] = []
        frames_pending = 0
        for item in source:
            pending.append(item)
            frames_pending += isinstance(item, Frame)
            if frames_pending == batch_size:
                flush(pending)
                frames_pending = 0
        flush(pending)
