"""Decoding: how the fields of one image become poses. Numba and NumPy are imported by the first call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posecli.options import DecodeOptions
from posecli.skeleton import NUM_EDGES, NUM_PARTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from posecli.poses import Poses


def decode(
    heatmaps: NDArray[np.float32],  # (17, h, w) in [0, 1]
    offsets: NDArray[np.float32],  # (34, h, w) network-input px; 17 dy, then 17 dx
    forward: NDArray[np.float32],  # (32, h, w) parent -> child; 16 dy, then 16 dx
    backward: NDArray[np.float32],  # (32, h, w) child -> parent
    stride: int,  # network-input px per cell
    options: DecodeOptions,
) -> Poses:
    """Find the poses in one image, with `xy` in network-input px.

    Poses under `min_pose_score` are dropped at the end: they have suppressed others and taken places until then
    (not so with the port2018 decoder, which forgets them at once). So are poses with a number that is not finite, which
    only fields that are not finite lead to. Raises ValueError when the fields have the wrong shape or type.
    """
    from posecli.decode.handover import hand_over
    from posecli.poses import Poses

    heatmaps, offsets, forward, backward = _checked(heatmaps, offsets, forward, backward)
    # Python's own numbers, whatever was passed: each further type would be one more compilation.
    stride, max_poses = int(stride), int(options.max_poses)
    threshold, radius, min_score = (
        float(options.score_threshold),
        float(options.nms_radius),
        float(options.min_pose_score),
    )
    if options.single:
        from posecli.decode.single import decode_single

        yx, part_scores, scores = decode_single(heatmaps, offsets, stride)
    elif options.decoder == "tfjs":
        from posecli.decode.multi import decode_multi

        yx, part_scores, scores = decode_multi(
            heatmaps, offsets, forward, backward, stride, max_poses, threshold, radius
        )
    elif options.decoder == "accurate":
        from posecli.decode.hough import decode_hough

        yx, part_scores, scores = decode_hough(
            heatmaps, offsets, forward, backward, stride, max_poses, threshold, radius
        )
    else:
        from posecli.decode.port2018 import decode_port2018

        yx, part_scores, scores = decode_port2018(
            heatmaps, offsets, forward, backward, stride, max_poses, threshold, radius, min_score
        )
    return Poses(*hand_over(yx, part_scores, scores, min_score))


def prepare(options: DecodeOptions) -> None:
    """Compile what `decode` runs with these options, or load it from the cache on disk: no image waits for it then."""
    import numpy as np

    heatmaps, offsets = (np.zeros((depth, 1, 1), np.float32) for depth in (NUM_PARTS, 2 * NUM_PARTS))
    forward, backward = (np.zeros((2 * NUM_EDGES, 1, 1), np.float32) for _ in range(2))
    decode(heatmaps, offsets, forward, backward, 16, options)


def _checked(*fields: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Check the four fields of an image and lay them out in C order, which they usually are in already."""
    import numpy as np

    height, width = fields[0].shape[-2:] if fields[0].ndim == 3 else (0, 0)
    if not height * width:
        raise ValueError(f"heatmaps: expected ({NUM_PARTS}, h, w) with cells, got {fields[0].shape}")
    channels = (NUM_PARTS, 2 * NUM_PARTS, 2 * NUM_EDGES, 2 * NUM_EDGES)
    for name, array, depth in zip(("heatmaps", "offsets", "forward", "backward"), fields, channels, strict=True):
        if array.shape != (depth, height, width):
            raise ValueError(f"{name}: expected {(depth, height, width)}, got {array.shape}")
        if array.dtype != np.float32:
            raise ValueError(f"{name}: expected float32, got {array.dtype}")
    return [np.ascontiguousarray(array) for array in fields]
