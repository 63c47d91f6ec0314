import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from posecli.decode import decode
from posecli.networks.fields import Fields
from posecli.networks.mobilenet import MobileNetV1
from posecli.networks.spec import ModelSpec
from posecli.options import DecodeOptions
from posecli.poses import Poses
from posecli.skeleton import NUM_EDGES, NUM_PARTS, PART_INDEX, PARTS, TREE_EDGES
from posecli.testtime import average_mirrored, merge_scales, mirror, scaled_size, with_mirrored

STRIDE = 16


def random_fields(batch: int = 1, height: int = 5, width: int = 8, seed: int = 0) -> Fields:
    rng = np.random.default_rng(seed)
    depths = (NUM_PARTS, 2 * NUM_PARTS, 2 * NUM_EDGES, 2 * NUM_EDGES)
    heatmaps, *vectors = (rng.normal(0, 30, (batch, depth, height, width)).astype(np.float32) for depth in depths)
    heatmaps = 1 / (1 + np.exp(-heatmaps / 30))
    return Fields(*map(torch.from_numpy, (heatmaps, *vectors)))


def partner(name: str) -> str:
    """Name of a part in the mirrored image."""
    return name.replace("left_", "RIGHT_").replace("right_", "left_").lower()


def mirror_by_hand(fields: Fields) -> list[NDArray[np.float32]]:
    """Cell by cell and channel by channel, by the names of the parts."""
    heatmaps, offsets, forward, backward = (field.numpy() for field in fields)
    width = heatmaps.shape[-1]
    mirrored = [np.empty_like(field) for field in (heatmaps, offsets, forward, backward)]
    names = [(PARTS[parent], PARTS[child]) for parent, child in TREE_EDGES]
    for x in range(width):
        for part, name in enumerate(PARTS):
            other = PART_INDEX[partner(name)]
            mirrored[0][:, part, :, x] = heatmaps[:, other, :, width - 1 - x]
            mirrored[1][:, part, :, x] = offsets[:, other, :, width - 1 - x]
            mirrored[1][:, NUM_PARTS + part, :, x] = -offsets[:, NUM_PARTS + other, :, width - 1 - x]
        for edge, (parent, child) in enumerate(names):
            other = names.index((partner(parent), partner(child)))
            for new, old in zip(mirrored[2:], (forward, backward), strict=True):
                new[:, edge, :, x] = old[:, other, :, width - 1 - x]
                new[:, NUM_EDGES + edge, :, x] = -old[:, NUM_EDGES + other, :, width - 1 - x]
    return mirrored


def test_mirroring_is_what_it_is_by_hand() -> None:
    fields = random_fields(batch=2)
    for fast, slow in zip(mirror(fields), mirror_by_hand(fields), strict=True):
        np.testing.assert_array_equal(fast.numpy(), slow)


def test_mirroring_twice_is_the_identity() -> None:
    fields = random_fields()
    for twice, once in zip(mirror(mirror(fields)), fields, strict=True):
        assert torch.equal(twice, once)


def test_a_network_sees_the_mirror_image_where_averaging_expects_it() -> None:
    """The fields of a random network, averaged, are those of input and mirrored input, the latter's back by hand."""
    torch.manual_seed(0)
    network = MobileNetV1(ModelSpec("mobilenet_v1", 0.5)).eval()
    pixels = np.random.default_rng(1).integers(0, 256, (2, 49, 81, 3), np.uint8)

    def see(inputs: NDArray[np.uint8 | np.float32]) -> Fields:
        with torch.inference_mode():
            return Fields(*network(torch.from_numpy(inputs).permute(0, 3, 1, 2) / 127.5 - 1))

    averaged = average_mirrored(see(with_mirrored(pixels)))
    straight, back = see(pixels), mirror_by_hand(see(np.ascontiguousarray(pixels[:, :, ::-1])))
    for both, one, other in zip(averaged, straight, back, strict=True):
        assert both.shape == one.shape
        np.testing.assert_allclose(both.numpy(), (one.numpy() + other) / 2, atol=1e-5)


@pytest.mark.parametrize("part", range(NUM_PARTS))
@pytest.mark.parametrize("x", [0, 37, 112])
def test_single_pixel(part: int, x: int) -> None:
    """A keypoint lit at x of the mirrored input lands at w - 1 - x, with the name of its left-right partner."""
    height, width, y = 49, 113, 20
    fields = Fields(*(torch.zeros_like(field) for field in random_fields(1, 4, 8)))
    cell_y, cell_x = round(y / STRIDE), round(x / STRIDE)
    fields.heatmaps[0, part, cell_y, cell_x] = 0.9
    fields.offsets[0, [part, NUM_PARTS + part], cell_y, cell_x] = torch.tensor([y, x]) - STRIDE * torch.tensor(
        [cell_y, cell_x], dtype=torch.float32
    )
    assert fields.heatmaps.shape[2:] == ((height - 1) // STRIDE + 1, (width - 1) // STRIDE + 1)
    poses = decode(
        *(field[0].numpy() for field in mirror(fields)), STRIDE, DecodeOptions(single=True, min_pose_score=0)
    )
    lit = PART_INDEX[partner(PARTS[part])]
    assert poses.part_scores[0].argmax() == lit
    np.testing.assert_allclose(poses.xy[0, lit], (width - 1 - x, y))


def test_sizes_scale_from_the_first_to_the_last_pixel() -> None:
    assert [scaled_size(513, scale) for scale in (0.5, 1.0, 2.0)] == [257, 513, 1025]
    assert scaled_size(641, 0.7) == 449


BODY = np.random.default_rng(3).uniform((0, 0), (60, 160), (NUM_PARTS, 2))  # px


def people(*shifts_and_scores: tuple[float, float], part_score: float = 0.8) -> Poses:
    """The same body at several shifts in x, with these pose scores."""
    shifts, scores = np.array(shifts_and_scores, np.float32).reshape(-1, 2).T
    xy = (BODY + np.stack([shifts, 0 * shifts], axis=-1)[:, None]).astype(np.float32)
    return Poses(xy, np.full((len(scores), NUM_PARTS), part_score, np.float32), scores)


def test_one_person_seen_at_two_scales_is_one_surer_person_between() -> None:
    merged = merge_scales([people((0, 0.6)), people((3, 0.3))], 20)
    assert len(merged) == 1
    np.testing.assert_allclose(merged.xy[0, :, 0], BODY[:, 0] + 0.6, atol=1e-4)  # weights 4 : 1
    np.testing.assert_allclose(merged.part_scores, 0.8, rtol=1e-6)
    np.testing.assert_allclose(merged.scores, np.sqrt(1 - (1 - 0.36) * (1 - 0.09)), rtol=1e-6)


def test_a_part_lies_where_the_scale_that_sees_it_says() -> None:
    sure, unsure = people((0, 0.5)), people((4, 0.5))
    unsure.part_scores[0, 5] = 0.0
    merged = merge_scales([sure, unsure], 20)
    np.testing.assert_allclose(merged.xy[0, 5], BODY[5], atol=1e-4)
    np.testing.assert_allclose(merged.xy[0, 6], BODY[6] + np.array([2, 0]), atol=1e-4)


def test_parts_that_no_scale_sees_stay_between() -> None:
    merged = merge_scales([people((0, 0.5), part_score=0), people((4, 0.5), part_score=0)], 20)
    np.testing.assert_allclose(merged.xy[0, :, 0], BODY[:, 0] + 2, atol=1e-4)
    assert (merged.part_scores == 0).all()


def test_two_people_stay_two_and_the_surest_comes_first() -> None:
    merged = merge_scales([people((0, 0.5), (500, 0.4)), people((502, 0.4))], 20)
    np.testing.assert_allclose(merged.scores, [np.sqrt(1 - (1 - 0.16) ** 2), 0.5], rtol=1e-6)
    np.testing.assert_allclose(merged.xy[:, 0, 0], [BODY[0, 0] + 501, BODY[0, 0]], atol=1e-3)


def test_the_surest_are_kept_where_there_are_too_many() -> None:
    merged = merge_scales([people((0, 0.2), (500, 0.3)), people((1000, 0.4))], 2)
    np.testing.assert_allclose(merged.scores, [0.4, 0.3])


def test_a_pose_that_is_not_finite_is_like_no_other_and_ends_nothing() -> None:
    lost = people((float("nan"), 0.9))
    assert len(merge_scales([lost, people((0, 0.5))], 20)) == 2


def test_nobody_at_any_scale_is_nobody() -> None:
    assert len(merge_scales([Poses.empty(), Poses.empty()], 20)) == 0
    assert len(merge_scales([Poses.empty(), people((0, 0.5))], 20)) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 1)), max_size=8), st.integers(0, 8))
def test_merging_keeps_what_a_score_is_and_asks_not_which_scale_it_was(
    found: list[tuple[float, float]], cut: int
) -> None:
    merged = merge_scales([people(*found[:cut]), people(*found[cut:])], 20)
    assert ((merged.scores >= 0) & (merged.scores <= 1)).all()
    assert (np.diff(merged.scores) <= 0).all()
    assert ((merged.part_scores >= 0) & (merged.part_scores <= 1)).all()
    assert len(merged) <= len(found)
    if found:
        assert merged.scores[0] >= np.float32(max(score for _, score in found)) - 1e-6
    np.testing.assert_array_equal(merged.xy, merge_scales([people(*found)], 20).xy)
