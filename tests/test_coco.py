from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from coco_datasets import PERSON, dataset, person, result, write
from posecli.coco import counts, read_annotations, read_results, stills
from posecli.errors import InputError, UsageError
from posecli.sources import Failure, Frame


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "people.json", dataset([person(1, 9)], [12, 9, 30]))


def test_images_come_by_id(file: Path) -> None:
    annotations = read_annotations(file)
    assert [image.id for image in annotations.images] == [9, 12, 30]
    assert [image.id for image in annotations.select(limit=2)] == [9, 12]
    assert [image.id for image in annotations.select({30, 12})] == [12, 30]
    assert [image.id for image in annotations.select({30, 12}, limit=1)] == [12]


def test_an_image_id_that_is_not_there(file: Path) -> None:
    with pytest.raises(UsageError, match=r"people.json: no image 7 is annotated there; check --image-ids"):
        read_annotations(file).select({9, 7})


def test_other_categories_need_no_keypoints(tmp_path: Path) -> None:
    dog = {"id": 2, "image_id": 9, "category_id": 18}
    of_no_category = {"id": 3, "image_id": 9, "category_id": 77}
    categories = [PERSON, {"id": 18, "name": "dog"}]
    document = dataset([person(1, 9), dog, of_no_category], [9], categories)
    assert len(read_annotations(write(tmp_path / "a.json", document)).document["annotations"]) == 3


def wrong(**values: Any) -> dict[str, Any]:
    """A document of one person, with other values."""
    return dataset([{**person(4, 9), **values}], [9])


def lacking(name: str) -> dict[str, Any]:
    return {key: value for key, value in person(4, 9).items() if key != name}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (dataset([lacking("keypoints")], [9]), 'annotation 4 has no "keypoints"'),
        (dataset([lacking("num_keypoints")], [9]), 'annotation 4 has no "num_keypoints"'),
        (dataset([lacking("id")], [9]), 'annotation at place 0 has no "id"'),
        (dataset([lacking("category_id")], [9]), 'annotation 4 has no "category_id"'),
        (wrong(keypoints=[1, 2]), 'annotation 4 has "keypoints": [1, 2], which must be a list of 51 numbers'),
        (wrong(keypoints=None), 'annotation 4 has "keypoints": null, which must be a list of 51 numbers'),
        (wrong(keypoints=["1.5"] * 51), 'annotation 4 has "keypoints": ["1.5", "1.5", "1.5", '),
        (wrong(keypoints=[True] * 51), 'annotation 4 has "keypoints": [true, true, true, '),
        (wrong(keypoints=[float("nan")] * 51), 'annotation 4 has "keypoints": [NaN, NaN, NaN, '),
        (wrong(bbox=[1, 2]), 'annotation 4 has "bbox": [1, 2], which must be a list of 4 numbers'),
        (wrong(area=None), 'annotation 4 has "area": null, which must be a number, 0 or more'),
        (wrong(area=-1), 'annotation 4 has "area": -1, which must be a number, 0 or more'),
        (wrong(num_keypoints=None), 'annotation 4 has "num_keypoints": null, which must be a whole number of at most'),
        (wrong(iscrowd="no"), 'annotation 4 has "iscrowd": "no", which must be a whole number'),
        (wrong(image_id="9"), 'annotation 4 has "image_id": "9", which must be a whole number'),
        (wrong(image_id=9.0), 'annotation 4 has "image_id": 9.0, which must be a whole number'),
        (wrong(category_id="1"), 'annotation 4 has "category_id": "1", which must be a whole number'),
        (wrong(id="4"), 'annotation "4" has "id": "4", which must be a whole number other than 0'),
        (wrong(id=True), 'annotation true has "id": true, which must be a whole number other than 0'),
        (wrong(id=0), 'annotation 0 has "id": 0, which must be a whole number other than 0'),
        (dataset([person(4, 9), person(4, 9)], [9]), "2 annotations have id 4"),
        (dataset([person(4, 9), {"id": 4, "image_id": 9, "category_id": 18}], [9]), "2 annotations have id 4"),
        (dataset([3], [9]), "annotation at place 0 is no object: 3"),
        ({**dataset([], [9]), "images": [{"id": "9", "file_name": "9.png"}]}, 'image "9" has "id": "9", which must be'),
        ({**dataset([], [9]), "images": [{"id": 2**70, "file_name": "9.png"}]}, "of at most 15 digits"),
        ({**dataset([], [9]), "images": [{"id": 9}]}, 'image 9 has no "file_name"'),
        ([1], 'no object with "images", "annotations" and "categories"'),
        (dataset([], [9], [{"id": 2, "name": "dog"}]), "no category 1, which is COCO's person"),
        ({"images": [], "annotations": [], "categories": [PERSON]}, "it names no image"),
        ({"images": dataset([], [9])["images"]}, 'no list of "categories"'),
        ({**dataset([], [9]), "annotations": 3}, 'no list of "annotations"'),
        (dataset([], [9, 9]), "2 images have id 9"),
    ],
)
def test_no_person_keypoints_file(tmp_path: Path, document: Any, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_annotations(write(tmp_path / "a.json", document))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.json'}: no COCO person keypoints (")
    assert why in message
    assert message.endswith("); give a file such as person_keypoints_val2017.json")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UsageError, match=r"a.json: no JSON \(.+\); check --annotations"):
        read_annotations(tmp_path / "a.json")


def test_annotations_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a.json: cannot be read \(.+\); check --annotations"):
        read_annotations(tmp_path / "a.json")


def test_who_counts(tmp_path: Path) -> None:
    people = [person(1, 9), person(2, 9, iscrowd=1), person(3, 9, labelled=0), person(4, 12)]
    annotations = read_annotations(write(tmp_path / "a.json", dataset(people, [9, 12])))
    there = annotations.people({9})
    assert [each["id"] for each in there] == [1, 2, 3]
    assert [each["id"] for each in there if counts(each)] == [1]


def test_results_are_read_as_they_stand(tmp_path: Path, file: Path) -> None:
    results = [result(person(1, 9)), result(person(1, 12), score=0.25)]
    assert read_results(write(tmp_path / "r.json", results), read_annotations(file)) == results
    assert read_results(write(tmp_path / "r.json", []), read_annotations(file)) == []


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"keypoints": [1, 2, 3]}, '"keypoints": [1, 2, 3], which must be a list of 51 numbers'),
        ({"keypoints": ["1.5"] * 51}, "..., which must be a list of 51 numbers"),
        ({"keypoints": [[1.5]] * 51}, "..., which must be a list of 51 numbers"),
        ({"score": float("nan")}, '"score": NaN, which must be a number'),
        ({"score": "0.9"}, '"score": "0.9", which must be a number'),
        ({"score": True}, '"score": true, which must be a number'),
        ({"category_id": "1"}, '"category_id": "1", which must be a whole number'),
        ({"image_id": "9"}, '"image_id": "9", which must be a whole number'),
        ({"image_id": True}, '"image_id": true, which must be a whole number'),
    ],
)
def test_wrong_results(tmp_path: Path, file: Path, values: dict[str, Any], why: str) -> None:
    path = write(tmp_path / "r.json", [result(person(1, 9)), {**result(person(1, 9)), **values}])
    with pytest.raises(UsageError) as caught:
        read_results(path, read_annotations(file))
    assert str(caught.value).startswith(f"{path}: no COCO keypoint results (result 1 has ")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", r"no JSON \(.+\); check --predictions"),
        ("{}", r"no COCO keypoint results \(no list\)"),
        ("[3]", r"\(result 0 is no object: 3\)"),
        ('[{"image_id": 9}]', r'\(result 0 has no "category_id"\)'),
    ],
)
def test_no_results_file(tmp_path: Path, file: Path, text: str, why: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UsageError, match=why):
        read_results(tmp_path / "r.json", read_annotations(file))


def test_results_that_are_not_there(tmp_path: Path, file: Path) -> None:
    with pytest.raises(UsageError, match=r"gone.json: cannot be read \(.+\); check --predictions"):
        read_results(tmp_path / "gone.json", read_annotations(file))


def test_results_of_another_dataset(tmp_path: Path, file: Path) -> None:
    path = write(tmp_path / "r.json", [result(person(1, 9)), result(person(1, 5))])
    with pytest.raises(UsageError, match=r"r.json: image 5 is not among those of .*people.json; give its annotations"):
        read_results(path, read_annotations(file))


def named(tmp_path: Path, file_name: str) -> Path:
    document = dataset([], [9])
    document["images"][0]["file_name"] = file_name
    return write(tmp_path / "a.json", document)


@pytest.mark.parametrize(
    ("file_name", "there"),
    [("val/9.png", "val/9.png"), ("val/9.png", "9.png"), ("../9.png", "9.png"), ("/9.png", "9.png")],
)
def test_where_images_lie(tmp_path: Path, file_name: str, there: str) -> None:
    folder = tmp_path / "images"
    (folder / "val").mkdir(parents=True)
    (tmp_path / "9.png").touch()  # beside the folder: no file name leads there
    (folder / there).touch()
    (still,) = stills(read_annotations(named(tmp_path, file_name)).images, folder).entries
    assert (still.location, still.error, still.name) == (folder / there, None, file_name)


def test_images_that_are_missing(tmp_path: Path, file: Path) -> None:
    failures = list(stills(read_annotations(file).images, tmp_path))
    assert all(isinstance(failure, Failure) for failure in failures)
    error = failures[1].error
    assert str(error) == f"{tmp_path / '000000000012.png'}: no such file, for image 12; check --images"
    assert type(error) is InputError
    assert error.exit_code == 1


@pytest.mark.parametrize(("width", "height", "is_given"), [(160, 120, True), (80, 60, True), (80, 60, False)])
def test_images_of_another_size_than_annotated(tmp_path: Path, width: int, height: int, is_given: bool) -> None:
    document = dataset([], [9])
    if not is_given:
        del document["images"][0]["width"]
    photo = tmp_path / f"{9:012}.png"
    cv2.imwrite(str(photo), np.zeros((height, width, 3), np.uint8))
    photos = stills(read_annotations(write(tmp_path / "a.json", document)).images, tmp_path)
    (item,) = photos
    (read,) = photos.readers()
    assert type(read()) is type(item)
    if (width, height) == (160, 120) or not is_given:
        assert isinstance(item, Frame)
    else:
        assert isinstance(item, Failure)
        why = "is 80x60, annotated at 160x120; give --images as they were annotated"
        assert str(item.error) == f"{photo}: {why}"
        assert (type(item.error), item.index, item.name) == (InputError, 0, photo.name)
