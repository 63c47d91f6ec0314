"""posecli finds people's poses in photos: PoseNet in PyTorch, exact to Google's original.

    import posecli

    estimator = posecli.load_estimator()
    poses = estimator(image)  # uint8 RGB (H, W, 3) -> Poses

Nothing heavy is imported until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posecli.errors import PosecliError as PosecliError
    from posecli.estimate import Estimator as Estimator
    from posecli.estimate import load_estimator as load_estimator
    from posecli.poses import Poses as Poses

__version__ = "0.1.0"

_HOMES = {"Estimator": "estimate", "load_estimator": "estimate", "Poses": "poses", "PosecliError": "errors"}
__all__ = ["Estimator", "PosecliError", "Poses", "__version__", "load_estimator"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"posecli.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'posecli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
