import numpy as np

from people import person
from posecli.decode import hough
from posecli.oks import FALLOFFS, object_keypoint_similarity
from posecli.skeleton import COCO_SIGMAS, NUM_PARTS

BODY = person(100, 200, size=50).xy[0]


def test_oks_is_cocos() -> None:
    others = np.stack([BODY, BODY + np.float32((6, 0)), BODY + np.float32(1e6)])
    area = np.prod(BODY.max(axis=0) - BODY.min(axis=0))
    expected = np.mean([np.exp(-(6**2) / (2 * area * (2 * sigma) ** 2)) for sigma in COCO_SIGMAS])
    np.testing.assert_allclose(object_keypoint_similarity(BODY, others), [1, expected, 0], rtol=1e-6, atol=1e-12)


def test_of_a_body_in_one_point_it_is_finite() -> None:
    point = np.zeros((NUM_PARTS, 2), np.float32)
    np.testing.assert_allclose(object_keypoint_similarity(point, np.stack([point, point + 100])), [1, 0], atol=1e-12)


def test_the_decoder_has_the_same_falloffs() -> None:
    """Compiled code keeps what it was compiled with: numba's cache sees changes of the decoder's own file alone."""
    np.testing.assert_array_equal(hough.FALLOFFS, FALLOFFS)
