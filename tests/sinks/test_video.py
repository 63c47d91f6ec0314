from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from posecli.errors import InputError, OutputError, UsageError
from posecli.options import Codec, VideoOptions
from posecli.poses import Poses
from posecli.pyav import av
from posecli.sinks import FrameOutputError
from posecli.sinks.encoding import VideoWriter
from posecli.sinks.video import VideoSink
from posecli.sources import Failure, Frame, Input
from video_sink_parts import brighter, clip, frames, video_sink
from written_videos import Image, beeps, flat, look, make_source

NOBODY = Poses.empty()
HW = (48, 64)


@pytest.mark.parametrize(
    ("name", "codec", "expected"),
    [
        ("a.mov", "h264", "a.mp4"),
        ("sub/b.c.MKV", "av1", "sub/b.c.mp4"),
        ("live.m3u8", "h264", "live.mp4"),
        ("cam v1.2", "h264", "cam v1.2.mp4"),
        ("a.mp4", "gif", "a.gif"),
    ],
)
def test_a_video_for_each_clip(tmp_path: Path, name: str, codec: Codec, expected: str) -> None:
    with video_sink(tmp_path / "out", codec=codec) as sink:
        for frame in frames(clip(name), 5):
            sink.write(frame, NOBODY)
        assert sink.path_for(name) == tmp_path / "out" / expected
    [path] = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert path == tmp_path / "out" / expected
    written = look(path)
    assert written.times == pytest.approx([number / 25 for number in range(5)])
    assert [round(float(image.mean())) for image in written.images] == pytest.approx([50, 60, 70, 80, 90], abs=3)


def test_a_video_is_complete_when_the_next_begins(tmp_path: Path) -> None:
    first, second = clip("a.mov"), clip("b.mov", 1)
    with video_sink(tmp_path) as sink:
        for frame in (*frames(first, 3), *frames(second, 1)):
            sink.write(frame, NOBODY)
        assert len(look(tmp_path / "a.mp4").images) == 3
        assert not (tmp_path / "b.mp4").exists()
    assert len(look(tmp_path / "b.mp4").images) == 1


def test_the_same_input_twice_is_two_clips(tmp_path: Path) -> None:
    with video_sink(tmp_path) as sink:
        for frame in (*frames(clip(), 3), *frames(clip(), 2)):
            sink.write(frame, NOBODY)
    assert len(look(tmp_path / "a.mp4").images) == 2


def test_frames_are_drawn_in_any_order_and_encoded_in_theirs(tmp_path: Path) -> None:
    with video_sink(tmp_path) as sink:
        puts = [sink.prepare(frame, NOBODY) for frame in reversed(list(frames(clip(), 4)))]
        assert list(tmp_path.iterdir()) == []
        for put in reversed(puts):
            put()
    means = [float(image.mean()) for image in look(tmp_path / "a.mp4").images]
    assert means == pytest.approx([50, 60, 70, 80], abs=3)


def test_a_stream_that_changes_its_size_keeps_the_first(tmp_path: Path) -> None:
    of = clip()
    with video_sink(tmp_path) as sink:
        for number, hw in enumerate([HW, (96, 128), (25, 35)]):
            sink.write(Frame(flat(100, hw), number, number / 25, of.name, of), NOBODY)
    assert {image.shape for image in look(tmp_path / "a.mp4").images} == {(*HW, 3)}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_ends_the_work_the_video_is_whole(tmp_path: Path, error: type[BaseException]) -> None:
    def work() -> None:
        with video_sink(tmp_path) as sink:
            for frame in frames(clip(), 6):
                sink.write(frame, NOBODY)
            raise error

    with pytest.raises(error):
        work()
    assert len(look(tmp_path / "a.mp4").images) == 6
    assert len(list(tmp_path.iterdir())) == 1


def test_where_nothing_was_written_the_older_video_stays(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), video_sink(tmp_path):
        raise KeyboardInterrupt
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_a_frame_that_fails_does_not_end_its_video_but_the_next_input_does(tmp_path: Path) -> None:
    of = clip()
    first, second = frames(of, 2)
    with video_sink(tmp_path) as sink:
        sink.write(first, NOBODY)
        sink.fail(Failure(of.name, 1, InputError("frame 1: damaged")))
        sink.write(second, NOBODY)
        assert list(tmp_path.glob("*.mp4")) == []
        sink.fail(Failure("gone.mov", 1, InputError("gone.mov: no such file")))
        assert len(look(tmp_path / "a.mp4").images) == 2


def test_what_exists_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    with video_sink(tmp_path, "overwrite") as sink:
        assert sink.is_done("a.mov")
        assert sink.refusal("a.mov") is None
        for frame in frames(clip(), 2):
            sink.write(frame, NOBODY)
        assert (tmp_path / "a.mp4").read_bytes() == b"old"
    assert len(look(tmp_path / "a.mp4").images) == 2


def test_what_exists_is_skipped_and_not_drawn(tmp_path: Path) -> None:
    def refuse(frame: Frame, poses: Poses) -> Image:
        raise AssertionError

    (tmp_path / "a.mp4").write_bytes(b"old")
    with VideoSink(tmp_path, refuse, VideoOptions(), "skip") as sink:
        for frame in frames(clip(), 2):
            sink.write(frame, NOBODY)
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_what_exists_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    with video_sink(tmp_path, "error") as sink:
        assert "a.mp4: exists already; use --exists overwrite or skip" in str(sink.refusal("a.mov"))
        assert sink.refusal("b.mov") is None
        with pytest.raises(FrameOutputError, match=r"a.mp4: exists already"):
            sink.write(next(frames(clip(), 1)), NOBODY)
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


@pytest.mark.parametrize("exists", ["skip", "error"])
def test_one_decision_for_all_frames_of_a_clip(tmp_path: Path, exists: Any) -> None:
    """A file that appears in the middle of a clip does not leave the video without the frames that follow."""
    first, second = frames(clip(), 2)
    with video_sink(tmp_path, exists) as sink:
        sink.write(first, NOBODY)
        (tmp_path / "a.mp4").write_bytes(b"new")
        sink.write(second, NOBODY)
    assert len(look(tmp_path / "a.mp4").images) == 2


def entries(*names: str, folder: Path = Path("in")) -> list[Input]:
    return [Input(name, index, folder / name) for index, name in enumerate(names)]


def test_two_inputs_must_not_share_a_video(tmp_path: Path) -> None:
    video_sink(tmp_path).plan(entries("a.mp4", "b/a.mp4"))
    with pytest.raises(UsageError, match=r"in.a.mp4 and in.a.mov would both be written to .*a.mp4; rename one"):
        video_sink(tmp_path).plan(entries("a.mp4", "a.mov"))


def test_an_input_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UsageError, match=r"a.mp4: writing it would overwrite an input; choose another output folder"):
        video_sink(tmp_path, "overwrite").plan(entries("a.mp4", folder=tmp_path))
    (tmp_path / "b.mov").touch()
    (tmp_path / "b.mp4").touch()
    with pytest.raises(UsageError, match=r"b.mp4 is there already and may be an original"):
        video_sink(tmp_path).plan(entries("b.mov", folder=tmp_path))


def test_what_a_video_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"in.a.mp4: a video cannot be transparent; use --background black"):
        VideoSink(tmp_path, brighter, VideoOptions(), needs_alpha=True).plan(entries("a.mp4"))
    with video_sink(tmp_path) as sink, pytest.raises(FrameOutputError, match=r"a.jpg: a photo, which a video has no"):
        sink.write(Frame(flat(1), 0, None, "a.jpg"), NOBODY)


def test_a_disk_that_is_full_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: VideoWriter, frame: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VideoWriter, "_encode", full)
    with (
        video_sink(tmp_path) as sink,
        pytest.raises(OutputError, match=r"a.mp4: cannot be written \(No space") as caught,
    ):
        sink.write(next(frames(clip(), 1)), NOBODY)
    assert not isinstance(caught.value, FrameOutputError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "audio", "expected"),
    [
        ({"has_audio": True}, True, "aac"),
        ({"has_audio": True}, False, None),
        ({"has_audio": False}, True, None),
        ({"has_audio": True, "is_live": True}, True, None),
        ({"has_audio": True, "location": 0}, True, None),
    ],
)
def test_sound_goes_along(tmp_path: Path, fields: dict[str, Any], audio: bool, expected: str | None) -> None:
    source = make_source(tmp_path / "in.mp4", [flat(1)] * 25, sound=beeps(1, [0.5]))
    of = clip("in.mp4", **{"location": source, **fields})
    with video_sink(tmp_path / "out", audio=audio) as sink:
        for frame in frames(of, 5):
            sink.write(frame, NOBODY)
    assert look(tmp_path / "out" / "in.mp4").sound == expected


def test_a_picture_that_no_encoder_takes_costs_its_own_video_only(tmp_path: Path) -> None:
    large, other = clip("large.mov"), clip("b.mov", 1)
    with video_sink(tmp_path) as sink:
        puts = [sink.prepare(Frame(flat(0, (8, 17_000)), n, n / 25, large.name, large), NOBODY) for n in range(2)]
        with pytest.raises(FrameOutputError, match=r"large.mp4: libx264 cannot encode 17000x8 px; use another --codec"):
            puts[0]()
        puts[1]()  # said once
        sink.write(Frame(flat(0, (8, 17_000)), 2, 0.08, large.name, large), NOBODY)
        for frame in frames(other, 3):
            sink.write(frame, NOBODY)
    assert [path.name for path in tmp_path.iterdir()] == ["b.mp4"]
    assert len(look(tmp_path / "b.mp4").images) == 3


@pytest.mark.parametrize("codec", ["h264", "vp9"])
def test_pixels_that_are_not_square_stay_so(tmp_path: Path, codec: Codec) -> None:
    wide = clip(pixel_aspect=Fraction(16, 11))
    with video_sink(tmp_path, codec=codec) as sink:
        for frame in frames(wide, 2):
            sink.write(frame, NOBODY)
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height) == (64, 48)
        assert stream.sample_aspect_ratio == Fraction(16, 11)


@pytest.mark.parametrize(("aspect", "size"), [(Fraction(16, 11), (93, 48)), (Fraction(1, 2), (32, 48))])
def test_pixels_of_a_gif_become_square(tmp_path: Path, aspect: Fraction, size: tuple[int, int]) -> None:
    of = clip(pixel_aspect=aspect)
    with video_sink(tmp_path, codec="gif") as sink:
        for frame in frames(of, 2):
            sink.write(frame, NOBODY)
        sink.write(Frame(flat(100, (96, 128)), 2, 0.08, of.name, of), NOBODY)
    images = look(tmp_path / "a.gif").images
    assert [(image.shape[1], image.shape[0]) for image in images] == [size] * 3
    assert images[2].min() > 80  # the same shape needs no bars
