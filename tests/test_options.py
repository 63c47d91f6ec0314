import math
from dataclasses import replace
from typing import Any, get_args

import pytest

from posecli.errors import UsageError
from posecli.options import (
    CRFS,
    PRESETS,
    QUALITIES,
    Codec,
    EstimatorOptions,
    InputOptions,
    PresetName,
    QualityName,
    VideoOptions,
    crf_of,
    parse_crop,
    parse_scales,
    parse_seconds,
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


@pytest.mark.parametrize(
    ("text", "crop"), [(None, None), ("100,50,640,480", (100, 50, 640, 480)), ("0, 0, 1, 1", (0, 0, 1, 1))]
)
def test_a_crop(text: str | None, crop: tuple[int, ...] | None) -> None:
    assert parse_crop(text) == crop


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "-1,2,3,4", "a,b,c,d", "1.5,2,3,4"])
def test_what_is_no_crop(text: str) -> None:
    with pytest.raises(UsageError, match="--crop must be X,Y,WIDTH,HEIGHT"):
        parse_crop(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, None), ("0", 0.0), ("90", 90.0), ("12.5", 12.5), ("1:30", 90.0), ("0:01:30.25", 90.25), ("100:00", 6000.0)],
)
def test_a_time(text: str | None, seconds: float | None) -> None:
    assert parse_seconds("start", text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1:", ":5", "1m", "1:2:3:4", "nan", "1e3"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="--duration must be a time"):
        parse_seconds("duration", text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every": 0}, "--every must be at least 1"),
        ({"start_s": -1.0}, "--start must be"),
        ({"start_s": math.nan}, "--start must be"),
        ({"duration_s": 0.0}, "--duration must be more than 0"),
        ({"crop": (0, 0, 0, 5)}, "--crop must be"),
    ],
)
def test_what_cannot_be_taken(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        InputOptions(**settings)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"codec": "h265"}, r"--codec must be one of h264, hevc, av1, vp9, mpeg4, gif; got 'h265' \(did you mean"),
        ({"crf": 52}, "--crf must lie between 1 and 51 for --codec h264, got 52"),
        ({"codec": "mpeg4", "crf": 0}, "--crf must lie between 2 and 31 for --codec mpeg4, got 0"),
        ({"codec": "gif", "crf": 20}, "--crf does not go with --codec gif, which has no quality to choose"),
    ],
)
def test_video_options_have_their_ranges(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        VideoOptions(**fields)


def test_every_codec_has_a_quality_of_its_own_but_gif() -> None:
    for codec, (best, worst, default) in CRFS.items():
        assert crf_of(codec, None) == default  # type: ignore[arg-type]  # the keys are the codecs
        assert [VideoOptions(codec, crf).crf for crf in (best, worst)] == [best, worst]  # type: ignore[arg-type]
    assert set(get_args(Codec)) - set(CRFS) == {"gif"}
    assert VideoOptions("gif").crf is None
