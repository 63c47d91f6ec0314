from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import FakeClock, FakeEstimator, picture, poses
from posecli import pipeline
from posecli.bench.end_to_end import batch_size_alone, measure_end_to_end, one_by_one, overlapped, picture_sink
from posecli.bench.pictures import Picture, Pictures, write_pictures
from posecli.bench.running import Measured, Samples
from posecli.errors import InputError
from posecli.pipeline import Report
from posecli.sources import Failure, Frame, read_image

STAGES = ["read", "resize", "network", "decode", "write"]


class SlowSink:
    """Takes 50 ms for each picture."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.names: list[str] = []

    def write(self, frame: Frame, _: object) -> None:
        self.names.append(frame.name)
        self.clock.now += 0.05


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def files(tmp_path: Path) -> Pictures:
    """Two pictures, as files."""
    held = Pictures((picture(30), picture(60, (60, 40))), (), 2)
    return write_pictures(held, tmp_path)


def run_in_ms(ms: float, clock: FakeClock) -> Any:
    """A pipeline that takes so long for each frame."""

    def run(
        source: Iterable[Frame | Failure], estimator: Any, sinks: Sequence[Any], report: Report, **options: Any
    ) -> None:
        run.options = options  # type: ignore[attr-defined]
        for item in source:
            clock.now += ms / 1000
            if isinstance(item, Failure):
                report.failures.append(item)
            else:
                sinks[0].names.append(item.name)
                report.images += 1
            options["on_item"](item)

    return run


def test_every_stage_is_timed_by_itself(files: Pictures, clock: FakeClock) -> None:
    samples, sink = Samples(), SlowSink(clock)
    one_by_one(files.usable, FakeEstimator(clock), sink, samples, clock)
    assert list(samples.stages) == STAGES
    assert sink.names == ["30.png.jpg", "60.png.jpg"]
    assert samples.stages["read"] == [0.0, 0.0]  # no time passes while files are read
    assert samples.stages["network"] == pytest.approx([0.001, 0.002])
    assert samples.stages["write"] == pytest.approx([0.05, 0.05])
    assert samples.wall_s == pytest.approx(0.1 + 3.1 * 0.003 + 0.001)


def test_the_pipeline_runs_between_two_halves(
    files: Pictures, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, measured, estimator, done = SlowSink(clock), Measured(), FakeEstimator(clock), []
    run = run_in_ms(60, clock)
    monkeypatch.setattr(pipeline, "run", run)
    batches = list(files.batches(5, 1))
    measure_end_to_end(
        batches, estimator, sink, measured, batch_size=None, workers=3, on_images=done.append, clock=clock
    )
    a, b = "30.png.jpg", "60.png.jpg"
    assert sink.names == [*(a, b, a), *(a, b, a, b, a), *(b, a)]
    assert (run.options["batch_size"], run.options["workers"]) == (None, 3)
    assert sum(done) == 10
    assert (measured.pipeline_images, measured.pipeline_s) == (5, pytest.approx(0.3))
    result = overlapped(measured)
    assert result is not None
    assert (result.images, result.images_per_s) == (5, pytest.approx(1 / 0.06))
    assert result.slowest_stage == "write"
    assert result.stage_images_per_s["write"] == pytest.approx(20)
    assert result.stage_images_per_s["network"] == pytest.approx(5 / 0.015)
    assert result.reached == pytest.approx((1 / 0.06) / 20)
    assert result.one_by_one_images_per_s == pytest.approx(5 / measured.samples.wall_s)


def test_a_stage_that_takes_no_time_does_not_bind(clock: FakeClock) -> None:
    measured = Measured(pipeline_images=1, pipeline_s=0.5)
    measured.samples.add({"read": [0.0], "network": [0.5]}, 0.5, [0])
    result = overlapped(measured)
    assert result is not None
    assert result.stage_images_per_s == {"network": 2.0}
    assert result.reached == 1.0


def test_without_the_pipeline_there_is_no_result() -> None:
    assert overlapped(Measured()) is None


def test_a_file_that_vanishes_ends_it_with_its_error(
    files: Pictures, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "run", run_in_ms(1, clock))
    estimator, measured = FakeEstimator(clock), Measured()

    def vanish(_: int) -> None:
        Path(str(files.usable[1].location)).unlink(missing_ok=True)

    with pytest.raises(InputError, match=r"60\.png\.jpg"):
        measure_end_to_end(
            list(files.batches(2, 1)), estimator, SlowSink(clock), measured, batch_size=1, workers=None,
            on_images=vanish, clock=clock,
        )  # fmt: skip
    assert measured.pipeline_images == 0
    with pytest.raises(InputError, match=r"60\.png\.jpg"):
        one_by_one(files.usable, estimator, SlowSink(clock), Samples(), clock)


def test_pictures_are_drawn_as_annotate_draws_them(files: Pictures, clock: FakeClock, tmp_path: Path) -> None:
    sink = picture_sink(tmp_path / "out", FakeEstimator(clock))
    person = poses(1).with_xy(np.tile(np.array([[[5.0, 5.0]]], np.float32), (1, 17, 1)))
    frame = Frame(np.zeros((40, 60, 3), np.uint8), 0, None, "a.png")
    for _ in range(2):  # the second replaces the first
        sink.write(frame, person)
    drawn: NDArray[np.uint8] = read_image(tmp_path / "out" / "a.png", "a.png")
    assert drawn.max() > 0


@pytest.mark.parametrize(
    ("asked", "device", "size"), [(None, "cpu", 1), (3, "cpu", 3), (None, "cuda:0", 16), (2, "cuda:0", 2)]
)
def test_alone_the_network_gets_batches_as_in_the_pipeline(
    clock: FakeClock, asked: int | None, device: str, size: int
) -> None:
    estimator = FakeEstimator(clock)
    estimator.backend.device = device
    assert batch_size_alone(asked, estimator) == size


def test_views_without_a_file_cannot_be_read(clock: FakeClock) -> None:
    held: list[Picture] = [picture(1)]
    with pytest.raises(AssertionError):
        one_by_one(held, FakeEstimator(clock), SlowSink(clock), Samples(), clock)
