from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from coco_datasets import dataset, person, result, write
from posecli.coco import Annotations, read_annotations
from posecli.errors import InputError
from posecli.evaluate.scoring import score
from posecli.evaluate.worst import GAP, poses_of_annotations, poses_of_results, worst_images, write_worst

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


def test_annotated_parts_only(annotations: Annotations) -> None:
    assert len(poses_of_annotations(annotations, 5)) == 1  # no crowd
    assert len(poses_of_annotations(annotations, 6)) == 1  # nobody without parts
    assert len(poses_of_annotations(annotations, 9)) == 0
    poses = poses_of_annotations(annotations, 3)
    assert np.isfinite(poses.xy).all(axis=2).tolist() == [[True] * 5 + [False] * 12]
    assert poses.xy[0, 0].tolist() == [10, 20]


def test_poses_of_results() -> None:
    poses = poses_of_results([result(PEOPLE[0], score=0.25)])
    assert poses.scores.tolist() == [0.25]
    assert poses.xy[0, 0].tolist() == [10, 20]
    assert len(poses_of_results([])) == 0


def coloured(image: NDArray[np.uint8]) -> int:
    """How many pixels are not grey."""
    return int((np.ptp(image.astype(int), axis=2) > 60).sum())


def test_truth_left_and_poses_right(tmp_path: Path, annotations: Annotations) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for image_id in (7, 8):
        cv2.imwrite(str(photos / f"{image_id:012}.png"), np.full((120, 160, 3), 128, np.uint8))
    found = [poses_of_results([]), poses_of_results([GUESSES[0]])]
    written = list(write_worst(tmp_path / "out", photos, annotations, [7, 8], found))
    assert [path.name for path in written] == ["worst-1-image-7.jpg", "worst-2-image-8.jpg"]
    missed, met = (cv2.imread(str(path)) for path in written)
    assert missed.shape == met.shape == (120, 160 + GAP + 160, 3)
    assert coloured(missed[:, :160]) > 100
    assert coloured(missed[:, 160 + GAP :]) == 0
    assert abs(coloured(met[:, :160]) - coloured(met[:, 160 + GAP :])) < 100 < coloured(met[:, :160])


def test_ranks_sort_as_text(tmp_path: Path, annotations: Annotations) -> None:
    cv2.imwrite(str(tmp_path / f"{7:012}.png"), np.zeros((120, 160, 3), np.uint8))
    nobody = poses_of_results([])
    (first, *_, tenth) = write_worst(tmp_path / "out", tmp_path, annotations, [7] * 10, [nobody] * 10)
    assert (first.name, tenth.name) == ("worst-01-image-7.jpg", "worst-10-image-7.jpg")


def test_a_photo_that_is_missing(tmp_path: Path, annotations: Annotations) -> None:
    with pytest.raises(InputError, match="no such file, for image 7"):
        list(write_worst(tmp_path / "out", tmp_path, annotations, [7], [poses_of_results([])]))
