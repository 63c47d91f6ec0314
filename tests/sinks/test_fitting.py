import numpy as np
import pytest

from posecli.pyav import av
from posecli.sinks.fitting import letterboxed, to_yuv
from written_videos import flat

HW = (48, 64)


@pytest.mark.parametrize("hw", [(47, 63), (48, 63), (47, 64), (1, 1)])
def test_odd_sides_are_filled_up_not_rescaled(hw: tuple[int, int], rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (*hw, 3), dtype=np.uint8)
    planes = np.asarray(to_yuv(image).to_ndarray())
    padded = np.pad(image, ((0, hw[0] % 2), (0, hw[1] % 2), (0, 0)), mode="edge")
    np.testing.assert_array_equal(planes, to_yuv(padded).to_ndarray())


def test_colours_are_those_of_ffmpeg(rng: np.random.Generator) -> None:
    blocks = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    ours = np.asarray(to_yuv(blocks).to_ndarray(), int)
    theirs = av.VideoFrame.from_ndarray(blocks, format="rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG"
    )
    difference = np.abs(ours - np.asarray(theirs.to_ndarray(), int))
    assert difference[: blocks.shape[0]].max() <= 1
    assert np.median(difference) == 0
    assert to_yuv(blocks[:, ::-1]).width == 64  # a mirrored view


@pytest.mark.parametrize(("hw", "bars"), [((24, 64), (slice(0, 11), ...)), ((48, 32), (slice(None), slice(0, 15)))])
def test_other_shapes_are_fitted_in_between_bars(hw: tuple[int, int], bars: tuple[slice, slice]) -> None:
    fitted = letterboxed(flat(200, hw), HW)
    assert fitted.shape == (*HW, 3)
    assert not fitted[bars].any()
    assert (fitted[20:28, 28:36] == 200).all()
