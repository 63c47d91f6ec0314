"""JSON, as `docs/poses.schema.json` describes it: one document (`json`), or one line per frame or error (`jsonl`)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from posecli.poses import Poses
from posecli.sinks.base import Header, Sink
from posecli.sinks.numbers import SCORE_DECIMALS, XY_DECIMALS, check_finite, rounded, rounded_time
from posecli.sinks.outputs import TextOutput, check_output
from posecli.skeleton import PARTS
from posecli.sources import Failure, Frame, Input

if TYPE_CHECKING:
    from typing_extensions import Self

SCHEMA = "posecli/1"


class JsonSink(Sink):
    """One JSON document, one frame a line within it, so that results compare well line by line.

    Frames are written as they come; only errors wait for the end, where the format has them.
    """

    def __init__(self, path: str, header: Header, min_part_score: float) -> None:
        self._output = TextOutput(path)
        self._header = header
        self._min_part_score = min_part_score
        self._separator = "\n"
        self._errors: list[str] = []

    def __enter__(self) -> Self:
        model, options = _dump(dict(self._header.model)), _dump(dict(self._header.options))
        self._output.__enter__()
        self._output.write(f'{{\n"schema": "{SCHEMA}",\n"model": {model},\n"options": {options},\n"frames": [')
        return self

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Raise UsageError where the file is an input."""
        check_output(self._output.path, entries, protected)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Write a frame's line."""
        line = _frame_line(frame, poses, self._min_part_score)
        self._output.write(f"{self._separator}{line}")
        self._separator = ",\n"
        self._output.keep()

    def fail(self, failure: Failure) -> None:
        """Keep an error for the end of the document."""
        self._errors.append(_error_line(failure))
        self._output.keep()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        errors = ",\n".join(self._errors)
        try:
            self._output.write(f'\n],\n"errors": [\n{errors}\n]\n}}\n' if errors else '\n],\n"errors": []\n}\n')
        finally:
            self._output.__exit__(kind, error, traceback)


class JsonLinesSink(Sink):
    """One line per frame or error, in the file as soon as it is known."""

    def __init__(self, path: str, min_part_score: float) -> None:
        self._output = TextOutput(path, streamed=True)
        self._min_part_score = min_part_score

    def __enter__(self) -> Self:
        self._output.__enter__()
        return self

    def plan(self, entries: Iterable[Input], protected: Collection[Path] = ()) -> None:
        """Raise UsageError where the file is an input."""
        check_output(self._output.path, entries, protected)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Write a frame's line and pass it on."""
        self._line(_frame_line(frame, poses, self._min_part_score))

    def fail(self, failure: Failure) -> None:
        """Write an error's line and pass it on."""
        self._line(_error_line(failure))

    def _line(self, line: str) -> None:
        self._output.write(f"{line}\n")
        self._output.flush()
        self._output.keep()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._output.__exit__(kind, error, traceback)


def _frame_line(frame: Frame, poses: Poses, min_part_score: float) -> str:
    check_finite(poses, frame.name)
    height, width = frame.image.shape[:2]
    boxes = poses.boxes(width, height, min_part_score)
    return _dump(
        {
            "name": frame.name,
            "index": frame.index,
            "time_s": rounded_time(frame.time_s),
            "width": width,
            "height": height,
            "poses": [
                {"id": id_, "score": score, "box": box, "keypoints": _keypoints(xy, part_scores)}
                for id_, score, box, xy, part_scores in zip(
                    [None] * len(poses) if poses.ids is None else poses.ids.tolist(),
                    rounded(poses.scores, SCORE_DECIMALS),
                    rounded(boxes, XY_DECIMALS),
                    rounded(poses.xy, XY_DECIMALS),
                    rounded(poses.part_scores, SCORE_DECIMALS),
                    strict=True,
                )
            ],
        }
    )


def _keypoints(xy: list[list[float]], part_scores: list[float]) -> list[dict[str, Any]]:
    return [
        {"part": part, "x": x, "y": y, "score": score}
        for part, (x, y), score in zip(PARTS, xy, part_scores, strict=True)
    ]


def _error_line(failure: Failure) -> str:
    return _dump({"name": failure.name, "error": str(failure.error)})


def _dump(value: Any) -> str:
    """One line of JSON in ASCII, which every console and every encoding can take."""
    return json.dumps(value, allow_nan=False)
