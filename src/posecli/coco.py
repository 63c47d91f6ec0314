"""COCO keypoint files: which people are annotated on which images, and results that are there already.

What pycocotools would read wrongly without a word, such as ids that are text or come twice, is refused here.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeGuard

from posecli.errors import InputError, UsageError
from posecli.files import exists
from posecli.skeleton import NUM_PARTS
from posecli.sources import Failure, Frame, Input, Inputs, Reader

# A COCO annotation or result, as JSON has it.
Entry = Mapping[str, Any]

PERSON_CATEGORY = 1
KEYPOINT_VALUES = 3 * NUM_PARTS  # x, y, v of each part
_LARGEST_ID = 10**15  # pycocotools keeps ids among floats
_LARGEST = 1e12  # px, or px^2; beyond any photo, and far from where squares overflow
_MOST_SHOWN = 30  # characters of a value that is wrong


class _Rule(NamedTuple):
    """What a value must be."""

    holds: Callable[[Any], bool]
    words: str


def _is_whole(value: Any) -> TypeGuard[int]:
    return type(value) is int and abs(value) < _LARGEST_ID  # True is an int, too


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _LARGEST  # NaN is not


def _are_numbers(count: int) -> _Rule:
    def holds(value: Any) -> bool:
        return isinstance(value, list) and len(value) == count and all(map(_is_number, value))

    return _Rule(holds, f"a list of {count} numbers")


_WHOLE = _Rule(_is_whole, "a whole number of at most 15 digits")
_NUMBER = _Rule(_is_number, "a number")
_IMAGE = {"id": _WHOLE, "file_name": _Rule(lambda value: isinstance(value, str), "text")}
_ANNOTATION = {
    "id": _Rule(
        lambda value: _is_whole(value) and value != 0, "a whole number other than 0"
    ),  # there, 0 means no match
    "image_id": _WHOLE,
    "category_id": _WHOLE,
}
# How an entry of each list of an annotation file is called, and what it must have.
_LISTS = {
    "categories": ("category", {"id": _WHOLE}),
    "images": ("image", _IMAGE),
    "annotations": ("annotation", _ANNOTATION),
}
# What pycocotools reads of an annotated person besides.
_PERSON = {
    "keypoints": _are_numbers(KEYPOINT_VALUES),
    "num_keypoints": _WHOLE,
    "area": _Rule(lambda value: _is_number(value) and value >= 0, "a number, 0 or more"),
    "bbox": _are_numbers(4),
    "iscrowd": _WHOLE,
}
_RESULT = {"image_id": _WHOLE, "category_id": _WHOLE, "score": _NUMBER, "keypoints": _are_numbers(KEYPOINT_VALUES)}
RESULT_KEYS = tuple(_RESULT)


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of an annotation file."""

    id: int
    file_name: str  # posix path below the folder of images
    size: tuple[int, int] | None = None  # width, height in px, as annotated; None where the file does not say


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

    def people(self, image_ids: Collection[int]) -> list[Entry]:
        """Everybody annotated as a person on these images, those who do not count included."""
        return [
            each
            for each in self.document["annotations"]
            if each["category_id"] == PERSON_CATEGORY and each["image_id"] in image_ids
        ]


def counts(person: Entry) -> bool:
    """Whether an annotated person is to be found; no matter who finds the others: crowds, and who has no keypoints."""
    return bool(person["num_keypoints"]) and not person["iscrowd"]


def read_annotations(path: Path) -> Annotations:
    """Read a COCO person-keypoints file. Raises UsageError where it is none.

    Other categories may be in it, and annotations of no category that it lists: of them only ids are asked.
    """
    document = _read_json(path, "--annotations")
    if not isinstance(document, dict):
        raise _no_keypoints_file(path, 'no object with "images", "annotations" and "categories"')
    if (fault := _first_fault(document)) is not None:
        raise _no_keypoints_file(path, fault)
    if PERSON_CATEGORY not in {category["id"] for category in document["categories"]}:
        raise _no_keypoints_file(path, f"no category {PERSON_CATEGORY}, which is COCO's person")
    if not document["images"]:
        raise _no_keypoints_file(path, "it names no image")
    images = (CocoImage(each["id"], each["file_name"], _size(each)) for each in document["images"])
    return Annotations(path, document, tuple(sorted(images, key=lambda image: image.id)))


def _size(image: Entry) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    return (width, height) if _is_whole(width) and _is_whole(height) else None


def _first_fault(document: Entry) -> str | None:
    """What is wrong with an annotation file, in a few words; None where nothing is."""
    return next((fault for name in _LISTS if (fault := _fault_of_list(name, document.get(name))) is not None), None)


def _fault_of_list(name: str, entries: Any) -> str | None:
    if not isinstance(entries, list):
        return f'no list of "{name}"'
    kind, rules = _LISTS[name]
    for place, each in enumerate(entries):
        fault = _fault(each, rules)
        if fault is None and kind == "annotation" and each["category_id"] == PERSON_CATEGORY:
            fault = _fault(each, _PERSON)
        if fault is not None:
            return f"{_called(kind, place, each)} {fault}"
    if kind != "category":
        for number, times in Counter(each["id"] for each in entries).items():
            if times > 1:
                return f"{times} {name} have id {number}"
    return None


def _fault(entry: Any, rules: Mapping[str, _Rule]) -> str | None:
    """The first thing that is wrong with an entry, in words that follow its name; None where nothing is."""
    if not isinstance(entry, dict):
        return f"is no object: {_shown(entry)}"
    for name, rule in rules.items():
        if name not in entry:
            return f'has no "{name}"'
        if not rule.holds(entry[name]):
            return f'has "{name}": {_shown(entry[name])}, which must be {rule.words}'
    return None


def _called(kind: str, place: int, entry: Any) -> str:
    """By its id if it has one that can be searched for, else by its place in its list, from 0."""
    has_id = isinstance(entry, dict) and isinstance(entry.get("id"), (int, str))
    return f"{kind} {_shown(entry['id'])}" if has_id else f"{kind} at place {place}"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _no_keypoints_file(path: Path, why: str) -> UsageError:
    return UsageError(f"{path}: no COCO person keypoints ({why}); give a file such as person_keypoints_val2017.json")


def _read_json(path: Path, option: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check {option}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: no JSON ({error}); check {option}") from error


def read_results(path: Path, annotations: Annotations) -> list[dict[str, Any]]:
    """Read COCO keypoint results. Raises UsageError where they are none, or are not of the annotated images."""
    results = _read_json(path, "--predictions")
    if not isinstance(results, list):
        raise _no_results(path, "no list")
    for place, each in enumerate(results):
        if (fault := _fault(each, _RESULT)) is not None:
            raise _no_results(path, f"result {place} {fault}")
    known = {image.id for image in annotations.images}
    if unknown := sorted({each["image_id"] for each in results} - known):
        raise UsageError(f"{path}: image {unknown[0]} is not among those of {annotations.path}; give its annotations")
    return results


def _no_results(path: Path, why: str) -> UsageError:
    return UsageError(
        f'{path}: no COCO keypoint results ({why}); a list with "image_id", "category_id", {KEYPOINT_VALUES} '
        '"keypoints" and "score" is expected'
    )


@dataclass(frozen=True, slots=True)
class Photos:
    """The files of annotated images, read one by one. One of another size than annotated comes as a failure.

    Frame i is images[i].
    """

    images: tuple[CocoImage, ...]
    files: Inputs

    @property
    def entries(self) -> tuple[Input, ...]:
        """Where each image is."""
        return self.files.entries

    def __iter__(self) -> Iterator[Frame | Failure]:
        return (read() for read in self.readers())

    def readers(self) -> Iterator[Reader]:
        """What reads each, in order: calls that may run on any thread, several at a time."""
        return map(partial, itertools.repeat(_read), self.files.readers(), self.images, self.entries)


def stills(images: Sequence[CocoImage], folder: Path) -> Photos:
    """The images' files: in `folder` by their file names, else by those without folders."""
    entries = tuple(_still(image, index, folder) for index, image in enumerate(images))
    return Photos(tuple(images), Inputs(entries))


def _read(read: Reader, image: CocoImage, still: Input) -> Frame | Failure:
    item = read()
    if isinstance(item, Failure):
        return item
    height, width = item.image.shape[:2]
    if image.size is None or image.size == (width, height):
        return item
    annotated = "{}x{}".format(*image.size)
    why = f"is {width}x{height}, annotated at {annotated}; give --images as they were annotated"
    return Failure(item.name, item.index, InputError(f"{still.location}: {why}"))


def _still(image: CocoImage, index: int, folder: Path) -> Input:
    name = PurePosixPath(image.file_name)
    places = [folder / name.name]
    if not name.is_absolute() and ".." not in name.parts:  # a file never leads out of the folder
        places.insert(0, folder / name)
    for place in places:
        if exists(place):
            return Input(image.file_name, index, place)
    missing = InputError(f"{places[0]}: no such file, for image {image.id}; check --images")
    return Input(image.file_name, index, places[0], missing)
