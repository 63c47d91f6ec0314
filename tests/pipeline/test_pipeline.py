import _thread
import os
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline_parts import WAIT_S, Counting, Drawing, Recording, Several, failure, frame, wait_for
from posecli import pipeline
from posecli.errors import InputError, MissingPathError, OutputError, WeightsError
from posecli.estimate import Times, load_estimator
from posecli.opencv import cv2
from posecli.options import resolve_options
from posecli.pipeline import Limits, Report, crew, run
from posecli.poses import Poses
from posecli.sources import Failure, Frame, Inputs

ALL_WORKERS = pytest.mark.parametrize("workers", [0, 1, 3])


@ALL_WORKERS
@pytest.mark.parametrize("batch_size", [None, 1, 2, 3, 50])
def test_order_is_kept_whatever_the_batch_and_the_workers(batch_size: int | None, workers: int) -> None:
    items = [frame("a", 2), failure("b"), frame("c", 0), frame("d", 1), failure("e"), failure("f"), frame("g", 3)]
    sink, report, seen, estimator = Recording(), Report(), [], Counting()
    on_item = lambda item: seen.append(item.name)  # noqa: E731
    run(items, estimator, [sink], report, batch_size=batch_size, workers=workers, on_item=on_item)
    assert sink.events == ["open", "a:2", "b!", "c:0", "d:1", "e!", "f!", "g:3", "close"]
    assert (report.images, report.people, [f.name for f in report.failures]) == (4, 6, ["b", "e", "f"])
    assert seen == list("abcdefg")
    assert max(map(len, estimator.batches)) == min(batch_size or 1, 4)


def test_order_is_kept_where_every_stage_is_done_with_the_last_frame_first() -> None:
    names = "abcd"
    done = {(stage, name): threading.Event() for stage in ("read", "finish") for name in (*names, "e")}
    for stage in ("read", "finish"):
        done[stage, "e"].set()

    def after_the_next(stage: str, name: str) -> None:
        if stage in ("read", "finish"):
            wait_for(done[stage, chr(ord(name) + 1)])
            done[stage, name].set()

    def read(name: str) -> Frame:
        after_the_next("read", name)
        return frame(name)

    sink = Recording()
    source = Several([partial(read, name) for name in names])
    run(source, Counting(at=after_the_next), [sink], Report(), workers=4)
    assert sink.events == ["open", "a:1", "b:1", "c:1", "d:1", "close"]


@ALL_WORKERS
def test_nothing_to_do_opens_and_closes(workers: int) -> None:
    sink, report = Recording(), Report()
    run([], Counting(), [sink], report, workers=workers)
    assert sink.events == ["open", "close"]
    assert report.exit_code == 0


def test_exit_code_is_that_of_the_gravest_failure() -> None:
    report = Report()
    run([failure("a")], Counting(), [], report)
    assert report.exit_code == 1
    run([failure("b", MissingPathError("b: no such file")), failure("c")], Counting(), [], report)
    assert report.exit_code == 2


@ALL_WORKERS
@pytest.mark.parametrize("stage", ["prepare", "infer", "finish"])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_an_error_of_one_frame_in_any_stage_is_its_failure(stage: str, batch_size: int, workers: int) -> None:
    def refuse(where: str, name: str) -> None:
        if (where, name) == (stage, "b"):
            raise WeightsError(f"{name}: no")

    items = [frame("a", height=3), frame("b"), failure("c"), frame("d", height=3)]
    sink, report = Recording(), Report()
    run(items, Counting(at=refuse), [sink], report, workers=workers, batch_size=batch_size)
    assert sink.events == ["open", "a:1", "b!", "c!", "d:1", "close"]
    assert [str(f.error) for f in report.failures] == ["b: no", "c: bad"]
    assert report.images == 2


@ALL_WORKERS
@pytest.mark.parametrize("kind", [Recording, Drawing])
def test_a_frame_that_one_sink_cannot_write_is_a_failure_for_the_sinks_after_it(
    kind: type[Recording], workers: int
) -> None:
    before, pictures, data, report = Recording(), kind(refuses=["b"]), Recording(), Report()
    run([frame("a"), frame("b"), frame("c")], Counting(), [before, pictures, data], report, workers=workers)
    assert before.events == ["open", "a:1", "b:1", "c:1", "close"]
    assert pictures.events == ["open", "a:1", "c:1", "close"]
    assert data.events == ["open", "a:1", "b!", "c:1", "close"]
    assert (report.images, [f.name for f in report.failures]) == (2, ["b"])
    assert report.exit_code == 1


@ALL_WORKERS
@pytest.mark.parametrize("kind", [Recording, Drawing])
def test_an_output_that_is_lost_ends_the_run_with_every_sink_closed(kind: type[Recording], workers: int) -> None:
    first, second, report = Recording(), kind(refuses=["b"], error=OutputError), Report()
    with pytest.raises(OutputError, match=r"b: cannot be (written|drawn)"):
        run([frame("a"), frame("b"), frame("c")], Counting(), [first, second], report, workers=workers)
    assert first.events == ["open", "a:1", "b:1", "close"]
    assert second.events == ["open", "a:1", "close"]
    assert report.images == 1


def break_down(*_: object) -> None:
    raise ZeroDivisionError("a bug")


@ALL_WORKERS
def test_a_frame_does_not_wait_for_a_batch_of_others_that_broke(workers: int) -> None:
    """More break than may be on their way: none is left that could fill the batch."""

    def refuse(stage: str, name: str) -> None:
        if stage == "prepare" and name != "a":
            break_down()

    report = Report()
    items = (frame("a") if i == 0 else frame("b") for i in range(200))
    with pytest.raises(ZeroDivisionError):
        run(items, Counting(at=refuse), [], report, workers=workers, batch_size=4)
    assert report.images == 1


@ALL_WORKERS
@pytest.mark.parametrize("stage", ["source", "read", "prepare", "infer", "finish", "draw", "write", "on_item"])
def test_a_bug_in_any_stage_is_raised_where_it_is_and_what_was_done_before_stays(stage: str, workers: int) -> None:
    def act(where: str, name: str) -> None:
        if (where, name) == (stage, "c"):
            break_down()

    def read(name: str) -> Frame:
        act("read", name)
        return frame(name)

    class Readers:
        def __iter__(self) -> Iterator[Frame]:
            raise AssertionError

        def readers(self) -> Iterator[Callable[[], Frame]]:
            for name in "abcd":
                act("source", name)
                yield partial(read, name)

    class Acting(Drawing):
        def write(self, frame: Frame, poses: Poses) -> None:
            act("write", frame.name)
            super().write(frame, poses)

    sink, report = Acting(), Report()
    sink.at = partial(act, "draw")
    with pytest.raises(ZeroDivisionError, match="a bug") as caught:
        run(
            Readers(),  # type: ignore[arg-type]
            Counting(at=act),
            [sink],
            report,
            workers=workers,
            on_item=lambda item: act("on_item", item.name),
        )
    assert "break_down" in [entry.name for entry in traceback.extract_tb(caught.value.__traceback__)]
    assert sink.events == ["open", "a:1", "b:1", *(["c:1"] if stage == "on_item" else []), "close"]
    assert report.failures == []


@ALL_WORKERS
def test_an_interruption_of_the_source_keeps_what_was_finished(workers: int) -> None:
    def source() -> Iterable[Frame]:
        yield frame("a")
        yield frame("b")
        raise KeyboardInterrupt

    sink, report = Recording(), Report()
    with pytest.raises(KeyboardInterrupt):
        run(source(), Counting(), [sink], report, workers=workers)
    assert sink.events == ["open", "a:1", "b:1", "close"]
    assert report.images == 2


@pytest.mark.parametrize("stage", ["source", "read", "infer", "finish", "draw"])
def test_ctrl_c_ends_a_run_whose_stages_are_stuck(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread is interrupted when two frames are written and the third does not get on."""
    for patience in ("PATIENCE_S", "ENGINE_PATIENCE_S"):
        monkeypatch.setattr(crew, patience, 0.0)
    stuck, written, over = threading.Event(), threading.Event(), threading.Event()

    def act(where: str, name: str) -> None:
        if (where, name) == (stage, "c"):
            stuck.set()
            over.wait()

    def read(name: str) -> Frame:
        act("read", name)
        return frame(name)

    def readers() -> Iterator[Callable[[], Frame]]:
        for name in "abcdefghijklmnop":
            act("source", name)
            yield partial(read, name)

    def interrupt() -> None:
        wait_for(stuck)
        wait_for(written)
        _thread.interrupt_main()

    class Source:
        def __iter__(self) -> Iterator[Frame]:
            raise AssertionError

        def readers(self) -> Iterator[Callable[[], Frame]]:
            return readers()

    def on_item(item: Frame | Failure) -> None:
        if item.name == "b":
            written.set()

    sink, report, before = Drawing(), Report(), set(threading.enumerate())
    sink.at = partial(act, "draw")
    hand = threading.Thread(target=interrupt)
    hand.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(Source(), Counting(at=act), [sink], report, workers=2, on_item=on_item)  # type: ignore[arg-type]
        assert sink.events == ["open", "a:1", "b:1", "close"]
        assert report.images == 2
    finally:
        over.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(WAIT_S)  # those that were stuck end as soon as they can


@pytest.mark.parametrize("workers", [0, 2])
def test_mirrored_poses_come_with_a_mirrored_picture(workers: int) -> None:
    sink = Recording()
    run([frame("a", 7)], Counting(mirror=True), [sink], Report(), workers=workers)
    assert sink.images[0][0, -1, 0] == 7


def test_in_one_thread_frames_are_read_as_they_are_needed() -> None:
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
    estimator = Counting()
    run(source(), estimator, [sink], Report(), batch_size=2, workers=0)
    assert estimator.callers == 1
    assert sink.events == ["open", "a:1", "read 2", "b:1", "read 2", "c:1", "read 4", "d:1", "read 4", "close"]


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_source_is_asked_for_no_more_than_can_be_in_flight(several: bool, batch_size: int) -> None:
    most = Limits.of(2, batch_size, fill=True, engines=pipeline.CPU_ENGINES).in_flight
    asked = written = 0
    full = threading.Event()

    def frames() -> Iterator[Frame]:
        nonlocal asked
        for _ in range(10 * most):
            asked += 1
            assert asked - written <= most
            if asked == most:
                full.set()
            yield frame("a")

    class Source:
        def __iter__(self) -> Iterator[Frame]:
            return frames()

    class Readers(Source):
        def readers(self) -> Iterator[Callable[[], Frame]]:
            return (partial(lambda each: each, each) for each in frames())

    class Blocked(Recording):
        def write(self, frame: Frame, poses: Poses) -> None:
            nonlocal written
            wait_for(full)  # the stages before do run ahead
            super().write(frame, poses)
            written += 1

    report = Report()
    run(Readers() if several else Source(), Counting(), [Blocked()], report, batch_size=batch_size, workers=2)
    assert report.images == 10 * most


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_a_slow_source_is_not_waited_for(device: str) -> None:
    """Each frame is written before the source gives the next."""
    done = {name: threading.Event() for name in "abcd"}

    def source() -> Iterator[Frame | Failure]:
        for name, event in done.items():
            yield failure(name) if name == "c" else frame(name)
            wait_for(event)

    sink = Recording()
    run(source(), Counting(device=device), [sink], Report(), workers=2, on_item=lambda item: done[item.name].set())
    assert sink.events == ["open", "a:1", "b:1", "c!", "d:1", "close"]


def test_on_a_gpu_what_is_there_runs_together() -> None:
    read = {name: threading.Event() for name in "abcdef"}

    def act(stage: str, name: str) -> None:
        if stage == "prepare":
            read[name].set()
        if (stage, name) == ("infer", "a"):
            for event in read.values():
                wait_for(event)

    estimator = Counting(device="cuda", at=act)
    items = [frame("a"), *(frame(name, height=2 + ord(name) % 2) for name in "bcdef")]
    sink = Recording()
    run(items, estimator, [sink], Report(), workers=1)
    assert len(estimator.batches) <= 4  # "a" and what was there, the two shapes, and one that came a moment later
    assert sorted("".join(estimator.batches)) == list("abcdef")
    assert sink.events == ["open", *(f"{name}:1" for name in "abcdef"), "close"]


def test_batches_that_are_asked_for_are_filled_and_the_same_whatever_the_workers() -> None:
    items = [frame(chr(97 + i), height=2 + (i * i) % 3) for i in range(20)] + [failure("z")]
    runs = []
    for workers in (0, 1, 3):
        estimator, sink = Counting(), Recording()
        run(items, estimator, [sink], Report(), workers=workers, batch_size=4)
        assert len(sink.events) == 23
        runs.append(sorted(estimator.batches))  # two may run at the same time
    assert runs[0] == runs[1] == runs[2]
    assert any(len(batch) == 4 for batch in runs[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_failures_are_told_at_once_and_outlive_an_interruption(workers: int) -> None:
    told = threading.Event()

    def source() -> Iterable[Frame | Failure]:
        yield failure("a")
        yield failure("b")
        wait_for(told)
        yield frame("c")
        raise KeyboardInterrupt

    def on_item(item: Frame | Failure) -> None:
        if item.name == "b":
            told.set()

    report = Report()
    with pytest.raises(KeyboardInterrupt):
        run(source(), Counting(), [], report, batch_size=8, workers=workers, on_item=on_item)
    assert [f.name for f in report.failures] == ["a", "b"]


class Leaving(Recording):
    """A sink whose reader leaves at the second frame, or at a failure."""

    def write(self, frame: Frame, poses: Poses) -> None:
        if len(self.events) == 2:
            raise BrokenPipeError
        super().write(frame, poses)

    def fail(self, failure: Failure) -> None:
        raise BrokenPipeError


@ALL_WORKERS
def test_a_reader_that_leaves_ends_its_own_sink_only(workers: int) -> None:
    pictures, pipe, report = Recording(), Leaving(), Report()
    items = [frame("a"), frame("b"), failure("c"), frame("d")]
    run(items, Counting(), [pipe, pictures], report, workers=workers)
    assert pipe.events == ["open", "a:1", "close"]
    assert pictures.events == ["open", "a:1", "b:1", "c!", "d:1", "close"]
    assert report.images == 3


@ALL_WORKERS
@pytest.mark.parametrize("items", [[frame("a"), frame("b"), frame("c")], [failure("a"), frame("b")]])
def test_the_run_ends_when_the_last_reader_has_left(items: list[Frame | Failure], workers: int) -> None:
    pipe = Leaving()
    with pytest.raises(BrokenPipeError):
        run(items, Counting(), [pipe], Report(), workers=workers)
    assert pipe.events[-1] == "close"


def test_readers_run_at_the_same_time() -> None:
    both = threading.Barrier(2)

    def read(name: str) -> Frame:
        both.wait(WAIT_S)
        return frame(name)

    report = Report()
    run(Several([partial(read, name) for name in "abcd"]), Counting(), [], report, workers=2)
    assert report.images == 4


@pytest.mark.parametrize(("device", "engines"), [("cpu", pipeline.CPU_ENGINES), ("cuda:0", 1), ("mps", 1)])
def test_who_calls_writes_and_a_source_has_one_thread(device: str, engines: int) -> None:
    threads: dict[str, set[threading.Thread]] = {"source": set(), "infer": set(), "write": set()}

    def note(stage: str, name: str = "") -> None:
        threads.setdefault(stage, set()).add(threading.current_thread())

    def source() -> Iterator[Frame]:
        for name in "abcdefgh":
            note("source")
            yield frame(name)

    class Noting(Recording):
        def write(self, frame: Frame, poses: Poses) -> None:
            note("write")

    estimator = Counting(device=device, at=note)
    run(source(), estimator, [Noting()], Report(), workers=3, on_item=lambda _: note("write"))
    assert threads["write"] == {threading.current_thread()}
    assert len(threads["source"]) == 1
    assert len(threads["infer"]) <= engines
    assert estimator.callers == engines
    others = [threads["source"], threads["infer"], threads["write"], threads["prepare"] | threads["finish"]]
    assert len(set().union(*others)) == sum(map(len, others))


@ALL_WORKERS
def test_times_are_those_of_the_images_that_count(workers: int) -> None:
    times = Times([1.0], [1.0], [1.0])
    report = Report()
    items = [frame("a"), failure("b"), frame("c"), frame("d")]
    sinks = [Drawing(refuses=["c"])]
    run(items, Counting(), sinks, report, batch_size=2, workers=workers, times=times)
    assert report.images == 2
    for seconds in (times.resize, times.network, times.decode):
        assert len(seconds) == 3
        assert min(seconds) > 0


@pytest.mark.parametrize("workers", [0, 2])
def test_opencv_has_its_threads_back(workers: int) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        within: list[int] = []
        run(
            [frame("a")],
            Counting(),
            [],
            Report(),
            workers=workers,
            on_item=lambda _: within.append(cv2.getNumThreads()),
        )
        assert within == [1 if workers else 3]
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize(
    ("device", "threads", "expected"), [("cpu", 4, 2), ("cpu", 3, 1), ("cpu", 1, 1), ("cuda", 4, 4)]
)
def test_networks_that_run_at_the_same_time_share_the_threads(device: str, threads: int, expected: int) -> None:
    before = torch.get_num_threads()
    within: set[int] = set()
    try:
        torch.set_num_threads(threads)
        estimator = Counting(
            device=device, at=lambda stage, _: within.add(torch.get_num_threads() * (stage == "infer"))
        )
        run([frame(name) for name in "abcd"], estimator, [], Report(), workers=1)
        assert within - {0} == {expected}
        with ThreadPoolExecutor(1) as later:
            assert [torch.get_num_threads(), later.submit(torch.get_num_threads).result()] == [threads, threads]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("options", "together"), [({}, True), ({"threads": 1}, False)])
def test_on_a_cpu_two_networks_run_at_the_same_time_where_threads_allow(
    options: dict[str, int], together: bool
) -> None:
    both = threading.Barrier(2)
    met: list[int] = []

    def meet(stage: str, _: str) -> None:
        if stage == "infer" and together:
            met.append(both.wait(WAIT_S))
        elif stage == "infer":
            assert lock.acquire(blocking=False)  # alone
            lock.release()

    lock, before = threading.Lock(), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        estimator = Counting(at=meet)
        estimator.options = resolve_options(**options)
        run([frame(name) for name in "abcd"], estimator, [], Report(), workers=1)
        assert len(met) == (4 if together else 0)
    finally:
        torch.set_num_threads(before)


def test_there_is_a_worker_for_each_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7}, raising=False)
    assert pipeline.auto_workers() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 200)
    assert pipeline.auto_workers() == pipeline.MOST_AUTO_WORKERS
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert pipeline.auto_workers() == 1


@pytest.mark.parametrize("batch_size", [None, 3])
def test_the_poses_are_the_same_to_the_last_bit_whatever_the_workers(examples: Path, batch_size: int | None) -> None:
    class Keeping(Recording):
        def write(self, frame: Frame, poses: Poses) -> None:
            kept.append((frame.name, poses.xy.tobytes(), poses.part_scores.tobytes(), poses.scores.tobytes()))

    estimator = load_estimator(size=193, threads=1, backend="torch")
    results = []
    for workers in (0, 1, 3):
        kept: list[tuple[str, bytes, bytes, bytes]] = []
        source = Inputs.from_inputs([str(examples)])
        run(source, estimator, [Keeping()], Report(), workers=workers, batch_size=batch_size)
        assert len(kept) == source.length
        results.append(kept)
    assert results[0] == results[1] == results[2]
    assert any(xy for _, xy, _, _ in results[0])


def test_a_missing_file_does_not_stop_the_others(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((4, 4, 3), np.uint8))
    source = Inputs.from_inputs([str(tmp_path)])
    (tmp_path / "b.png").unlink()
    sink, report = Recording(), Report()
    run(source, Counting(), [sink], report, workers=2)
    assert sink.events == ["open", "a.png:0", "b.png!", "c.png:0", "close"]
    assert isinstance(report.failures[0].error, InputError)
