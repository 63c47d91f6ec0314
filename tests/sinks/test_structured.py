import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jsonschema import Draft202012Validator, ValidationError

from frame_makers import MakeClip, MakeFrame, MakePoses
from posecli.errors import InputError
from posecli.poses import Poses
from posecli.sinks import FrameOutputError, Header
from posecli.sinks.structured import JsonLinesSink, JsonSink
from posecli.skeleton import PARTS
from posecli.sources import Failure, Frame

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "poses.schema.json").read_text())
DOCUMENT = Draft202012Validator(SCHEMA)
LINE = Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": "#/$defs/line"})
FAILURE = Failure("b.jpg", 1, InputError("b.jpg: the file is empty (0 bytes); get a fresh copy of it"))


def export(path: Path, header: Header, *items: tuple[Frame, Poses] | Failure) -> str:
    with JsonSink(str(path), header, 0.2) as sink:
        for item in items:
            if isinstance(item, Failure):
                sink.fail(item)
            else:
                sink.write(*item)
    return path.read_text()


def strict(text: str) -> Any:
    """Read JSON without Python's additions to it."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_the_document_is_the_contract(
    tmp_path: Path, header: Header, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    frames = [(make_frame("a.jpg", 0), make_poses(2)), (make_frame("c/d.jpg", 2), Poses.empty())]
    document = strict(export(tmp_path / "out.json", header, frames[0], FAILURE, frames[1]))
    DOCUMENT.validate(document)
    assert list(document) == ["schema", "model", "options", "frames", "errors"]
    assert document["schema"] == "posecli/1"
    assert document["model"] == header.model
    assert document["options"] == header.options
    assert document["errors"] == [{"name": "b.jpg", "error": str(FAILURE.error)}]
    first, second = document["frames"]
    assert list(first) == ["name", "index", "time_s", "width", "height", "poses"]
    assert list(first.values())[:5] == ["a.jpg", 0, None, 80, 60]
    assert second == {"name": "c/d.jpg", "index": 2, "time_s": None, "width": 80, "height": 60, "poses": []}
    pose = first["poses"][0]
    assert list(pose) == ["id", "score", "box", "keypoints"]
    assert (pose["id"], pose["score"]) == (None, 0.9)
    assert pose["box"] == [4.123, 8, 12, 24]  # parts 4 (score 0.25) to 16
    assert [keypoint["part"] for keypoint in pose["keypoints"]] == list(PARTS)
    assert pose["keypoints"][1] == {"part": "left_eye", "x": 1.123, "y": 2.0, "score": 0.0625}
    assert list(pose["keypoints"][1]) == ["part", "x", "y", "score"]


def test_one_frame_and_one_error_a_line(
    tmp_path: Path, header: Header, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    item = make_frame(), make_poses(3)
    text = export(tmp_path / "out.json", header, item, item, FAILURE, FAILURE)
    lines = text.splitlines()
    assert [line[:9] for line in lines] == [
        *("{", '"schema":', '"model": ', '"options"', '"frames":', '{"name": ', '{"name": ', "],"),
        *('"errors":', '{"name": ', '{"name": ', "]", "}"),
    ]
    assert text.endswith("}\n")


def test_the_same_poses_give_the_same_bytes(
    tmp_path: Path, header: Header, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    first, second = (export(tmp_path / name, header, (make_frame(), make_poses(2)), FAILURE) for name in "ab")
    assert first == second


def test_identities_and_times(tmp_path: Path, header: Header, make_frame: MakeFrame, make_poses: MakePoses) -> None:
    document = strict(export(tmp_path / "out.json", header, (make_frame(time_s=0.5), make_poses(2, ids=[7, 3]))))
    DOCUMENT.validate(document)
    assert document["frames"][0]["time_s"] == 0.5
    assert [pose["id"] for pose in document["frames"][0]["poses"]] == [7, 3]


def test_frames_of_videos(
    tmp_path: Path, header: Header, make_clip: MakeClip, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    clip = make_clip()
    numbers = (0, 5, 10)
    items = [(make_frame("clip.mp4", n, n / 30 + 1e-9, clip=clip), make_poses(1, ids=[3])) for n in numbers]
    document = strict(export(tmp_path / "out.json", header, *items))
    DOCUMENT.validate(document)
    assert {frame["name"] for frame in document["frames"]} == {"clip.mp4"}
    assert [frame["index"] for frame in document["frames"]] == list(numbers)
    assert [frame["time_s"] for frame in document["frames"]] == [0.0, 0.166667, 0.333333]


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_document_is_valid_and_holds_what_was_finished(
    tmp_path: Path,
    header: Header,
    make_frame: MakeFrame,
    make_poses: MakePoses,
    frames: int,
    error: type[BaseException],
) -> None:
    path = tmp_path / "out.json"

    def work() -> None:
        with JsonSink(str(path), header, 0.2) as sink:
            for index in range(frames):
                sink.write(make_frame(index=index), make_poses())
            raise error

    with pytest.raises(error):
        work()
    document = strict(path.read_text())
    DOCUMENT.validate(document)
    assert len(document["frames"]) == frames


def test_an_interrupted_document_with_an_error_only_is_kept(tmp_path: Path, header: Header) -> None:
    path = tmp_path / "out.json"

    def work() -> None:
        with JsonSink(str(path), header, 0.2) as sink:
            sink.fail(FAILURE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert [error["name"] for error in strict(path.read_text())["errors"]] == ["b.jpg"]


def test_on_stdout_every_document_is_completed(header: Header, capsysbinary: Any) -> None:
    with pytest.raises(KeyboardInterrupt), JsonSink("-", header, 0.2):
        raise KeyboardInterrupt
    DOCUMENT.validate(strict(capsysbinary.readouterr().out))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(
    xy=hnp.arrays(np.float32, (2, 17, 2), elements=st.floats(-(2.0**20), 2.0**20, width=32)),
    part_scores=hnp.arrays(np.float32, (2, 17), elements=st.floats(0, 1, width=32)),
    name=st.text(),
)
def test_any_poses_and_names_make_valid_json_that_reads_back(
    tmp_path: Path, header: Header, make_frame: MakeFrame, xy: Any, part_scores: Any, name: str
) -> None:
    poses = Poses(xy, part_scores, part_scores[:, 0])
    text = export(tmp_path / "out.json", header, (make_frame(name), poses))
    assert text.isascii()
    assert "-0.0," not in text
    document = strict(text)
    DOCUMENT.validate(document)
    [frame] = document["frames"]
    assert frame["name"] == name
    read = [[(keypoint["x"], keypoint["y"]) for keypoint in pose["keypoints"]] for pose in frame["poses"]]
    np.testing.assert_allclose(read, xy, rtol=0, atol=0.00051)
    assert all(round(value, 3) == value for pose in read for point in pose for value in point)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(
    tmp_path: Path, header: Header, make_frame: MakeFrame, make_poses: MakePoses, value: float
) -> None:
    bad = make_poses()
    bad.xy[0, 3, 1] = value
    path = tmp_path / "out.json"
    with JsonSink(str(path), header, 0.2) as sink:
        with pytest.raises(FrameOutputError, match=r"a.jpg: the model found a position that is no number"):
            sink.write(make_frame(), bad)
        sink.write(make_frame("b.jpg"), make_poses())
    assert [frame["name"] for frame in strict(path.read_text())["frames"]] == ["b.jpg"]


def test_lines_are_there_at_once(tmp_path: Path, make_frame: MakeFrame, make_poses: MakePoses) -> None:
    path = tmp_path / "out.jsonl"
    with JsonLinesSink(str(path), 0.2) as sink:
        assert path.read_text() == ""
        sink.write(make_frame(), make_poses())
        assert path.read_text().endswith("\n")
        sink.fail(FAILURE)
        sink.write(make_frame("c.jpg", 2), Poses.empty())
        lines = [strict(line) for line in path.read_text().splitlines()]
    for line in lines:
        LINE.validate(line)
    assert [line["name"] for line in lines] == ["a.jpg", "b.jpg", "c.jpg"]
    assert lines[1] == {"name": "b.jpg", "error": str(FAILURE.error)}


def test_a_line_is_what_the_document_has(
    tmp_path: Path, header: Header, make_frame: MakeFrame, make_poses: MakePoses, capsysbinary: Any
) -> None:
    item = make_frame(), make_poses(2)
    document = export(tmp_path / "out.json", header, item)
    with JsonLinesSink("-", 0.2) as sink:
        sink.write(*item)
    assert capsysbinary.readouterr().out.decode() in document


def test_memory_does_not_grow_with_the_frames(
    tmp_path: Path, header: Header, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    """After each flush of the file's buffer, the sink holds no more than it did: its frames are in the file."""
    frame, poses, sizes = make_frame(), make_poses(), []
    with JsonSink(str(tmp_path / "out.json"), header, 0.2) as sink:
        for _ in range(50):
            sink.write(frame, poses)
            sizes.append(next(tmp_path.iterdir()).stat().st_size)
        assert sizes[-1] > 40 * len(json.dumps(poses.xy.tolist()))
        assert all(earlier <= later for earlier, later in pairwise(sizes))


def spoil(document: Any, *keys: Any, value: Any) -> Any:
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return document


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["schema"], "posecli/2"),
        (["extra"], 1),
        (["model", "extra"], 1),
        (["model", "sha256"], None),
        (["frames", 0, "extra"], 1),
        (["frames", 0, "width"], 0),
        (["frames", 0, "poses", 0, "extra"], 1),
        (["frames", 0, "poses", 0, "box"], [1, 2, 3]),
        (["frames", 0, "poses", 0, "score"], 1.5),
        (["frames", 0, "poses", 0, "keypoints"], []),
        (["frames", 0, "poses", 0, "keypoints", 0, "part"], "left_eye"),
        (["frames", 0, "poses", 0, "keypoints", 5, "extra"], 1),
        (["frames", 0, "poses", 0, "keypoints", 16, "x"], None),
        (["errors", 0], {"name": "b.jpg"}),
    ],
)
def test_the_schema_refuses_what_is_not_in_the_contract(
    tmp_path: Path, header: Header, make_frame: MakeFrame, make_poses: MakePoses, keys: list[Any], value: Any
) -> None:
    document = strict(export(tmp_path / "out.json", header, (make_frame(), make_poses()), FAILURE))
    with pytest.raises(ValidationError):
        DOCUMENT.validate(spoil(document, *keys, value=value))


@pytest.mark.parametrize("key", ["name", "architecture", "multiplier", "quantization", "sha256"])
def test_the_schema_asks_for_all_that_identifies_the_model(header: Header, tmp_path: Path, key: str) -> None:
    document = strict(export(tmp_path / "out.json", header))
    del document["model"][key]
    with pytest.raises(ValidationError):
        DOCUMENT.validate(document)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == "urn:posecli:poses:1"
