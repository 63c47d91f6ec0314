"""The options of the estimator, of videos and of who is followed, which `with_estimator_options` adds to a command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Annotated, Any

from rich.markup import escape

from posecli.cli.console import error_boundary
from posecli.cli.declarations import (
    DECODE_PANEL,
    INPUT_PANEL,
    MODEL_PANEL,
    RUN_PANEL,
    VIDEO_PANEL,
    Debug,
    Quiet,
    flag,
    option,
)
from posecli.cli.starting import starting
from posecli.errors import UsageError
from posecli.options import (
    MOST_WORKERS,
    PRESETS,
    EstimatorOptions,
    FollowOptions,
    InputOptions,
    parse_crop,
    parse_scales,
    parse_seconds,
    resolve_options,
)

DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(EstimatorOptions)}


def _setting(name: str, metavar: str, help: str, panel: str) -> Any:
    """An option for a field of `EstimatorOptions`: None when not given, its effective value shown in the help."""
    default = DEFAULTS[name]
    values = [] if default is None else [f"default: {_shown(default)}"]
    values += [
        f"{preset} {_shown(each[name])}" for preset, each in PRESETS.items() if each.get(name, default) != default
    ]
    shown = f" [dim]{escape('[' + '; '.join(values) + ']')}[/]" if values else ""
    return option(f"--{name.replace('_', '-')}", metavar=metavar, help=help + shown, panel=panel)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


# Choices are plain text here: `EstimatorOptions` checks them, with one clear line that suggests the nearest.
Model = Annotated[
    str | None,
    _setting(
        "model",
        "MODEL",
        "A name (posecli models lists them), NAME@STRIDE, or a path to converted weights.",
        MODEL_PANEL,
    ),
]
Fetch = Annotated[
    bool, flag("--fetch", help="Download the model first, if it is Google's and not installed.", panel=MODEL_PANEL)
]
Stride = Annotated[
    int | None, _setting("stride", "N", "Output stride: 8, 16, or 32 where the model has it.", MODEL_PANEL)
]
Size = Annotated[int | None, _setting("size", "PX", "Long side of the network's input.", MODEL_PANEL)]
Resize = Annotated[
    str | None,
    _setting(
        "resize", "HOW", "aspect keeps the picture's shape; tfjs pads to a square, as the original does.", MODEL_PANEL
    ),
]
Preset = Annotated[
    str | None,
    option(
        "--preset",
        metavar="NAME",
        help=f"Decode as another program does: {', '.join(PRESETS)}. Sets thresholds, limits, dilation and rules; "
        "options given explicitly win, and --size, --stride and --resize are never part of it.",
        panel=DECODE_PANEL,
    ),
]
Quality = Annotated[
    str | None,
    option(
        "--quality",
        metavar="NAME",
        help="fast (28.6 AP, 0.4 of the time), balanced (38.9 AP, the defaults) or best (42.7 AP, 3.7 times the time): "
        "size, decoder and test-time options at once. An option given explicitly wins, and so does a preset; "
        "thresholds are never part of it.",
        panel=MODEL_PANEL,
    ),
]
FlipTest = Annotated[
    bool | None,
    flag("--flip-test", help="See the mirrored image too, and average: twice the network's time.", panel=MODEL_PANEL),
]
Scales = Annotated[
    str | None,
    option(
        "--scales",
        metavar="F,F,...",
        help="See the image at several sizes, factors of --size such as 0.7,1,1.4, and merge what is found.",
        panel=MODEL_PANEL,
    ),
]
DecoderName = Annotated[
    str | None,
    option(
        "--decoder",
        metavar="NAME",
        help="accurate; or tfjs, port2018: as those programs decode. "
        "[dim]\\[default: accurate; with a preset, its own][/]",
        panel=DECODE_PANEL,
    ),
]
Single = Annotated[
    bool | None, flag("--single", help="Expect one person: the best place of each part.", panel=DECODE_PANEL)
]
MaxPoses = Annotated[int | None, _setting("max_poses", "N", "Most people in one image.", DECODE_PANEL)]
ScoreThreshold = Annotated[
    float | None,
    _setting("score_threshold", "SCORE", "Least score of the part that a pose grows from.", DECODE_PANEL),
]
NmsRadius = Annotated[
    float | None,
    _setting("nms_radius", "PX", "Equal parts nearer than this in the network's input are one.", DECODE_PANEL),
]
MinPoseScore = Annotated[float | None, _setting("min_pose_score", "SCORE", "Drop poses that score less.", DECODE_PANEL)]
MinPartScore = Annotated[
    float | None,
    _setting("min_part_score", "SCORE", "Leave parts that score less out of drawings and boxes.", DECODE_PANEL),
]
Mirror = Annotated[
    bool | None,
    flag(
        "--mirror",
        help="Mirror the result (the original's flipHorizontal); drawings mirror the photo too.",
        panel=DECODE_PANEL,
    ),
]
Device = Annotated[str | None, _setting("device", "NAME", "auto, cpu, cuda, cuda:N or mps.", RUN_PANEL)]
Backend = Annotated[
    str | None,
    _setting(
        "backend",
        "NAME",
        "What runs the network: auto (the fastest that is installed), openvino, onnx or torch.",
        RUN_PANEL,
    ),
]
PrecisionName = Annotated[
    str | None,
    _setting(
        "precision",
        "NAME",
        "What the network computes in: float32, bfloat16, float16 (GPUs) or int8 (openvino).",
        RUN_PANEL,
    ),
]
Calibrate = Annotated[
    str | None,
    _setting("calibrate", "DIR", "Photos to calibrate int8 on, for models that do not ship calibrated.", RUN_PANEL),
]
Threads = Annotated[
    int | None, _setting("threads", "N", "CPU threads of the network; by default, the backend's choice.", RUN_PANEL)
]
BatchSize = Annotated[
    int | None,
    option(
        "--batch-size",
        metavar="N",
        help="Most images that go through the network together; by default, what suits the device.",
        panel=RUN_PANEL,
    ),
]
Workers = Annotated[
    int | None,
    option(
        "--workers",
        metavar="N",
        help="Threads that read, draw and write beside the network; by default, what suits the machine; 0: none.",
        panel=RUN_PANEL,
    ),
]


def _shared(
    model: Model = None,
    fetch: Fetch = False,
    stride: Stride = None,
    size: Size = None,
    resize: Resize = None,
    quality: Quality = None,
    flip_test: FlipTest = None,
    scales: Scales = None,
    preset: Preset = None,
    decoder: DecoderName = None,
    single: Single = None,
    max_poses: MaxPoses = None,
    score_threshold: ScoreThreshold = None,
    nms_radius: NmsRadius = None,
    min_pose_score: MinPoseScore = None,
    min_part_score: MinPartScore = None,
    mirror: Mirror = None,
    device: Device = None,
    backend: Backend = None,
    precision: PrecisionName = None,
    calibrate: Calibrate = None,
    batch_size: BatchSize = None,
    workers: Workers = None,
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Signature of the shared options; `with_estimator_options` reads it."""


Every = Annotated[
    int, option("--every", metavar="N", help="Take each Nth frame of videos, from the first.", panel=INPUT_PANEL)
]
Start = Annotated[
    str | None,
    option("--start", metavar="TIME", help="Begin here in each video: seconds, or 1:30.", panel=INPUT_PANEL),
]
Duration = Annotated[
    str | None,
    option("--duration", metavar="TIME", help="Take so much of each video; by default, all.", panel=INPUT_PANEL),
]
Crop = Annotated[
    str | None,
    option(
        "--crop",
        metavar="X,Y,W,H",
        help="Look at this part of every picture, in px; results are in pixels of the part.",
        panel=INPUT_PANEL,
    ),
]
Track = Annotated[
    bool,
    option(
        "--track/--no-track",
        help="Give each person in a video an id, and a colour, that stays from frame to frame.",
        panel=VIDEO_PANEL,
    ),
]
Smooth = Annotated[
    bool,
    option("--smooth/--no-smooth", help="Keep the people in a video from trembling; needs --track.", panel=VIDEO_PANEL),
]


def _taking(every: Every = 1, start: Start = None, duration: Duration = None, crop: Crop = None) -> InputOptions:
    start_s, duration_s = parse_seconds("start", start), parse_seconds("duration", duration)
    return InputOptions(every, start_s or 0.0, duration_s, parse_crop(crop))


def _following(track: Track = True, smooth: Smooth = False) -> FollowOptions:
    if smooth and not track:
        raise UsageError("--smooth needs to know who is who; leave out --no-track")
    return FollowOptions(track, smooth)


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function, eval_str=True).parameters


_SHARED = _parameters(_shared)
_ESTIMATOR_FIELDS = frozenset(DEFAULTS)
_GROUPS: Mapping[str, Callable[..., Any]] = {"taking": _taking, "following": _following}


def with_estimator_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the shared options to a command and run it inside the error boundary.

    The command itself takes its own parameters and, by name, `options` (EstimatorOptions, resolved), `fetch`,
    `batch_size`, `workers` and `quiet`; where it has parameters of these names, also `taking` (InputOptions) and
    `following` (FollowOptions), with the options of the command line that make them.
    """
    own = _parameters(command)
    groups = {name: make for name, make in _GROUPS.items() if name in own}
    supplied = ("options", "fetch", "batch_size", "workers", "quiet", *groups)

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        with error_boundary(values.pop("debug")), starting():
            for name, make in groups.items():
                values[name] = make(**{each: values.pop(each) for each in _parameters(make)})
            asked = {name: values.pop(name) for name in _SHARED if name in _ESTIMATOR_FIELDS}
            asked["scales"] = parse_scales(asked["scales"])
            _check_counts(values["batch_size"], values["workers"])
            command(**values, options=resolve_options(**asked))

    parameters = [p for name, p in own.items() if name not in supplied]
    parameters += [p for make in groups.values() for p in _parameters(make).values()]
    parameters += _SHARED.values()
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Typer reads it
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    del wrapper.__wrapped__  # or inspection would find the short signature
    return wrapper


def _check_counts(batch_size: int | None, workers: int | None) -> None:
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"--batch-size must be at least 1, got {batch_size}")
    if workers is not None and not 0 <= workers <= MOST_WORKERS:
        raise UsageError(f"--workers must lie between 0 and {MOST_WORKERS}, got {workers}")
