from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from coco_datasets import dataset, person, result, write
from posecli.coco import Annotations, read_annotations
from posecli.evaluate import worst
from posecli.evaluate.scoring import ImageScore, Match, score
from posecli.evaluate.worst import (
    GAP,
    LINE,
    compare,
    poses_of_people,
    poses_of_results,
    worst_images,
    write_worst,
)
from posecli.sources import Failure

pytest.importorskip("pycocotools")

PEOPLE = [
    person(1, 8),
    person(2, 5),
    person(3, 5, iscrowd=1),
    person(4, 7),
    person(5, 6),
    person(6, 6, labelled=0),
    person(7, 3, labelled=5),
]
GUESSES: list[dict[str, Any]] = [result(PEOPLE[0]), result(PEOPLE[3], moved=1.0), result(PEOPLE[6])]


@pytest.fixture
def annotations(tmp_path: Path) -> Annotations:
    return read_annotations(write(tmp_path / "a.json", dataset(PEOPLE, [3, 5, 6, 7, 8, 9])))


def test_the_worst_come_first_and_ties_by_id(annotations: Annotations) -> None:
    """5 and 6 were missed, 7 is a little off, 3 and 8 are perfect; on 9 nobody is annotated."""
    measured = score(annotations, [3, 5, 6, 7, 8, 9], GUESSES)
    assert worst_images(measured, 99) == [5, 6, 7, 3, 8]
    assert worst_images(measured, 2) == [5, 6]


def test_images_can_be_left_out(annotations: Annotations) -> None:
    measured = score(annotations, [3, 5, 6, 7, 8, 9], GUESSES)
    assert worst_images(measured, 2, frozenset({5})) == [6, 7]


def test_annotated_parts_only() -> None:
    poses = poses_of_people([PEOPLE[6]])
    assert np.isfinite(poses.xy).all(axis=2).tolist() == [[True] * 5 + [False] * 12]
    assert poses.xy[0, 0].tolist() == [10, 20]
    assert len(poses_of_people([])) == 0


def test_every_part_of_a_result_is_shown() -> None:
    """All are scored, whatever the file says of their visibility."""
    guess = result(PEOPLE[0], score=0.25)
    guess["keypoints"][2::3] = [0] * 17
    poses = poses_of_results([guess])
    assert poses.scores.tolist() == [0.25]
    assert poses.part_scores.min() == 1
    assert poses.xy[0, 0].tolist() == [10, 20]
    assert len(poses_of_results([])) == 0


def coloured(image: NDArray[np.uint8]) -> int:
    """How many pixels are not grey."""
    return int((np.ptp(image.astype(int), axis=2) > 60).sum())


def hues(image: NDArray[np.uint8]) -> set[int]:
    """The hues, in tens of 180, that more than a few pixels have."""
    hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV)
    bins = np.bincount(hsv[hsv[..., 1] > 150, 0] // 10, minlength=18)
    return set(np.flatnonzero(bins > 40).tolist())


GREY = np.full((120, 160, 3), 128, np.uint8)


def sides(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return picture[2 * LINE :, :160], picture[2 * LINE :, 160 + GAP :]


def test_matched_pairs_have_one_colour_and_others_none() -> None:
    """Pose 1 is of person 8, pose 0 of nobody; person 7 was missed."""
    people = [person(7, 1, side=40), person(8, 1, left=70, side=80)]
    stray = result(person(9, 1, left=10, top=60, side=50))
    image = ImageScore(annotated=2, found=2, matches=(Match(person=8, pose=1, oks=0.8),), oks=0.4)
    left, right = sides(compare(GREY, 1, image, people, {0: stray, 1: result(people[1])}))
    assert hues(left[:, 65:]) == hues(right[:, 65:]) != set()
    for side in (left[:, :65], right[:, :65]):
        assert coloured(side) == 0
        assert np.ptp(side) > 60  # but somebody is drawn


def test_two_pairs_have_two_colours() -> None:
    people = [person(7, 1, left=5, top=30, side=60), person(8, 1, left=85, top=30, side=60)]
    image = ImageScore(2, 2, (Match(8, 0, 0.8), Match(7, 1, 0.8)), 0.8)
    left, right = sides(compare(GREY, 1, image, people, {0: result(people[1]), 1: result(people[0])}))
    first, second = hues(left[40:, :80]), hues(left[40:, 80:])
    assert first.isdisjoint(second)
    assert (hues(right[40:, :80]), hues(right[40:, 80:])) == (first, second)


@pytest.mark.parametrize("kind", [{"iscrowd": 1}, {"labelled": 0}])
def test_what_does_not_count_is_dashed(kind: dict[str, int]) -> None:
    ignored = person(7, 1, left=20, top=20, side=80, **kind)
    image = ImageScore(annotated=0, found=0, matches=(), oks=None)
    for side in sides(compare(GREY, 1, image, [ignored], {})):
        edge = side[20, 22:98].astype(int)
        assert edge.max() > 200  # white and dark in turn
        assert edge.min() < 60
        assert (side[40:80, 40:80] == 128).all()


def test_a_box_beyond_the_photo_can_be_drawn() -> None:
    huge = person(7, 1, iscrowd=1, bbox=[-1e9, -1e9, 2e9, 2e9])
    assert compare(GREY, 1, ImageScore(0, 0, (), None), [huge], {}).shape == (120 + 2 * LINE, 2 * 160 + GAP, 3)


def test_the_strip_says_what_is_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(worst, "_write", lambda _, text: said.append(text))
    compare(GREY, 42, ImageScore(2, 5, (Match(8, 1, 0.8),), 0.4), [], {})
    assert said[0] == "image 42: mean OKS 0.40; 2 annotated, 5 found, 1 matched"
    assert said[1].startswith("TRUTH")
    assert said[2].startswith("FOUND")


def test_text_fits_its_strip() -> None:
    strip = np.full((LINE, 60, 3), 255, np.uint8)
    worst._write(strip, "much more text than there is room for")
    assert strip.min() < 200
    assert strip[:, -4:].min() == 255


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for image_id in (3, 5, 6, 7, 8):
        cv2.imwrite(str(folder / f"{image_id:012}.png"), GREY)
    return folder


def test_truth_left_and_poses_right(tmp_path: Path, photos: Path, annotations: Annotations) -> None:
    measured = score(annotations, [7, 8], GUESSES[:1])
    written = list(write_worst(tmp_path / "out", photos, annotations, measured, GUESSES[:1], [7, 8]))
    assert [path.name for path in written] == ["worst-1-image-7.jpg", "worst-2-image-8.jpg"]
    missed, met = (cv2.imread(str(path)) for path in written)
    assert missed.shape == met.shape == (120 + 2 * LINE, 160 + GAP + 160, 3)
    (truth, nobody), (left, right) = sides(missed), sides(met)
    assert np.ptp(nobody[50:90, 50:90]) < 20 < np.ptp(truth[50:90, 50:90])
    assert abs(coloured(left) - coloured(right)) < 100 < coloured(left)


def test_ranks_sort_as_text(tmp_path: Path, photos: Path, annotations: Annotations) -> None:
    measured = score(annotations, [7], [])
    (first, *_, tenth) = write_worst(tmp_path / "out", photos, annotations, measured, [], [7] * 10)
    assert (first.name, tenth.name) == ("worst-01-image-7.jpg", "worst-10-image-7.jpg")


def test_a_photo_that_is_missing_costs_itself_only(tmp_path: Path, photos: Path, annotations: Annotations) -> None:
    (photos / f"{5:012}.png").unlink()
    measured = score(annotations, [5, 7], [])
    failure, path = write_worst(tmp_path / "out", photos, annotations, measured, [], [5, 7])
    assert isinstance(failure, Failure)
    assert "no such file, for image 5" in str(failure.error)
    assert path == tmp_path / "out" / "worst-2-image-7.jpg"


def test_pictures_of_an_earlier_run_go(tmp_path: Path, photos: Path, annotations: Annotations) -> None:
    """And nothing else does."""
    out = tmp_path / "out"
    out.mkdir()
    foreign = ["worst-1-image-7.png", "my-worst-1-image-7.jpg", "worst-of-all-image-7.jpg", "worst-1-image-x.jpg"]
    for name in ("worst-01-image-7.jpg", "worst-9-image--3.jpg", *foreign):
        (out / name).touch()
    list(write_worst(out, photos, annotations, score(annotations, [7], []), [], [7]))
    assert {path.name for path in out.iterdir()} == {"worst-1-image-7.jpg", *foreign}
