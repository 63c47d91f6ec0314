"""Numbers as the data formats write them: enough decimals to lose nothing, few enough to read and compare."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecli.poses import Poses
from posecli.sinks.base import FrameOutputError

XY_DECIMALS = 3  # a thousandth of a pixel
SCORE_DECIMALS = 5
TIME_DECIMALS = 6  # microseconds: no video counts finer


def rounded(values: NDArray[np.float32], decimals: int) -> Any:
    """An array as nested lists of Python floats with at most so many decimals; never -0.0."""
    return (np.round(values.astype(np.float64), decimals) + 0.0).tolist()


def rounded_time(time_s: float | None) -> float | None:
    """The time of a frame, with at most so many decimals; None for photos."""
    return None if time_s is None else round(time_s, TIME_DECIMALS) + 0.0


def check_finite(poses: Poses, name: str) -> None:
    """Raise FrameOutputError for a NaN or an infinity: no data format has a number for them."""
    if not all(np.isfinite(values).all() for values in (poses.xy, poses.part_scores, poses.scores)):
        raise FrameOutputError(f"{name}: the model found a position that is no number; its weights may be corrupt")
