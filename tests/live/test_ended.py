"""How a recording ends when its program is told to, is killed, or finds no room: always playable, with its poses."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from live_parts import write_video
from posecli.sinks.encoding import FRAGMENT_S

WAIT_S, STEP_S = 90.0, 0.05
FPS = 20
ROOM = "8"  # blocks of 512 bytes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


@contextmanager
def recording(folder: Path, *before: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`posecli webcam` without a window, recording a file that is longer than any test to take.mp4."""
    video = write_video(folder / "long.mp4", [50 * (n % 5) for n in range(60 * FPS)], (96, 128), FPS)
    arguments = ["webcam", "--source", str(video), "--headless", "--record", "take.mp4", "--size", "161"]
    command = [*before, sys.executable, "-m", "posecli", *arguments]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def wait_for(what: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + WAIT_S
    while not what():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(STEP_S)  # another process's files tell nobody that they have grown


def lines_of(folder: Path) -> list[str]:
    """The lines of poses that are complete."""
    path = folder / "take.jsonl"
    return path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []


def frames_of(folder: Path) -> list[float]:
    with av.open(str(folder / "take.mp4")) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def recorded_s(folder: Path) -> float:
    lines = lines_of(folder)
    return float(json.loads(lines[-1])["time_s"]) if lines else 0.0


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_end(how: signal.Signals, code: int, tmp_path: Path) -> None:
    with recording(tmp_path) as process:
        wait_for(lambda: len(lines_of(tmp_path)) > 10, process)
        process.send_signal(how)
        assert process.wait(WAIT_S) == code
    times = [json.loads(line)["time_s"] for line in lines_of(tmp_path)]
    frames = frames_of(tmp_path)
    both = min(len(frames), len(times))
    assert frames[:both] == pytest.approx(times[:both], abs=0.002)
    assert max(len(frames), len(times)) <= both + 1  # it may have come between the two files


def test_killed(tmp_path: Path) -> None:
    with recording(tmp_path) as process:
        wait_for(lambda: recorded_s(tmp_path) > 3 * FRAGMENT_S and len(lines_of(tmp_path)) > 10, process)
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)
    kept, said = frames_of(tmp_path), [json.loads(line)["time_s"] for line in lines_of(tmp_path)]
    assert kept == pytest.approx(said[: len(kept)], abs=0.002)
    # The last frame may not be encoded yet, and the one before it waits for the time at which it ends.
    assert said[len(kept)] > said[-3] - FRAGMENT_S


def test_no_room(tmp_path: Path) -> None:
    # Files cannot grow beyond this: the system's answer is as that of a full disk.
    with recording(tmp_path, "sh", "-c", f'ulimit -f {ROOM}; exec "$@"', "sh") as process:
        assert process.wait(WAIT_S) == 1
        assert process.stderr is not None
        words = process.stderr.read().decode()
    assert "cannot be written" in words
    assert "Traceback" not in words
    assert 0 < len(frames_of(tmp_path)) <= len(lines_of(tmp_path)) + 1
