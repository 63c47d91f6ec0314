"""`Parity`: how far an exported model is from torch float32, head by head and pose by pose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecli.decode import decode
from posecli.export_model.views import Batch
from posecli.networks.fields import Fields
from posecli.options import EstimatorOptions, Precision
from posecli.poses import Poses

Run = Callable[[NDArray[np.uint8]], Fields]  # (B, H, W, 3) RGB


@dataclass(frozen=True, slots=True)
class Limits:
    """What an exported model may differ by."""

    head: float  # of the largest magnitude of each head
    person_px: float  # mean over the parts of any person that score enough to be shown, in pixels of the photo
    part_px: float | None  # of any part, shown or not; None where there is no limit


# int8 steps are coarse, and parts that the network itself does not believe in go anywhere; those that it sees may not.
LIMITS: Mapping[Precision, Limits] = {
    "float32": Limits(1e-4, 0.05, 0.05),
    "int8": Limits(0.4, 8.0, None),
}


@dataclass(frozen=True, slots=True)
class HeadError:
    """The largest error of a head over all batches."""

    absolute: float  # heatmaps: a score; the others: network-input px
    relative: float  # of the head's largest magnitude


@dataclass(frozen=True, slots=True)
class PoseError:
    """The poses in one picture against those that torch finds there."""

    height: int  # network-input px
    width: int
    expected: int  # people that torch finds
    found: int
    person_px: float | None  # of the person who is furthest off; None where the numbers differ, or nobody is there
    part_px: float | None  # of the part that is furthest off


@dataclass(frozen=True, slots=True)
class Parity:
    """The verdict on an exported model, with its grounds."""

    limits: Limits
    heads: Mapping[str, HeadError]
    pictures: tuple[PoseError, ...]

    @property
    def person_px(self) -> float:
        """The distance of the person who is furthest off: mean over the parts that are shown, px of the photo."""
        return max((each.person_px for each in self.pictures if each.person_px is not None), default=0.0)

    @property
    def part_px(self) -> float:
        """The distance of the part that is furthest off, shown or not."""
        return max((each.part_px for each in self.pictures if each.part_px is not None), default=0.0)

    @property
    def people(self) -> int:
        """How many people torch finds, over all pictures."""
        return sum(each.expected for each in self.pictures)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is beyond the limits; nothing where the models agree."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        for name, error in self.heads.items():
            if _exceeds(error.relative, self.limits.head):
                yield f"{name} differ by {error.relative:.1e} of their magnitude, at most {self.limits.head:g} is fine"
        for each in self.pictures:
            where = f"at {each.width} x {each.height}"
            if each.found != each.expected:
                yield f"{each.found} people are found {where} in place of {each.expected}"
            elif _exceeds(each.person_px, self.limits.person_px):
                yield f"a person is {each.person_px:.3g} px off {where}, at most {self.limits.person_px:g} is fine"
            elif _exceeds(each.part_px, self.limits.part_px):
                yield f"a part is {each.part_px:.3g} px off {where}, at most {self.limits.part_px:g} is fine"


def _exceeds(value: float | None, limit: float | None) -> bool:
    """Whether both are known and the value is beyond the limit; NaN is."""
    return value is not None and limit is not None and not value <= limit


def compare(
    expected: Run, exported: Run, batches: Sequence[Batch], options: EstimatorOptions, precision: Precision
) -> Parity:
    """Run both on every batch, and decode what they give as `options` say."""
    pairs = [_run_both(expected, exported, batch) for batch in batches]
    heads = {name: _head_error([(getattr(a, name), getattr(b, name)) for a, b in pairs]) for name in Fields._fields}
    pictures = [
        _pose_error(batch, _poses(ours, i, batch, options), _poses(theirs, i, batch, options), options.min_part_score)
        for batch, (ours, theirs) in zip(batches, pairs, strict=True)
        for i in range(len(batch.inputs))
    ]
    return Parity(LIMITS[precision], heads, tuple(pictures))


def _run_both(expected: Run, exported: Run, batch: Batch) -> tuple[Fields, Fields]:
    """What both give; a head of another shape than is expected counts as NaN throughout."""
    ours, theirs = expected(batch.inputs), exported(batch.inputs)
    comparable = (b if a.shape == b.shape else torch.full_like(a, torch.nan) for a, b in zip(ours, theirs, strict=True))
    return ours, Fields(*comparable)


def _head_error(pairs: Sequence[tuple[Tensor, Tensor]]) -> HeadError:
    """The largest error over pairs of what is expected and what is there."""
    absolute = max(float((ours - theirs).abs().max()) for ours, theirs in pairs)
    return HeadError(absolute, absolute / max(float(ours.abs().max()) for ours, _ in pairs))


def _poses(fields: Fields, index: int, batch: Batch, options: EstimatorOptions) -> Poses:
    """The people in one picture of a batch, in pixels of the photo."""
    heatmaps, offsets, forward, backward = (field[index].numpy() for field in fields)
    poses = decode(heatmaps, offsets, forward, backward, options.stride, options)
    return poses.with_xy(batch.resize.restore(poses.xy))


def _pose_error(batch: Batch, ours: Poses, theirs: Poses, min_part_score: float) -> PoseError:
    """Each of our people against the nearest of theirs, as the order of people with equal scores may differ."""
    height, width = batch.resize.input_hw
    if len(ours) != len(theirs) or len(ours) == 0:
        return PoseError(height, width, len(ours), len(theirs), None, None)
    distances = np.linalg.norm(ours.xy[:, None] - theirs.xy[None], axis=-1)  # (ours, theirs, 17)
    shown = ours.part_scores >= min_part_score
    shown |= ~shown.any(axis=1, keepdims=True)  # of whom nothing is shown, everything counts
    means = (distances * shown[:, None]).sum(axis=-1) / shown.sum(axis=1, keepdims=True)  # (ours, theirs)
    nearest = (np.arange(len(ours)), means.argmin(axis=1))
    return PoseError(
        height, width, len(ours), len(theirs), float(means[nearest].max()), float(distances[nearest].max())
    )
