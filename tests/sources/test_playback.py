from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from posecli.errors import InputError
from posecli.pyav import av
from posecli.sources.opening import open_video
from posecli.sources.playback import Playback
from video_files import every_40_ms, number_of, write_video


def play(path: Path, start: str = "0") -> tuple[list[tuple[int, int]], Playback]:
    """The number and the time in ms of each frame that is shown."""
    shown = []
    with open_video(path) as video:
        playback = Playback(video, Fraction(start))
        for each in playback:
            assert number_of(each.frame.to_ndarray(format="rgb24")) == each.number
            shown.append((each.number, round(each.time * 1000)))
        return shown, playback


def places(path: Path) -> list[tuple[int, int]]:
    """Where the packet of each frame lies, in the order of decoding: its first byte, and how many."""
    with av.open(str(path)) as file:
        return [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]


def spoil(path: Path, numbers: Sequence[int]) -> Path:
    """Overwrite packets of a file."""
    data = bytearray(path.read_bytes())
    for at, size in (places(path)[number] for number in numbers):
        data[at : at + size] = b"\x55" * size
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("spoilt", [[0], [3], [3, 4, 7], [0, 1, 2, 3]])
def test_damaged_frames_are_left_out_and_the_others_keep_their_numbers(tmp_path: Path, spoilt: list[int]) -> None:
    path = spoil(write_video(tmp_path / "a.mov", every_40_ms(10), codec="png"), spoilt)
    shown, playback = play(path)
    good = [number for number in range(10) if number not in spoilt]
    assert shown == [(number, 40 * number) for number in good]
    playback.check_end()
    message = rf"a.mov: frames are damaged, and left out: {len(spoilt)} of 10; get a fresh copy of it"
    with pytest.raises(InputError, match=message):
        playback.check_damage()


def test_the_last_frame_may_be_damaged(tmp_path: Path) -> None:
    """PyAV before version 17 then loses some before it too, as FFmpeg's threads give them all at once."""
    shown, playback = play(spoil(write_video(tmp_path / "a.mov", every_40_ms(30), codec="png"), [29]))
    assert 10 < len(shown) <= 29
    assert shown == [(number, 40 * number) for number in range(len(shown))]
    playback.check_end()
    with pytest.raises(InputError, match=f"left out: {30 - len(shown)} of 30"):
        playback.check_damage()


def test_what_comes_before_the_start_may_be_damaged(tmp_path: Path) -> None:
    path = spoil(write_video(tmp_path / "a.mov", every_40_ms(10), codec="png"), [1, 2])
    shown, playback = play(path, "0.16")
    assert shown == [(number, 40 * number) for number in range(4, 10)]
    playback.check_end()
    playback.check_damage()


def test_all_frames_may_be_damaged(tmp_path: Path) -> None:
    shown, playback = play(spoil(write_video(tmp_path / "a.mov", every_40_ms(3), codec="png"), [0, 1, 2]))
    assert shown == []
    playback.check_end()
    with pytest.raises(InputError, match="left out: all of them"):
        playback.check_damage()


@pytest.mark.parametrize("kept", range(12))
@pytest.mark.parametrize("partly", [0, 9])
def test_a_file_that_was_cut_gives_what_was_before(tmp_path: Path, kept: int, partly: int) -> None:
    """Its index lies at the front, and says what is missing."""
    path = write_video(tmp_path / "a.mp4", every_40_ms(12), container={"movflags": "faststart"})
    at, _ = places(path)[kept]
    path.write_bytes(path.read_bytes()[: at + partly])
    shown, playback = play(path)
    assert 0 <= kept - len(shown) <= 2  # B-frames whose turn comes after one that is missing are shown before it
    assert [number for number, _ in shown] == sorted({number for number, _ in shown})
    with pytest.raises(InputError, match=r"a.mp4: cut off after \d+ of 12 frames; get a fresh copy of it"):
        playback.check_end()


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "rawvideo")])
@pytest.mark.parametrize("kept", [1, 7, 11])
def test_a_file_without_an_index_at_its_front_may_be_cut_too(tmp_path: Path, name: str, codec: str, kept: int) -> None:
    path = write_video(tmp_path / name, every_40_ms(12), codec=codec)
    at, _ = places(path)[kept]
    path.write_bytes(path.read_bytes()[:at])
    shown, playback = play(path)
    assert 0 <= kept - len(shown) <= 2
    assert [number for number, _ in shown] == list(range(len(shown)))
    with pytest.raises(InputError, match=rf"{name}: cut off after {len(shown)} frames; get a fresh copy of it"):
        playback.check_end()


def test_a_recording_may_end_in_the_middle_of_a_fragment(tmp_path: Path) -> None:
    settings = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    path = write_video(tmp_path / "a.mp4", every_40_ms(36), container=settings)
    at, _ = places(path)[30]
    path.write_bytes(path.read_bytes()[:at])
    shown, playback = play(path)
    assert 28 <= len(shown) <= 30
    with pytest.raises(InputError, match=rf"a.mp4: cut off after {len(shown)}( of \d+)? frames; get a fresh copy"):
        playback.check_end()


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.mp4"])
def test_a_whole_file_is_not_taken_for_one_that_was_cut(tmp_path: Path, name: str) -> None:
    codec = "rawvideo" if name == "a.avi" else "libx264"
    shown, playback = play(write_video(tmp_path / name, every_40_ms(12), codec=codec))
    assert len(shown) == 12
    playback.check_end()


def test_a_recording_under_way_gives_what_is_there(tmp_path: Path) -> None:
    settings = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    path = write_video(tmp_path / "a.mp4", every_40_ms(36), container=settings)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"moof") - 4])  # up to the last fragment
    shown, playback = play(path)
    assert [number for number, _ in shown] == list(range(24))
    playback.check_end()
    playback.check_damage()


def test_a_stream_may_be_joined_in_the_middle(tmp_path: Path) -> None:
    """As recordings of broadcasts begin: what cannot be decoded before the first key frame is no damage."""
    path = write_video(tmp_path / "a.ts", every_40_ms(36))
    data = path.read_bytes()
    at = places(path)[4][0] // 188 * 188
    path.write_bytes(data[: 188 * 3] + data[at:])  # its tables, and the rest from some frame on
    with open_video(path) as video:
        playback = Playback(video, Fraction(0))
        images = [number_of(each.frame.to_ndarray(format="rgb24")) for each in playback]
    assert images[-20:] == list(range(16, 36))
    playback.check_end()
    playback.check_damage()


def test_the_start_lies_after_the_end(tmp_path: Path) -> None:
    shown, playback = play(write_video(tmp_path / "a.mp4", every_40_ms(10)), "0.5")
    assert shown == []
    with pytest.raises(InputError, match=r"a.mp4: ends after 10 frames, before --start 0.5; choose an earlier one"):
        playback.check_end()


def test_no_frames_at_all(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", [0, 40], codec="rawvideo")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"movi") + 4])
    shown, playback = play(path)
    assert shown == []
    with pytest.raises(InputError, match=r"a.avi: no frames in it; get a fresh copy of it"):
        playback.check_end()


@pytest.mark.parametrize(
    ("pts", "shown_ms"),
    [
        ([100, 140, 180], [0, 40, 80]),
        ([None, None, None], [0, 40, 80]),
        ([0, None, 180], [0, 40, 180]),
        ([0, 40, 40], [0, 40, 80]),  # times grow, whatever the file says
        ([0, 90, 40], [0, 90, 130]),
    ],
)
def test_times_may_be_missing_or_out_of_order(tmp_path: Path, pts: list[int | None], shown_ms: list[int]) -> None:
    path = write_video(tmp_path / "a.mov", every_40_ms(3), codec="png")
    with open_video(path) as video:

        def demux(stream: object) -> Iterator[Any]:
            times = iter(pts)
            for packet in video.container.demux(video.stream):
                if packet.size:
                    packet.pts = packet.dts = next(times)
                yield packet

        known = {"time_base": Fraction(1, 1000), "average_rate": Fraction(25), "start_time": None, "frames": 0}
        stream: Any = SimpleNamespace(**known, codec_context=video.stream.codec_context)
        container: Any = SimpleNamespace(demux=demux, format=video.container.format)
        playback = Playback(replace(video, container=container, stream=stream), Fraction(0))
        shown = [(each.number, each.time) for each in playback]
    assert shown == [(number, Fraction(ms, 1000)) for number, ms in enumerate(shown_ms)]
