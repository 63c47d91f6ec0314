"""COCO datasets made up by the tests: people whose parts are known, on images of the tests' own."""

import json
from pathlib import Path
from typing import Any

PARTS = 17
PERSON = {"id": 1, "name": "person"}


def person(
    number: int, image_id: int, left: float = 10, top: float = 20, side: float = 80, labelled: int = PARTS, **more: Any
) -> dict[str, Any]:
    """An annotated person, whose first `labelled` parts go down a diagonal of a square."""
    step = side / PARTS
    keypoints = [
        value
        for part in range(PARTS)
        for value in ((left + part * step, top + part * step, 2) if part < labelled else (0, 0, 0))
    ]
    box = [left, top, side, side]
    area = {"area": float(side * side), "bbox": box, "num_keypoints": labelled, "iscrowd": 0}
    return {"id": number, "image_id": image_id, "category_id": 1, "keypoints": keypoints, **area, **more}


def result(annotation: dict[str, Any], score: float = 0.9, moved: float = 0.0) -> dict[str, Any]:
    """A COCO result on an annotated person, every part so many px too far right."""
    keypoints = [value + moved * (i % 3 == 0) for i, value in enumerate(annotation["keypoints"])]
    return {"image_id": annotation["image_id"], "category_id": 1, "keypoints": keypoints, "score": score}


def dataset(annotations: list[dict[str, Any]], image_ids: list[int], categories: Any = (PERSON,)) -> dict[str, Any]:
    """The annotation file's document, images called by their ids."""
    images = [{"id": each, "file_name": f"{each:012}.png", "height": 120, "width": 160} for each in image_ids]
    return {"images": images, "annotations": annotations, "categories": list(categories)}


def write(path: Path, document: Any) -> Path:
    """Write a JSON file."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
