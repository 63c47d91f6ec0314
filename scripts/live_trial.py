"""Is the live loop fast, and at once? python scripts/live_trial.py [VIDEO] [--backend NAME] [--seconds S] [--window]

Plays a 1280x720 source from memory at 30 frames a second through the loop of `posecli webcam`, with its defaults, in
real time: the first seconds of VIDEO, else the bundled examples, moving. Prints frames a second, and the time from
camera to screen in frames of processing time: from a picture's arrival until it is shown, by the median time from
taking a picture until it is shown. Where a machine is busy, that time varies: what each frame took by its own time
leaves that out, and says how long pictures wait. `--window` opens the window too, on whatever display there is. Exit
code 1 where a goal is missed: 20 frames a second, and 1.5 frames of processing time for 95 of 100 frames.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from posecli.draw import DrawStyle
from posecli.estimate import load_estimator
from posecli.follow import Follower
from posecli.live.session import Session, Settings
from posecli.options import FollowOptions
from posecli.pipeline import Report, run
from posecli.sinks import Sink
from posecli.sinks.window import Window
from posecli.sources import Failure, Frame
from posecli.sources.devices import Pixels, Wait, from_bgr
from posecli.sources.live import LiveSource

LEAST_FPS, MOST_LATENCY = 20.0, 1.5
WIDTH, HEIGHT, FPS = 1280, 720, 30.0
PICTURES = 90  # in memory
WARM_UP_S = 2.0
ROOT = Path(__file__).resolve().parents[1]

Image = NDArray[np.uint8]  # (H, W, 3) BGR, as cameras give it


class Player:
    """A camera that shows pictures from memory, over and over, at 30 frames a second."""

    fps: float | None = FPS

    def __init__(self, pictures: list[Image], wait: Wait) -> None:
        self._pictures = pictures
        self._wait = wait
        self._start_s = perf_counter()
        self._count = 0

    def read(self) -> Pixels | None:
        """Wait for the next picture."""
        self._count += 1
        if self._wait(max(0.0, self._start_s + self._count / FPS - perf_counter())):
            return None
        return partial(from_bgr, self._pictures[self._count % len(self._pictures)])

    def close(self) -> None:
        """Let the pictures go."""
        self._pictures = []


class Stopwatch:
    """Sees when each frame is taken and when it is done; it ends the session."""

    def __init__(self, session: Session, source: LiveSource, seconds: float) -> None:
        self._session, self._source, self._seconds = session, source, seconds
        self._taken_s = 0.0
        self._begin_s: float | None = None  # when the warm-up is over
        self.latency_s: list[float] = []
        self.processing_s: list[float] = []
        self.passed_s = 0.0

    def frames(self) -> Iterator[Frame]:
        """The session's frames."""
        for frame in self._session.frames():
            self._taken_s = self._source.now_s
            if self._begin_s is None:
                self._begin_s = self._taken_s + WARM_UP_S
            yield frame

    def done(self, item: Frame | Failure) -> None:
        """A frame has been shown, or would have been."""
        now_s = self._source.now_s
        if isinstance(item, Failure):
            raise SystemExit(str(item.error))
        if self._begin_s is None or item.time_s is None or now_s < self._begin_s:
            return
        self.latency_s.append(now_s - item.time_s)
        self.processing_s.append(now_s - self._taken_s)
        self.passed_s = now_s - self._begin_s
        if self.passed_s > self._seconds:
            self._session.close()


def from_video(path: Path) -> list[Image]:
    capture = cv2.VideoCapture(str(path))
    pictures: list[Image] = []
    while len(pictures) < PICTURES and (picture := capture.read()[1]) is not None:
        pictures.append(np.asarray(cv2.resize(picture, (WIDTH, HEIGHT)), np.uint8))
    if not pictures:
        raise SystemExit(f"{path}: not a video that OpenCV can read")
    return pictures


def from_examples() -> list[Image]:
    photos = [cv2.imread(str(path)) for path in sorted((ROOT / "examples").glob("*.jpg"))]
    photo = np.asarray(cv2.resize(max(photos, key=lambda photo: photo.size), (WIDTH, HEIGHT)), np.uint8)
    return [np.ascontiguousarray(np.roll(photo, 4 * step, axis=1)) for step in range(PICTURES)]


def trial(pictures: list[Image], arguments: argparse.Namespace, has_window: bool) -> bool:
    """Play, print and judge."""
    estimator = load_estimator(quality=arguments.quality, backend=arguments.backend)
    with LiveSource(partial(Player, pictures), "memory", 0) as source:
        session = Session(source, estimator, Settings(Path("posecli-out"), DrawStyle(), is_mirrored=True))
        watch = Stopwatch(session, source, arguments.seconds)
        sinks: list[Sink] = []
        if has_window:
            window = Window("posecli", session)
            sinks.append(window)
            session.meanwhile = window.refresh
        report = Report()
        follow = Follower(FollowOptions(smooth=True), estimator.options.min_part_score)
        run(watch.frames(), estimator, sinks, report, workers=0, follow=follow, on_item=watch.done)
    processing_s = float(np.median(watch.processing_s))
    p50, p95 = (float(np.percentile(watch.latency_s, p)) / processing_s for p in (50, 95))
    own_p95 = float(np.percentile(np.divide(watch.latency_s, watch.processing_s), 95))
    fps = (len(watch.latency_s) - 1) / watch.passed_s
    print(
        f"{'with' if has_window else 'without'} a window: {fps:.1f} frames/s of {FPS:.0f}, "
        f"{report.people / max(report.images, 1):.1f} people, {1000 * processing_s:.1f} ms a frame; "
        f"latency p50 {p50:.2f}, p95 {p95:.2f} frames of processing time ({1000 * p95 * processing_s:.0f} ms); "
        f"of each frame's own time p95 {own_p95:.2f}"
    )
    reached = fps >= LEAST_FPS, p95 <= MOST_LATENCY
    print(
        f"  at least {LEAST_FPS:.0f} frames/s: {verdict(reached[0])}; p95 at most {MOST_LATENCY}: {verdict(reached[1])}"
    )
    return all(reached)


def verdict(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?", help="by default, the bundled examples, moving")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--quality", default="fast")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--window", action="store_true")
    arguments = parser.parse_args()
    pictures = from_examples() if arguments.video is None else from_video(arguments.video)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{platform.machine()}, {cpus} CPUs; {arguments.quality}, {arguments.backend}; {WIDTH}x{HEIGHT} px")
    trials = [trial(pictures, arguments, has_window) for has_window in ([False, True] if arguments.window else [False])]
    return 0 if all(trials) else 1


if __name__ == "__main__":
    sys.exit(main())
