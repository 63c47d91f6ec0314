"""`Report`: all that a benchmark has measured, with what it takes to measure it again; as JSON, field for field.

The JSON document, `posecli-bench/1`. Names end in their unit; null is unknown or not measured:

- `schema`: posecli-bench/1. `mode`: images (held in memory) or end-to-end. `complete`: false where it was interrupted.
- `argv`: the command. `started`: when, ISO 8601 in UTC.
- `model`: name, architecture, multiplier, quantization, sha256. `options`: every option of the estimator, with the
  backend, device and precision that it chose.
- `run`: `asked_images` and `images`, those measured; `batch_size` and `workers`, as given, null is posecli's choice;
  `threads` of the network, null is the backend's choice; `load_s`, to load the model; `warm_up_images`, `warm_up_s`.
- `inputs`: `pictures` that were used, over and over where they are fewer than images, of those `listed`; `packaged`:
  whether they are of the packaged photo; `digest` of their names and sizes; `held_bytes`, their pixels in memory;
  `network_sizes`: `width`, `height`, `images`; `failed`: `name`, `error`.
- `machine`: `cpu`, `cpus`, `usable_cpus`, `os`, `load_1min` just before. `versions` of all that matters.
- `stages`: resize, network, decode (with the way back to the picture's pixels) and total, with end-to-end also read
  and write (drawing and encoding are part of it); each `p50_ms`, `p95_ms`, `p99_ms`, `mean_ms` over the images. Images
  that go through the network together share its time evenly.
- `images_per_s`: throughput, with end-to-end that of the whole pipeline. `peak_memory_bytes`: resident, of the process.
- `garbage_collection`: `runs` and `total_ms` of Python's collector within the measurement.
- `people`: by the number of `people` found, `images`, `decode_p50_ms`, `total_p50_ms`.
- `end_to_end`: null, or `images`, `seconds`, `images_per_s` of the pipeline; `one_by_one_images_per_s` without overlap;
  `stage_images_per_s` of each stage alone; `slowest_stage`; `reached`, the share of what that stage alone allows.
- `warnings`: what a reader should know before trusting the figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from posecli.bench.end_to_end import Overlapped, overlapped
from posecli.bench.machine import Machine
from posecli.bench.pictures import Pictures
from posecli.bench.running import Measured, Samples, WarmUp
from posecli.bench.schema import SCHEMA
from posecli.bench.statistics import PeopleRow, Summary, by_people, summarise
from posecli.options import EstimatorOptions

FEW_IMAGES = 100  # below, the 99th percentile is the slowest image

Mode = Literal["images", "end-to-end"]


@dataclass(frozen=True, slots=True)
class Run:
    """How it was measured."""

    asked_images: int
    images: int
    batch_size: int | None
    workers: int | None
    threads: int | None
    load_s: float
    warm_up_images: int
    warm_up_s: float


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """The sides in px of a network input, and how many images had them."""

    width: int
    height: int
    images: int


@dataclass(frozen=True, slots=True)
class FailedInput:
    """An input that could not be read."""

    name: str
    error: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was measured on."""

    pictures: int
    listed: int
    packaged: bool
    digest: str
    held_bytes: int
    network_sizes: tuple[NetworkSize, ...]  # the most frequent first
    failed: tuple[FailedInput, ...]


@dataclass(frozen=True, slots=True)
class GarbageCollection:
    """What Python's collector did within the measurement."""

    runs: int
    total_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """A benchmark, as the module's docstring describes it."""

    schema: str
    mode: Mode
    complete: bool
    argv: tuple[str, ...]
    started: str
    model: Mapping[str, Any]
    options: Mapping[str, Any]
    run: Run
    inputs: Inputs
    machine: Machine
    versions: Mapping[str, str]
    stages: Mapping[str, Summary]
    images_per_s: float | None
    peak_memory_bytes: int | None
    garbage_collection: GarbageCollection
    people: tuple[PeopleRow, ...]
    end_to_end: Overlapped | None
    warnings: tuple[str, ...]

    def as_json(self) -> str:
        """The JSON document."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of a benchmark before it is run."""

    mode: Mode
    argv: tuple[str, ...]
    started: str
    model: Mapping[str, Any]
    options: Mapping[str, Any]
    machine: Machine
    versions: Mapping[str, str]
    asked_images: int
    batch_size: int | None
    workers: int | None
    threads: int | None
    load_s: float


def make_report(
    setting: Setting,
    options: EstimatorOptions,
    pictures: Pictures,
    warmed: WarmUp,
    measured: Measured,
    peak_memory_bytes: int | None,
) -> Report:
    """Sum up what was measured, of which there is at least one image."""
    samples, collections = measured.samples, measured.collections
    if setting.mode == "images":
        reached = None
        throughput: float | None = samples.images / samples.wall_s
    else:
        reached = overlapped(measured)
        throughput = reached.images_per_s if reached else None
    complete = samples.images == setting.asked_images and throughput is not None
    return Report(
        schema=SCHEMA,
        mode=setting.mode,
        complete=complete,
        argv=setting.argv,
        started=setting.started,
        model=setting.model,
        options=setting.options,
        run=Run(
            asked_images=setting.asked_images,
            images=samples.images,
            batch_size=setting.batch_size,
            workers=setting.workers,
            threads=setting.threads,
            load_s=setting.load_s,
            warm_up_images=warmed.images,
            warm_up_s=warmed.seconds,
        ),
        inputs=_inputs(pictures, samples.images, options),
        machine=setting.machine,
        versions=setting.versions,
        stages={name: summarise(spent) for name, spent in {**samples.stages, "total": samples.total}.items()},
        images_per_s=throughput,
        peak_memory_bytes=peak_memory_bytes,
        garbage_collection=GarbageCollection(collections.count, 1000 * collections.seconds),
        people=by_people(samples.people, samples.stages["decode"], samples.total),
        end_to_end=reached,
        warnings=_warnings(setting, samples, complete),
    )


def _inputs(pictures: Pictures, images: int, options: EstimatorOptions) -> Inputs:
    sizes = pictures.input_sizes(images, options).most_common()
    return Inputs(
        pictures=len(pictures.usable),
        listed=pictures.listed,
        packaged=pictures.packaged,
        digest=pictures.digest,
        held_bytes=pictures.held_bytes,
        network_sizes=tuple(NetworkSize(width, height, count) for (height, width), count in sizes),
        failed=tuple(FailedInput(failure.name, str(failure.error)) for failure in pictures.failures),
    )


def _warnings(setting: Setting, samples: Samples, complete: bool) -> tuple[str, ...]:
    found = []
    machine = setting.machine
    if machine.is_busy:
        found.append(
            f"the machine was busy before the measurement (load {machine.load_1min:.1f} on {machine.cpus} CPUs): "
            "others have slowed it down"
        )
    if not complete:
        found.append(f"interrupted after {samples.images} of {setting.asked_images} images")
    if samples.images < FEW_IMAGES:
        found.append(f"{samples.images} images are few: p99 is about the slowest of them; give more with --num-images")
    return tuple(found)
