"""`Backend`: a batch of images in, `Fields` out. Normalisation and the sigmoid are inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from posecli.networks.fields import Fields
    from posecli.options import Precision

Images = NDArray[np.uint8 | np.float32]


class Backend(Protocol):
    """A network with its weights on a device, ready to run."""

    name: str
    device: str
    precision: Precision  # that it computes with; `Fields` are float32 whatever it is

    def __call__(self, images: Images) -> Fields:
        """Map images (B, H, W, 3), RGB, uint8 or float32 in [0, 255], to `Fields` on the CPU."""
        ...

    def shared_by(self, callers: int) -> Backend:
        """The same network for `callers` threads that call it at once, each with its share of the cores."""
        ...
