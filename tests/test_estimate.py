import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import posecli
from posecli.backends import Images
from posecli.errors import UsageError, WeightsError
from posecli.estimate import Estimator
from posecli.networks.fields import Fields
from posecli.networks.spec import ModelSpec
from posecli.options import resolve_options

SPEC = ModelSpec("mobilenet_v1", 1.0)  # the one with all strides


class BrightestPixel:
    """A backend whose fields say: every part of one person lies exactly on the brightest pixel."""

    name = "brightest"
    device = "cpu"

    def __init__(self, stride: int) -> None:
        self.stride = stride
        self.batches: list[tuple[int, ...]] = []

    def __call__(self, images: Images) -> Fields:
        self.batches.append(images.shape)
        b, height, width, _ = images.shape
        grid = ((height - 1) // self.stride + 1, (width - 1) // self.stride + 1)
        fields = [np.zeros((b, n, *grid), np.float32) for n in (17, 34, 32, 32)]
        for image, heatmaps, offsets in zip(images, fields[0], fields[1], strict=True):
            red = image[..., 0].astype(np.float64)
            ys, xs = np.nonzero(red == red.max())
            place = np.array([ys.mean(), xs.mean()])
            cell = np.minimum(np.floor(place / self.stride + 0.5).astype(int), np.array(grid) - 1)
            heatmaps[:, cell[0], cell[1]] = 0.9
            offsets[:17, cell[0], cell[1]], offsets[17:, cell[0], cell[1]] = place - cell * self.stride
        return Fields(*map(torch.from_numpy, fields))


def estimator(stride: int = 16, **options: object) -> Estimator:
    return Estimator(BrightestPixel(stride), SPEC, resolve_options(stride=stride, **options))


def spot(height: int, width: int, y: int, x: int) -> NDArray[np.uint8]:
    image = np.zeros((height, width, 3), np.uint8)
    image[y, x] = 255
    return image


@pytest.mark.parametrize("mode", ["aspect", "tfjs"])
@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("size", [257, 353, 513])
@pytest.mark.parametrize("single", [False, True])
def test_single_pixel(mode: str, stride: int, size: int, single: bool) -> None:
    """Light one pixel, and the keypoints land on it: resize, decode and restore agree on where things are."""
    find = estimator(stride, size=size, resize=mode, single=single)
    for y, x in [(0, 0), (20, 100), (79, 119), (41, 7)]:
        poses = find(spot(80, 120, y, x))
        assert len(poses) == 1
        np.testing.assert_allclose(poses.xy[0], np.tile((x, y), (17, 1)), atol=0.6)
        np.testing.assert_allclose(poses.part_scores, 0.9)


def test_mirror_flips_x_and_keeps_the_names() -> None:
    plain, mirrored = (estimator(mirror=mirror)(spot(80, 120, 30, 100)) for mirror in (False, True))
    np.testing.assert_allclose(mirrored.xy[..., 0], 119 - plain.xy[..., 0], atol=1e-4)
    np.testing.assert_array_equal(mirrored.xy[..., 1], plain.xy[..., 1])


def test_a_batch_keeps_the_order_and_runs_equal_shapes_together() -> None:
    find = estimator()
    wide, tall = spot(80, 120, 5, 100), spot(120, 80, 100, 5)
    images = [wide, tall, spot(80, 120, 70, 10), tall, spot(160, 240, 20, 30)]
    together = find.batch(images)
    assert sorted(shape[0] for shape in find.backend.batches) == [2, 3]  # type: ignore[attr-defined]
    for image, poses in zip(images, together, strict=True):
        np.testing.assert_array_equal(poses.xy, find(image).xy)


def test_no_images_no_poses() -> None:
    assert estimator().batch([]) == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused_with_what_they_are(image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"image: expected uint8 \(H, W, 3\) RGB, got \w+ \("):
        estimator()(image)


def test_the_bundled_model_finds_both_people_in_the_packaged_photo() -> None:
    from importlib.resources import files

    from posecli.sources import read_image

    image = read_image((files("posecli") / "assets/example.jpg").read_bytes(), "example.jpg")
    poses = posecli.load_estimator()(image)
    nose = poses.xy[:2, 0]
    assert len(poses) >= 2
    assert {bool(x < 300) for x, _ in nose} == {True, False}
    assert (poses.part_scores[:2, 0] > 0.8).all()


def test_images_of_different_sizes_give_what_they_give_alone(examples: Path) -> None:
    from posecli.sources import read_image

    photos = [read_image(p, p.name) for p in sorted(examples.iterdir()) if p.suffix == ".jpg"]
    find = posecli.load_estimator(size=257)
    for alone, together in zip(map(find, photos), find.batch(photos), strict=True):
        np.testing.assert_allclose(together.xy, alone.xy, atol=0.01)
        np.testing.assert_allclose(together.scores, alone.scores, atol=1e-4)


def test_a_stride_that_the_model_lacks_names_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"mobilenet-075 has no output stride 32; choose one of: 8, 16"):
        posecli.load_estimator(stride=32)


def test_a_model_that_does_not_exist_suggests_the_nearest() -> None:
    with pytest.raises(WeightsError, match=r"did you mean mobilenet-075\?"):
        posecli.load_estimator("mobilenet-75")


def test_options_are_on_the_estimator_as_resolved() -> None:
    options = posecli.load_estimator(preset="demo-camera", max_poses=3).options
    assert (options.nms_radius, options.max_poses, options.dilation) == (30.0, 3, "height")
    assert dataclasses.is_dataclass(options)
