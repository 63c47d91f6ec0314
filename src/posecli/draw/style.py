"""`DrawStyle`: what a drawing shows."""

from __future__ import annotations

from dataclasses import dataclass

from posecli.options import Background, StyleName, check_choice, check_fraction


@dataclass(frozen=True, slots=True)
class DrawStyle:
    """What a drawing shows. Raises UsageError for a value out of range."""

    name: StyleName = "modern"
    background: Background = "original"
    boxes: bool = False
    labels: bool = False  # "person 1", or "id 7" where tracked
    scores: bool = False  # the pose's score
    min_part_score: float = 0.2  # in [0, 1]; parts below leave no trace
    fades: bool = False  # parts near min_part_score are fainter still, so that over the frames of a clip none jumps

    def __post_init__(self) -> None:
        check_choice("style", self.name, StyleName)
        check_choice("background", self.background, Background)
        check_fraction("min_part_score", self.min_part_score)


MODERN = DrawStyle()
