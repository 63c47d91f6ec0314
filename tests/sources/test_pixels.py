from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from posecli.pyav import av
from posecli.sources.pixels import quarters, to_rgb, upright_hw
from video_files import write_video

# What each standard says: weights of red and blue in luma.
BT601, BT709, FCC, SMPTE240M, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.30, 0.11), (0.212, 0.087), (0.2627, 0.0593)
LIMITED, FULL = 1, 2


def frame_of(yuv: tuple[int, int, int], pixels: str = "yuv444p", size: tuple[int, int] = (32, 16)) -> Any:
    frame = av.VideoFrame(*size, pixels)
    for plane, value in zip(frame.planes, yuv, strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


def rgb_of(yuv: tuple[int, int, int], weights: tuple[float, float], is_full: bool) -> NDArray[np.float64]:
    """What the standards' formulas give."""
    red, blue = weights
    y, u, v = (
        (yuv[0] / 255, (yuv[1] - 128) / 255, (yuv[2] - 128) / 255)
        if is_full
        else ((yuv[0] - 16) / 219, (yuv[1] - 128) / 224, (yuv[2] - 128) / 224)
    )
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.array([r, g, b]) * 255, 0, 255)


@pytest.mark.parametrize("yuv", [(120, 90, 180), (60, 150, 110), (200, 128, 128)])
@pytest.mark.parametrize("color_range", [0, LIMITED, FULL])
@pytest.mark.parametrize(
    ("colorspace", "weights"),
    [(2, BT601), (5, BT601), (6, BT601), (1, BT709), (4, FCC), (7, SMPTE240M), (9, BT2020)],
)
def test_colours_are_those_of_the_standard(
    yuv: tuple[int, int, int], color_range: int, colorspace: int, weights: tuple[float, float]
) -> None:
    frame = frame_of(yuv)
    frame.colorspace, frame.color_range = colorspace, color_range
    image = to_rgb(frame)
    assert image.shape == (16, 32, 3)
    np.testing.assert_allclose(image[8, 16], rgb_of(yuv, weights, color_range == FULL), atol=2.5)


def test_some_formats_are_of_full_range() -> None:
    frame = frame_of((120, 90, 180), "yuvj420p")
    np.testing.assert_allclose(to_rgb(frame)[8, 16], rgb_of((120, 90, 180), BT601, is_full=True), atol=2.5)


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (65, 48), (3, 2)])
def test_sides_may_be_odd(size: tuple[int, int]) -> None:
    image = to_rgb(frame_of((126, 128, 128), "yuv420p", size))
    assert image.shape == (size[1], size[0], 3)
    assert image.flags.c_contiguous
    np.testing.assert_allclose(image, 128, atol=2)  # FFmpeg rounds down in some shapes


@pytest.mark.parametrize("pixels", ["gray", "rgb24", "bgra"])
def test_what_is_no_yuv_is_taken_as_it_is(pixels: str) -> None:
    frame = av.VideoFrame(32, 16, pixels)
    frame.planes[0].update(bytes([77]) * frame.planes[0].buffer_size)
    np.testing.assert_array_equal(to_rgb(frame), np.full((16, 32, 3), 77))


@pytest.mark.parametrize("turns", range(4))
def test_a_video_is_turned_as_it_says(tmp_path: Path, turns: int) -> None:
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32] = 200  # the upper left quarter
    path = write_video(tmp_path / "a.mp4", [0, 40], turned=turns, pictures=[stored] * 2)
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
    expected = np.rot90(stored, turns)
    image = to_rgb(frame)
    assert image.shape == expected.shape
    assert upright_hw(frame) == expected.shape[:2]
    assert np.abs(image.astype(int) - expected).mean() < 5


@pytest.mark.parametrize(("degrees", "turns"), [(89, 1), (-89, 3), (-180, 2), (179, 2), (45, 0), (60, 0), (0, 0)])
def test_only_quarters_are_turned(degrees: int, turns: int) -> None:
    frame: Any = SimpleNamespace(rotation=degrees)
    assert quarters(frame) == turns
