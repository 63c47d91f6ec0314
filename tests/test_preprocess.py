import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posecli.networks.spec import floor_valid_side, nearest_valid_side
from posecli.options import ResizeMode
from posecli.preprocess import Resize, legacy_bilinear

SIDES = st.integers(1, 700)
SIZES = st.integers(33, 900)
STRIDES = st.sampled_from([8, 16, 32])
MODES = st.sampled_from(["aspect", "tfjs"])


@given(SIDES, SIDES, SIZES, STRIDES, MODES)
def test_every_input_side_is_valid(height: int, width: int, size: int, stride: int, mode: ResizeMode) -> None:
    plan = Resize.plan((height, width), size, stride, mode)
    assert all((side - 1) % stride == 0 and side >= 1 for side in plan.input_hw)


@pytest.mark.parametrize(
    ("source_hw", "size", "stride", "input_hw"),
    [
        ((513, 513), 513, 16, (513, 513)),
        ((480, 640), 513, 16, (385, 513)),  # 480 * 0.8 = 384; (384 - 1) / 16 = 23.9 -> 24
        ((427, 640), 513, 16, (337, 513)),  # 427 * 0.8 = 341.6; 340.6 / 16 = 21.3 -> 21
        ((411, 640), 513, 16, (321, 513)),  # 411 * 512 / 640 = 328.8; with 513 / 640 it would be 337
        ((640, 480), 257, 8, (257, 193)),
        ((1, 1), 513, 16, (513, 513)),
        ((10, 20000), 513, 16, (1, 513)),
    ],
)
def test_aspect_takes_the_nearest_valid_sides(
    source_hw: tuple[int, int], size: int, stride: int, input_hw: tuple[int, int]
) -> None:
    assert Resize.plan(source_hw, size, stride, "aspect").input_hw == input_hw


@pytest.mark.parametrize(("asked", "side"), [(512, 513), (257, 257), (353, 353), (513, 513), (300, 289), (520, 513)])
def test_tfjs_floors_a_resolution_that_is_not_valid(asked: int, side: int) -> None:
    assert Resize.plan((90, 120), asked, 16, "tfjs").input_hw == (side, side)
    assert floor_valid_side(asked, 16) == side


@pytest.mark.parametrize(
    ("source_hw", "pad_hw"), [((100, 101), (1, 0)), ((100, 103), (2, 0)), ((104, 100), (0, 2)), ((7, 7), (0, 0))]
)
def test_tfjs_pads_both_sides_by_the_same_rounded_half(source_hw: tuple[int, int], pad_hw: tuple[int, int]) -> None:
    assert Resize.plan(source_hw, 257, 16, "tfjs").pad_hw == pad_hw


def ramps(height: int, width: int) -> NDArray[np.uint8]:
    """An image whose red channel is x and whose green channel is y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)


@given(st.integers(2, 256), st.integers(2, 256), SIZES, STRIDES)
def test_tfjs_restore_is_exactly_where_each_pixel_came_from(height: int, width: int, size: int, stride: int) -> None:
    """A linear ramp stays linear under bilinear sampling, so its value at a pixel is that pixel's source position."""
    plan = Resize.plan((height, width), size, stride, "tfjs")
    resized = plan.apply(ramps(height, width))
    y_in, x_in = np.mgrid[: plan.input_hw[0], : plan.input_hw[1]]
    xy = plan.restore(np.stack([x_in, y_in], axis=-1).astype(np.float32))
    inside = ((xy >= 0) & (xy <= (width - 1, height - 1))).all(axis=-1)
    np.testing.assert_allclose(resized[inside][:, :2], xy[inside], atol=1e-3)


@given(st.integers(2, 52), st.integers(2, 52), SIZES, STRIDES)
def test_aspect_restore_is_exactly_where_each_pixel_came_from(height: int, width: int, size: int, stride: int) -> None:
    plan = Resize.plan((height, width), size, stride, "aspect")
    resized = plan.apply(5 * ramps(height, width)) / 5.0
    y_in, x_in = np.mgrid[: plan.input_hw[0], : plan.input_hw[1]]
    xy = plan.restore(np.stack([x_in, y_in], axis=-1).astype(np.float32))
    inside = ((xy >= 0) & (xy <= (width - 1, height - 1))).all(axis=-1)
    np.testing.assert_allclose(resized[inside][:, :2], xy[inside], atol=1.01 / 5)  # OpenCV truncates to uint8


@pytest.mark.parametrize("mode", ["aspect", "tfjs"])
@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("size", [257, 353, 513])
@pytest.mark.parametrize("source_hw", [(100, 100), (60, 150), (151, 83)])
def test_single_pixel(mode: ResizeMode, stride: int, size: int, source_hw: tuple[int, int]) -> None:
    """Light one pixel: the brightest place of the input, restored, is that pixel."""
    plan = Resize.plan(source_hw, size, stride, mode)
    for y, x in [(50, 41), (0, 0), (source_hw[0] - 1, source_hw[1] - 1)]:
        image = np.zeros((*source_hw, 3), np.uint8)
        image[y, x] = 255
        bright = plan.apply(image)[..., 0].astype(np.float64)
        ys, xs = np.nonzero(bright == bright.max())
        found = plan.restore(np.array([xs.mean(), ys.mean()], np.float32))
        pixel_in_source = max(source_hw) / size
        np.testing.assert_allclose(found, (x, y), atol=0.5 + pixel_in_source)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(1, 60))
def test_legacy_bilinear_against_its_definition(height: int, width: int, to_height: int, to_width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    resized = legacy_bilinear(image, (to_height, to_width))
    assert resized.dtype == np.float32
    for i, j in [(0, 0), (to_height - 1, to_width - 1), (to_height // 2, to_width // 3)]:
        y, x = i * height / to_height, j * width / to_width
        y0, x0 = int(y), int(x)
        y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
        corners = image[[y0, y0, y1, y1], [x0, x1, x0, x1]].astype(np.float64)
        wy, wx = y - y0, x - x0
        expected = np.array([(1 - wy) * (1 - wx), (1 - wy) * wx, wy * (1 - wx), wy * wx]) @ corners
        np.testing.assert_allclose(resized[i, j], expected, atol=1e-3)


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([33, 65, 257]))
def test_tfjs_pads_without_making_the_padded_image(height: int, width: int, size: int) -> None:
    image = np.random.default_rng(1).integers(1, 256, (height, width, 3)).astype(np.uint8)
    plan = Resize.plan((height, width), size, 16, "tfjs")
    top, left = plan.pad_hw
    padded = np.pad(image, ((top, top), (left, left), (0, 0)))
    np.testing.assert_array_equal(plan.apply(image), legacy_bilinear(padded, plan.input_hw))


def test_a_thin_image_takes_little_memory_in_either_mode() -> None:
    image = np.zeros((10, 20_000, 3), np.uint8)
    for mode in ("aspect", "tfjs"):
        plan = Resize.plan((10, 20_000), 65, 16, mode)
        tracemalloc.start()
        try:
            plan.apply(image)
            assert tracemalloc.get_traced_memory()[1] < 20e6  # the padded square alone would be 1.2 GB
        finally:
            tracemalloc.stop()


def test_aspect_keeps_uint8_and_an_image_of_the_right_size(noise: NDArray[np.uint8]) -> None:
    image = np.tile(noise, (7, 7, 1))[:417, :513]
    plan = Resize.plan((417, 513), 513, 16, "aspect")
    resized = plan.apply(image)
    assert resized.dtype == np.uint8
    np.testing.assert_array_equal(resized, image)


@given(st.floats(1, 2000), STRIDES)
def test_nearest_valid_side_is_the_nearest(length: float, stride: int) -> None:
    side = nearest_valid_side(length, stride)
    assert (side - 1) % stride == 0
    assert abs(side - length) <= stride / 2
