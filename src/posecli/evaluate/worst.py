"""The images that fared worst, with what is annotated on the left and what was found on the right.

A person and the pose that is matched with them have the same colour and number; who was missed, and a pose that is
matched with nobody, are grey. Dashed boxes are around what does not count: crowds, and people without keypoints.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecli.coco import Annotations, Entry, counts, stills
from posecli.draw import DrawStyle, draw
from posecli.evaluate.scoring import ImageScore, Score
from posecli.files import write_whole
from posecli.opencv import cv2
from posecli.poses import Poses
from posecli.skeleton import NUM_PARTS
from posecli.sources import Failure

Picture = NDArray[np.uint8]  # (H, W, 3) RGB

GAP = 8  # px between the two pictures
LINE = 24  # px, the least height of a line of text above them
LINE_SHARE = 0.05  # of the photo's height
DASH = 6  # px
JPEG_QUALITY = 95  # of 100
_NAME = re.compile(r"worst-\d+-image--?\d+\.jpg")  # what an earlier run wrote; ids may be negative
_WHITE, _INK = (255, 255, 255), (31, 41, 51)
_NUMBERED = DrawStyle(labels=True)
_ALONE = DrawStyle(background="transparent")


def worst_images(score: Score, count: int, without: frozenset[int] = frozenset()) -> list[int]:
    """The ids of the `count` images with the least mean OKS of their annotated people, ties by id.

    Images without annotated people have none, and do not come; nor do those `without`.
    """
    ranked = sorted(
        (image.oks, image_id)
        for image_id, image in score.images.items()
        if image.oks is not None and image_id not in without
    )
    return [image_id for _, image_id in ranked[:count]]


def poses_of_people(people: Sequence[Entry]) -> Poses:
    """Annotated people; parts that are not annotated lie nowhere (NaN)."""
    keypoints = _keypoints(people)
    labelled = keypoints[..., 2] > 0  # (N, 17)
    xy = np.where(labelled[..., None], keypoints[..., :2], np.nan).astype(np.float32)
    return Poses(xy, labelled.astype(np.float32), np.ones(len(people), np.float32))


def poses_of_results(results: Sequence[Entry]) -> Poses:
    """The poses of COCO results, with every part, as all are scored; what those do not say, their scores, is 1."""
    xy = _keypoints(results)[..., :2]
    scores = np.array([result["score"] for result in results], np.float32)
    return Poses(xy, np.ones(xy.shape[:2], np.float32), scores)


def _keypoints(entries: Sequence[Entry]) -> NDArray[np.float32]:
    """x, y, v of the parts of entries, (N, 17, 3)."""
    return np.array([entry["keypoints"] for entry in entries], np.float32).reshape(-1, NUM_PARTS, 3)


def write_worst(
    folder: Path, photos: Path, annotations: Annotations, score: Score, results: Sequence[Entry], ranked: Sequence[int]
) -> Iterator[Path | Failure]:
    """Write the pictures of the images `ranked`, worst first, to `folder`; give the path of each, or why it has none.

    `results` are those that were scored. The files are called by rank and image id; those of an earlier run go.
    """
    by_id = {image.id: image for image in annotations.images}
    people: dict[int, list[Entry]] = defaultdict(list)
    for person in annotations.people(frozenset(ranked)):
        people[person["image_id"]].append(person)
    found: dict[int, dict[int, Entry]] = defaultdict(dict)
    for index, result in enumerate(results):
        found[result["image_id"]][index] = result
    digits, written = len(str(len(ranked))), set()
    for item in stills([by_id[image_id] for image_id in ranked], photos):
        if isinstance(item, Failure):
            yield item
            continue
        image_id = ranked[item.index]
        picture = compare(item.image, image_id, score.images[image_id], people[image_id], found[image_id])
        path = folder / f"worst-{item.index + 1:0{digits}}-image-{image_id}.jpg"
        write_whole(path, _jpeg(picture))
        written.add(path)
        yield path
    for path in folder.glob("worst-*-image-*.jpg"):
        if path not in written and _NAME.fullmatch(path.name) and path.is_file():
            path.unlink()


def compare(
    photo: Picture, image_id: int, image: ImageScore, people: Sequence[Entry], found: Mapping[int, Entry]
) -> Picture:
    """Both sides beside each other, under lines that say what is to be seen; `found` are results by their index."""
    numbers = {match.person: number for number, match in enumerate(image.matches, start=1)}
    of_poses = {match.pose: number for number, match in enumerate(image.matches, start=1)}
    to_find = [person for person in people if counts(person)]
    marked = photo.copy()
    for person in people:
        if not counts(person):
            _draw_dashed(marked, person["bbox"])
    left = _draw_side(marked, poses_of_people(to_find), [numbers.get(person["id"], 0) for person in to_find])
    right = _draw_side(marked, poses_of_results(list(found.values())), [of_poses.get(index, 0) for index in found])
    height, width = photo.shape[:2]
    line = max(LINE, round(LINE_SHARE * height))
    canvas = np.full((2 * line + height, 2 * width + GAP, 3), 255, np.uint8)
    canvas[2 * line :, :width], canvas[2 * line :, width + GAP :] = left, right
    oks = "nobody to be found" if image.oks is None else f"mean OKS {image.oks:.2f}"
    people_counted = f"{image.annotated} annotated, {image.found} found, {image.matched} matched"
    _write(canvas[:line], f"image {image_id}: {oks}; {people_counted}")
    _write(canvas[line : 2 * line, :width], "TRUTH  (grey: missed; dashed: does not count)")
    _write(canvas[line : 2 * line, width + GAP :], "FOUND  (grey: matched with nobody)")
    return canvas


def _draw_side(photo: Picture, poses: Poses, numbers: Sequence[int]) -> Picture:
    """The matched ones in the colours of their numbers, over the others, whose number is 0, in grey."""
    numbered = replace(poses, ids=np.array(numbers, np.int64))
    is_matched = np.array(numbers, np.int64) > 0
    drawn = draw(photo, numbered[~is_matched], _ALONE)  # RGBA, all of one colour, as all are number 0
    grey, opacity = drawn[..., :3].mean(axis=2, keepdims=True), drawn[..., 3:] / 255
    below = np.rint(opacity * grey + (1 - opacity) * photo).astype(np.uint8)
    return draw(below, numbered[is_matched], _NUMBERED)


def _draw_dashed(canvas: Picture, box: Sequence[float]) -> None:
    """Draw a box of x, y, width, height in white with dark dashes, which shows on any photo."""
    height, width = canvas.shape[:2]
    corners = np.array([box[:2], np.add(box[:2], box[2:])])
    (left, top), (right, bottom) = np.rint(corners.clip(0, (width - 1, height - 1))).astype(int).tolist()
    cv2.rectangle(canvas, (left, top), (right, bottom), _WHITE, 2)
    for x in range(left, right, 2 * DASH):
        for y in (top, bottom):
            cv2.line(canvas, (x, y), (min(x + DASH, right), y), _INK, 2)
    for y in range(top, bottom, 2 * DASH):
        for x in (left, right):
            cv2.line(canvas, (x, y), (x, min(y + DASH, bottom)), _INK, 2)


def _write(strip: Picture, text: str) -> None:
    """Write a line of text into a white strip, as large as fits."""
    height, width = strip.shape[:2]
    (text_width, text_height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    margin = height // 4
    scale = min((height - 2 * margin) / text_height, (width - 2 * margin) / text_width)
    inside = np.ascontiguousarray(strip)
    baseline = round((height + scale * text_height) / 2)
    cv2.putText(inside, text, (margin, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
    strip[:] = inside


def _jpeg(picture: Picture) -> bytes:
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes()
