from collections.abc import Iterable, Sequence
from types import TracebackType

import numpy as np
import pytest
from numpy.typing import NDArray

from posecli.errors import InputError, MissingPathError, OutputError
from posecli.options import resolve_options
from posecli.pipeline import Report, run
from posecli.poses import Poses
from posecli.sinks import FrameOutputError
from posecli.sources import Failure, Frame


class Counting:
    """An estimator that finds as many people as the image's first pixel says."""

    def __init__(self, mirror: bool = False) -> None:
        self.options = resolve_options(mirror=mirror)
        self.batches: list[int] = []

    def batch(self, images: Sequence[NDArray[np.uint8]]) -> list[Poses]:
        self.batches.append(len(images))
        return [
            Poses(np.zeros((n, 17, 2), np.float32), np.ones((n, 17), np.float32), np.ones(n, np.float32))
            for n in (int(image[0, 0, 0]) for image in images)
        ]


class Recording:
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

    def plan(self, entries: Iterable[object]) -> None:
        raise AssertionError("planning is not the pipeline's business")


def frame(name: str, people: int = 1, index: int = 0) -> Frame:
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 0, 0] = people
    return Frame(image, index, None, name)


def failure(name: str, error: InputError | None = None) -> Failure:
    return Failure(name, 0, error or InputError(f"{name}: bad"))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 50])
def test_order_is_kept_whatever_the_batch(batch_size: int) -> None:
    items = [frame("a", 2), failure("b"), frame("c", 0), frame("d", 1), failure("e"), failure("f"), frame("g", 3)]
    sink, report, seen, estimator = Recording(), Report(), [], Counting()
    run(items, estimator, [sink], report, batch_size=batch_size, on_item=lambda item: seen.append(item.name))
    assert sink.events == ["open", "a:2", "b!", "c:0", "d:1", "e!", "f!", "g:3", "close"]
    assert (report.images, report.people, [f.name for f in report.failures]) == (4, 6, ["b", "e", "f"])
    assert seen == list("abcdefg")
    assert max(estimator.batches) == min(batch_size, 4)


def test_nothing_to_do_opens_and_closes() -> None:
    sink, report = Recording(), Report()
    run([], Counting(), [sink], report)
    assert sink.events == ["open", "close"]
    assert report.exit_code == 0


def test_exit_code_is_that_of_the_gravest_failure() -> None:
    report = Report()
    run([failure("a")], Counting(), [], report)
    assert report.exit_code == 1
    run([failure("b", MissingPathError("b: no such file")), failure("c")], Counting(), [], report)
    assert report.exit_code == 2


def test_a_frame_that_one_sink_cannot_write_is_a_failure_for_the_sinks_after_it() -> None:
    pictures, data, report = Recording(refuses=["b"]), Recording(), Report()
    run([frame("a"), frame("b"), frame("c")], Counting(), [pictures, data], report)
    assert pictures.events == ["open", "a:1", "c:1", "close"]
    assert data.events == ["open", "a:1", "b!", "c:1", "close"]
    assert (report.images, [str(f.error) for f in report.failures]) == (2, ["b: cannot be written"])
    assert report.exit_code == 1


def test_an_output_that_is_lost_ends_the_run_with_every_sink_closed() -> None:
    first, second, report = Recording(), Recording(refuses=["b"], error=OutputError), Report()
    with pytest.raises(OutputError, match="b: cannot be written"):
        run([frame("a"), frame("b"), frame("c")], Counting(), [first, second], report)
    assert first.events[-1] == second.events[-1] == "close"
    assert report.images == 1


def test_an_interruption_keeps_what_was_finished() -> None:
    def source() -> Iterable[Frame]:
        yield frame("a")
        yield frame("b")
        raise KeyboardInterrupt

    sink, report = Recording(), Report()
    with pytest.raises(KeyboardInterrupt):
        run(source(), Counting(), [sink], report)
    assert sink.events == ["open", "a:1", "b:1", "close"]
    assert report.images == 2


def test_mirrored_poses_come_with_a_mirrored_picture() -> None:
    sink = Recording()
    run([frame("a", 7)], Counting(mirror=True), [sink], Report())
    assert sink.images[0][0, -1, 0] == 7


def test_frames_are_read_as_they_are_needed() -> None:
    read: list[str] = []

    def source() -> Iterable[Frame]:
        for name in "abcd":
            read.append(name)
            yield frame(name)

    class Lagging(Recording):
        def write(self, frame: Frame, poses: Poses) -> None:
            super().write(frame, poses)
            self.events.append(f"read {len(read)}")

    sink = Lagging()
    run(source(), Counting(), [sink], Report(), batch_size=2)
    assert sink.events == ["open", "a:1", "read 2", "b:1", "read 2", "c:1", "read 4", "d:1", "read 4", "close"]


def test_failures_are_told_at_once_and_outlive_an_interruption() -> None:
    def source() -> Iterable[Frame | Failure]:
        yield failure("a")
        yield failure("b")
        assert sink.events == ["open", "a!", "b!"]
        yield frame("c")
        raise KeyboardInterrupt

    sink, report = Recording(), Report()
    with pytest.raises(KeyboardInterrupt):
        run(source(), Counting(), [sink], report, batch_size=8)
    assert [f.name for f in report.failures] == ["a", "b"]


class Leaving(Recording):
    """A sink whose reader leaves at the second frame, or at a failure."""

    def write(self, frame: Frame, poses: Poses) -> None:
        if len(self.events) == 2:
            raise BrokenPipeError
        super().write(frame, poses)

    def fail(self, failure: Failure) -> None:
        raise BrokenPipeError


def test_a_reader_that_leaves_ends_its_own_sink_only() -> None:
    pictures, pipe, report = Recording(), Leaving(), Report()
    run([frame("a"), frame("b"), failure("c"), frame("d")], Counting(), [pipe, pictures], report)
    assert pipe.events == ["open", "a:1", "close"]
    assert pictures.events == ["open", "a:1", "b:1", "c!", "d:1", "close"]
    assert report.images == 3


@pytest.mark.parametrize("items", [[frame("a"), frame("b"), frame("c")], [failure("a"), frame("b")]])
def test_the_run_ends_when_the_last_reader_has_left(items: list[Frame | Failure]) -> None:
    pipe = Leaving()
    with pytest.raises(BrokenPipeError):
        run(items, Counting(), [pipe], Report())
    assert pipe.events[-1] == "close"
