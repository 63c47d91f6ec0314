import gc
import math
import sys
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posecli.errors import InputError, MissingDependencyError
from posecli.opencv import cv2
from posecli.options import InputOptions
from posecli.pyav import av
from posecli.sources import Clip, Failure, Frame, Inputs, videos
from video_files import SIZE, every_40_ms, level, number_of, write_video

UNEVEN_MS = [0, 10, 100, 130, 450, 460, 470, 1000, 1010, 1500, 1530, 1600, 1700, 1900, 1940, 2000, 2800, 3000, 3010]
ALL = InputOptions()


@pytest.fixture(scope="session")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames at uneven times, with B-frames and several key frames."""
    return write_video(tmp_path_factory.mktemp("videos") / "uneven.mp4", UNEVEN_MS, key_every=5)


def play(path: Path | str, taking: InputOptions = ALL) -> tuple[list[Frame], list[Failure]]:
    items = list(Inputs.from_inputs([str(path)], taking=taking))
    frames = [item for item in items if isinstance(item, Frame)]
    assert items[: len(frames)] == frames  # failures come last
    assert [number_of(frame.image) for frame in frames] == [frame.index for frame in frames]
    return frames, [item for item in items if isinstance(item, Failure)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "libx264"),
        ("a.mkv", "libx264"),
        ("a.flv", "libx264"),
        ("a.ts", "libx264"),
        ("a.webm", "libvpx"),
        ("a.avi", "rawvideo"),
        ("a.mov", "png"),
    ],
)
def test_frames_come_in_order_with_their_times(tmp_path: Path, name: str, codec: str) -> None:
    frames, failures = play(write_video(tmp_path / name, every_40_ms(30), codec=codec))
    assert failures == []
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.time_s for frame in frames] == pytest.approx([ms / 1000 for ms in every_40_ms(30)])
    assert {frame.name for frame in frames} == {name}
    assert all(frame.clip is frames[0].clip for frame in frames)
    for frame in frames:
        assert frame.image.shape == (SIZE[1], SIZE[0], 3)
        assert np.abs(frame.image.astype(int) - level(frame.index)).max() <= 2


@pytest.mark.parametrize(
    ("name", "turned", "aspect", "expected"),
    [
        ("a.mp4", 0, None, Fraction(1)),
        ("a.mp4", 0, Fraction(16, 11), Fraction(16, 11)),
        ("a.mkv", 0, Fraction(4, 3), Fraction(4, 3)),
        ("a.mp4", 1, Fraction(16, 11), Fraction(11, 16)),
        ("a.mp4", 2, Fraction(16, 11), Fraction(16, 11)),
    ],
)
def test_a_clip_says_how_wide_its_pixels_are(
    tmp_path: Path, name: str, turned: int, aspect: Fraction | None, expected: Fraction
) -> None:
    frames, _ = play(write_video(tmp_path / name, every_40_ms(3), turned=turned, aspect=aspect))
    assert frames[0].clip is not None
    assert frames[0].clip.pixel_aspect == expected
    assert frames[0].image.shape == ((SIZE[0], SIZE[1], 3) if turned % 2 else (SIZE[1], SIZE[0], 3))


def test_uneven_times_are_exact(uneven: Path) -> None:
    frames, _ = play(uneven)
    assert [frame.time_s for frame in frames] == [ms / 1000 for ms in UNEVEN_MS]


def test_time_begins_with_the_video(tmp_path: Path) -> None:
    frames, _ = play(write_video(tmp_path / "a.ts", [5000 + ms for ms in every_40_ms(10)]))
    assert frames[0].time_s == 0
    assert frames[9].time_s == pytest.approx(0.36)


@given(
    every=st.integers(1, 9),
    start_ms=st.one_of(st.just(0), st.sampled_from(UNEVEN_MS), st.integers(0, 3300)),
    duration_ms=st.one_of(st.none(), st.sampled_from(UNEVEN_MS[1:]), st.integers(1, 3300)),
)
@example(every=1, start_ms=100, duration_ms=30)  # 0.1 + 0.03 is more than 0.13
@example(every=2, start_ms=450, duration_ms=None)
def test_what_is_taken(uneven: Path, every: int, start_ms: int, duration_ms: int | None) -> None:
    duration_s = None if duration_ms is None else duration_ms / 1000
    frames, failures = play(uneven, InputOptions(every=every, start_s=start_ms / 1000, duration_s=duration_s))
    end_ms = math.inf if duration_ms is None else start_ms + duration_ms
    wanted = [(number, ms) for number, ms in enumerate(UNEVEN_MS) if start_ms <= ms < end_ms][::every]
    assert [(frame.index, frame.time_s) for frame in frames] == [(number, ms / 1000) for number, ms in wanted]
    assert len(failures) == (start_ms > UNEVEN_MS[-1])
    if frames and frames[0].clip is not None:
        assert frames[0].clip.start_s == frames[0].time_s


@pytest.mark.parametrize(
    ("taking", "length"),
    [
        (ALL, 30),
        (InputOptions(every=4), 8),
        (InputOptions(start_s=0.4), 20),
        (InputOptions(start_s=0.4, duration_s=0.2), 5),
        (InputOptions(every=2, start_s=0.99, duration_s=100), 3),
    ],
)
def test_how_many_will_come_is_told_beforehand(tmp_path: Path, taking: InputOptions, length: int) -> None:
    frames, _ = play(write_video(tmp_path / "a.mp4", every_40_ms(30)), taking)
    assert len(frames) == length
    clip = frames[0].clip
    assert clip is not None
    assert clip.length == length
    assert clip.fps == 25 / taking.every


@pytest.mark.parametrize("audio", [False, True])
def test_a_clip_says_what_it_is(tmp_path: Path, audio: bool) -> None:
    path = write_video(tmp_path / "a.mp4", every_40_ms(5), audio=audio)
    frames, _ = play(path)
    clip = frames[0].clip
    assert clip is not None
    assert (clip.name, clip.index, clip.location, clip.has_audio, clip.is_live) == ("a.mp4", 0, path, audio, False)
    assert clip.time_base < Fraction(1, 500)
    assert Fraction(1, 25) % clip.time_base == 0


def test_a_file_played_again_is_the_same_but_its_clip(uneven: Path) -> None:
    once, again = play(uneven)[0], play(uneven)[0]
    for one, other in zip(once, again, strict=True):
        assert (one.index, one.time_s, one.name) == (other.index, other.time_s, other.name)
        np.testing.assert_array_equal(one.image, other.image)
    assert once[0].clip != again[0].clip


def test_photos_and_videos_share_a_list(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((50, 60, 3), np.uint8))
    write_video(tmp_path / "a.mp4", every_40_ms(3))
    write_video(tmp_path / "c.mkv", every_40_ms(2))
    source = Inputs.from_inputs([str(tmp_path)], taking=InputOptions(crop=(10, 20, 30, 10)))
    items = [item for item in source if isinstance(item, Frame)]
    assert [(item.name, item.index, item.clip is None) for item in items] == [
        *(("a.mp4", 0, False), ("a.mp4", 1, False), ("a.mp4", 2, False)),
        *(("b.png", 1, True), ("c.mkv", 0, False), ("c.mkv", 1, False)),
    ]
    assert {item.image.shape for item in items} == {(10, 30, 3)}
    assert {item.clip.index for item in items if item.clip} == {0, 2}


def test_what_is_refused_is_not_opened(uneven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos, "open_video", lambda location: pytest.fail("opened"))
    refusal = InputError("no")
    assert list(Inputs.from_inputs([str(uneven)]).refusing(lambda entry: refusal)) == [
        Failure("uneven.mp4", 0, refusal)
    ]
    assert list(Inputs.from_inputs([str(uneven)]).without(lambda entry: entry.is_video)) == []


def test_the_crop_is_of_the_upright_picture(tmp_path: Path) -> None:
    picture = np.full((48, 64, 3), 30, np.uint8)
    picture[:16, 48:] = 220  # the upper right corner: the upper left one, when it is turned anticlockwise
    path = write_video(tmp_path / "a.mp4", [0, 40], turned=1, pictures=[picture] * 2)
    for crop, grey, hw in (((0, 0, 16, 16), 220, (16, 16)), ((16, 16, 40, 60), 30, (48, 32))):
        first, _ = Inputs.from_inputs([str(path)], taking=InputOptions(crop=crop))
        assert isinstance(first, Frame)
        assert first.image.shape[:2] == hw
        assert np.abs(first.image.astype(int) - grey).mean() < 8


def test_a_crop_that_is_not_in_the_video_is_one_failure(uneven: Path) -> None:
    [failure] = Inputs.from_inputs([str(uneven)], taking=InputOptions(crop=(64, 0, 5, 5)))
    assert isinstance(failure, Failure)
    assert f"{uneven}: --crop 64,0,5,5 is outside the picture, 64 x 48 px" in str(failure.error)


def test_pictures_are_made_on_any_thread(uneven: Path) -> None:
    readers = list(Inputs.from_inputs([str(uneven)]).readers())
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda read: read(), readers))
    for item, alone in zip(together, play(uneven)[0], strict=True):
        assert isinstance(item, Frame)
        np.testing.assert_array_equal(item.image, alone.image)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """All containers that are opened from now on."""
    containers: list[Any] = []
    opening = av.open

    def listed(*arguments: Any, **settings: Any) -> Any:
        containers.append(opening(*arguments, **settings))
        return containers[-1]

    monkeypatch.setattr(av, "open", listed)
    return containers


def is_open(container: Any) -> bool:
    return len(container.streams) > 0


@pytest.mark.parametrize("taken", [1, 5, None])
def test_a_video_is_open_only_while_it_is_read(uneven: Path, opened: list[Any], taken: int | None) -> None:
    readers = Inputs.from_inputs([str(uneven)]).readers()
    assert opened == []
    for _, _ in zip(range(taken or 999), readers, strict=False):
        assert [is_open(container) for container in opened] == [True]
    if taken is not None:
        readers.close()  # type: ignore[attr-defined]
    assert [is_open(container) for container in opened] == [False]


def test_a_video_is_closed_when_nobody_reads_on(uneven: Path, opened: list[Any]) -> None:
    def first(frames: Iterator[Frame | Failure]) -> Frame | Failure:
        return next(frames)

    first(iter(Inputs.from_inputs([str(uneven)])))
    gc.collect()
    assert [is_open(container) for container in opened] == [False]


def test_decoding_waits_until_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[weakref.ref[Any]] = []
    demuxed = []
    playback = videos.Playback
    expect = playback._expect
    monkeypatch.setattr(playback, "_expect", lambda self, packet: (demuxed.append(1), expect(self, packet)))
    frames = iter(Inputs.from_inputs([str(write_video(tmp_path / "a.mp4", every_40_ms(40), codec="mpeg4"))]))
    for asked in range(1, 11):
        item = next(frames)
        assert isinstance(item, Frame)
        shown.append(weakref.ref(item.image))
        assert len(demuxed) <= asked + 24  # as many as FFmpeg has threads, and some
        del item
    assert [image() for image in shown] == [None] * len(shown)  # no picture outlives its use


def test_frames_that_are_not_taken_are_not_made_pictures(uneven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    to_rgb = videos.to_rgb
    monkeypatch.setattr(videos, "to_rgb", lambda frame: (made.append(1), to_rgb(frame))[1])
    frames, _ = play(uneven, InputOptions(every=7, start_s=0.1))
    assert len(made) == len(frames) == 3


def test_a_frame_that_cannot_be_made_a_picture_is_a_failure(uneven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhaust(frame: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(videos, "to_rgb", exhaust)
    items = list(Inputs.from_inputs([str(uneven)], taking=InputOptions(every=10)))
    assert [(type(item), item.index) for item in items] == [(Failure, 0), (Failure, 10)]
    assert isinstance(items[1], Failure)
    assert "uneven.mp4: frame 10 cannot be made a picture (no memory left); convert it" in str(items[1].error)


def test_without_ffmpeg_photos_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((50, 60, 3), np.uint8))
    (tmp_path / "a.mp4").touch()
    monkeypatch.delitem(sys.modules, "posecli.sources.videos")
    monkeypatch.delitem(sys.modules, "posecli.pyav")
    monkeypatch.setitem(sys.modules, "av", None)
    failure, photo = Inputs.from_inputs([str(tmp_path)])
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, MissingDependencyError)
    assert isinstance(photo, Frame)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("humans_mot.mp4", 24),
        ("one-by-one-person-detection.mp4", 1394),
        ("pose_squats.mp4", 65),
        ("wave.mp4", 517),
    ],
)
def test_real_videos_have_all_their_frames(shared: Path, name: str, count: int) -> None:
    source = Inputs.from_inputs([str(shared / "videos" / name)], taking=InputOptions(every=40))
    items = list(source)
    assert [item.index for item in items] == list(range(0, count, 40))
    assert isinstance(items[0], Frame)
    assert isinstance(items[0].clip, Clip)
    assert items[0].clip.length == len(items)
