"""What stands in for an estimator and a clock where a benchmark is tested: time passes only as the test says."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecli.bench.pictures import Picture, Pictures
from posecli.estimate import Times
from posecli.options import EstimatorOptions
from posecli.poses import Poses


class FakeClock:
    """A clock that stands still until it is moved on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class FakeEstimator:
    """Finds as many people as the first pixel says; what each image takes is its turn in milliseconds.

    Image k, from 1, takes k ms in the network, twice that to decode, a tenth of it to resize; a batch, 1 ms more.
    """

    def __init__(self, clock: FakeClock, options: EstimatorOptions | None = None) -> None:
        self.options = options or EstimatorOptions()
        self.backend: Any = type("Backend", (), {"name": "fake", "device": "cpu", "precision": "float32"})()
        self.clock = clock
        self.batches: list[int] = []
        self.images: list[NDArray[np.uint8]] = []

    def batch(self, images: Sequence[NDArray[np.uint8]], times: Times | None = None) -> list[Poses]:
        self.batches.append(len(images))
        found = []
        for image in images:
            self.images.append(image)
            network_s = len(self.images) / 1000
            self.clock.now += 3.1 * network_s
            if times is not None:
                times.extend(Times([network_s / 10], [network_s], [2 * network_s]))
            found.append(poses(int(image[0, 0, 0])))
        self.clock.now += 0.001
        return found


def poses(people: int) -> Poses:
    return Poses(np.zeros((people, 17, 2), np.float32), np.ones((people, 17), np.float32), np.ones(people, np.float32))


def picture(people: int, hw: tuple[int, int] = (40, 60)) -> Picture:
    """A picture in memory on which so many people are found."""
    image = np.full((*hw, 3), people, np.uint8)
    return Picture(f"{people}.png", hw, None, None, image)


def pictures(*people: int) -> Pictures:
    return Pictures(tuple(picture(each) for each in people), (), len(people))


def written(**changes: Any) -> dict[str, Any]:
    """What a file of `bench --json` holds; `changes` are by name, those within a section as section__name."""
    summary = {"p50_ms": 10.0, "p95_ms": 20.0, "p99_ms": 40.0, "mean_ms": 12.0}
    document: dict[str, Any] = {
        "schema": "posecli-bench/1",
        "mode": "images",
        "model": {"name": "mobilenet-075"},
        "options": {"size": 513, "backend": "torch"},
        "run": {"asked_images": 200, "images": 200, "batch_size": 1, "load_s": 1.0},
        "inputs": {"digest": "aa"},
        "machine": {"cpu": "A CPU", "cpus": 2, "load_1min": 0.1},
        "versions": {"posecli": "1.0"},
        "stages": {"network": dict(summary), "total": dict(summary)},
        "images_per_s": 50.0,
        "peak_memory_bytes": 400_000_000,
        "warnings": [],
    }
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            document[section][key] = value
        else:
            document[section] = value
    return document
