"""COCO keypoint results: the list that pycocotools' `loadRes` takes and the COCO server accepts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING

from posecli.errors import UsageError
from posecli.poses import Poses
from posecli.sinks.base import FrameOutputError, Sink
from posecli.sinks.files import TextOutput
from posecli.sinks.numbers import SCORE_DECIMALS, XY_DECIMALS, check_finite, rounded
from posecli.sources import Frame

if TYPE_CHECKING:
    from typing_extensions import Self

PERSON_CATEGORY = 1
# A result's visibility is not used by COCO's evaluation; its format asks for 1 in that place.
VISIBILITY = 1


def read_image_ids(annotations: Path) -> dict[str, int]:
    """The image ids of a COCO annotation file, by file name. Raises UsageError where the file has none."""
    try:
        images = json.loads(annotations.read_bytes())["images"]
        return {str(image["file_name"]): int(image["id"]) for image in images}
    except OSError as error:
        raise UsageError(f"{annotations}: cannot be read ({error.strerror}); check --annotations") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f'{annotations}: no COCO annotations: "images" with "id" and "file_name" expected') from error


class CocoSink(Sink):
    """One result per pose, written as it is found.

    The image id comes from `image_ids` (by the frame's name, else by its last component alone), and a frame that is not
    among them is refused: a guessed id would be counted against another image. Without them it is the integer that the
    file is called by (`000000000139.jpg` is 139), else the frame's index.
    """

    def __init__(self, path: str, image_ids: Mapping[str, int] | None = None) -> None:
        self._output = TextOutput(path)
        self._image_ids = image_ids
        self._by_last_component = _by_last_component(image_ids or {})
        self._separator = "[\n"

    def __enter__(self) -> Self:
        self._output.__enter__()
        return self

    def write(self, frame: Frame, poses: Poses) -> None:
        """Write a frame's results. Raises FrameOutputError for an image without an id."""
        check_finite(poses, frame.name)
        image_id = self._image_id(frame)
        for pose in poses:
            keypoints = [
                value for x, y in rounded(pose.xy[0], XY_DECIMALS) for value in (x, y, VISIBILITY)
            ]  # 51: x, y, v of 17 parts in COCO's order, which is ours
            result = {
                "image_id": image_id,
                "category_id": PERSON_CATEGORY,
                "keypoints": keypoints,
                "score": rounded(pose.scores[0], SCORE_DECIMALS),
            }
            self._output.write(f"{self._separator}{json.dumps(result)}")
            self._separator = ",\n"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._output.write("[]\n" if self._separator.startswith("[") else "\n]\n")
        finally:
            self._output.__exit__(kind, error, traceback)

    def _image_id(self, frame: Frame) -> int:
        path = PurePosixPath(frame.name)
        if self._image_ids is None:
            return int(path.stem) if path.stem.isascii() and path.stem.isdecimal() else frame.index
        if frame.name in self._image_ids:
            return self._image_ids[frame.name]
        if path.name in self._by_last_component:
            return self._by_last_component[path.name]
        raise FrameOutputError(f"{frame.name}: not among the images of --annotations; leave it out, or --annotations")


def _by_last_component(image_ids: Mapping[str, int]) -> dict[str, int]:
    """Ids by file name without folders, where that tells images apart."""
    names = {file_name: PurePosixPath(file_name).name for file_name in image_ids}
    count = Counter(names.values())
    return {name: image_ids[file_name] for file_name, name in names.items() if count[name] == 1}
