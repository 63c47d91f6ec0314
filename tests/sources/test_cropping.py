import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posecli.errors import InputError
from posecli.sources.cropping import Crop, cropped


@given(x=st.integers(0, 100), y=st.integers(0, 100), width=st.integers(1, 100), height=st.integers(1, 100))
def test_a_crop_is_what_lies_inside_of_it(x: int, y: int, width: int, height: int) -> None:
    image = np.arange(60 * 80 * 3, dtype=np.uint32).reshape(60, 80, 3).astype(np.uint8)
    inside = [(row, column) for row in range(y, y + height) for column in range(x, x + width) if row < 60]
    inside = [(row, column) for row, column in inside if column < 80]
    if width > 80 or height > 60 or not inside:
        with pytest.raises(InputError):
            cropped(image, (x, y, width, height), "a.png")
        return
    part = cropped(image, (x, y, width, height), "a.png")
    assert part.flags.c_contiguous
    np.testing.assert_array_equal(part.reshape(-1, 3), [image[place] for place in inside])


def test_no_crop_is_all_of_it(noise: NDArray[np.uint8]) -> None:
    assert cropped(noise, None, "a.png") is noise


@pytest.mark.parametrize(
    ("crop", "message"),
    [
        ((80, 0, 9, 9), "a.png: --crop 80,0,9,9 is outside the picture, 80 x 60 px; give a part of it"),
        ((0, 60, 9, 9), "a.png: --crop 0,60,9,9 is outside the picture"),
        ((0, 0, 81, 9), "a.png: --crop 0,0,81,9 is larger than the picture, 80 x 60 px"),
    ],
)
def test_no_such_part(noise: NDArray[np.uint8], crop: Crop, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cropped(noise, crop, "a.png")
