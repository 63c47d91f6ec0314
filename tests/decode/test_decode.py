"""`decode`: what it checks, which decoder it takes, and what it drops."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from posecli.decode import decode, handover
from posecli.options import DecodeOptions
from posecli.poses import Poses
from random_fields import Fields, interpreted, random_fields

NAMES = ("heatmaps", "offsets", "forward", "backward")


@pytest.fixture
def fields(rng: np.random.Generator) -> list[NDArray[np.float32]]:
    heatmaps = rng.random((17, 5, 7), np.float32)
    return [heatmaps, *((rng.random((depth, 5, 7), np.float32) - 0.5) * 40 for depth in (34, 32, 32))]


@pytest.mark.parametrize("which", [1, 2, 3])
def test_a_wrong_shape_is_named(fields: list[NDArray[np.float32]], which: int) -> None:
    depth = len(fields[which])
    fields[which] = fields[which][:, :, :-1]
    with pytest.raises(ValueError, match=rf"{NAMES[which]}: expected \({depth}, 5, 7\), got \({depth}, 5, 6\)"):
        decode(*fields, 16, DecodeOptions())


@pytest.mark.parametrize("shape", [(17, 0, 7), (5, 7), (1, 17, 5, 7)])
def test_heatmaps_without_a_grid_are_named(fields: list[NDArray[np.float32]], shape: tuple[int, ...]) -> None:
    fields[0] = np.zeros(shape, np.float32)
    with pytest.raises(ValueError, match=r"heatmaps: expected \(17, h, w\) with cells, got"):
        decode(*fields, 16, DecodeOptions())


def test_the_number_of_parts_is_checked(fields: list[NDArray[np.float32]]) -> None:
    fields[0] = fields[0][:16]
    with pytest.raises(ValueError, match=r"heatmaps: expected \(17, 5, 7\), got \(16, 5, 7\)"):
        decode(*fields, 16, DecodeOptions())


def test_a_wrong_type_is_named(fields: list[NDArray[np.float32]]) -> None:
    wrong = fields[2].astype(np.float64)
    with pytest.raises(ValueError, match="forward: expected float32, got float64"):
        decode(fields[0], fields[1], wrong, fields[3], 16, DecodeOptions())


def test_the_layout_in_memory_does_not_matter(fields: list[NDArray[np.float32]]) -> None:
    expected = decode(*fields, 16, DecodeOptions())
    poses = decode(*(np.asfortranarray(field) for field in fields), 16, DecodeOptions())
    assert len(poses) > 1
    np.testing.assert_array_equal(poses.xy, expected.xy)


def test_the_fields_are_not_written_to(fields: list[NDArray[np.float32]]) -> None:
    before = [field.copy() for field in fields]
    for options in (DecodeOptions(), DecodeOptions(single=True), DecodeOptions(decoder="port2018")):
        decode(*fields, 16, options)
    for field, copy in zip(fields, before, strict=True):
        np.testing.assert_array_equal(field, copy)


def test_each_decoder_is_its_own(fields: list[NDArray[np.float32]]) -> None:
    multi, single, port = (
        decode(*fields, 16, DecodeOptions(**chosen))
        for chosen in ({}, {"single": True, "decoder": "port2018"}, {"decoder": "port2018"})
    )
    assert len(single) == 1
    assert len(multi) > 1
    assert multi.xy.tolist() != port.xy.tolist()


def test_numbers_of_other_types_are_welcome(fields: list[NDArray[np.float32]]) -> None:
    expected = decode(*fields, 16, DecodeOptions(nms_radius=20.0, min_pose_score=0.0))
    poses = decode(*fields, np.int64(16), DecodeOptions(nms_radius=20, min_pose_score=0))
    np.testing.assert_array_equal(poses.xy, expected.xy)


def test_nobody_is_found_in_an_empty_image() -> None:
    fields = [np.zeros((depth, 3, 3), np.float32) for depth in (17, 34, 32, 32)]
    for decoder in ("tfjs", "port2018"):
        poses = decode(*fields, 16, DecodeOptions(decoder=decoder))
        assert len(poses) == 0
        assert poses.xy.shape == (0, 17, 2)
        assert poses.xy.dtype == poses.scores.dtype == poses.part_scores.dtype == np.float32


@settings(max_examples=100, deadline=None)
@given(random_fields(), st.sampled_from([0.05, 0.15, 0.4]), st.booleans())
def test_the_minimum_pose_score_only_drops(fields: Fields, minimum: float, single: bool) -> None:
    every: Poses = decode(*fields, DecodeOptions(max_poses=6, single=single, min_pose_score=0.0))
    poses = decode(*fields, DecodeOptions(max_poses=6, single=single, min_pose_score=minimum))
    expected = every[every.scores.astype(np.float64) >= minimum]
    np.testing.assert_array_equal(poses.xy, expected.xy)
    np.testing.assert_array_equal(poses.scores, expected.scores)


@pytest.mark.parametrize("python", [False, True])
def test_hand_over_drops_what_is_low_or_not_finite(python: bool, rng: np.random.Generator) -> None:
    yx, part_scores = rng.uniform(0, 99, (5, 17, 2)), rng.random((5, 17))
    scores = np.array([0.9, 0.1, np.nan, 0.8, 0.7])
    yx[3, 4, 1] = np.inf
    part_scores[0, 16] = np.nan
    if python:
        with interpreted(handover):
            xy, kept_part_scores, kept_scores = handover.hand_over(yx, part_scores, scores, 0.5)
    else:
        xy, kept_part_scores, kept_scores = handover.hand_over(yx, part_scores, scores, 0.5)
    np.testing.assert_array_equal(xy, yx[4:, :, ::-1].astype(np.float32))
    np.testing.assert_array_equal(kept_part_scores, part_scores[4:].astype(np.float32))
    np.testing.assert_array_equal(kept_scores, np.float32([0.7]))


def test_once_prepared_no_image_waits_for_the_compiler() -> None:
    # In a process of its own, where nothing is compiled yet; the fields come as the backends hand them out.
    script = (
        "import numpy as np, torch\n"
        "from posecli.decode import decode, hough, multi, port2018, prepare, single\n"
        "from posecli.options import DecodeOptions\n"
        "fields = [torch.rand(2, depth, 5, 7).numpy()[1] for depth in (17, 34, 32, 32)]\n"
        "for kernel, options in (\n"
        "    (hough.decode_hough, DecodeOptions()),\n"
        "    (multi.decode_multi, DecodeOptions(decoder='tfjs')),\n"
        "    (port2018.grow_poses, DecodeOptions(decoder='port2018')),\n"
        "    (single.decode_single, DecodeOptions(single=True)),\n"
        "):\n"
        "    assert not kernel.signatures\n"
        "    prepare(options)\n"
        "    compiled = list(kernel.signatures)\n"
        "    decode(*fields, 16, options)\n"
        "    assert kernel.signatures == compiled and len(compiled) == 1, options\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
