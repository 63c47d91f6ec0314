"""From file to file as `annotate` does it, overlapped, against what the slowest of its stages alone allows.

In one run: half of the images stage by stage, with nothing overlapped; all images through the pipeline; the other half
stage by stage. A machine that drifts so harms both alike. Stage by stage, everything runs on one thread of ours (the
network on its own), so a stage's throughput is what it reaches alone, undisturbed. Every file has been read before and
comes from the system's cache; pictures drawn of the same input replace each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from posecli import pipeline
from posecli.bench.pictures import Picture, stills_of
from posecli.bench.running import Clock, Measured, Samples
from posecli.draw import DrawStyle, draw
from posecli.estimate import Estimator, Times
from posecli.sinks.images import ImageSink
from posecli.sources import Failure, Frame


@dataclass(frozen=True, slots=True)
class Overlapped:
    """What the pipeline reached."""

    images: int
    seconds: float
    images_per_s: float
    one_by_one_images_per_s: float  # without any overlap
    stage_images_per_s: dict[str, float]  # of each stage alone
    slowest_stage: str
    reached: float  # share of what the slowest stage alone allows


def picture_sink(folder: Path, estimator: Estimator) -> ImageSink:
    """What `annotate` writes its pictures with, by default."""
    style = DrawStyle(min_part_score=estimator.options.min_part_score)
    return ImageSink(folder, lambda frame, poses: draw(frame.image, poses, style), exists="overwrite")


def batch_size_alone(asked: int | None, estimator: Estimator) -> int:
    """How many images go through the network together while it runs alone: as many as the pipeline may send."""
    return asked or (1 if estimator.backend.device.startswith("cpu") else pipeline.GPU_BATCH)


def one_by_one(
    batch: Sequence[Picture], estimator: Estimator, sink: ImageSink, samples: Samples, clock: Clock = perf_counter
) -> None:
    """Read, estimate, draw and write pictures, one stage after another, and append what each took."""
    times = Times()
    frames, read, write = [], [], []
    start = before = clock()
    for item in stills_of(batch):
        if isinstance(item, Failure):  # it could be read a moment ago
            raise item.error
        after = clock()
        frames.append(item)
        read.append(after - before)
        before = after
    found = estimator.batch([frame.image for frame in frames], times)
    before = clock()
    for frame, poses in zip(frames, found, strict=True):
        sink.write(frame, poses)
        after = clock()
        write.append(after - before)
        before = after
    stages = {"read": read, "resize": times.resize, "network": times.network, "decode": times.decode, "write": write}
    samples.add(stages, before - start, [len(poses) for poses in found])


def measure_end_to_end(
    batches: Sequence[Sequence[Picture]],
    estimator: Estimator,
    sink: ImageSink,
    measured: Measured,
    *,
    batch_size: int | None,
    workers: int | None,
    on_images: Callable[[int], object] = lambda _: None,
    clock: Clock = perf_counter,
) -> None:
    """Measure the pipeline and its stages. Raises the PosecliError of a picture that fails now, as none did before."""
    half = (len(batches) + 1) // 2

    def staged(part: Sequence[Sequence[Picture]]) -> None:
        for batch in part:
            one_by_one(batch, estimator, sink, measured.samples, clock)
            on_images(len(batch))

    def on_item(_: Frame | Failure) -> None:
        on_images(1)

    staged(batches[:half])
    source, report = stills_of([picture for batch in batches for picture in batch]), pipeline.Report()
    start = clock()
    pipeline.run(source, estimator, [sink], report, batch_size=batch_size, workers=workers, on_item=on_item)
    seconds = clock() - start
    if report.failures:
        raise report.failures[0].error
    measured.pipeline_images, measured.pipeline_s = report.images, seconds
    staged(batches[half:])


def overlapped(measured: Measured) -> Overlapped | None:
    """What the pipeline reached; None where it was not measured to its end."""
    if not measured.pipeline_images:
        return None
    samples = measured.samples
    alone = {stage: samples.images / sum(spent) for stage, spent in samples.stages.items() if sum(spent) > 0}
    slowest = min(alone, key=alone.__getitem__)
    throughput = measured.pipeline_images / measured.pipeline_s
    return Overlapped(
        images=measured.pipeline_images,
        seconds=measured.pipeline_s,
        images_per_s=throughput,
        one_by_one_images_per_s=samples.images / samples.wall_s,
        stage_images_per_s=alone,
        slowest_stage=slowest,
        reached=throughput / alone[slowest],
    )
