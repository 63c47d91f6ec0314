"""Tell the two displacement heads apart by what they do, where no name says which is which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from posecli.networks.spec import nearest_valid_side
from posecli.skeleton import NUM_EDGES, TREE_EDGES

LONG_SIDE = 513  # px; the photo is scaled to this
MIN_ARRIVALS = 20  # displacements that lead to the right part, over all edges and people, to decide at all
MARGIN = 4.0  # how many times more often the right reading must lead to the right part

Head = NDArray[np.float32]  # (h, w, channels)


def is_forward_first(run: Callable[[NDArray[np.float32]], tuple[Head, ...]], stride: int) -> bool | None:
    """Whether the first of two displacement heads leads from parent to child; None where the photo does not tell.

    `run` maps an image (1, H, W, 3), RGB in [0, 255], to heatmaps as logits and the two displacement heads. Where a
    parent is seen, parent -> child must lead to a cell where the child is seen; child -> parent the other way round.
    """
    heatmaps, first, second = run(_photo(stride))
    seen = heatmaps >= 0  # (h, w, 17): a score of at least one half
    upwards = tuple((child, parent) for parent, child in TREE_EDGES)
    as_given = _arrivals(seen, first, TREE_EDGES, stride) + _arrivals(seen, second, upwards, stride)
    swapped = _arrivals(seen, second, TREE_EDGES, stride) + _arrivals(seen, first, upwards, stride)
    if max(as_given, swapped) < max(MIN_ARRIVALS, MARGIN * min(as_given, swapped)):
        return None
    return as_given > swapped


def _arrivals(seen: NDArray[np.bool_], displacement: Head, edges: Sequence[tuple[int, int]], stride: int) -> int:
    """How many displacements that start where a part is seen end where the part at the other end is seen."""
    arrived = 0
    limits = np.array(seen.shape[:2]) - 1
    for edge, (start, end) in enumerate(edges):
        cells = np.argwhere(seen[..., start])  # (n, 2)
        vectors = displacement[cells[:, 0], cells[:, 1]][:, [edge, edge + NUM_EDGES]]  # (n, 2) dy, dx in px
        ends = np.clip(np.rint(np.nan_to_num(cells + vectors / stride)), 0, limits).astype(int)
        arrived += int(np.count_nonzero(seen[ends[:, 0], ends[:, 1], end]))
    return arrived


def _photo(stride: int) -> NDArray[np.float32]:
    """The packaged photo at a size that is valid for the stride, (1, H, W, 3) RGB in [0, 255]."""
    from posecli.opencv import cv2  # here, because only a model without names needs it

    data = np.frombuffer((files("posecli") / "assets" / "example.jpg").read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert image is not None
    height, width = (nearest_valid_side(side * LONG_SIDE / max(image.shape), stride) for side in image.shape[:2])
    resized = cv2.cvtColor(cv2.resize(image, (width, height)), cv2.COLOR_BGR2RGB)
    return resized.astype(np.float32)[None]
