import builtins
import sys

import numpy as np
import pytest

from posecli.errors import MissingDependencyError
from posecli.skeleton import NUM_EDGES, NUM_PARTS, TREE_EDGES
from posecli.weights.displacement import is_forward_first

STRIDE = 16


def two_people(shape, rng):
    """Heatmaps of two people, each part in two cells side by side, and the displacements between their parts."""
    height, width = shape
    heatmaps = np.full((height, width, NUM_PARTS), -5.0, np.float32)
    forward, backward = rng.normal(0, 200, (2, height, width, 2 * NUM_EDGES)).astype(np.float32)
    for _ in range(2):
        cells = np.stack((rng.permutation(height - 1)[:NUM_PARTS], rng.permutation(width - 1)[:NUM_PARTS]), axis=1)
        for part, (y, x) in enumerate(cells):
            heatmaps[y, x : x + 2, part] = 2.0
        for edge, (parent, child) in enumerate(TREE_EDGES):
            for head, start, end in ((forward, parent, child), (backward, child, parent)):
                dy, dx = (cells[end] - cells[start]) * STRIDE
                head[cells[start][0], cells[start][1] : cells[start][1] + 2, [edge, edge + NUM_EDGES]] = [[dy], [dx]]
    return heatmaps, forward, backward


@pytest.mark.parametrize("seed", range(5))
def test_the_head_that_leads_from_parents_to_children_is_forward(seed):
    def heads(image):
        assert image.dtype == np.float32
        assert image.shape[0] == 1
        assert image.shape[3] == 3
        assert 0 <= image.min() < 20
        assert 200 < image.max() <= 255
        assert (image.shape[1] - 1) % STRIDE == (image.shape[2] - 1) % STRIDE == 0
        return two_people((24, 33), np.random.default_rng(seed))

    def swapped(image):
        heatmaps, forward, backward = heads(image)
        return heatmaps, backward, forward

    assert is_forward_first(heads, STRIDE) is True
    assert is_forward_first(swapped, STRIDE) is False


@pytest.mark.parametrize("logit", [-5.0, 5.0, np.nan])
def test_heads_that_show_nobody_or_lead_everywhere_decide_nothing(rng, logit):
    heatmaps = np.full((24, 33, NUM_PARTS), logit, np.float32)
    first, second = rng.normal(0, 50, (2, 24, 33, 2 * NUM_EDGES)).astype(np.float32)
    first[0] = np.nan
    assert is_forward_first(lambda image: (heatmaps, first, second), STRIDE) is None


def test_opencv_that_cannot_be_loaded_is_explained(monkeypatch):
    """A server without libGL: the photo needs OpenCV, and says what to install."""
    real = builtins.__import__

    def without_libgl(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "posecli.opencv", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_libgl)
    with pytest.raises(MissingDependencyError, match="apt-get install libgl1"):
        is_forward_first(lambda image: (image, image, image), STRIDE)
