"""Videos on the command line: in beside photos, out with skeletons, and as data with ids and times."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from posecli.cli import app
from posecli.errors import PosecliWarning
from posecli.pyav import av
from posecli.sinks import video
from posecli.sinks.video import VideoSink
from video_files import every_40_ms, write_video

SMALL = ("--size", "193", "--threads", "1", "--backend", "torch")
FRAMES = 8


@pytest.fixture
def photo(examples: Path) -> NDArray[np.uint8]:
    """Two people, (H, W, 3) RGB."""
    image = cv2.imread(str(examples / "two-pioneers.jpg"))
    return np.ascontiguousarray(cv2.resize(image, (256, 192))[:, :, ::-1])


@pytest.fixture
def folder(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """A photo, and a video in which the camera pans over it, with sound."""
    folder = tmp_path / "in"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.jpg"), photo[:, :, ::-1])
    pictures = [np.roll(photo, 2 * number, axis=1) for number in range(FRAMES)]
    write_video(folder / "clip.mp4", every_40_ms(FRAMES), size=(256, 192), pictures=pictures, audio=True)
    return folder


def run(*words: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == exit_code, result.output
    return result.stderr


def frames_of(path: Path) -> list[dict]:
    return json.loads(path.read_text())["frames"]


def test_photos_become_pictures_and_videos_videos_with_ids_in_the_poses(folder: Path, tmp_path: Path) -> None:
    talk = run("annotate", folder, "-o", tmp_path / "out", "--poses", tmp_path / "p.json", *SMALL)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "clip.mp4"]
    assert f"{FRAMES + 1} frames" in talk
    assert "on torch float32" in talk
    with av.open(str(tmp_path / "out/clip.mp4")) as video:
        assert {stream.type for stream in video.streams} == {"video", "audio"}
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    with av.open(str(folder / "clip.mp4")) as video:
        originals = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(pictures) == FRAMES
    changed = [np.abs(a.astype(int) - b).max(axis=2) > 60 for a, b in zip(pictures, originals, strict=True)]
    assert min(each.sum() for each in changed) > 200  # skeletons on each
    photo, *clip = frames_of(tmp_path / "p.json")
    assert (photo["name"], photo["time_s"]) == ("a.jpg", None)
    assert {pose["id"] for pose in photo["poses"]} == {None}
    assert [(frame["name"], frame["index"]) for frame in clip] == [("clip.mp4", i) for i in range(FRAMES)]
    assert [frame["time_s"] for frame in clip] == pytest.approx([0.04 * i for i in range(FRAMES)])
    ids = [{pose["id"] for pose in frame["poses"]} for frame in clip]
    assert ids[0]
    assert None not in set.union(*ids)
    assert set.intersection(*ids)  # somebody is followed all the way


def test_parts_of_a_video(folder: Path, tmp_path: Path) -> None:
    words = ("--every", 2, "--start", "0.08", "--duration", "0.16", "--crop", "0,0,128,192")
    run("export", folder / "clip.mp4", *words, "-o", tmp_path / "p.json", *SMALL)
    frames = frames_of(tmp_path / "p.json")
    assert [frame["time_s"] for frame in frames] == pytest.approx([0.08, 0.16])
    assert {(frame["width"], frame["height"]) for frame in frames} == {(128, 192)}


def test_smoothing_moves_the_parts_and_needs_ids(folder: Path, tmp_path: Path) -> None:
    run("export", folder / "clip.mp4", "-o", tmp_path / "raw.json", *SMALL)
    run("export", folder / "clip.mp4", "-o", tmp_path / "smooth.json", "--smooth", *SMALL)
    raw, smooth = (frames_of(tmp_path / f"{name}.json") for name in ("raw", "smooth"))
    assert raw[0]["poses"] == smooth[0]["poses"]
    assert raw[3]["poses"] != smooth[3]["poses"]
    assert json.loads((tmp_path / "smooth.json").read_text())["options"]["smooth"] is True
    run("export", folder / "clip.mp4", "--no-track", "-o", tmp_path / "plain.json", *SMALL)
    assert all(pose["id"] is None for frame in frames_of(tmp_path / "plain.json") for pose in frame["poses"])
    assert "--smooth needs to know who is who" in run("export", folder, "--smooth", "--no-track", exit_code=2)


def test_a_video_that_is_cut_off_is_done_as_far_as_it_goes(folder: Path, tmp_path: Path) -> None:
    pictures = list(np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), dtype=np.uint8))  # large, coded
    path = tmp_path / "whole.mp4"
    write_video(path, every_40_ms(30), key_every=5, container={"movflags": "+faststart"}, pictures=pictures)
    whole = path.read_bytes()
    (folder / "clip.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    talk = run("annotate", folder, "-o", tmp_path / "out", "--poses", tmp_path / "p.jsonl", *SMALL, exit_code=1)
    assert "clip.mp4" in talk
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    done = [line for line in lines if "poses" in line and line["name"] == "clip.mp4"]
    assert 5 < len(done) < 30
    assert "error" in lines[-1]
    with av.open(str(tmp_path / "out/clip.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == len(done)


def test_photos_alone_load_no_ffmpeg(folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from posecli.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "print([name for name in ('av', 'scipy.optimize') if name in sys.modules])"
    )
    words = ("annotate", folder / "a.jpg", "-o", tmp_path / "out", *SMALL)
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--codec", "h265"), "--codec must be one of"),
        (("--crf", "99"), "--crf must lie between"),
        (("--every", "0"), "--every must be at least 1"),
        (("--start", "soon"), "--start must be a time"),
    ],
)
def test_wrong_options_are_one_line(folder: Path, words: tuple[str, ...], message: str) -> None:
    talk = run("annotate", folder, *words, exit_code=2)
    assert message in talk
    assert len(talk.splitlines()) == 1


def test_what_a_sink_warns_of_is_one_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Complaining(VideoSink):
        def finish(self) -> None:
            warnings.warn("the sound is damaged", PosecliWarning, stacklevel=1)
            super().finish()

    monkeypatch.setattr(video, "VideoSink", Complaining)
    talk = run("annotate", folder / "clip.mp4", "-o", tmp_path / "out", *SMALL)
    assert "warning: the sound is damaged" in talk.splitlines()
    assert "test_videos.py" not in talk
    assert "damaged" not in run("annotate", folder / "clip.mp4", "-o", tmp_path / "out", "--quiet", *SMALL)
