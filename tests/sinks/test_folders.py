import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from frame_makers import MakeClip, MakeFrame, MakePoses
from posecli.errors import OutputError, UsageError
from posecli.poses import Poses
from posecli.sinks import FrameOutputError
from posecli.sinks.folders import OpenPoseSink, YoloPoseSink
from posecli.skeleton import PART_INDEX
from posecli.sources import Input

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
    sink.plan([Input("a.jpg", 0, Path("a.jpg")), Input("b/a.jpg", 1, Path("b/a.jpg"))])
    with pytest.raises(UsageError, match=r"a.jpg and a.png would both be written to"):
        sink.plan([Input("a.jpg", 0, Path("a.jpg")), Input("a.png", 1, Path("a.png"))])


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


def test_a_file_for_each_frame_of_a_video(
    tmp_path: Path, make_clip: MakeClip, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    clip = make_clip("sub/clip.mp4")
    frames = [make_frame("sub/clip.mp4", index, index / 30, clip=clip) for index in (0, 12, 1_234_567)]
    with OpenPoseSink(tmp_path / "openpose", 0.2) as openpose, YoloPoseSink(tmp_path / "yolo", 0.2) as yolo:
        for frame in frames:
            openpose.write(frame, make_poses(1, ids=[7]))
            yolo.write(frame, make_poses(1, ids=[7]))
    assert sorted(path.name for path in (tmp_path / "openpose" / "sub").iterdir()) == [
        *("clip_000000000000_keypoints.json", "clip_000000000012_keypoints.json", "clip_000001234567_keypoints.json")
    ]
    labels = sorted((tmp_path / "yolo" / "sub").iterdir())
    assert [path.name for path in labels] == ["clip_000000.txt", "clip_000012.txt", "clip_1234567.txt"]
    fields(labels[0].read_text())  # as many as Ultralytics takes: no identity
    people = json.loads((tmp_path / "openpose" / "sub" / "clip_000000000012_keypoints.json").read_text())["people"]
    assert people[0]["person_id"] == [7]


@pytest.mark.parametrize("kind", [OpenPoseSink, YoloPoseSink])
def test_frames_of_videos_must_not_share_files_with_others(
    tmp_path: Path, kind: type[OpenPoseSink | YoloPoseSink]
) -> None:
    def plan(*names: str) -> None:
        kind(tmp_path, 0.2).plan([Input(name, index, Path("in", name)) for index, name in enumerate(names)])

    frame = f"clip_{'0' * kind.digits}"
    plan(
        "clip.mp4", "clip.jpg", "clip_12.jpg", "x/clip.mov", f"y/{frame}.jpg", f"{frame}_2.jpg", "clip_²²²²²²²²²²²².jpg"
    )
    plan(f"{frame}.jpg", f"{frame[:-1]}1.jpg")
    with pytest.raises(UsageError, match=r"in.clip.mp4 and in.clip.mov would both be written to .*clip_#+"):
        plan("clip.mp4", "clip.mov")
    for name in (f"{frame}.jpg", f"{frame}0.png"):
        with pytest.raises(UsageError, match=rf"in.clip.mp4 and in.{name} would both be written to .*clip_#+"):
            plan("clip.mp4", name)
