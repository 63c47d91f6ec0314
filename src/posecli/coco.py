"""COCO keypoint files: which people are annotated on which images, and results that are there already."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from posecli.errors import InputError, UsageError
from posecli.files import exists
from posecli.sinks.coco import PERSON_CATEGORY, read_annotation_file
from posecli.skeleton import NUM_PARTS
from posecli.sources import Still, Stills

# A COCO annotation or result, as JSON has it.
Entry = Mapping[str, Any]

KEYPOINT_VALUES = 3 * NUM_PARTS  # x, y, v of each part
# What pycocotools reads of an annotated person.
_NEEDED = ("id", "image_id", "category_id", "keypoints", "num_keypoints", "area", "bbox", "iscrowd")


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of an annotation file."""

    id: int
    file_name: str  # posix path below the folder of images


@dataclass(frozen=True, slots=True)
class Annotations:
    """A person-keypoints file. Make one with `read_annotations`."""

    path: Path
    document: dict[str, Any]  # the file as it stands; pycocotools leaves marks in it
    images: tuple[CocoImage, ...]  # by id

    def select(self, image_ids: Collection[int] = (), limit: int | None = None) -> tuple[CocoImage, ...]:
        """The images with these ids (all where none are given), the first `limit` of them by id.

        Raises UsageError for an id that the file does not have.
        """
        known = {image.id for image in self.images}
        if unknown := sorted(set(image_ids) - known):
            raise UsageError(f"{self.path}: no image {unknown[0]} is annotated there; check --image-ids")
        return tuple(image for image in self.images if not image_ids or image.id in image_ids)[:limit]


def read_annotations(path: Path) -> Annotations:
    """Read a COCO person-keypoints file. Raises UsageError where it is none.

    Other categories may be in it, and annotations of no category that it lists: nothing is asked of them.
    """
    document = read_annotation_file(path)
    try:
        categories = {category["id"] for category in document["categories"]}
        people = [each for each in document["annotations"] if each["category_id"] == PERSON_CATEGORY]
        lacking = [(each, name) for each in people for name in _NEEDED if name not in each]
        wrong = [each for each in people if "keypoints" in each and len(each["keypoints"]) != KEYPOINT_VALUES]
    except (KeyError, TypeError) as error:
        raise _no_keypoints_file(path, '"categories" and "annotations" expected') from error
    if PERSON_CATEGORY not in categories:
        raise _no_keypoints_file(path, f"no category {PERSON_CATEGORY}, which is COCO's person")
    if lacking:
        annotation, name = lacking[0]
        raise _no_keypoints_file(path, f'annotation {annotation.get("id", "without id")} has no "{name}"')
    if wrong:
        values = len(wrong[0]["keypoints"])
        raise _no_keypoints_file(path, f"annotation {wrong[0]['id']} has {values} values, not {KEYPOINT_VALUES}")
    images = sorted((CocoImage(each["id"], each["file_name"]) for each in document["images"]), key=lambda i: i.id)
    if not images:
        raise _no_keypoints_file(path, "it names no image")
    for image, other in itertools.pairwise(images):
        if image.id == other.id:
            raise _no_keypoints_file(path, f"two images have id {image.id}")
    return Annotations(path, document, tuple(images))


def _no_keypoints_file(path: Path, why: str) -> UsageError:
    return UsageError(f"{path}: no COCO person keypoints ({why}); give a file such as person_keypoints_val2017.json")


def read_results(path: Path, annotations: Annotations) -> list[dict[str, Any]]:
    """Read COCO keypoint results. Raises UsageError where they are none, or are not of the annotated images."""
    try:
        results: list[dict[str, Any]] = json.loads(path.read_bytes())
        if not isinstance(results, list):
            raise TypeError
        numbers = [
            [each["image_id"], each["category_id"], each["score"], *each["keypoints"]]
            for each in results
            if len(each["keypoints"]) == KEYPOINT_VALUES
        ]
        if len(numbers) != len(results) or not np.isfinite(np.array(numbers, np.float64)).all():
            raise ValueError
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check --predictions") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f'{path}: no COCO keypoint results: a list with "image_id", "category_id", {KEYPOINT_VALUES} "keypoints" '
            'and "score" expected'
        ) from error
    known = {image.id for image in annotations.images}
    if unknown := sorted({each["image_id"] for each in results} - known):
        raise UsageError(f"{path}: image {unknown[0]} is not among those of {annotations.path}; give its annotations")
    return results


def stills(images: Sequence[CocoImage], folder: Path) -> Stills:
    """The images' files: in `folder` by their file names, else by those without folders. Index i is images[i]."""
    return Stills(tuple(_still(image, index, folder) for index, image in enumerate(images)))


def _still(image: CocoImage, index: int, folder: Path) -> Still:
    name = PurePosixPath(image.file_name)
    places = [folder / name.name]
    if not name.is_absolute() and ".." not in name.parts:  # a file never leads out of the folder
        places.insert(0, folder / name)
    for place in places:
        if exists(place):
            return Still(image.file_name, index, place)
    missing = InputError(f"{places[0]}: no such file, for image {image.id}; check --images")
    return Still(image.file_name, index, places[0], missing)
