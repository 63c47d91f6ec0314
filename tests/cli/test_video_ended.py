"""How `posecli annotate` ends on a long video when it is told to, or finds no room: nothing half-made is left."""

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from live_parts import write_video as write_grey_video
from long_video import loop
from posecli.pyav import av
from video_files import every_40_ms, write_video
from video_trials import WAIT_S, folder_of, json_lines, running

HW = (96, 128)
FRAMES = 100_000  # more than any machine does before it is told to end
HELD = 80  # at most, in the encoder; lost where the signal comes in the middle of a frame
NOISY = 150  # more than the encoder holds before it writes
ROOM = "32"  # blocks of 512 bytes, more than Python or the small photo need
SMALL = ("--size", 161, "--backend", "torch", "--threads", 1)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and limits of Unix")


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_told_to_end_in_the_middle_of_a_video(how: signal.Signals, code: int, tmp_path: Path) -> None:
    once = write_grey_video(tmp_path / "once.mp4", [50 * number for number in range(5)], HW, fps=25)
    loop(once, tmp_path / "long.mp4", FRAMES)
    poses = tmp_path / "poses.jsonl"
    with running("annotate", "long.mp4", "-o", "out", "--poses", poses.name, *SMALL, folder=tmp_path) as run:
        run.wait_until(lambda: len(json_lines(poses)) > 2 * HELD)
        run.process.send_signal(how)
        assert run.process.wait(WAIT_S) == code, run.talk
    assert "error: interrupted; what was finished is kept" in run.talk
    assert "Traceback" not in run.talk
    assert folder_of(tmp_path / "out") == ["long.mp4"]
    with av.open(str(tmp_path / "out" / "long.mp4")) as video:
        times = [float(frame.time) for frame in video.decode(video=0)]
    lines = json_lines(poses)
    assert poses.read_text().endswith("}\n")
    assert len(lines) < FRAMES
    assert len(lines) - HELD <= len(times) <= len(lines) + 1  # it may have come between the two files
    both = min(len(times), len(lines))
    assert times[:both] == pytest.approx([line["time_s"] for line in lines[:both]])


def test_no_room_for_a_video(rng: np.random.Generator, tmp_path: Path) -> None:
    """Files cannot grow beyond a limit: the system's answer is as that of a full disk."""
    folder = tmp_path / "in"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.jpg"), np.full((*HW, 3), 90, np.uint8))
    noise = list(rng.integers(0, 256, (NOISY, *HW, 3), dtype=np.uint8))  # large, coded
    write_video(folder / "b.mp4", every_40_ms(NOISY), size=HW[::-1], pictures=noise)
    # Nor may Python keep modules that it compiled: a cut one would fail whoever imports it later.
    limited = ("sh", "-c", f'ulimit -f {ROOM}; export PYTHONDONTWRITEBYTECODE=1; exec "$@"', "sh")
    words = ("annotate", folder, "-o", "out", "--poses", "-", "--poses-format", "jsonl", *SMALL)
    with running(*words, folder=tmp_path, before=limited) as run:
        poses, _ = run.process.communicate(timeout=WAIT_S)
        assert run.process.returncode == 1, run.talk
    (said,) = [line for line in run.talk.splitlines() if line.startswith("error: ")]
    assert "b.mp4: cannot be written" in said
    assert "Traceback" not in run.talk
    assert folder_of(tmp_path / "out") == ["a.jpg"]  # what was finished stays, nothing else does
    assert 0 < poses.count("\n") < NOISY
    assert poses.endswith("}\n")
