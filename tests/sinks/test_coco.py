import json
from pathlib import Path
from typing import Any

import pytest

from frame_makers import MakeClip, MakeFrame, MakePoses
from posecli.errors import InputError, UsageError
from posecli.poses import Poses
from posecli.sinks import FrameOutputError
from posecli.sinks.coco import FRAMES_PER_VIDEO, CocoSink, read_image_ids
from posecli.sources import Input


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    images = [
        {"id": 11, "file_name": "train/a.jpg", "width": 80, "height": 60},
        {"id": 12, "file_name": "val/a.jpg", "width": 80, "height": 60},
        {"id": 13, "file_name": "val/b.jpg", "width": 80, "height": 60},
    ]
    keypoints = [value for part in range(17) for value in (part, 2 * part, 2)]
    person = {"id": 1, "image_id": 13, "category_id": 1, "iscrowd": 0, "area": 600.0, "bbox": [0, 0, 17, 34]}
    path = tmp_path / "annotations.json"
    path.write_text(
        json.dumps(
            {
                "images": images,
                "annotations": [{**person, "keypoints": keypoints, "num_keypoints": 17}],
                "categories": [{"id": 1, "name": "person"}],
                "info": {},
            }
        )
    )
    return path


def results(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_result_per_pose(tmp_path: Path, make_frame: MakeFrame, make_poses: MakePoses) -> None:
    path = tmp_path / "out.json"
    with CocoSink(str(path)) as sink:
        sink.write(make_frame("x/000000000139.jpg", 0), make_poses(2))
        sink.write(make_frame("nobody.jpg", 1), Poses.empty())
        sink.write(make_frame("photo.jpg", 2), make_poses(1))
        sink.write(make_frame("²3.jpg", 3), make_poses(1))
        sink.write(make_frame(f"{'1' * 5000}.jpg", 4), make_poses(1))  # an address may be as long
    written = results(path)
    assert [result["image_id"] for result in written] == [139, 139, 2, 3, 4]
    assert list(written[0]) == ["image_id", "category_id", "keypoints", "score"]
    assert (written[0]["category_id"], written[0]["score"]) == (1, 0.9)
    assert len(written[0]["keypoints"]) == 51
    assert written[0]["keypoints"][:6] == [0.123, 0, 1, 1.123, 2, 1]


def test_nothing_found_is_an_empty_list(tmp_path: Path) -> None:
    with CocoSink(str(tmp_path / "out.json")):
        pass
    assert results(tmp_path / "out.json") == []


def test_pycocotools_reads_and_scores_it(
    tmp_path: Path, annotations: Path, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    path = tmp_path / "out.json"
    with CocoSink(str(path), read_image_ids(annotations)) as sink:
        sink.write(make_frame("b.jpg"), make_poses(1))
    truth = coco.COCO(str(annotations))
    found = truth.loadRes(str(path))
    assert [found.anns[key]["image_id"] for key in found.anns] == [13]
    scores = evaluation.COCOeval(truth, found, "keypoints")
    scores.params.imgIds = [13]
    scores.evaluate()
    scores.accumulate()
    scores.summarize()
    assert scores.stats[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "image_id"), [("train/a.jpg", 11), ("val/a.jpg", 12), ("val/b.jpg", 13), ("b.jpg", 13), ("x/y/b.jpg", 13)]
)
def test_ids_come_from_the_annotations(
    tmp_path: Path, annotations: Path, make_frame: MakeFrame, make_poses: MakePoses, name: str, image_id: int
) -> None:
    path = tmp_path / "out.json"
    with CocoSink(str(path), read_image_ids(annotations)) as sink:
        sink.write(make_frame(name), make_poses(1))
    assert results(path)[0]["image_id"] == image_id


@pytest.mark.parametrize("name", ["a.jpg", "000000000013.jpg"])
def test_an_image_without_an_id_is_refused_and_the_rest_stays(
    tmp_path: Path, annotations: Path, make_frame: MakeFrame, make_poses: MakePoses, name: str
) -> None:
    path = tmp_path / "out.json"
    with CocoSink(str(path), read_image_ids(annotations)) as sink:
        with pytest.raises(FrameOutputError, match=f"{name}: not among the images of --annotations; leave it out"):
            sink.write(make_frame(name), Poses.empty())
        sink.write(make_frame("b.jpg"), make_poses(1))
    assert len(results(path)) == 1


def plan(*names: str, image_ids: dict[str, int] | None = None) -> None:
    entries = [Input(name, index, Path("in") / name) for index, name in enumerate(names)]
    CocoSink("-", image_ids).plan(entries)


@pytest.mark.parametrize("names", [("a/1.jpg", "b/1.jpg"), ("1.jpg", "cat.jpg"), ("1.jpg", "x.jpg", "01.png")])
def test_two_images_must_not_share_an_id(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"in.* and in.* would both be image 1; give --annotations that"):
        plan(*names)


def test_two_images_must_not_share_an_annotated_one() -> None:
    image_ids = {"a.jpg": 7, "b.jpg": 8}
    plan("x/a.jpg", "b.jpg", "other.jpg", "third.jpg", image_ids=image_ids)
    with pytest.raises(UsageError, match=r"in.x.a.jpg and in.y.a.jpg would both be image 7"):
        plan("x/a.jpg", "y/a.jpg", image_ids=image_ids)


def test_images_with_ids_of_their_own_are_taken() -> None:
    plan("cat.jpg", "000000000139.jpg", "dog.jpg")
    bad = Input("1.jpg", 1, Path("1.jpg"), InputError("1.jpg: no"))
    CocoSink("-").plan([Input("1.jpg", 0, Path("1.jpg")), bad])


def test_frames_of_videos_have_ids_of_their_own(
    tmp_path: Path, make_clip: MakeClip, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    path = tmp_path / "out.json"
    with CocoSink(str(path)) as sink:
        for position, name in ((0, "7.mp4"), (2, "b.mp4")):
            clip = make_clip(name, position)
            for number in (0, 12):
                sink.write(make_frame(name, number, number / 30, clip=clip), make_poses(2, ids=[4, 9]))
    written = results(path)
    assert [result["image_id"] for result in written[::2]] == [0, 12, 2 * FRAMES_PER_VIDEO, 2 * FRAMES_PER_VIDEO + 12]
    assert [result["track_id"] for result in written] == [4, 9] * 4


def test_photos_must_not_have_the_ids_of_frames() -> None:
    plan("a.mp4", "b.mp4", f"{5 * FRAMES_PER_VIDEO}.jpg")
    plan("a.jpg", "b.mp4", "3.jpg")
    for photo in ("12.jpg", "cat.jpg"):
        with pytest.raises(UsageError, match=rf"in.a.mp4 and in.{photo} would both be image"):
            plan("a.mp4", photo)
        with pytest.raises(UsageError, match=rf"in.a.mp4 and in.{photo} would both be image"):
            plan("a.mp4", "b.mp4", photo)
    with pytest.raises(UsageError, match=r"in.b.mp4 and in.1000000012.jpg would both be image 1000000012"):
        plan("1000000012.jpg", "b.mp4")


def test_annotations_know_no_frames_of_videos(make_clip: MakeClip, make_frame: MakeFrame) -> None:
    with pytest.raises(UsageError, match=r"in.a.mp4: --annotations knows no frames of videos; give pictures of them"):
        plan("a.mp4", image_ids={"a.mp4": 1})
    with CocoSink("-", {"b.jpg": 1}) as sink, pytest.raises(FrameOutputError, match="not among the images"):
        sink.write(make_frame("a.mp4", clip=make_clip("a.mp4")), Poses.empty())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": [{"id": 1}]}', '{"images": 3}', "\xff"])
def test_what_is_no_annotation_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "annotations.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=r"annotations.json: no COCO annotations"):
        read_image_ids(path)


def test_a_missing_annotation_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone.json: cannot be read \(.+\); check --annotations"):
        read_image_ids(tmp_path / "gone.json")
