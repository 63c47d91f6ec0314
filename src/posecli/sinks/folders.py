"""Folders with one file per frame, for tools that read OpenPose's output or train Ultralytics' pose models.

The tree of files is that of the frames' names. The files of a video's frames end in their numbers, in enough digits
to be sorted: `clip_000000000012_keypoints.json`, as OpenPose has it.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecli.errors import OutputError
from posecli.files import write_whole
from posecli.poses import Poses
from posecli.sinks.base import FrameOutputError, Sink
from posecli.sinks.numbers import SCORE_DECIMALS, XY_DECIMALS, check_finite, rounded
from posecli.sinks.outputs import check_outputs, make_folder
from posecli.skeleton import NUM_PARTS, PART_INDEX
from posecli.sources import Frame, Input

if TYPE_CHECKING:
    from typing_extensions import Self

YOLO_DECIMALS = 6
_NECK = ("left_shoulder", "right_shoulder")
_MID_HIP = ("left_hip", "right_hip")
# OpenPose's 25 parts; a pair stands for the point between the two, None for a part of the foot, which PoseNet lacks.
_BODY_25: tuple[str | tuple[str, str] | None, ...] = (
    *("nose", _NECK, "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *(_MID_HIP, "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
    *(None,) * 6,
)
_OPENPOSE_EMPTY_LISTS = (
    *("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"),
    *("pose_keypoints_3d", "face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d"),
)


class _Folder(Sink):
    """One text file per frame, each written in one step."""

    ending: str  # of the files' names, after that of the frame without its suffix
    digits: int  # of the number of a frame in its video

    def __init__(self, folder: Path, min_part_score: float) -> None:
        self._folder = folder
        self._min_part_score = min_part_score

    def __enter__(self) -> Self:
        make_folder(self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Every file is complete already."""

    def path_for(self, name: str, number: str = "") -> Path:
        """The file of the photo called `name`, or of a frame of the video called so, whose number ends it."""
        path = self._folder / name
        return path.with_name(f"{path.stem}{number and f'_{number}'}{self.ending}")

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Raise UsageError where two inputs would share a file, or one would be overwritten."""
        entries = list(entries)
        videos = {entry.name.removesuffix(PurePosixPath(entry.name).suffix) for entry in entries if entry.is_video}
        check_outputs(entries, partial(self._planned, videos), protected)

    def _planned(self, videos: Collection[str], entry: Input) -> Path:
        """The file of a photo; for all frames of a video, one that stands for theirs.

        A photo that is called as a frame of one of the `videos` counts as a frame of it.
        """
        any_number = "#" * self.digits
        if entry.is_video:
            return self.path_for(entry.name, any_number)
        stem, number = _numbered(entry.name)
        is_frame = stem in videos and len(number) >= self.digits
        return self.path_for(f"{stem}.jpg", any_number) if is_frame else self.path_for(entry.name)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Write a frame's file. Raises FrameOutputError where it cannot be written."""
        check_finite(poses, frame.name)
        try:
            height, width = frame.image.shape[:2]
            write_whole(self.path_for(frame.name, self._number(frame)), self._text(poses, width, height).encode())
        except OutputError as error:
            raise FrameOutputError(str(error)) from error

    def _number(self, frame: Frame) -> str:
        return "" if frame.clip is None else f"{frame.index:0{self.digits}d}"

    @abstractmethod
    def _text(self, poses: Poses, width: int, height: int) -> str:
        """What the file says of the poses in a frame of this size."""
        ...


class OpenPoseSink(_Folder):
    """OpenPose's JSON, version 1.3, body model BODY_25.

    Parts below `min_part_score`, and the feet, are 0, 0, 0: not found. Neck and mid-hip lie between the shoulders and
    the hips where both are found, and score as the lower of the two.
    `person_id` is the identity over the frames of a video, -1 where nothing is tracked.
    """

    ending = "_keypoints.json"
    digits = 12

    def _text(self, poses: Poses, width: int, height: int) -> str:  # noqa: ARG002  # OpenPose's points are in pixels
        people = [
            {
                "person_id": [-1 if pose.ids is None else int(pose.ids[0])],
                "pose_keypoints_2d": self._body_25(pose.xy[0], pose.part_scores[0]),
                **{name: [] for name in _OPENPOSE_EMPTY_LISTS},
            }
            for pose in poses
        ]
        return json.dumps({"version": 1.3, "people": people}) + "\n"

    def _body_25(self, xy: NDArray[np.float32], part_scores: NDArray[np.float32]) -> list[float]:
        """x, y and score of the 25 parts, 75 numbers."""
        numbers: list[float] = []
        for part in _BODY_25:
            sources = [PART_INDEX[name] for name in ((part,) if isinstance(part, str) else part or ())]
            scores = part_scores[sources]
            if sources and (scores >= self._min_part_score).all():
                numbers += rounded(xy[sources].mean(axis=0), XY_DECIMALS)
                numbers.append(rounded(scores.min(), SCORE_DECIMALS))
            else:
                numbers += [0.0, 0.0, 0.0]
        return numbers


class YoloPoseSink(_Folder):
    """Ultralytics' labels: class, box (centre and size) and 17 times x, y, visibility; lengths as parts of the image's.

    Visibility is 2, and 0 (with x and y 0, as in COCO) for parts below `min_part_score`. All within [0, 1], as
    Ultralytics demands: what lies outside the image moves to its edge. Nobody found is an empty file.
    Identities are left out: Ultralytics refuses to train on lines with a number more.
    """

    ending = ".txt"
    digits = 6

    def _text(self, poses: Poses, width: int, height: int) -> str:
        size = np.array([width, height], np.float32)
        boxes = poses.boxes(width, height, self._min_part_score)
        return "".join(
            self._line(box, pose.xy[0] / size, pose.part_scores[0], size)
            for box, pose in zip(boxes, poses, strict=True)
        )

    def _line(
        self,
        box: NDArray[np.float32],  # (4,) x, y, width, height in px
        fractions: NDArray[np.float32],  # (17, 2) x and y as parts of the image's width and height
        part_scores: NDArray[np.float32],  # (17,)
        size: NDArray[np.float32],  # (2,) width and height in px
    ) -> str:
        centre, extent = (box[:2] + box[2:] / 2) / size, box[2:] / size
        shown = part_scores >= self._min_part_score
        xy = np.where(shown[:, None], np.clip(fractions, 0, 1), 0)
        box_fields = [f"{value:.{YOLO_DECIMALS}f}" for value in (*centre, *extent)]
        part_fields = [
            f"{xy[part, 0]:.{YOLO_DECIMALS}f} {xy[part, 1]:.{YOLO_DECIMALS}f} {2 if shown[part] else 0}"
            for part in range(NUM_PARTS)
        ]
        return " ".join(("0", *box_fields, *part_fields)) + "\n"


def _numbered(name: str) -> tuple[str, str]:
    """The name of a photo such as clip_000012.jpg, taken apart: clip and 000012."""
    stem, _, number = name.removesuffix(PurePosixPath(name).suffix).rpartition("_")
    return (stem, number) if number.isascii() and number.isdecimal() else (name, "")
