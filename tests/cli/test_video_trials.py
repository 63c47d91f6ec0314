"""Videos as the world has them, through whole commands: turned, uneven, odd, cut off, empty, unfinished."""

import csv
import json
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from posecli.estimate import Estimator
from posecli.pyav import av
from posecli.sinks.encoding import VideoWriter
from posecli.sinks.formats import DATA_FORMATS
from posecli.skeleton import PARTS
from video_files import every_40_ms, write_sound, write_video
from video_trials import PEOPLE_HW, SMALL, Image, command, folder_of, json_lines, panned, people
from written_videos import beeps, hear, look, make_source, onsets

FRAMES = 8
HEIGHT, WIDTH = PEOPLE_HW
SURE = 0.5  # score of parts whose places are compared
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/poses.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def photo(examples: Path) -> Image:
    """Two people."""
    return people(examples)


@pytest.fixture
def clip(tmp_path: Path, photo: Image) -> Path:
    """Two people for FRAMES frames, 40 ms each."""
    return film(tmp_path / "clip.mp4", photo)


def film(path: Path, photo: Image, count: int = FRAMES, **options: Any) -> Path:
    """A video of a photo that moves."""
    height, width = photo.shape[:2]
    return write_video(path, every_40_ms(count), size=(width, height), pictures=panned(photo, count), **options)


def cut_film(path: Path, photo: Image) -> Path:
    """A video that lacks its last third; its index comes first and is whole."""
    data = film(path, photo, 30, container={"movflags": "+faststart"}, key_every=5).read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    return path


def annotated(source: Path, *words: object, exit_code: int = 0) -> tuple[str, list[dict[str, Any]], Path]:
    """Annotate one video; what was said, the lines of poses, and where the result goes."""
    out = source.parent / "out"
    poses = source.parent / "poses.jsonl"
    talk = command("annotate", source, "-o", out, "--poses", poses, *SMALL, *words, exit_code=exit_code).stderr
    return talk, json_lines(poses), out


def sure_parts(line: dict[str, Any]) -> dict[tuple[int, str], tuple[float, float]]:
    """Where the parts of a frame are, by id and name, as far as they are seen well."""
    return {
        (pose["id"], part["part"]): (part["x"], part["y"])
        for pose in line["poses"]
        for part in pose["keypoints"]
        if part["score"] > SURE
    }


# As the world has them


@pytest.mark.parametrize("turned", [1, 2, 3])
def test_a_video_with_rotation_metadata_comes_out_upright(turned: int, tmp_path: Path, photo: Image) -> None:
    upright = panned(photo, FRAMES)
    stored = [np.ascontiguousarray(np.rot90(picture, -turned)) for picture in upright]
    height, width = stored[0].shape[:2]
    (tmp_path / "plain").mkdir()
    _, plain, _ = annotated(film(tmp_path / "plain/clip.mp4", photo))
    path = tmp_path / "clip.mp4"
    write_video(path, every_40_ms(FRAMES), size=(width, height), pictures=stored, turned=turned)
    _, lines, out = annotated(path)
    assert {(line["height"], line["width"]) for line in lines} == {PEOPLE_HW}
    for line, expected in zip(lines, plain, strict=True):
        found, wanted = sure_parts(line), sure_parts(expected)
        both = found.keys() & wanted.keys()
        assert len(both) > 15
        assert np.abs(np.array([found[key] for key in both]) - [wanted[key] for key in both]).max() < 4
    written = look(out / "clip.mp4")
    assert written.hw == PEOPLE_HW
    assert len(written.images) == FRAMES
    for image, picture in zip(written.images, upright, strict=True):
        assert np.median(np.abs(image.astype(int) - picture)) < 4  # but for the skeletons
    with av.open(str(out / "clip.mp4")) as file:
        assert next(file.decode(video=0)).rotation == 0


def test_frames_that_come_unevenly_keep_their_times(tmp_path: Path, photo: Image) -> None:
    ms = list(accumulate([0, 33, 33, 34, 120, 7, 33, 500, 33, 33, 33]))
    path = tmp_path / "clip.mp4"
    write_video(path, ms, size=(WIDTH, HEIGHT), pictures=panned(photo, len(ms)))
    _, lines, out = annotated(path)
    assert [line["time_s"] for line in lines] == pytest.approx([each / 1000 for each in ms], abs=1e-6)
    assert look(out / "clip.mp4").times == pytest.approx([each / 1000 for each in ms], abs=1e-6)


def test_odd_sides(tmp_path: Path, photo: Image) -> None:
    _, lines, out = annotated(film(tmp_path / "clip.mp4", np.ascontiguousarray(photo[:191, :255])))
    assert {(line["height"], line["width"]) for line in lines} == {(191, 255)}
    assert all(line["poses"] for line in lines)
    written = look(out / "clip.mp4")
    assert (written.hw, len(written.images)) == ((192, 256), FRAMES)


def without_frames(path: Path, **options: str) -> Path:
    """A file that was closed before any picture came."""
    with av.open(str(path), "w", options=options) as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.start_encoding()
    return path


def just_begun(path: Path) -> Path:
    """A recording to which nothing has come yet."""
    return without_frames(path, movflags="empty_moov")


def unfinished(path: Path) -> Path:
    """An MP4 as it is while a program writes it: without its index, which comes last."""
    data = write_video(path, every_40_ms(12)).read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])
    return path


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (just_begun, "clip.mp4", "no frames in it; get a fresh copy of it"),
        (without_frames, "clip.avi", "no frames in it; get a fresh copy of it"),
        (without_frames, "clip.mp4", "no video in it; give a file that has one"),
        (write_sound, "clip.mp4", "only sound in it, no video; give a file that has one"),
        (unfinished, "clip.mp4", "its index (moov) is missing: it is still being written, or was cut off; wait until"),
    ],
)
def test_what_gives_no_frame_is_one_line_and_no_file(
    make: Callable[[Path], Path], name: str, message: str, tmp_path: Path
) -> None:
    path = make(tmp_path / name)
    talk, lines, out = annotated(path, exit_code=1)
    (said,) = [line for line in talk.splitlines() if line.startswith("error: ")]
    assert f"{path}: {message}" in said
    assert "1 failed" in talk
    assert [(line["name"], message in line["error"]) for line in lines] == [(name, True)]
    assert not out.exists() or folder_of(out) == []


@pytest.mark.parametrize(("suffix", "is_told"), [(".mkv", True), (".ts", False)])  # of the latter nobody knows
def test_a_file_that_is_being_written_gives_what_is_there(
    suffix: str, is_told: bool, tmp_path: Path, photo: Image
) -> None:
    path = film(tmp_path / f"clip{suffix}", photo, 60)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    talk, lines, out = annotated(path, exit_code=int(is_told))
    lines = [line for line in lines if "poses" in line]
    assert (f"clip{suffix}: cut off after {len(lines)} frames" in talk) == is_told
    assert 20 < len(lines) < 50
    assert [line["index"] for line in lines] == list(range(len(lines)))
    assert len(look(out / "clip.mp4").images) == len(lines)


def test_a_file_that_grows_gives_what_is_there(tmp_path: Path, photo: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written on while it is read, too; how much of that is seen is up to the two."""
    path, infer = tmp_path / "clip.mp4", Estimator.infer
    pictures = iter(panned(photo, 1000))
    written = 0
    with VideoWriter(path, PEOPLE_HW, time_base=Fraction(1, 1000), fps=25, fragmented=True) as writer:

        def write(count: int) -> None:
            nonlocal written
            for _ in range(count):
                writer.write(writer.prepare(next(pictures)), written / 25)
                written += 1

        def writing_on(self: Estimator, prepared: Any) -> Any:
            write(30)
            monkeypatch.setattr(Estimator, "infer", infer)
            return infer(self, prepared)

        write(90)  # a fragment lasts a second: the last of these frames may not be there yet
        monkeypatch.setattr(Estimator, "infer", writing_on)
        talk, lines, out = annotated(path, "--workers", 0)
    assert written == 120
    assert "warning" not in talk
    assert 50 <= len(lines) <= 120
    assert [line["index"] for line in lines] == list(range(len(lines)))
    assert len(look(out / "clip.mp4").images) == len(lines)


# Many at once


def test_one_batch_of_photos_videos_and_what_is_broken(tmp_path: Path, photo: Image) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.jpg"), photo[:, :, ::-1])
    film(folder / "b.mp4", photo)
    cut_film(folder / "c.mp4", photo)
    (folder / "d.jpg").write_bytes((folder / "a.jpg").read_bytes()[:2000])
    (folder / "e.mp4").write_text("no video")
    film(folder / "f.mov", photo, 5)
    cv2.imwrite(str(folder / "g.png"), photo[:, :, ::-1])
    talk, lines, out = annotated(folder, exit_code=1)

    assert folder_of(out) == ["a.jpg", "b.mp4", "c.mp4", "f.mp4", "g.png"]
    frames = {name: [line for line in lines if line["name"] == name and "poses" in line] for name in folder_of(folder)}
    counts = {name: len(found) for name, found in frames.items()}
    cut = counts.pop("c.mp4")
    assert counts == {"a.jpg": 1, "b.mp4": FRAMES, "d.jpg": 0, "e.mp4": 0, "f.mov": 5, "g.png": 1}
    assert 10 < cut < 30
    for name, count in (("b.mp4", FRAMES), ("c.mp4", cut), ("f.mp4", 5)):
        assert len(look(out / name).images) == count
    errors = [line for line in lines if "error" in line]
    assert [line["name"] for line in errors] == ["c.mp4", "d.jpg", "e.mp4"]
    said = [line for line in talk.splitlines() if line.startswith("error: ")]
    assert len(said) == 3
    for line, name in zip(said, ("c.mp4", "d.jpg", "e.mp4"), strict=True):
        assert name in line
    assert f"cut off after {cut} of 30 frames" in said[0]
    assert f"{1 + FRAMES + cut + 5 + 1} frames" in talk
    assert "3 failed" in talk


# What is taken of a video


def test_parts_of_a_video_are_annotated_with_their_sound(tmp_path: Path, photo: Image) -> None:
    beeping = beeps(2, [0.1, 0.5, 1.5])
    path = make_source(tmp_path / "clip.mp4", panned(photo, 50), sound=beeping)
    words = ("--every", 3, "--start", "0.4", "--duration", "0.8", "--crop", "20,10,200,160")
    _, lines, out = annotated(path, *words)
    assert [line["index"] for line in lines] == list(range(10, 30, 3))
    assert [line["time_s"] for line in lines] == pytest.approx([index / 25 for index in range(10, 30, 3)])
    assert {(line["height"], line["width"]) for line in lines} == {(160, 200)}
    assert all(line["poses"] for line in lines)
    written = look(out / "clip.mp4")
    assert written.times == pytest.approx([0.12 * number for number in range(7)])
    assert written.hw == (160, 200)
    assert onsets(*hear(out / "clip.mp4")) == pytest.approx([0.1], abs=0.02)  # of three beeps, the second


# What is written


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "mpeg4", "gif"])
def test_codecs(codec: str, clip: Path) -> None:
    _, lines, out = annotated(clip, "--codec", codec)
    (name,) = folder_of(out)
    assert name == ("clip.gif" if codec == "gif" else "clip.mp4")
    written = look(out / name)
    assert (written.codec, written.hw) == (codec, PEOPLE_HW)
    assert written.times == pytest.approx([line["time_s"] for line in lines], abs=1e-3)
    assert len(written.times) == FRAMES


def exported(format: str, clip: Path, target: Path) -> Path:
    command("export", clip, "--format", format, "-o", target, *SMALL)
    return target


def by_frame(exported: dict[str, Any]) -> list[tuple[int, float, list[int]]]:
    """Number, time and ids of the frames of a document."""
    return [(frame["index"], frame["time_s"], [pose["id"] for pose in frame["poses"]]) for frame in exported["frames"]]


@pytest.fixture
def document(clip: Path, tmp_path: Path) -> dict[str, Any]:
    """The poses as JSON, which the other formats are held against."""
    return json.loads(exported("json", clip, tmp_path / "reference.json").read_text(encoding="utf-8"))


def test_json_keeps_to_its_schema(document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    frames = by_frame(document)
    assert [(index, time_s) for index, time_s, _ in frames] == [
        (number, pytest.approx(0.04 * number)) for number in range(FRAMES)
    ]
    assert frames[0][2] == frames[-1][2] == [1, 2]
    assert document["options"]["track"] is True


def test_json_lines_are_the_same_frames(clip: Path, document: dict[str, Any], tmp_path: Path) -> None:
    lines = json_lines(exported("jsonl", clip, tmp_path / "poses.jsonl"))
    validator = jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": "#/$defs/line"})
    for line in lines:
        validator.validate(line)
    assert lines == document["frames"]


@pytest.mark.parametrize(("format", "rows"), [("csv", len(PARTS)), ("csv-wide", 1)])
def test_tables_have_a_row_for_each_part_or_person(
    format: str, rows: int, clip: Path, document: dict[str, Any], tmp_path: Path
) -> None:
    with exported(format, clip, tmp_path / "poses.csv").open(encoding="utf-8", newline="") as file:
        table = [(int(row["frame"]), float(row["time_s"]), int(row["id"])) for row in csv.DictReader(file)]
    assert table == [
        (index, time_s, identity) for index, time_s, ids in by_frame(document) for identity in ids for _ in range(rows)
    ]


def test_coco_results_name_frame_and_identity(clip: Path, document: dict[str, Any], tmp_path: Path) -> None:
    results = json.loads(exported("coco", clip, tmp_path / "poses.json").read_text(encoding="utf-8"))
    assert [(result["image_id"], result["track_id"]) for result in results] == [
        (index, identity) for index, _, ids in by_frame(document) for identity in ids
    ]
    assert {len(result["keypoints"]) for result in results} == {3 * len(PARTS)}


def test_openpose_has_a_file_for_each_frame(clip: Path, document: dict[str, Any], tmp_path: Path) -> None:
    folder = exported("openpose", clip, tmp_path / "poses")
    assert folder_of(folder) == [f"clip_{number:012}_keypoints.json" for number in range(FRAMES)]
    for name, (_, _, ids) in zip(folder_of(folder), by_frame(document), strict=True):
        found = json.loads((folder / name).read_text(encoding="utf-8"))["people"]
        assert [person["person_id"] for person in found] == [[identity] for identity in ids]
        assert {len(person["pose_keypoints_2d"]) for person in found} == {75}


def test_yolo_pose_has_a_file_for_each_frame(clip: Path, document: dict[str, Any], tmp_path: Path) -> None:
    folder = exported("yolo-pose", clip, tmp_path / "poses")
    assert folder_of(folder) == [f"clip_{number:06}.txt" for number in range(FRAMES)]
    for name, (_, _, ids) in zip(folder_of(folder), by_frame(document), strict=True):
        labels = (folder / name).read_text(encoding="utf-8").splitlines()
        assert [len(label.split()) for label in labels] == [5 + 3 * len(PARTS)] * len(ids)


def test_no_format_is_left_out() -> None:
    assert set(DATA_FORMATS) == {"json", "jsonl", "csv", "csv-wide", "coco", "openpose", "yolo-pose"}


def test_a_video_is_measured(clip: Path, tmp_path: Path) -> None:
    words = ("-n", FRAMES, "--every", 2, "--json", tmp_path / "bench.json", "--people")
    result = command("bench", clip, *words, *SMALL)
    measured = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert measured["run"]["images"] == FRAMES
    assert measured["inputs"]["pictures"] == FRAMES // 2  # over and over
    assert [row["people"] for row in measured["people"]] == [2]
    assert not measured["inputs"]["packaged"]
    assert "clip.mp4" not in result.stderr  # nothing failed
