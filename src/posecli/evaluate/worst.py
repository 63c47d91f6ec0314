"""The images that fared worst, with what is annotated on the left and what was found on the right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecli.coco import Annotations, Entry, stills
from posecli.draw import DrawStyle, draw
from posecli.evaluate.scoring import Score
from posecli.poses import Poses
from posecli.sinks.coco import PERSON_CATEGORY
from posecli.sinks.images import ImageSink
from posecli.skeleton import NUM_PARTS
from posecli.sources import Frame

GAP = 8  # px between the two pictures
_STYLE = DrawStyle()


def worst_images(score: Score, count: int) -> list[int]:
    """The ids of the `count` images with the least mean OKS of their annotated people, ties by id.

    Images without annotated people have none, and do not come.
    """
    ranked = sorted((image.oks, image_id) for image_id, image in score.images.items() if image.oks is not None)
    return [image_id for _, image_id in ranked[:count]]


def poses_of_results(results: Sequence[Entry]) -> Poses:
    """The poses of COCO results; what those do not say, the scores of the parts, is 1."""
    if not results:
        return Poses.empty()
    xy = _keypoints(results)[..., :2]
    scores = np.array([result["score"] for result in results], np.float32)
    return Poses(xy, np.ones(xy.shape[:2], np.float32), scores)


def poses_of_annotations(annotations: Annotations, image_id: int) -> Poses:
    """The annotated people of an image, crowds left out; parts that are not annotated lie nowhere (NaN)."""
    people = [
        each
        for each in annotations.document["annotations"]
        if each["image_id"] == image_id
        and each["category_id"] == PERSON_CATEGORY
        and each["num_keypoints"]
        and not each["iscrowd"]
    ]
    if not people:
        return Poses.empty()
    keypoints = _keypoints(people)
    visible = keypoints[..., 2] > 0  # (N, 17)
    xy = np.where(visible[..., None], keypoints[..., :2], np.nan).astype(np.float32)
    return Poses(xy, visible.astype(np.float32), np.ones(len(people), np.float32))


def write_worst(
    folder: Path,
    photos: Path,
    annotations: Annotations,
    ranked: Sequence[int],
    found: Sequence[Poses],
    style: DrawStyle = _STYLE,
) -> Iterator[Path]:
    """Write the pictures of the images `ranked`, worst first, to `folder`; yield the path of each.

    `found` are the poses on them. The files are called by rank and image id.
    """
    by_id = {image.id: image for image in annotations.images}
    poses = dict(zip(ranked, found, strict=True))

    def render(frame: Frame, truth: Poses) -> NDArray[np.uint8]:
        left, right = (draw(frame.image, people, style) for people in (truth, poses[ranked[frame.index]]))
        gap = np.full((frame.image.shape[0], GAP, 3), 255, np.uint8)
        return np.hstack([left, gap, right])

    digits = len(str(len(ranked)))
    source = stills([by_id[image_id] for image_id in ranked], photos)
    with ImageSink(folder, render, "jpg", "overwrite") as sink, source:
        for frame in source:
            if not isinstance(frame, Frame):
                raise frame.error
            image_id = ranked[frame.index]
            name = f"worst-{frame.index + 1:0{digits}}-image-{image_id}.jpg"
            sink.write(Frame(frame.image, frame.index, None, name), poses_of_annotations(annotations, image_id))
            yield sink.path_for(name)


def _keypoints(entries: Sequence[Any]) -> NDArray[np.float32]:
    """x, y, v of the parts of entries, (N, 17, 3)."""
    return np.array([entry["keypoints"] for entry in entries], np.float32).reshape(-1, NUM_PARTS, 3)
