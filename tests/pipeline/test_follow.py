"""The stage between decoding and drawing that takes frames in order."""

import threading
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from pipeline_parts import WAIT_S, Counting, Recording, Several, failure, frame, wait_for
from posecli.errors import InputError
from posecli.pipeline import Report, crew, run
from posecli.poses import Poses
from posecli.sources import Failure, Frame

ALL_WORKERS = pytest.mark.parametrize("workers", [0, 1, 3])


class Naming:
    """Follows by giving everybody the number of frames so far, one person more than were found."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, frame: Frame, poses: Poses) -> Poses:
        self.names.append(frame.name)
        self.threads.add(threading.current_thread())
        n = len(poses) + 1
        ids = np.full(n, len(self.names))
        return Poses(np.zeros((n, 17, 2), np.float32), np.ones((n, 17), np.float32), np.ones(n, np.float32), ids)


class Ids(Recording):
    def write(self, frame: Frame, poses: Poses) -> None:
        assert poses.ids is not None
        self.events.append(f"{frame.name}:{poses.ids.tolist()}")


@ALL_WORKERS
@pytest.mark.parametrize("batch_size", [None, 2, 50])
def test_frames_are_followed_in_order_and_sinks_get_what_comes_of_it(batch_size: int | None, workers: int) -> None:
    follow, sink, report = Naming(), Ids(), Report()
    items = [frame("a", 0), failure("b"), frame("c", 1, height=3), frame("d", 0), failure("e"), frame("f", 0)]
    run(items, Counting(), [sink], report, batch_size=batch_size, workers=workers, follow=follow)
    assert follow.names == list("acdf")
    assert sink.events == ["open", "a:[1]", "b!", "c:[2, 2]", "d:[3]", "e!", "f:[4]", "close"]
    assert report.people == 5
    assert len(follow.threads) == 1


def test_frames_decoded_last_first_are_followed_in_order() -> None:
    names = "abcd"
    done = {name: threading.Event() for name in (*names, "e")}
    done["e"].set()

    def after_the_next(stage: str, name: str) -> None:
        if stage == "finish":
            wait_for(done[chr(ord(name) + 1)])
            done[name].set()

    follow = Naming()
    source = Several([partial(frame, name) for name in names])
    run(source, Counting(at=after_the_next), [], Report(), workers=4, follow=follow)
    assert follow.names == list(names)


@ALL_WORKERS
@pytest.mark.parametrize("stage", ["prepare", "infer", "finish"])
def test_a_frame_that_fails_on_the_way_is_not_followed(stage: str, workers: int) -> None:
    def refuse(where: str, name: str) -> None:
        if (where, name) == (stage, "b"):
            raise InputError("b: no")

    follow, report = Naming(), Report()
    run([frame(n) for n in "abc"], Counting(at=refuse), [], report, workers=workers, follow=follow)
    assert follow.names == ["a", "c"]
    assert [f.name for f in report.failures] == ["b"]


@ALL_WORKERS
@pytest.mark.parametrize("stage", ["follow", "infer", "finish", "source"])
def test_a_bug_is_raised_at_its_turn(stage: str, workers: int) -> None:
    def act(where: str, name: str) -> None:
        if (where, name) == (stage, "c"):
            raise ZeroDivisionError("a bug")

    def source() -> Iterator[Frame | Failure]:
        for name in "abcd":
            act("source", name)
            yield frame(name)

    def follow(frame: Frame, poses: Poses) -> Poses:
        act("follow", frame.name)
        return poses

    sink = Recording()
    with pytest.raises(ZeroDivisionError):
        run(source(), Counting(at=act), [sink], Report(), workers=workers, follow=follow)
    assert sink.events == ["open", "a:1", "b:1", "close"]


def test_whoever_follows_does_not_wait_for_a_frame_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "PATIENCE_S", 0.01)
    reached, leave = threading.Event(), threading.Event()

    def hold(stage: str, name: str) -> None:
        if (stage, name) == ("prepare", "c"):
            reached.set()
            wait_for(leave)

    def interrupt(item: Frame | Failure) -> None:
        if item.name == "b":
            wait_for(reached)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([frame(n) for n in "abc"], Counting(at=hold), [], Report(), workers=2, follow=Naming(), on_item=interrupt)
    leave.set()
    for thread in threading.enumerate():
        if thread.name == "posecli":
            thread.join(WAIT_S)
            assert not thread.is_alive()
