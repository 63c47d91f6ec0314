"""How fast it goes: frames a second, and the time from the camera to the screen, over the last second."""

from __future__ import annotations

from collections import deque
from statistics import fmean

WINDOW_S = 1.0


class Meter:
    """Looks back over the frames of the last second; of a slow run, over the last two frames at least."""

    def __init__(self) -> None:
        self._shown: deque[tuple[float, float]] = deque()  # when a frame was shown, and its latency, s

    def add(self, now_s: float, latency_s: float) -> None:
        """A frame that came `latency_s` ago is shown now."""
        self._shown.append((now_s, latency_s))
        while len(self._shown) > 2 and self._shown[0][0] < now_s - WINDOW_S:
            self._shown.popleft()

    def forget(self) -> None:
        """Begin anew, such as after a pause."""
        self._shown.clear()

    @property
    def fps(self) -> float | None:
        """Frames a second; None before there are two."""
        if len(self._shown) < 2:
            return None
        passed_s = self._shown[-1][0] - self._shown[0][0]
        return (len(self._shown) - 1) / passed_s if passed_s > 0 else None

    @property
    def latency_s(self) -> float | None:
        """Mean time from camera to screen; None before there is a frame."""
        return fmean(latency for _, latency in self._shown) if self._shown else None
