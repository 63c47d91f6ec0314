"""`posecli annotate` on real videos, file to file: every frame at its time, the sound kept, and a browser plays it.

The network is small, so that it is quick: whom it finds is measured elsewhere.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from browser import play
from posecli.pyav import av
from video_trials import command, folder_of, json_lines

SIZE = ("--size", "161", "--backend", "torch")

pytestmark = pytest.mark.shared


@dataclass(frozen=True)
class Source:
    """What a video's packets and its container say, without decoding."""

    hw: tuple[int, int]
    times: list[Fraction]  # s from the first frame, as they are shown
    time_base: Fraction  # s
    frame_s: float
    length_s: float  # of the pictures
    sound_s: float | None  # None where there is none


@dataclass(frozen=True)
class Film:
    """What a player finds in a file, decoded to its end."""

    hw: tuple[int, int]
    times: list[Fraction]  # s
    first: NDArray[np.float64]  # mean R, G, B of the first frame
    last: NDArray[np.float64]


def source_of(path: Path) -> Source:
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        base, rate, ticks = stream.time_base, stream.average_rate, stream.duration
        assert base is not None
        assert rate is not None
        assert ticks is not None
        sounds = [each for each in file.streams.audio if each.duration is not None and each.time_base is not None]
        sound_s = float(sounds[0].duration * sounds[0].time_base) if sounds else None
        pts = sorted(packet.pts for packet in file.demux(stream) if packet.pts is not None and packet.size)
        times = [(tick - pts[0]) * base for tick in pts]
        return Source((stream.height, stream.width), times, base, float(1 / rate), float(ticks * base), sound_s)


def film_of(path: Path) -> Film:
    times = []
    first = last = None
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in file.decode(stream):
            times.append(frame.pts * frame.time_base)
            last = frame
            first = first or frame
        assert first is not None
        assert last is not None
        colours = [
            frame.to_ndarray(format="rgb24", src_colorspace="ITU709", dst_color_range="JPEG").mean(axis=(0, 1))
            for frame in (first, last)
        ]
        return Film((stream.height, stream.width), times, *colours)


@pytest.mark.parametrize(
    ("name", "frames", "has_sound"),
    [
        ("humans_mot.mp4", 24, True),
        ("pose_squats.mp4", 65, False),
        ("wave.mp4", 517, False),
        ("one-by-one-person-detection.mp4", 1394, False),
    ],
)
def test_a_real_video(name: str, frames: int, has_sound: bool, shared: Path, chromium: str, tmp_path: Path) -> None:
    path, poses = tmp_path / "out" / name, tmp_path / "poses.jsonl"
    talk = command("annotate", shared / "videos" / name, "-o", path.parent, "--poses", poses, *SIZE).stderr
    assert f"{frames} frames" in talk
    assert "warning" not in talk
    assert folder_of(path.parent) == [name]

    source, film = source_of(shared / "videos" / name), film_of(path)
    assert len(source.times) == len(film.times) == frames
    assert film.hw == source.hw
    assert max(abs(a - b) for a, b in zip(film.times, source.times, strict=True)) < source.time_base
    written = source_of(path)
    assert abs(written.length_s - source.length_s) < source.frame_s
    assert (source.sound_s is not None) == (written.sound_s is not None) == has_sound
    if source.sound_s is not None and written.sound_s is not None:
        assert abs(written.sound_s - source.sound_s) < source.frame_s

    lines = json_lines(poses)
    assert [line["index"] for line in lines] == list(range(frames))
    assert [line["time_s"] for line in lines] == pytest.approx([float(time) for time in source.times], abs=1e-6)
    assert {(line["name"], line["height"], line["width"]) for line in lines} == {(name, *source.hw)}
    ids = [[pose["id"] for pose in line["poses"]] for line in lines]
    assert all(isinstance(each, int) for found in ids for each in found)
    assert all(len(found) == len(set(found)) for found in ids)
    assert sum(bool(found) for found in ids) > frames / 2

    played = play(chromium, path, [(0.0, film.first.tolist()), (float(film.times[-1]), film.last.tolist())])
    assert played.error is None
    assert (played.height, played.width) == source.hw
    assert abs(played.duration - source.length_s) < source.frame_s
    assert played.played > 0
    assert played.sound == has_sound
    for seen, colour in zip(played.colours, (film.first, film.last), strict=True):
        assert seen == pytest.approx(colour, abs=6)
