import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from frame_makers import MakeFrame, MakePoses
from posecli.errors import OutputError, UsageError
from posecli.poses import Poses
from posecli.sinks import FrameOutputError
from posecli.sinks.folders import OpenPoseSink, YoloPoseSink
from posecli.skeleton import PART_INDEX
from posecli.sources import Still

# As OpenPose's documentation of its output counts them.
BODY_25 = [
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
    *("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel"),
]


def body_25(path: Path) -> dict[str, list[float]]:
    numbers = json.loads(path.read_text())["people"][0]["pose_keypoints_2d"]
    assert len(numbers) == 75
    return {part: numbers[3 * i : 3 * i + 3] for i, part in enumerate(BODY_25)}


def test_openpose(tmp_path: Path, make_frame: MakeFrame, make_poses: MakePoses) -> None:
    with OpenPoseSink(tmp_path / "out", 0.3) as sink:
        sink.write(make_frame("sub/a.b.jpg"), make_poses(2))
        sink.write(make_frame("nobody.jpg"), Poses.empty())
        sink.write(make_frame("tracked.jpg"), make_poses(1, ids=[4]))
    path = tmp_path / "out" / "sub" / "a.b_keypoints.json"
    document = json.loads(path.read_text())
    assert document["version"] == 1.3
    assert len(document["people"]) == 2
    assert list(document["people"][0]) == [
        *("person_id", "pose_keypoints_2d", "face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"),
        *("pose_keypoints_3d", "face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d"),
    ]
    assert list(document["people"][0].values())[2:] == [[]] * 7
    assert document["people"][0]["person_id"] == [-1]
    points = body_25(path)
    for part, index in PART_INDEX.items():
        expected = [index + 0.123, 2 * index, index / 16] if index / 16 >= 0.3 else [0, 0, 0]
        assert points[part] == pytest.approx(expected, abs=0.0006)
    assert points["neck"] == [5.623, 11, 0.3125]  # between the shoulders, 5 and 6; the lower score
    assert points["mid_hip"] == [11.623, 23, 0.6875]
    assert all(points[part] == [0, 0, 0] for part in BODY_25[19:])
    assert json.loads((tmp_path / "out" / "nobody_keypoints.json").read_text()) == {"version": 1.3, "people": []}
    assert json.loads((tmp_path / "out" / "tracked_keypoints.json").read_text())["people"][0]["person_id"] == [4]


def test_openpose_has_no_neck_between_one_shoulder(
    tmp_path: Path, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    with OpenPoseSink(tmp_path, 0.35) as sink:  # the left shoulder scores 5 / 16
        sink.write(make_frame(), make_poses())
    points = body_25(tmp_path / "a_keypoints.json")
    assert points["neck"] == points["left_shoulder"] == [0, 0, 0]
    assert points["right_shoulder"] == [6.123, 12, 0.375]


def fields(line: str) -> tuple[list[float], NDArray[np.float64]]:
    values = [float(value) for value in line.split()]
    assert len(values) == 1 + 4 + 17 * 3
    return values[:5], np.array(values[5:]).reshape(17, 3)


def test_yolo_pose(tmp_path: Path, make_frame: MakeFrame, make_poses: MakePoses) -> None:
    with YoloPoseSink(tmp_path / "out", 0.2) as sink:
        sink.write(make_frame("sub/a.jpg"), make_poses(2))
        sink.write(make_frame("nobody.jpg"), Poses.empty())
    text = (tmp_path / "out" / "sub" / "a.txt").read_text()
    assert (tmp_path / "out" / "nobody.txt").read_text() == ""
    first, second = text.splitlines()
    assert text.endswith("\n")
    assert first.split()[:8] == ["0", "0.126543", "0.333333", "0.150000", "0.400000", "0.000000", "0.000000", "0"]
    box, parts = fields(second)
    assert box == pytest.approx([0, 20.12345 / 80, 20 / 60, 12 / 80, 24 / 60], abs=1e-6)
    shown = np.arange(17) / 16 >= 0.2
    np.testing.assert_array_equal(parts[:, 2], np.where(shown, 2, 0))
    np.testing.assert_allclose(parts[shown, 0], (np.arange(17)[shown] + 10.12345) / 80, atol=1e-6)
    np.testing.assert_allclose(parts[shown, 1], 2 * np.arange(17)[shown] / 60, atol=1e-6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(xy=hnp.arrays(np.float32, (1, 17, 2), elements=st.floats(-1e4, 1e4, width=32)))
def test_yolo_numbers_lie_in_the_image(tmp_path: Path, make_frame: MakeFrame, xy: NDArray[np.float32]) -> None:
    poses = Poses(xy, np.ones((1, 17), np.float32), np.ones(1, np.float32))
    with YoloPoseSink(tmp_path, 0.2) as sink:
        sink.write(make_frame(), poses)
    (_, *box), parts = fields((tmp_path / "a.txt").read_text())
    for values in (np.array(box), parts[:, :2]):
        assert values.min() >= 0
        assert values.max() <= 1


@pytest.mark.parametrize("kind", [OpenPoseSink, YoloPoseSink])
def test_what_a_run_must_not_do(tmp_path: Path, kind: type[OpenPoseSink | YoloPoseSink]) -> None:
    sink = kind(tmp_path, 0.2)
    sink.plan([Still("a.jpg", 0, Path("a.jpg")), Still("b/a.jpg", 1, Path("b/a.jpg"))])
    with pytest.raises(UsageError, match=r"a.jpg and a.png would both be written to"):
        sink.plan([Still("a.jpg", 0, Path("a.jpg")), Still("a.png", 1, Path("a.png"))])


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        OpenPoseSink(tmp_path / "file", 0.2).__enter__()


def test_one_file_that_cannot_be_written_is_one_failure(
    tmp_path: Path, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    with YoloPoseSink(tmp_path, 0.2) as sink:
        (tmp_path / "a.txt").mkdir()
        with pytest.raises(FrameOutputError, match=r"a.txt: cannot be written"):
            sink.write(make_frame("a.jpg"), make_poses())
        sink.write(make_frame("b.jpg"), make_poses())
    assert (tmp_path / "b.txt").is_file()
