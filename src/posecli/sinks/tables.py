"""CSV, with the header in every file; a frame without people has no row, and errors go to stderr only.

`csv` is tidy, one row per part: which frame (its index, name and time), which pose (its rank and identity), which part,
what was measured of the part, and of the pose. `csv-wide` has one row per pose with three columns a part.
The frames of a video share its name; their index is their number in it.
"""

from __future__ import annotations

import csv
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from posecli.poses import Poses
from posecli.sinks.base import Sink
from posecli.sinks.numbers import SCORE_DECIMALS, XY_DECIMALS, check_finite, rounded, rounded_time
from posecli.sinks.outputs import TextOutput, check_output
from posecli.skeleton import PARTS
from posecli.sources import Frame, Input

if TYPE_CHECKING:
    from typing_extensions import Self

COLUMNS = ("frame", "name", "time_s", "pose", "id", "part", "x", "y", "score", "pose_score")
WIDE_COLUMNS = (
    *("frame", "name", "time_s", "pose", "id", "score", "box_x", "box_y", "box_w", "box_h"),
    *(f"{part}_{value}" for part in PARTS for value in ("x", "y", "score")),
)


class _Table(Sink):
    """Rows of CSV under a header."""

    columns: tuple[str, ...]

    def __init__(self, path: str) -> None:
        self._output = TextOutput(path)
        self._writer = csv.writer(self._output, lineterminator="\n")

    def __enter__(self) -> Self:
        self._output.__enter__()
        self._writer.writerow(self.columns)
        return self

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Raise UsageError where the file is an input."""
        check_output(self._output.path, entries, protected)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Write the rows of a frame; None is an empty cell."""
        check_finite(poses, frame.name)
        self._writer.writerows(self._rows(frame, poses))
        self._output.keep()

    @abstractmethod
    def _rows(self, frame: Frame, poses: Poses) -> Iterator[tuple[Any, ...]]: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._output.__exit__(kind, error, traceback)


class CsvSink(_Table):
    """One row per part."""

    columns = COLUMNS

    def _rows(self, frame: Frame, poses: Poses) -> Iterator[tuple[Any, ...]]:
        time_s = rounded_time(frame.time_s)
        for rank, pose in enumerate(poses):
            identity = None if pose.ids is None else pose.ids[0]
            pose_score = rounded(pose.scores[0], SCORE_DECIMALS)
            measured = zip(
                PARTS, rounded(pose.xy[0], XY_DECIMALS), rounded(pose.part_scores[0], SCORE_DECIMALS), strict=True
            )
            for part, (x, y), score in measured:
                yield frame.index, frame.name, time_s, rank, identity, part, x, y, score, pose_score


class CsvWideSink(_Table):
    """One row per pose."""

    columns = WIDE_COLUMNS

    def __init__(self, path: str, min_part_score: float) -> None:
        super().__init__(path)
        self._min_part_score = min_part_score

    def _rows(self, frame: Frame, poses: Poses) -> Iterator[tuple[Any, ...]]:
        height, width = frame.image.shape[:2]
        time_s = rounded_time(frame.time_s)
        for rank, pose in enumerate(poses):
            identity = None if pose.ids is None else pose.ids[0]
            box = rounded(pose.boxes(width, height, self._min_part_score)[0], XY_DECIMALS)
            measured = zip(rounded(pose.xy[0], XY_DECIMALS), rounded(pose.part_scores[0], SCORE_DECIMALS), strict=True)
            parts = (value for (x, y), score in measured for value in (x, y, score))
            score = rounded(pose.scores[0], SCORE_DECIMALS)
            yield frame.index, frame.name, time_s, rank, identity, score, *box, *parts
