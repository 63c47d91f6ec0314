from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import pictures
from posecli.bench import pictures as module
from posecli.bench.pictures import packaged_pictures, read_pictures, stills_of, write_pictures
from posecli.errors import InputError
from posecli.options import EstimatorOptions
from posecli.sources import Frame, Inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """a.png and c.png, of 40 x 60 and 60 x 40 px; b.png is none."""
    place = tmp_path / "photos"
    place.mkdir()
    cv2.imwrite(str(place / "a.png"), np.full((40, 60, 3), 7, np.uint8))
    cv2.imwrite(str(place / "c.png"), np.full((60, 40, 3), 9, np.uint8))
    (place / "b.png").write_text("no image")
    return place


def test_what_can_be_read_is_held_and_the_rest_is_named(folder: Path) -> None:
    items = []
    found = read_pictures(Inputs.from_inputs([str(folder)]), 10, hold=True, on_item=items.append)
    assert [picture.name for picture in found.usable] == ["a.png", "c.png"]
    assert [picture.hw for picture in found.usable] == [(40, 60), (60, 40)]
    assert [failure.name for failure in found.failures] == ["b.png"]
    assert (found.listed, len(items), found.packaged) == (3, 3, False)
    assert found.held_bytes == 2 * 40 * 60 * 3
    assert [int(picture.image[0, 0, 0]) for picture in found.usable] == [7, 9]


def test_no_more_is_read_than_measured(folder: Path) -> None:
    found = read_pictures(Inputs.from_inputs([str(folder)]), 1, hold=False)
    assert [picture.name for picture in found.usable] == ["a.png"]
    assert found.usable[0].image is None
    assert found.held_bytes == 0
    assert found.failures == ()


def test_memory_bounds_what_is_held(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HELD_BYTES", 7000)
    source = Inputs.from_inputs([str(folder)])
    assert len(read_pictures(source, 10, hold=True).usable) == 1
    assert len(read_pictures(source, 10, hold=False).usable) == 2


def test_nothing_readable_is_one_clear_line(folder: Path) -> None:
    with pytest.raises(InputError, match="none of the 1 inputs could be read"):
        read_pictures(Inputs.from_inputs([str(folder / "b.png")]), 10, hold=True)


def test_the_packaged_photo_comes_in_several_shapes() -> None:
    views = packaged_pictures(100)
    assert views.packaged
    assert len({picture.name for picture in views.usable}) == len(views.usable) == views.listed >= 5
    shapes = {picture.hw for picture in views.usable}
    assert any(h > w for h, w in shapes)
    assert any(h == w or abs(h - w) < 10 for h, w in shapes)
    assert max(max(hw) for hw in shapes) > 4 * min(max(hw) for hw in shapes)
    for picture in views.usable:
        assert picture.image.shape == (*picture.hw, 3)
        assert picture.image.dtype == np.uint8
    assert len(packaged_pictures(2).usable) == 2


def test_views_become_files_of_the_same_size(tmp_path: Path) -> None:
    written = write_pictures(packaged_pictures(3), tmp_path)
    assert written.packaged
    for picture, item in zip(written.usable, stills_of(written.usable), strict=True):
        assert isinstance(item, Frame)
        assert item.image.shape == (*picture.hw, 3)
        assert picture.image is None
        assert picture.file_bytes == Path(picture.location).stat().st_size


def test_the_digest_is_of_the_pictures_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    digest = read_pictures(Inputs.from_inputs([str(folder)]), 10, hold=True).digest
    moved = folder.rename(tmp_path / "elsewhere")
    source = Inputs.from_inputs([str(moved)])
    assert read_pictures(source, 10, hold=False).digest == digest
    assert read_pictures(source, 1, hold=False).digest != digest
    cv2.imwrite(str(moved / "c.png"), np.full((60, 41, 3), 9, np.uint8))
    assert read_pictures(source, 10, hold=True).digest != digest


def test_input_sizes_are_those_of_the_images_measured() -> None:
    sizes = pictures(0, 1).input_sizes(5, EstimatorOptions(size=97, scales=(1.0, 2.0)))
    assert sizes == {(65, 97): 5, (129, 193): 5}
