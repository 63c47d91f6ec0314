import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posecli.live.overlay import Status, overlay

BUSY = Status(31.4, 0.0412, 2, "fast 385", recorded_s=72.5, notice="saved a picture", shows_help=True)
GREY = 128


def drawn(status: Status, hw: tuple[int, int] = (720, 1280), value: int = GREY) -> NDArray[np.uint8]:
    canvas = np.full((*hw, 3), value, np.uint8)
    overlay(canvas, status)
    return canvas


def touched(canvas: NDArray[np.uint8], value: int = GREY) -> NDArray[np.bool_]:
    return (canvas != value).any(axis=2)


def box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def test_the_figures_stand_in_the_corner() -> None:
    top, left, bottom, right = box(touched(drawn(Status(30.0, 0.04, 1, "fast 385"))))
    assert top > 5
    assert left > 5
    assert bottom < 80
    assert right < 640


@pytest.mark.parametrize(
    "other",
    [
        Status(24.0, 0.0412, 2, "fast 385"),
        Status(31.4, 0.0812, 2, "fast 385"),
        Status(31.4, 0.0412, 3, "fast 385"),
        Status(31.4, 0.0412, 2, "best 641"),
        Status(None, None, 2, "fast 385"),
        Status(31.4, 0.0412, 2, "fast 385", recorded_s=1.0),
        Status(31.4, 0.0412, 2, "fast 385", notice="saved"),
        Status(31.4, 0.0412, 2, "fast 385", shows_help=True),
        Status(31.4, 0.0412, 2, "fast 385", trouble="camera 0 gives no more pictures"),
    ],
)
def test_all_that_is_known_is_seen(other: Status) -> None:
    assert (drawn(other) != drawn(Status(31.4, 0.0412, 2, "fast 385"))).any()


def test_a_recording_shows_a_red_dot_on_the_right() -> None:
    canvas = drawn(Status(recorded_s=0.0)).astype(int)
    red = (canvas[..., 0] > 200) & (canvas[..., 1] < 100) & (canvas[..., 2] < 100)
    _, left, bottom, _ = box(red)
    assert left > 1100
    assert bottom < 80
    assert not ((drawn(Status()).astype(int)[..., 0] > 200) & (drawn(Status())[..., 1] < 100)).any()


def test_trouble_dims_the_picture_and_stands_in_the_middle() -> None:
    calm, canvas = drawn(Status()), drawn(Status(trouble="camera 0 is gone; trying again"))
    assert canvas[-1, -1].max() < 0.5 * calm[-1, -1].min()
    amber = (canvas[..., 0] > 200) & (canvas[..., 2] < 120)
    top, left, bottom, right = box(amber)
    assert 0.35 * 720 < top < bottom < 0.65 * 720
    assert abs((left + right) / 2 - 640) < 20


def test_text_is_solid_and_the_ground_lets_the_picture_through() -> None:
    dark, light = drawn(Status(30.0), value=0), drawn(Status(30.0), value=255)
    region = np.s_[16:60, 16:120]
    assert (light[region] < 120).any()
    assert (dark[region].min(axis=2) > 225).any()  # letters, as bright as on white
    assert abs(int(dark[region].max()) - 250) < 15
    ground = light[region].astype(int) - dark[region].astype(int)
    assert ground.max() > 40


@given(st.integers(1, 300), st.integers(1, 500))
def test_any_size_of_picture(height: int, width: int) -> None:
    canvas = drawn(BUSY, (height, width))
    assert canvas.shape == (height, width, 3)
    drawn(Status(trouble="gone; back soon"), (height, width))


def test_narrow_pictures_get_smaller_text_within_them() -> None:
    mask = touched(drawn(Status(30.0, 0.04, 2, "balanced 641"), (240, 160)))
    assert mask.any()
    wide = touched(drawn(Status(30.0, 0.04, 2, "balanced 641"), (240, 640)))
    assert box(mask)[3] - box(mask)[1] < box(wide)[3] - box(wide)[1]


def test_names_that_the_font_lacks_do_no_harm() -> None:
    assert touched(drawn(Status(notice="saved Übung/日本.png"))).any()
