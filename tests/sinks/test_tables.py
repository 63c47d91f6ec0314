import csv
from pathlib import Path

import numpy as np
import pytest

from frame_makers import MakeClip, MakeFrame, MakePoses
from posecli.errors import InputError
from posecli.poses import Poses
from posecli.sinks import FrameOutputError
from posecli.sinks.tables import CsvSink, CsvWideSink
from posecli.skeleton import PARTS
from posecli.sources import Failure


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_per_part(tmp_path: Path, make_frame: MakeFrame, make_poses: MakePoses) -> None:
    path = tmp_path / "out.csv"
    with CsvSink(str(path)) as sink:
        sink.write(make_frame("a.jpg", 0), make_poses(2))
        sink.write(make_frame("nobody.jpg", 1), Poses.empty())
        sink.fail(Failure("bad.jpg", 2, InputError("bad.jpg: no")))
        sink.write(make_frame('c "d", e\n.jpg', 3, time_s=1.5), make_poses(1, ids=[7]))
    text = path.read_bytes()
    assert b"\r" not in text
    assert text.splitlines()[0] == b"frame,name,time_s,pose,id,part,x,y,score,pose_score"
    assert text.splitlines()[2] == b"0,a.jpg,,0,,left_eye,1.123,2.0,0.0625,0.9"
    read = rows(path)
    assert len(read) == 3 * 17
    assert [row["part"] for row in read] == [*PARTS] * 3
    assert [row["pose"] for row in read] == ["0"] * 17 + ["1"] * 17 + ["0"] * 17
    assert list(read[-1].values())[:5] == ["3", 'c "d", e\n.jpg', "1.5", "0", "7"]


def test_one_row_per_pose(tmp_path: Path, make_frame: MakeFrame, make_poses: MakePoses) -> None:
    path = tmp_path / "out.csv"
    with CsvWideSink(str(path), 0.2) as sink:
        sink.write(make_frame("a.jpg", 5), make_poses(2))
        sink.write(make_frame("b.jpg", 6), make_poses(1, ids=[7]))
    first, second, third = rows(path)
    assert list(first)[:10] == ["frame", "name", "time_s", "pose", "id", "score", "box_x", "box_y", "box_w", "box_h"]
    assert list(first)[10:] == [f"{part}_{value}" for part in PARTS for value in ("x", "y", "score")]
    assert list(first.values())[:10] == ["5", "a.jpg", "", "0", "", "0.9", "4.123", "8.0", "12.0", "24.0"]
    assert (first["left_eye_x"], first["left_eye_y"], first["left_eye_score"]) == ("1.123", "2.0", "0.0625")
    assert (second["pose"], second["right_ankle_x"], second["score"]) == ("1", "26.123", "0.5")
    assert third["id"] == "7"


def test_frames_of_videos(tmp_path: Path, make_clip: MakeClip, make_frame: MakeFrame, make_poses: MakePoses) -> None:
    clip = make_clip()
    with CsvSink(str(tmp_path / "a.csv")) as tidy, CsvWideSink(str(tmp_path / "b.csv"), 0.2) as wide:
        for number in (0, 5):
            for sink in (tidy, wide):
                sink.write(make_frame("clip.mp4", number, number / 30, clip=clip), make_poses(1, ids=[3]))
    for name in ("a.csv", "b.csv"):
        found = {tuple(row.values())[:5] for row in rows(tmp_path / name)}
        assert found == {("0", "clip.mp4", "0.0", "0", "3"), ("5", "clip.mp4", "0.166667", "0", "3")}


def test_both_hold_the_same_numbers(tmp_path: Path, make_frame: MakeFrame, make_poses: MakePoses) -> None:
    tidy, wide = tmp_path / "tidy.csv", tmp_path / "wide.csv"
    with CsvSink(str(tidy)) as a, CsvWideSink(str(wide), 0.2) as b:
        for sink in (a, b):
            sink.write(make_frame(), make_poses(3))
    wide_rows = rows(wide)
    for row in rows(tidy):
        pose, part = wide_rows[int(row["pose"])], row["part"]
        assert [row[key] for key in ("x", "y", "score")] == [pose[f"{part}_{key}"] for key in ("x", "y", "score")]
        assert row["pose_score"] == pose["score"]


def test_the_header_is_always_there(tmp_path: Path) -> None:
    for sink in (CsvSink(str(tmp_path / "a.csv")), CsvWideSink(str(tmp_path / "b.csv"), 0.2)):
        with sink:
            pass
    assert (tmp_path / "a.csv").read_text().startswith("frame,name")
    assert (tmp_path / "b.csv").read_text().startswith("frame,name")


def test_numbers_that_are_none_are_refused(tmp_path: Path, make_frame: MakeFrame, make_poses: MakePoses) -> None:
    bad = make_poses()
    bad.scores[0] = np.nan
    with CsvSink(str(tmp_path / "a.csv")) as sink, pytest.raises(FrameOutputError):
        sink.write(make_frame(), bad)
