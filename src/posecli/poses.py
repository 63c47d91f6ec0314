"""`Poses`: what was found in one frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posecli.skeleton import NUM_PARTS


@dataclass(frozen=True, slots=True)
class Poses:
    """The people in one frame, in the decoder's order (best root first).

    Nobody found is ordinary: `len(poses) == 0`. Raises ValueError when the shapes disagree.
    """

    xy: NDArray[np.float32]  # (N, 17, 2) source px, x right, y down; pixel centres at integers; never clipped
    part_scores: NDArray[np.float32]  # (N, 17) in [0, 1]
    scores: NDArray[np.float32]  # (N,) in [0, 1]
    ids: NDArray[np.int64] | None = None  # (N,) identities over frames, where tracked

    def __post_init__(self) -> None:
        n = len(self.scores)
        expected = {"xy": (n, NUM_PARTS, 2), "part_scores": (n, NUM_PARTS), "scores": (n,), "ids": (n,)}
        for name, shape in expected.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name}: expected {shape}, got {array.shape}")

    @classmethod
    def empty(cls) -> Poses:
        """Nobody: N = 0."""
        zero = np.zeros((0, NUM_PARTS), np.float32)
        return cls(np.zeros((0, NUM_PARTS, 2), np.float32), zero, zero[:, 0])

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Poses]:
        """Each person as `Poses` of length 1."""
        for i in range(len(self)):
            yield self[i : i + 1]

    def __getitem__(self, index: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Poses:
        """A selection of people: a slice, a boolean mask (N,) or an index array."""
        ids = None if self.ids is None else self.ids[index]
        return Poses(self.xy[index], self.part_scores[index], self.scores[index], ids)

    def with_xy(self, xy: NDArray[np.float32]) -> Poses:
        """The same people with their parts at `xy`, (N, 17, 2)."""
        return replace(self, xy=xy)

    def mirrored(self, width: int) -> Poses:
        """As seen in the mirrored frame: x becomes width - 1 - x; left and right keep their names.

        This is the original's `flipHorizontal`.
        """
        xy = self.xy.copy()
        xy[..., 0] = (width - 1) - xy[..., 0]
        return self.with_xy(xy)

    def boxes(self, width: int, height: int, min_part_score: float = 0.0) -> NDArray[np.float32]:
        """Tight boxes (N, 4) of x, y, width, height in source px, clipped to the frame.

        Each is around the parts that score at least `min_part_score`, around all parts where none does.
        """
        boxes = np.zeros((len(self), 4), np.float32)
        for i, (xy, part_scores) in enumerate(zip(self.xy, self.part_scores, strict=True)):
            shown = part_scores >= min_part_score
            parts = xy[shown] if shown.any() else xy
            low = np.clip(parts.min(axis=0), 0, (width - 1, height - 1))
            high = np.clip(parts.max(axis=0), 0, (width - 1, height - 1))
            boxes[i] = (*low, *(high - low))
        return boxes
