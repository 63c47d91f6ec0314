"""`DrawStyle`: what a drawing shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from posecli.errors import UsageError
from posecli.options import Background, StyleName


@dataclass(frozen=True, slots=True)
class DrawStyle:
    """What a drawing shows. Raises UsageError for a value out of range."""

    name: StyleName = "modern"
    background: Background = "original"
    boxes: bool = False
    labels: bool = False  # "person 1", or "id 7" where tracked
    scores: bool = False  # the pose's score
    min_part_score: float = 0.2  # in [0, 1]; parts below leave no trace

    def __post_init__(self) -> None:
        for option, value, kinds in (("style", self.name, StyleName), ("background", self.background, Background)):
            if value not in get_args(kinds):
                raise UsageError(f"--{option} must be one of {', '.join(get_args(kinds))}; got {value!r}")
        if not 0.0 <= self.min_part_score <= 1.0:
            raise UsageError(f"--min-part-score must lie between 0 and 1, got {self.min_part_score}")


MODERN = DrawStyle()
