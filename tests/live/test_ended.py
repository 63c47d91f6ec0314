"""How a recording ends when its program is told to, is killed, or finds no room: always playable, with its poses."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from live_parts import write_video
from long_video import loop
from posecli.sinks.encoding import FRAGMENT_S
from video_trials import WAIT_S, Running, json_lines, running

FPS = 20
LASTS_S = 1800  # longer than any test: it plays while the model is loaded, too
ROOM = "8"  # blocks of 512 bytes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


@contextmanager
def recording(folder: Path, before: Sequence[str] = ()) -> Iterator[Running]:
    """`posecli webcam` without a window, recording a file that is longer than any test to take.mp4."""
    once = write_video(folder / "once.mp4", [50 * number for number in range(5)], (96, 128), FPS)
    loop(once, folder / "long.mp4", LASTS_S * FPS)
    words = ("webcam", "--source", "long.mp4", "--headless", "--record", "take.mp4", "--size", 161)
    with running(*words, folder=folder, before=before) as run:
        yield run


def times_said(folder: Path) -> list[float]:
    """The times, s, of the poses that are complete."""
    return [line["time_s"] for line in json_lines(folder / "take.jsonl")]


def frames_of(folder: Path) -> list[float]:
    """The times, s, of the recorded frames."""
    with av.open(str(folder / "take.mp4")) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_end(how: signal.Signals, code: int, tmp_path: Path) -> None:
    with recording(tmp_path) as run:
        run.wait_until(lambda: len(times_said(tmp_path)) > 10)
        run.process.send_signal(how)
        assert run.process.wait(WAIT_S) == code, run.talk
    times, frames = times_said(tmp_path), frames_of(tmp_path)
    both = min(len(frames), len(times))
    assert frames[:both] == pytest.approx(times[:both], abs=0.002)
    assert max(len(frames), len(times)) <= both + 1  # it may have come between the two files


def test_killed(tmp_path: Path) -> None:
    with recording(tmp_path) as run:
        run.wait_until(lambda: len(times_said(tmp_path)) > 10 and times_said(tmp_path)[-1] > 3 * FRAGMENT_S)
        run.process.send_signal(signal.SIGKILL)
        run.process.wait(WAIT_S)
    kept, said = frames_of(tmp_path), times_said(tmp_path)
    assert kept == pytest.approx(said[: len(kept)], abs=0.002)
    # The last frame may not be encoded yet, and the one before it waits for the time at which it ends.
    assert said[len(kept)] > said[-3] - FRAGMENT_S


def test_no_room(tmp_path: Path) -> None:
    # Files cannot grow beyond this: the system's answer is as that of a full disk. Nor may Python keep modules that it
    # compiled: a cut one would fail whoever imports it later.
    limited = ("sh", "-c", f'ulimit -f {ROOM}; export PYTHONDONTWRITEBYTECODE=1; exec "$@"', "sh")
    with recording(tmp_path, limited) as run:
        assert run.process.wait(WAIT_S) == 1, run.talk
    assert "cannot be written" in run.talk
    assert "Traceback" not in run.talk
    assert 0 < len(frames_of(tmp_path)) <= len(times_said(tmp_path)) + 1
