from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from frame_makers import MakeClip, MakeFrame, MakePoses
from posecli.poses import Poses
from posecli.sinks import Header
from posecli.sources import Clip, Frame


@pytest.fixture
def header() -> Header:
    model = {"name": "mobilenet-075", "architecture": "mobilenet_v1", "multiplier": 0.75}
    return Header({**model, "quantization": "float32", "sha256": "0" * 64}, {"size": 513, "preset": None})


@pytest.fixture
def make_frame() -> MakeFrame:
    def make(
        name: str = "a.jpg",
        index: int = 0,
        time_s: float | None = None,
        size: tuple[int, int] = (60, 80),
        clip: Clip | None = None,
    ) -> Frame:
        return Frame(np.zeros((*size, 3), np.uint8), index, time_s, name, clip)

    return make


@pytest.fixture
def make_clip() -> MakeClip:
    def make(name: str = "clip.mp4", index: int = 0) -> Clip:
        return Clip(name, index, Path(name), Fraction(1, 90000), 30.0, None)

    return make


@pytest.fixture
def make_poses() -> MakePoses:
    """People whose part k lies at (k + 0.12345 + 10 * person, 2 k) and scores k / 16."""

    def make(people: int = 1, ids: list[int] | None = None) -> Poses:
        part = np.arange(17, dtype=np.float32)
        xy = np.stack(
            [np.stack([part + np.float32(0.12345) + 10 * person, 2 * part], axis=-1) for person in range(people)]
        )
        scores = np.linspace(0.9, 0.5, people).astype(np.float32)
        part_scores = np.tile(part / 16, (people, 1))
        return Poses(xy.astype(np.float32), part_scores, scores, None if ids is None else np.array(ids))

    return make
