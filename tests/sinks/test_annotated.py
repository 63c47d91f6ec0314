from pathlib import Path

import pytest

from posecli.errors import InputError, UsageError
from posecli.opencv import cv2
from posecli.poses import Poses
from posecli.sinks.annotated import AnnotatedSink
from posecli.sinks.images import ImageSink
from posecli.sources import Failure, Frame, Input
from video_sink_parts import brighter, clip, frames, video_sink
from written_videos import flat, look

NOBODY = Poses.empty()


def entries(*names: str, folder: Path = Path("in")) -> list[Input]:
    return [Input(name, index, folder / name) for index, name in enumerate(names)]


@pytest.fixture
def both(tmp_path: Path) -> AnnotatedSink:
    return AnnotatedSink(ImageSink(tmp_path, brighter), video_sink(tmp_path))


def test_photos_become_pictures_and_videos_videos(tmp_path: Path, both: AnnotatedSink) -> None:
    photo = Frame(flat(1), 1, None, "b.png")
    with both:
        for frame in frames(clip(), 3):
            both.prepare(frame, NOBODY)()
        both.write(photo, NOBODY)
        assert len(look(tmp_path / "a.mp4").images) == 3  # it has ended
        both.write(next(frames(clip("c.mov", 2), 1)), NOBODY)
        both.fail(Failure("d.jpg", 3, InputError("d.jpg: bad")))
        assert (tmp_path / "c.mp4").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.png", "c.mp4"]
    video, picture = entries("a.mov", "b.png")
    assert (both.path_for(video), both.path_for(picture)) == (tmp_path / "a.mp4", tmp_path / "b.png")
    assert both.is_done(video)
    assert both.is_done(picture)
    assert not both.is_done(entries("b.mov")[0])


def test_an_interrupted_run_of_both_leaves_whole_files(tmp_path: Path, both: AnnotatedSink) -> None:
    def work() -> None:
        with both:
            for frame in frames(clip(), 3):
                both.write(frame, NOBODY)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(look(tmp_path / "a.mp4").images) == 3


def test_what_exists_of_either_kind_can_be_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.png").touch()
    sink = AnnotatedSink(ImageSink(tmp_path, brighter, exists="error"), video_sink(tmp_path, "error"))
    for entry, name in zip(entries("a.mov", "b.png"), ("a.mp4", "b.png"), strict=True):
        assert f"{name}: exists already" in str(sink.refusal(entry))


@pytest.mark.skipif(not cv2.haveImageWriter("a.gif"), reason="this OpenCV writes no GIF")
def test_a_photo_and_a_video_must_not_share_a_file(tmp_path: Path) -> None:
    sink = AnnotatedSink(ImageSink(tmp_path, brighter, "gif"), video_sink(tmp_path, codec="gif"))
    sink.plan(entries("a.mov", "b.jpg"))
    with pytest.raises(UsageError, match=r"in.a.mov and in.a.jpg would both be written to .*a.gif"):
        sink.plan(entries("a.mov", "a.jpg"))


def test_what_a_run_of_both_must_not_overwrite(tmp_path: Path) -> None:
    for kind in ("photo.jpg", "video.mp4"):
        (tmp_path / kind).touch()
        both = AnnotatedSink(ImageSink(tmp_path, brighter), video_sink(tmp_path))
        with pytest.raises(UsageError, match=f"{kind}: writing it would overwrite an input"):
            both.plan(entries(kind, folder=tmp_path))


def test_photos_alone_need_no_videos(tmp_path: Path) -> None:
    with AnnotatedSink(ImageSink(tmp_path, brighter), None) as sink:
        sink.plan(entries("a.png"))
        sink.write(Frame(flat(1), 0, None, "a.png"), NOBODY)
        sink.fail(Failure("b.jpg", 1, InputError("b.jpg: bad")))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert sink.is_done(entries("a.png")[0])
