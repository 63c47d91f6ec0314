"""scripts/decoder_sensitivity.py: other constants, one at a time, and what they do to AP."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import decoder_sensitivity
from decoder_sensitivity import CONSTANTS, STRIDE, Decoder, Number, Seen
from posecli.coco import Annotations, read_annotations
from posecli.decode import hough
from posecli.preprocess import Resize
from random_fields import encode, people_apart

pytest.importorskip("pycocotools")


@pytest.fixture
def person(rng: np.random.Generator) -> NDArray[np.float64]:
    return people_apart(rng, 1)


@pytest.fixture
def annotations(person: NDArray[np.float64], tmp_path: Path) -> Annotations:
    """Two images of 129 x 257 px with the same person."""
    keypoints = np.concatenate([person[0], np.full((17, 1), 2.0)], axis=1).ravel().tolist()
    people = [
        {"id": i, "image_id": i, "category_id": 1, "keypoints": keypoints, "num_keypoints": 17, "area": 20000.0,
         "bbox": [30, 20, 60, 216], "iscrowd": 0}
        for i in (1, 2)
    ]  # fmt: skip
    images = [{"id": i, "file_name": f"{i}.png", "width": 129, "height": 257} for i in (1, 2)]
    path = tmp_path / "people.json"
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}))
    return read_annotations(path)


@pytest.fixture
def seen(person: NDArray[np.float64]) -> list[Seen]:
    fields = encode(person, height=17, width=9, stride=STRIDE)
    plan = Resize.plan((257, 129), 257, STRIDE, "aspect")
    return [Seen(i, plan, fields[:4]) for i in (1, 2)]


def test_every_constant_stands_once_in_the_source() -> None:
    source = Path(hough.__file__).read_text(encoding="utf-8")
    numbers = re.findall(r"^([A-Z_]+) = [\d.]+(?:  #.*)?$", source, flags=re.MULTILINE)
    assert sorted(numbers) == sorted(CONSTANTS)  # none is left out either


@pytest.mark.parametrize(
    ("default", "values"),
    [(8.0, [4.0, 5.6, 11.2, 16.0]), (5, [2, 4, 6, 7, 10]), (2, [1, 3, 4])],
)
def test_values_around_a_default(default: Number, values: list[Number]) -> None:
    assert decoder_sensitivity.values_around(default) == pytest.approx(values)
    assert {type(value) for value in decoder_sensitivity.values_around(default)} == {type(default)}


def test_an_unknown_constant_is_refused() -> None:
    with pytest.raises(ValueError, match=r"NONE: expected once in .*hough\.py, found 0 times"):
        decoder_sensitivity.variant("NONE", 1)


@pytest.mark.slow
def test_a_variant_differs_in_its_constant(seen: list[Seen]) -> None:
    variant = decoder_sensitivity.variant("LOCALISATION_ERROR", 70.0)
    theirs, ours = (decoder_sensitivity.decoded(decoder, seen) for decoder in (variant, hough.decode_hough))
    assert [each["keypoints"] for each in theirs] == [each["keypoints"] for each in ours]
    assert all(low["score"] < high["score"] - 0.1 for low, high in zip(theirs, ours, strict=True))


def test_the_tables(annotations: Annotations, seen: list[Seen], monkeypatch: pytest.MonkeyPatch) -> None:
    def variant(constant: str, value: Number) -> Decoder:
        nobody = np.empty((0, 17, 2)), np.empty((0, 17)), np.empty(0)
        return hough.decode_hough if value == 0.1 else lambda *_: nobody

    monkeypatch.setattr(decoder_sensitivity, "variant", variant)
    monkeypatch.setattr(decoder_sensitivity, "CONSTANTS", ("SEEN",))
    monkeypatch.setattr(decoder_sensitivity, "FACTORS", (0.5, 2.0))
    assert list(decoder_sensitivity.table(annotations, {257: seen})) == [
        "| constant | value | AP at 257 | difference |",
        "|---|---|---|---|",
        "| SEEN | 0.1 | 100.00 | +0.00 |",
        "| SEEN | 0.2 (default) | 100.00 |  |",
        "| SEEN | 0.4 | 0.00 | -100.00 |",
    ]
    assert list(decoder_sensitivity.halves(annotations, {257: seen}))[-1] == "| 257 | 100.00 | 100.00 | 100.00 |"


def test_a_missing_file_is_one_line(tmp_path: Path, annotations: Annotations) -> None:
    words = ["--images", str(tmp_path), "--annotations"]
    with pytest.raises(SystemExit, match=r"^error: .*gone\.json: cannot be read \(.+\); check --annotations$"):
        decoder_sensitivity.main([*words, str(tmp_path / "gone.json")])
    with pytest.raises(SystemExit, match=r"^error: .*1\.png: no such file, for image 1; check --images$"):
        decoder_sensitivity.main([*words, str(annotations.path)])
