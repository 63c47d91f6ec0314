"""What `-o` of `annotate` names."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from posecli.cli import app
from posecli.cli.targets import Target, codec_for, target_of
from posecli.errors import UsageError
from posecli.opencv import cv2
from posecli.pyav import av
from posecli.sources import Inputs
from video_files import every_40_ms, write_video

SMALL = ("--size", "161", "--threads", "1", "--backend", "torch", "--quiet")
FRAMES = 5


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    cv2.imwrite(str(path), np.full((96, 128, 3), 90, np.uint8))
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    write_video(path, every_40_ms(FRAMES), size=(128, 96))
    return path


def annotate(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["annotate", *map(str, words), *SMALL])
    return result.exit_code, result.stderr


def frames_of(path: Path) -> tuple[str, int]:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.name, sum(1 for _ in container.decode(video=0))


def test_a_video_becomes_the_file_that_is_named_and_again(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.mp4"
    for _ in range(2):
        assert annotate(video, "-o", out) == (0, "")
        assert frames_of(out) == ("h264", FRAMES)
        assert [path.name for path in out.parent.iterdir()] == ["out.mp4"]


def test_a_gif_is_asked_for_by_its_name(video: Path, tmp_path: Path) -> None:
    assert annotate(video, "-o", tmp_path / "out.GIF") == (0, "")
    assert (tmp_path / "out.GIF").read_bytes()[:3] == b"GIF"


def test_a_photo_takes_the_format_of_the_name(photo: Path, tmp_path: Path) -> None:
    assert annotate(photo, "-o", tmp_path / "out.png") == (0, "")
    assert (tmp_path / "out.png").read_bytes()[1:4] == b"PNG"


def test_an_input_is_never_replaced(video: Path) -> None:
    before = video.read_bytes()
    code, words = annotate(video, "-o", video)
    assert code == 2
    assert "overwrite an input" in words
    assert video.read_bytes() == before


def test_an_input_is_never_taken_for_the_result(video: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(video.read_bytes())
    before = other.read_bytes()
    code, words = annotate(str(tmp_path / "*.mp4"), "-o", other)
    assert (code, "one file for 2 inputs" in words) == (2, True)
    assert other.read_bytes() == before


def test_what_is_there_stays_where_that_is_asked_for(video: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"mine")
    assert annotate(video, "-o", tmp_path / "out.mp4", "--exists", "skip")[0] == 0
    code, words = annotate(video, "-o", tmp_path / "out.mp4", "--exists", "error")
    assert (code, "exists already" in words) == (1, True)
    assert (tmp_path / "out.mp4").read_bytes() == b"mine"


def test_a_folder_may_be_called_like_a_file(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out.mp4"
    folder.mkdir()
    assert target_of(folder, Inputs.from_inputs([str(video)]), "png") == Target(folder, None, "png")
    assert codec_for(folder, "vp9") == "vp9"


@pytest.mark.parametrize("name", ["out", "out.v2", "results.2024"])
def test_any_other_name_is_a_folders(name: str, video: Path) -> None:
    assert target_of(Path(name), Inputs.from_inputs([str(video)]), None) == Target(Path(name))


def test_what_a_file_cannot_be(photo: Path, video: Path, tmp_path: Path) -> None:
    one_photo, one_video = Inputs.from_inputs([str(photo)]), Inputs.from_inputs([str(video)])
    with pytest.raises(UsageError, match="one file for 2 inputs; give a folder"):
        target_of(tmp_path / "out.mp4", Inputs.from_inputs([str(photo), str(video)]), None)
    with pytest.raises(UsageError, match=r"a video becomes \.mp4 or \.gif"):
        target_of(tmp_path / "out.webm", one_video, None)
    with pytest.raises(UsageError, match="a photo becomes a picture"):
        target_of(tmp_path / "out.mp4", one_photo, None)
    with pytest.raises(UsageError, match="leave out --image-format"):
        target_of(tmp_path / "out.png", one_photo, "jpg")


@pytest.mark.parametrize(("name", "codec"), [("out.mp4", "gif"), ("out.gif", "h264")])
def test_a_codec_that_contradicts_the_name(name: str, codec: str) -> None:
    with pytest.raises(UsageError, match="does not go with --codec"):
        codec_for(Path(name), codec)


def test_the_codec_of_a_folder_is_h264_unless_asked_for() -> None:
    assert codec_for(Path("out"), None) == "h264"
    assert codec_for(Path("out"), "gif") == "gif"
    assert codec_for(Path("out.mp4"), "av1") == "av1"
