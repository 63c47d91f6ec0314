from pathlib import Path

import numpy as np
import pytest

from posecli.errors import OutputError, PosecliWarning
from posecli.pyav import av
from posecli.sinks import gif
from posecli.sinks.gif import GifWriter, to_small
from written_videos import Image, flat

HW = (48, 64)
RED, BLUE = (230, 30, 20), (20, 40, 220)


def write(path: Path, times_s: list[float], images: list[Image]) -> Path:
    with GifWriter(path, (images[0].shape[0], images[0].shape[1])) as writer:
        for time_s, image in zip(times_s, images, strict=True):
            writer.write(writer.prepare(image), time_s)
    return path


def read(path: Path) -> tuple[list[float], list[Image], float]:
    """Times, pictures and the length of all."""
    with av.open(str(path)) as file:
        frames = list(file.decode(video=0))
        images = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames]
        assert file.duration is not None
        return [float(frame.time) for frame in frames], images, file.duration / av.time_base


def test_times_and_colours_stay(tmp_path: Path) -> None:
    """Also those that are in one frame only: the palette is made of all."""
    times = [3.0, 3.033, 3.067, 3.1, 3.6, 3.634]
    images = [flat(RED), flat(BLUE), flat(RED), flat((10, 200, 30)), flat(255), flat(0)]
    path = write(tmp_path / "new" / "a.gif", times, images)
    got_times, got, length_s = read(path)
    assert got_times == pytest.approx([time - 3 for time in times], abs=0.0051)
    assert length_s == pytest.approx(0.66, abs=0.011)
    for image, expected in zip(got, images, strict=True):
        assert np.abs(image.astype(int) - expected).max() <= 8
    assert list(path.parent.iterdir()) == [path]
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in path.read_bytes()  # it repeats for ever


def test_frames_come_no_faster_than_browsers_show_them(tmp_path: Path) -> None:
    times, images, _ = read(write(tmp_path / "a.gif", [n / 100 for n in range(10)], [flat(20 * n) for n in range(10)]))
    assert times == pytest.approx([0, 0.02, 0.04, 0.06, 0.08])
    assert [round(image.mean() / 20) for image in images] == [0, 2, 4, 6, 8]


def test_one_frame(tmp_path: Path) -> None:
    assert len(read(write(tmp_path / "a.gif", [0.0], [flat(RED)]))[1]) == 1


@pytest.mark.parametrize(("hw", "expected"), [((720, 1280), (360, 640)), ((45, 61), (45, 61)), ((1281, 11), (640, 5))])
def test_large_pictures_become_smaller(tmp_path: Path, hw: tuple[int, int], expected: tuple[int, int]) -> None:
    frame = to_small(flat(RED, hw))
    assert (frame.height, frame.width) == expected
    _, [image], _ = read(write(tmp_path / "a.gif", [0.0], [flat(RED, hw)]))
    assert image.shape == (*expected, 3)


@pytest.mark.parametrize("when", ["prepared", "written"])
def test_frames_that_change_their_size(tmp_path: Path, when: str) -> None:
    with GifWriter(tmp_path / "a.gif", HW) as writer:
        writer.write(writer.prepare(flat(200)), 0)
        other = flat(200, (96, 64))
        writer.write(writer.prepare(other) if when == "prepared" else to_small(other), 0.04)
    _, images, _ = read(tmp_path / "a.gif")
    assert images[1].shape == (*HW, 3)
    assert images[1][:, :14].max() < 20
    assert images[1][:, 20:44].min() > 190


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(b"old")
    with GifWriter(path, HW):
        pass
    assert path.read_bytes() == b"old"


def test_what_was_encoded_is_kept_whatever_ends_the_work(tmp_path: Path) -> None:
    def work() -> None:
        with GifWriter(tmp_path / "a.gif", HW) as writer:
            writer.write(writer.prepare(flat(RED)), 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(read(tmp_path / "a.gif")[1]) == 1


def test_a_long_one_is_warned_of_once(tmp_path: Path) -> None:
    with pytest.warns(PosecliWarning, match=r"a.gif: GIFs are for short clips, .*; use --duration, or") as caught:
        write(tmp_path / "a.gif", [0.0, 19.9, 20.0, 21.0], [flat(1)] * 4)
    assert len(caught) == 1


def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"a.gif: cannot be written \(.+\); choose another place"):
        write(tmp_path / "file" / "a.gif", [0.0], [flat(1)])
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(OutputError, match=r"folder.gif: cannot be written \(.+\); choose another place"):
        write(tmp_path / "folder.gif", [0.0], [flat(1)])

    def full(self: GifWriter, prepared: object, ticks: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gif.GifWriter, "_add", full)
    with pytest.raises(OutputError, match=r"b.gif: cannot be written \(No space left on device\)"):
        write(tmp_path / "b.gif", [0.0], [flat(1)])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.gif"]
