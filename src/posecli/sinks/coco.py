"""COCO keypoint results: the list that pycocotools' `loadRes` takes and the COCO server accepts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any

from posecli.coco import PERSON_CATEGORY
from posecli.errors import UsageError
from posecli.poses import Poses
from posecli.sinks.base import FrameOutputError, Sink
from posecli.sinks.numbers import SCORE_DECIMALS, XY_DECIMALS, check_finite, rounded
from posecli.sinks.outputs import TextOutput, check_output
from posecli.sources import Frame, Input

if TYPE_CHECKING:
    from typing_extensions import Self

# A result's visibility is not used by COCO's evaluation; its format asks for 1 in that place.
VISIBILITY = 1
_MAX_ID_DIGITS = 18  # what fits into 64 bits
FRAMES_PER_VIDEO = 10**9  # numbers that are set apart for the frames of each video


def read_annotation_file(path: Path) -> dict[str, Any]:
    """A COCO annotation file as it stands, with "images" that have "id" and "file_name".

    Raises UsageError where it cannot be read, or is none.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        for image in document["images"]:
            image["id"], image["file_name"] = int(image["id"]), str(image["file_name"])
        return document
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check --annotations") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f'{path}: no COCO annotations: "images" with "id" and "file_name" expected') from error


def read_image_ids(annotations: Path) -> dict[str, int]:
    """The image ids of a COCO annotation file, by file name. Raises UsageError where the file has none."""
    return {image["file_name"]: image["id"] for image in read_annotation_file(annotations)["images"]}


def coco_results(image_id: int, poses: Poses) -> list[dict[str, Any]]:
    """One result per pose, rounded as the file has it; with its identity over frames where it is tracked.

    COCO knows no such thing: `track_id` is PoseTrack's name for it, and COCO's own programs pass over it.
    """
    return [
        {
            "image_id": image_id,
            "category_id": PERSON_CATEGORY,
            # 51: x, y, v of 17 parts in COCO's order, which is ours
            "keypoints": [value for x, y in rounded(pose.xy[0], XY_DECIMALS) for value in (x, y, VISIBILITY)],
            "score": rounded(pose.scores[0], SCORE_DECIMALS),
            **({} if pose.ids is None else {"track_id": int(pose.ids[0])}),
        }
        for pose in poses
    ]


class CocoSink(Sink):
    """One result per pose, written as it is found.

    The image id comes from `image_ids` (by the frame's name, else by its last component alone), and a frame that is not
    among them is refused: a guessed id would be counted against another image. Without them it is the integer that the
    file is called by (`000000000139.jpg` is 139), else the photo's index. A frame of a video has its number there, plus
    FRAMES_PER_VIDEO times the index of the video among all inputs: of a single video, just its number. Two images never
    share an id. With `image_ids` there are no videos: their frames have no file names.
    """

    def __init__(self, path: str, image_ids: Mapping[str, int] | None = None) -> None:
        self._output = TextOutput(path)
        self._image_ids = image_ids
        self._by_last_component = _by_last_component(image_ids or {})
        self._separator = "[\n"

    def __enter__(self) -> Self:
        self._output.__enter__()
        return self

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Raise UsageError where the file is an input, or where two inputs would have one image id."""
        entries = [entry for entry in entries if entry.error is None]
        check_output(self._output.path, entries, protected)
        taken: dict[int, Input] = {}
        videos = {entry.index: entry for entry in entries if entry.is_video}
        for entry in entries:
            if entry.is_video and self._image_ids is not None:
                raise UsageError(f"{entry.location}: --annotations knows no frames of videos; give pictures of them")
            image_id = _first_id(entry.index) if entry.is_video else self._image_id(entry.name, entry.index)
            if image_id is None:
                continue
            other = videos.get(image_id // FRAMES_PER_VIDEO) or taken.setdefault(image_id, entry)
            if other is not entry:
                raise UsageError(
                    f"{other.location} and {entry.location} would both be image {image_id}; "
                    "give --annotations that tell them apart, rename one, or run them apart"
                )

    def write(self, frame: Frame, poses: Poses) -> None:
        """Write a frame's results. Raises FrameOutputError for an image without an id."""
        check_finite(poses, frame.name)
        image_id = self._image_id(frame.name, frame.index)
        if frame.clip is not None and self._image_ids is None:
            image_id = _first_id(frame.clip.index) + frame.index
        if image_id is None:
            raise FrameOutputError(
                f"{frame.name}: not among the images of --annotations; leave it out, or --annotations"
            )
        for result in coco_results(image_id, poses):
            self._output.write(f"{self._separator}{json.dumps(result)}")
            self._separator = ",\n"
        self._output.keep()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._output.write("[]\n" if self._separator.startswith("[") else "\n]\n")
        finally:
            self._output.__exit__(kind, error, traceback)

    def _image_id(self, name: str, index: int) -> int | None:
        """COCO's id of the frame called `name`; None where it is not among the annotated images."""
        path = PurePosixPath(name)
        if self._image_ids is not None:
            return self._image_ids.get(name, self._by_last_component.get(path.name))
        is_number = path.stem.isascii() and path.stem.isdecimal() and len(path.stem) <= _MAX_ID_DIGITS
        return int(path.stem) if is_number else index


def _first_id(index: int) -> int:
    """The image id of the first frame of the video at this position among all inputs."""
    return index * FRAMES_PER_VIDEO


def _by_last_component(image_ids: Mapping[str, int]) -> dict[str, int]:
    """Ids by file name without folders, where that tells images apart."""
    names = {file_name: PurePosixPath(file_name).name for file_name in image_ids}
    count = Counter(names.values())
    return {name: image_ids[file_name] for file_name, name in names.items() if count[name] == 1}
