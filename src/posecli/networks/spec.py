"""`ModelSpec`: which network a set of weights belongs to; and the sides that a network's input may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from posecli.errors import UsageError

Architecture = Literal["mobilenet_v1", "resnet50"]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """An architecture with what distinguishes its variants."""

    architecture: Architecture
    multiplier: float | None  # MobileNet's width: 0.5, 0.75 or 1.0; None for ResNet50

    @property
    def strides(self) -> tuple[int, ...]:
        """Output strides at which this network is real; 32 only where there are five strided layers."""
        if self.architecture == "resnet50":
            return (16, 32)
        return (8, 16, 32) if self.multiplier == 1.0 else (8, 16)

    @property
    def name(self) -> str:
        """Short name, such as mobilenet-075 or resnet50."""
        return "resnet50" if self.multiplier is None else f"mobilenet-{round(self.multiplier * 100):03d}"

    def to_metadata(self) -> dict[str, str]:
        """As a weights file has it."""
        multiplier = "none" if self.multiplier is None else f"{self.multiplier:.2f}"
        return {"architecture": self.architecture, "multiplier": multiplier}

    def check_stride(self, stride: int, model: str | None = None) -> None:
        """Raise UsageError unless the network has this output stride; `model` is what the user knows it as."""
        if stride not in self.strides:
            known = ", ".join(map(str, self.strides))
            raise UsageError(f"{model or self.name} has no output stride {stride}; choose one of: {known}")


SPECS = (
    ModelSpec("mobilenet_v1", 0.5),
    ModelSpec("mobilenet_v1", 0.75),
    ModelSpec("mobilenet_v1", 1.0),
    ModelSpec("resnet50", None),
)


def spec_of(metadata: Mapping[str, str]) -> ModelSpec | None:
    """The network that a weights file says it belongs to, if it is one of ours."""
    return next((spec for spec in SPECS if spec.to_metadata().items() <= metadata.items()), None)


def nearest_valid_side(length: float, stride: int) -> int:
    """The valid input side nearest to `length` px: (side - 1) is a multiple of `stride`; halves round to even."""
    return max(round((length - 1) / stride), 0) * stride + 1


def floor_valid_side(length: int, stride: int) -> int:
    """The valid input side that the original takes for a requested `length`: 512 gives 513, 520 too (stride 16)."""
    return max(length // stride, 0) * stride + 1
