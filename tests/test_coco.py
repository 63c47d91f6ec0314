import json
from pathlib import Path
from typing import Any

import pytest

from coco_datasets import PERSON, dataset, person, result, write
from posecli.coco import read_annotations, read_results, stills
from posecli.errors import InputError, UsageError
from posecli.sources import Failure


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


def lacking(name: str) -> dict[str, Any]:
    return {key: value for key, value in person(4, 9).items() if key != name}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (dataset([lacking("keypoints")], [9]), 'annotation 4 has no "keypoints"'),
        (dataset([lacking("num_keypoints")], [9]), 'annotation 4 has no "num_keypoints"'),
        (dataset([lacking("id")], [9]), 'annotation without id has no "id"'),
        (dataset([lacking("category_id")], [9]), '"categories" and "annotations" expected'),
        (dataset([person(4, 9, keypoints=[1, 2])], [9]), "annotation 4 has 2 values, not 51"),
        (dataset([], [9], [{"id": 2, "name": "dog"}]), "no category 1, which is COCO's person"),
        ({"images": [], "annotations": [], "categories": [PERSON]}, "it names no image"),
        ({"images": dataset([], [9])["images"]}, '"categories" and "annotations" expected'),
        ({**dataset([], [9]), "annotations": 3}, '"categories" and "annotations" expected'),
        (dataset([], [9, 9]), "two images have id 9"),
    ],
)
def test_no_person_keypoints_file(tmp_path: Path, document: Any, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_annotations(write(tmp_path / "a.json", document))
    assert str(caught.value).startswith(f"{tmp_path / 'a.json'}: no COCO person keypoints ({why}); give a file such")


def test_results_are_read_as_they_stand(tmp_path: Path, file: Path) -> None:
    results = [result(person(1, 9)), result(person(1, 12), score=0.25)]
    assert read_results(write(tmp_path / "r.json", results), read_annotations(file)) == results
    assert read_results(write(tmp_path / "r.json", []), read_annotations(file)) == []


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[3]", '[{"image_id": 9}]', json.dumps([{**result(person(1, 9)), "keypoints": [1, 2, 3]}]),
     json.dumps([{**result(person(1, 9)), "score": float("nan")}]),
     json.dumps([{**result(person(1, 9)), "score": "high"}])],
)  # fmt: skip
def test_no_results_file(tmp_path: Path, file: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UsageError, match=r'r.json: no COCO keypoint results: a list with "image_id"'):
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
