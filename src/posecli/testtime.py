"""Test-time options: seeing an image more than once, and making one result of it.

Flip test: the network also sees the mirrored input. Its fields are mirrored back - the x axis reversed, left and right
changing places in parts and edges, the x components of vectors negated - and averaged with those of the input as it is.
The sides of an input are odd (a multiple of the stride, plus 1), so that cell c of w falls exactly on w - 1 - c.

Scales: people far away need a large input to be seen at all, people close by a small one to fit what the network sees
at once. So an image is decoded at each scale by itself, and the poses, in source pixels, are merged:

1. The best pose left, and all that agree with it at an OKS of at least SAME_PERSON, from any scale, are one person.
2. The person's parts lie at the mean of theirs, each weighted by its part score times the square of its pose's score: a
   scale that sees a part better says more about where it is.
3. The person's score is that of the chance that not all of them are wrong, where a score stands for its square (it is a
   geometric mean of two): sqrt(1 - prod(1 - score^2)). Seen at two scales, a person is surer than at one, and a person
   that one scale alone can see keeps the score it has there.
4. Back to 1, until no pose is left. People come out by decreasing score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecli.networks.fields import Fields
from posecli.oks import object_keypoint_similarity
from posecli.poses import Poses
from posecli.skeleton import EDGE_MIRROR, PART_MIRROR

SAME_PERSON = 0.5  # OKS: the lowest at which COCO counts a person as found
TINY = float(np.finfo(np.float32).tiny)  # weight of a part that scores 0: where all do, they count alike


def scaled_size(size: int, scale: float) -> int:
    """The size, in network-input px, at a factor: it is the way from the first to the last pixel that scales."""
    return round((size - 1) * scale) + 1


def with_mirrored(inputs: NDArray[np.uint8 | np.float32]) -> NDArray[np.uint8 | np.float32]:
    """The inputs (B, H, W, 3), and after them their mirror images: (2 * B, H, W, 3)."""
    return np.concatenate([inputs, inputs[:, :, ::-1]])


def average_mirrored(fields: Fields) -> Fields:
    """Average the fields of B inputs with those of their mirror images, which follow them in the batch of 2 * B."""
    half = len(fields.heatmaps) // 2
    mirrored_back = mirror(Fields(*(field[half:] for field in fields)))
    return Fields(*((field[:half] + back) / 2 for field, back in zip(fields, mirrored_back, strict=True)))


def mirror(fields: Fields) -> Fields:
    """The fields that say of the mirrored input what these say of the input; twice gives them back."""
    return Fields(
        fields.heatmaps.flip(-1)[:, list(PART_MIRROR)],
        _mirror_vectors(fields.offsets, PART_MIRROR),
        _mirror_vectors(fields.forward, EDGE_MIRROR),
        _mirror_vectors(fields.backward, EDGE_MIRROR),
    )


def _mirror_vectors(vectors: Tensor, partners: Sequence[int]) -> Tensor:
    """Mirror vectors (B, 2 * n, h, w), n dy and then n dx, where channel i becomes channel partners[i]."""
    dy, dx = vectors.flip(-1).chunk(2, dim=1)
    return torch.cat([dy[:, list(partners)], -dx[:, list(partners)]], dim=1)


def merge_scales(views: Sequence[Poses], max_poses: int) -> Poses:
    """Merge what was found in one image at several scales, in source px, into at most `max_poses` people."""
    together = Poses(
        np.concatenate([view.xy for view in views]),
        np.concatenate([view.part_scores for view in views]),
        np.concatenate([view.scores for view in views]),
    )
    people = []
    left = np.argsort(-together.scores, kind="stable")  # indices of the poses that are nobody's yet, best first
    while len(left):
        same = object_keypoint_similarity(together.xy[left[0]], together.xy[left]) >= SAME_PERSON
        same[0] = True  # whatever its numbers
        people.append(_one_person(together[left[same]]))
        left = left[~same]
    if not people:
        return together
    merged = Poses(
        np.stack([xy for xy, _, _ in people]).astype(np.float32),
        np.stack([part_scores for _, part_scores, _ in people]).astype(np.float32),
        np.array([score for _, _, score in people], np.float32),
    )
    return merged[np.argsort(-merged.scores, kind="stable")[:max_poses]]


def _one_person(poses: Poses) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Parts (17, 2), part scores (17,) and score of the person that all the poses agree on."""
    chances = poses.scores.astype(np.float64) ** 2
    weights = np.maximum(poses.part_scores * chances[:, None], TINY)  # (N, 17)
    weights /= weights.sum(axis=0)
    xy = (weights[..., None] * poses.xy).sum(axis=0)
    return xy, (weights * poses.part_scores).sum(axis=0), float(np.sqrt(1 - np.prod(1 - chances)))
