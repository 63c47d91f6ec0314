from dataclasses import replace
from typing import get_args

import pytest

from posecli.errors import UsageError
from posecli.options import (
    PRESETS,
    QUALITIES,
    EstimatorOptions,
    PresetName,
    QualityName,
    parse_scales,
    resolve_options,
)


def test_nothing_asked_for_gives_the_defaults() -> None:
    assert resolve_options() == EstimatorOptions()
    assert resolve_options(None, size=None, single=None) == EstimatorOptions()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_beats_the_defaults_and_leaves_size_stride_and_resize(preset: str) -> None:
    options = resolve_options(preset)
    assert {name: getattr(options, name) for name in PRESETS[preset]} == PRESETS[preset]
    assert not PRESETS[preset].keys() & {"size", "stride", "resize"}
    assert PRESETS[preset].keys() >= {
        "decoder",
        "dilation",
        "score_threshold",
        "nms_radius",
        "max_poses",
        "min_pose_score",
        "precision",
    }


def test_an_explicit_option_beats_the_preset_even_where_it_equals_the_default() -> None:
    default = EstimatorOptions()
    options = resolve_options("tfjs", max_poses=default.max_poses, score_threshold=0.0)
    assert options.max_poses == default.max_poses != PRESETS["tfjs"]["max_poses"]
    assert options.score_threshold == 0.0
    assert options.min_pose_score == PRESETS["tfjs"]["min_pose_score"]


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_quality_beats_the_defaults_only_and_never_touches_a_threshold(quality: str) -> None:
    chosen = resolve_options(quality=quality)
    assert {name: getattr(chosen, name) for name in QUALITIES[quality]} == QUALITIES[quality]
    assert QUALITIES[quality].keys() <= {"size", "decoder", "flip_test", "scales"}
    preset = resolve_options("port2018", quality=quality)
    assert preset.decoder == "port2018"
    assert preset.size == QUALITIES[quality]["size"]
    assert resolve_options("port2018", quality=quality, size=97, decoder="tfjs").size == 97


def test_balanced_is_the_default() -> None:
    assert replace(resolve_options(quality="balanced"), quality=None) == EstimatorOptions()


def test_scales_are_read_from_text() -> None:
    assert parse_scales("0.7,1,1.4") == (0.7, 1.0, 1.4)
    assert parse_scales(None) is None
    with pytest.raises(UsageError, match="--scales must be numbers separated by commas"):
        parse_scales("1;2")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"quality": "bst"}, r"--quality must be one of fast, balanced, best; got 'bst' \(did you mean best\?\)"),
        ({"scales": (1.0, 0.7, 1.0)}, "--scales must differ from each other"),
        ({"calibrate": "photos"}, "--calibrate is for --precision int8; give both"),
        ({"scales": ()}, "--scales must be factors between 0.1 and 4.0, got none"),
        ({"scales": (1.0, float("nan"))}, "--scales must be factors"),
        ({"size": 10}, "--size must lie between 33 and"),
        ({"size": 100_000}, "--size must lie between 33 and"),
        ({"stride": 12}, "--stride must be 8, 16 or 32, got 12"),
        ({"max_poses": 0}, "--max-poses must lie between 1 and 10000, got 0"),
        ({"max_poses": 10**20}, "--max-poses must lie between 1 and 10000, got 1000"),
        ({"dilation": "width"}, "--dilation must be one of both, height; got 'width'"),
        ({"precision": "bf16"}, "--precision must be one of float32, bfloat16, float16, int8; got 'bf16'"),
        ({"decoder": "x"}, "--decoder must be one of tfjs, port2018, accurate; got 'x'"),
        ({"backend": "x"}, "--backend must be one of auto, torch, openvino, onnx; got 'x'"),
        ({"score_threshold": 1.5}, "--score-threshold must lie between 0 and 1, got 1.5"),
        ({"score_threshold": float("nan")}, "--score-threshold must lie between 0 and 1, got nan"),
        ({"min_part_score": -0.1}, "--min-part-score must lie between 0 and 1"),
        ({"nms_radius": -1.0}, "--nms-radius must not be negative"),
        ({"nms_radius": float("nan")}, "--nms-radius must not be negative"),
        ({"threads": 0}, "--threads must be at least 1"),
        ({"resize": "squash"}, "--resize must be one of aspect, tfjs; got 'squash'"),
        ({"preset": "tfj"}, r"--preset must be one of tfjs, .*; got 'tfj' \(did you mean tfjs\?\)"),
    ],
)
def test_values_out_of_range_are_wrong_usage(asked: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_options(**asked)  # type: ignore[arg-type]


def test_the_qualities_are_those_that_the_type_names() -> None:
    assert tuple(QUALITIES) == get_args(QualityName)


def test_the_presets_are_those_that_the_type_names() -> None:
    assert set(PRESETS) == set(get_args(PresetName))


def test_unknown_options_are_a_programming_error() -> None:
    with pytest.raises(TypeError, match="unknown option: scale_factor"):
        resolve_options(scale_factor=0.5)


def test_scales_do_not_lead_beyond_the_largest_size() -> None:
    with pytest.raises(UsageError, match="--size times the largest of --scales must not exceed 8193 px"):
        resolve_options(size=8193, scales=(1.0, 1.1))
