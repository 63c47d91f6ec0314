"""Which size of the network's input holds a rate of frames: lowered at once where it does not, raised with care.

What counts is how long the program works on a frame, not how often frames come: a camera of 15 frames a second is not
made faster by looking less closely. That time grows at most with the area of the input, so a larger size is taken when
even then it would fit, with some room left, and has for a while; a size that only just fits is kept. Where a larger one
turns out too slow after all, the next attempt waits for twice as long. So the size does not swing to and fro.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from posecli.networks.spec import nearest_valid_side

LEAST_SIZE = 161  # network-input px; below, people must fill the picture to be found
STEP = 0.87  # from one size to the next: a quarter less area
PATIENCE = 10  # frames whose median must be too slow before the size goes down
CAUTION = 45  # frames whose median must leave room before it goes up
MOST_CAUTION = 32  # times that, where going up has failed time and again
ROOM = 0.85  # of the time that a frame may take
SETTLING = 3  # frames after a change that do not count: buffers are made anew


class Adaptive:
    """The size for the next frame, by how long the last ones took at the present size."""

    def __init__(self, target_fps: float, largest: int, stride: int) -> None:
        self._budget_s = 1 / target_fps
        self._stride = stride
        self.restart(largest)

    def restart(self, largest: int) -> None:
        """Begin anew at this size, and never go beyond it."""
        self._sizes = _ladder(largest, self._stride)
        self._position = 0
        self._went_up = False  # by the last change
        self._patience = CAUTION  # frames at a size before it goes up
        self._forget()

    @property
    def size(self) -> int:
        """Long side of the network's input, px."""
        return self._sizes[self._position]

    def add(self, busy_s: float) -> int:
        """The last frame took so long; give the size for the next."""
        self._waiting -= 1
        if self._waiting >= 0:
            return self.size
        self._busy.append(busy_s)
        recent = list(self._busy)[-PATIENCE:]
        if len(recent) == PATIENCE and median(recent) > self._budget_s and self._position + 1 < len(self._sizes):
            self._move(1)
        elif -self._waiting >= self._patience and self._position > 0:
            larger = self._sizes[self._position - 1]
            if median(self._busy) * (larger / self.size) ** 2 < ROOM * self._budget_s:
                self._move(-1)
        return self.size

    def _move(self, steps: int) -> None:
        """Go down, by 1, or up, by -1."""
        is_up = steps < 0
        if self._went_up and (is_up or -self._waiting < self._patience):
            self._patience = CAUTION if is_up else min(2 * self._patience, MOST_CAUTION * CAUTION)
        self._went_up = is_up
        self._position += steps
        self._forget()

    def _forget(self) -> None:
        self._busy: deque[float] = deque(maxlen=CAUTION)  # s, of the frames at this size
        self._waiting = SETTLING


def _ladder(largest: int, stride: int) -> tuple[int, ...]:
    """The sizes to choose from, the largest first."""
    sizes = [largest]
    while (smaller := nearest_valid_side(sizes[-1] * STEP, stride)) >= LEAST_SIZE and smaller < sizes[-1]:
        sizes.append(smaller)
    return tuple(sizes)
