"""Folders with one file per frame, for tools that read OpenPose's output or train Ultralytics' pose models.

The tree of files is that of the frames' names.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Collection, Iterable
from pathlib import Path
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
from posecli.sources import Frame, Still

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

    def path_for(self, name: str) -> Path:
        """The file of the frame called `name`."""
        path = self._folder / name
        return path.with_name(f"{path.stem}{self.ending}")

    def plan(self, entries: Iterable[Still], protected: Collection[Path] = ()) -> None:
        """Raise UsageError where two inputs would share a file, or one would be overwritten."""
        check_outputs(entries, self.path_for, protected)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Write a frame's file. Raises FrameOutputError where it cannot be written."""
        check_finite(poses, frame.name)
        try:
            height, width = frame.image.shape[:2]
            write_whole(self.path_for(frame.name), self._text(poses, width, height).encode())
        except OutputError as error:
            raise FrameOutputError(str(error)) from error

    @abstractmethod
    def _text(self, poses: Poses, width: int, height: int) -> str:
        """What the file says of the poses in a frame of this size."""
        ...


class OpenPoseSink(_Folder):
    """OpenPose's JSON, version 1.3, body model BODY_25.

    Parts below `min_part_score`, and the feet, are 0, 0, 0: not found. Neck and mid-hip lie between the shoulders and
    the hips where both are found, and score as the lower of the two.
    """

    ending = "_keypoints.json"

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
    """

    ending = ".txt"

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
