"""scripts/long_video.py: composed of photos, and repeated."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from live_parts import write_video
from long_video import FPS, HW, SHOT, compose, loop
from video_poses import frames_of_video


def pictures_of(path: Path) -> list[tuple[float, NDArray[np.uint8]]]:
    return [(frame.time_s or 0.0, frame.image) for frame in frames_of_video(path)]


def test_a_video_of_photos_moves_and_has_them_all(examples: Path, tmp_path: Path) -> None:
    assert compose(examples, tmp_path / "a.mp4") == 7
    pictures = pictures_of(tmp_path / "a.mp4")
    assert len(pictures) == 7 * SHOT
    assert {image.shape for _, image in pictures} == {(*HW, 3)}
    change = [np.abs(b.astype(int) - a).mean() for (_, a), (_, b) in pairwise(pictures)]
    assert min(change) > 0.5  # always moving
    assert np.median(change) < min(change[SHOT - 1 :: SHOT])  # from photo to photo it jumps
    with pytest.raises(ValueError, match="no photos"):
        compose(tmp_path, tmp_path / "b.mp4")


@pytest.mark.parametrize("frames", [3, 10, 25])
def test_a_video_is_repeated_to_the_frame(frames: int, tmp_path: Path) -> None:
    values = [20 * number for number in range(10)]
    once = write_video(tmp_path / "once.mp4", values)
    assert loop(once, tmp_path / "looped.mp4", frames) == 10
    pictures = pictures_of(tmp_path / "looped.mp4")
    assert [time_s for time_s, _ in pictures] == pytest.approx([number / 10 for number in range(frames)], abs=1e-3)
    expected = [values[number % 10] for number in range(frames)]
    assert [image.mean() for _, image in pictures] == pytest.approx(expected, abs=6)


def test_what_posecli_wrote_can_be_repeated(examples: Path, tmp_path: Path) -> None:
    compose(examples, tmp_path / "once.mp4")
    assert loop(tmp_path / "once.mp4", tmp_path / "looped.mp4", 250) == 7 * SHOT
    times = [time_s for time_s, _ in pictures_of(tmp_path / "looped.mp4")]
    assert times == pytest.approx([number / FPS for number in range(250)], abs=1e-3)
