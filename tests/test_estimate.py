import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import posecli
from posecli.backends import Images
from posecli.decode import decode
from posecli.errors import UsageError, WeightsError
from posecli.estimate import Estimator, Times
from posecli.networks.fields import Fields
from posecli.networks.spec import ModelSpec
from posecli.options import resolve_options
from posecli.preprocess import Resize

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


class Body(BrightestPixel):
    """As above, but with an extent: the nose on the pixel, left and right parts beside and below it."""

    BESIDE = np.array([0] + [1, -1] * 8) / 32  # (17,) of the input's width; left, right
    BELOW = np.array([0] + [pair for pair in range(1, 9) for _ in "lr"]) / 32

    def __call__(self, images: Images) -> Fields:
        fields = super().__call__(images)
        width = images.shape[2]
        for heatmaps, offsets in zip(fields.heatmaps.numpy(), fields.offsets.numpy(), strict=True):
            _, cell_y, cell_x = np.argwhere(heatmaps)[0]
            cells_y, cells_x = np.indices(heatmaps.shape[1:])
            nose_y, nose_x = (self.stride * np.array([cell_y, cell_x])) + offsets[[0, 17], cell_y, cell_x]
            heatmaps[:] = 0.9
            offsets[:17] = (nose_y + width * self.BELOW)[:, None, None] - self.stride * cells_y
            offsets[17:] = (nose_x + width * self.BESIDE)[:, None, None] - self.stride * cells_x
        return fields


def estimator_of_bodies(**options: object) -> Estimator:
    return Estimator(Body(16), SPEC, resolve_options(decoder="tfjs", **options))


def body_at(y: float, x: float, image_width: int) -> NDArray[np.float64]:
    """The parts (17, 2) that `Body` sees in an image whose brightest pixel is at (y, x)."""
    return np.stack([x + image_width * Body.BESIDE, y + image_width * Body.BELOW], axis=-1)


def estimator(stride: int = 16, **options: object) -> Estimator:
    return Estimator(
        BrightestPixel(stride), SPEC, resolve_options(**{"stride": stride, "decoder": "tfjs", "size": 513, **options})
    )


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


def test_stages_one_after_another_are_what_a_batch_is() -> None:
    find = estimator_of_bodies(size=257, scales=(1.0, 2.0), flip_test=True, mirror=True)
    images = [spot(160, 120, 5, 80), spot(160, 120, 60, 30)]
    prepared = [find.prepare(image) for image in images]
    assert prepared[0].shape == prepared[1].shape == ((257, 193), (513, 385))
    assert find.prepare(spot(120, 160, 5, 80)).shape == ((193, 257), (385, 513))
    staged = [find.finish(*each) for each in zip(prepared, find.infer(prepared), strict=True)]
    for poses, expected in zip(staged, find.batch(images), strict=True):
        assert len(poses) == 1
        np.testing.assert_array_equal(poses.xy, expected.xy)
        np.testing.assert_array_equal(poses.scores, expected.scores)


def test_no_images_no_poses() -> None:
    assert estimator().batch([]) == []
    assert estimator(scales=(0.5, 1.0)).batch([]) == []


def test_without_test_time_options_the_network_sees_an_image_once_and_its_fields_are_decoded_as_they_are() -> None:
    find, image = estimator(size=353, scales=(1.0,)), spot(80, 120, 30, 101)
    poses = find(image)
    assert find.backend.batches == [(1, 241, 353, 3)]  # type: ignore[attr-defined]
    plan = Resize.plan((80, 120), 353, 16, "aspect")
    fields = BrightestPixel(16)(plan.apply(image)[None])
    expected = decode(*(field[0].numpy() for field in fields), 16, find.options)
    np.testing.assert_array_equal(poses.xy, plan.restore(expected.xy))
    np.testing.assert_array_equal(poses.part_scores, expected.part_scores)
    np.testing.assert_array_equal(poses.scores, expected.scores)


@pytest.mark.parametrize("mode", ["aspect", "tfjs"])
def test_the_flip_test_runs_both_images_together_and_agrees_with_itself(mode: str) -> None:
    find = estimator(resize=mode, flip_test=True)
    for y, x in [(0, 0), (20, 100), (41, 7)]:
        poses = find(spot(80, 120, y, x))
        assert len(poses) == 1
        np.testing.assert_allclose(poses.xy[0], np.tile((x, y), (17, 1)), atol=0.6)
        np.testing.assert_allclose(poses.part_scores, 0.9)
    assert {shape[0] for shape in find.backend.batches} == {2}  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", ["aspect", "tfjs"])
@pytest.mark.parametrize("flip_test", [False, True])
def test_one_person_seen_at_three_scales_is_one_and_surer(mode: str, flip_test: bool) -> None:
    find = estimator_of_bodies(resize=mode, size=257, scales=(0.5, 1.0, 2.0), flip_test=flip_test)
    poses = find(spot(120, 120, 20, 60))
    assert len(poses) == 1
    np.testing.assert_allclose(poses.xy[0], body_at(20, 60, 120), atol=0.6)
    np.testing.assert_allclose(poses.scores, np.sqrt(1 - (1 - 0.9**2) ** 3), rtol=1e-5)
    assert [shape[2] for shape in find.backend.batches] == [129, 257, 513]  # type: ignore[attr-defined]


def test_a_batch_at_several_scales_gives_each_image_its_own() -> None:
    find = estimator_of_bodies(size=257, scales=(1.0, 2.0), flip_test=True, mirror=True)
    places = [(160, 120, 5, 80), (120, 160, 30, 50), (160, 120, 60, 30)]  # height, width, y, x
    for place, poses in zip(places, find.batch([spot(*place) for place in places]), strict=True):
        _, width, y, x = place
        expected = body_at(y, x, width)
        expected[:, 0] = width - 1 - expected[:, 0]
        assert len(poses) == 1
        np.testing.assert_allclose(poses.xy[0], expected, atol=0.6)


def test_single_mode_finds_one_person_even_where_the_scales_disagree() -> None:
    class Undecided(BrightestPixel):
        """Sees the brightest pixel at one size and the first pixel at another."""

        def __call__(self, images: Images) -> Fields:
            if images.shape[2] > 300:
                images = np.zeros_like(images)
                images[:, 0, 0] = 255
            return super().__call__(images)

    find = Estimator(Undecided(16), SPEC, resolve_options(size=257, scales=(1.0, 2.0), single=True))
    assert len(find(spot(80, 120, 70, 110))) == 1


def test_times_grow_by_one_number_per_image_and_stage() -> None:
    times = Times()
    find = estimator(size=257, scales=(1.0, 2.0))
    images = [spot(80, 120, 5, 100), spot(120, 80, 100, 5), spot(80, 120, 70, 10)]
    find.batch(images, times)
    find.batch([], times)
    find.batch(images[:1], times)
    for seconds in (times.resize, times.network, times.decode):
        assert len(seconds) == 4
        assert min(seconds) > 0
    assert times.network[0] == times.network[2]  # they ran together


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
