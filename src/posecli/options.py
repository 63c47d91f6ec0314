"""Every setting with its default, and the presets. Data only, and light: `posecli --help` reads its defaults here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal, get_args

from posecli.errors import UsageError

Decoder = Literal["tfjs", "port2018", "accurate"]
Dilation = Literal["both", "height"]  # (r, r), as trained; (r, 1), as TF.js runs its second-release graphs
ResizeMode = Literal["aspect", "tfjs"]
PresetName = Literal["tfjs", "demo-photo", "demo-camera", "port2018"]
QualityName = Literal["fast", "balanced", "best"]
BackendName = Literal["auto", "torch", "openvino", "onnx"]
Precision = Literal["float32", "bfloat16", "float16", "int8"]
Exists = Literal["skip", "overwrite", "error"]
StyleName = Literal["modern", "classic"]
Background = Literal["original", "black", "transparent"]
Codec = Literal["h264", "hevc", "av1", "vp9", "mpeg4", "gif"]

DEFAULT_MODEL = "mobilenet-075"
DEFAULT_JOBS = 4  # files downloaded at once
MOST_WORKERS = 64
MOST_POSES = 10_000
MIN_SCALE, MAX_SCALE = 0.1, 4.0  # of size, in test-time scales
MIN_SIZE, MAX_SIZE = 33, 8193  # network-input px; below, no body fits the grid; above, memory runs out


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How fields become poses. Raises UsageError for a value out of range."""

    decoder: Decoder = "accurate"
    single: bool = False  # one person: the best cell of each part
    max_poses: int = 20
    score_threshold: float = 0.3  # of a root part, in [0, 1]
    nms_radius: float = 20.0  # network-input px
    min_pose_score: float = 0.25  # in [0, 1]; poses below are dropped

    def __post_init__(self) -> None:
        for name in ("score_threshold", "min_pose_score"):
            check_fraction(name, getattr(self, name))
        check_choice("decoder", self.decoder, Decoder)
        if not 1 <= self.max_poses <= MOST_POSES:
            raise UsageError(f"--max-poses must lie between 1 and {MOST_POSES}, got {self.max_poses}")
        if not self.nms_radius >= 0:
            raise UsageError(f"--nms-radius must not be negative, got {self.nms_radius}")


@dataclass(frozen=True, slots=True)
class EstimatorOptions(DecodeOptions):
    """Everything between an image and its poses. Raises UsageError for a value out of range."""

    model: str = DEFAULT_MODEL  # a name, or a path to converted weights; `resolve_options` takes NAME@STRIDE too
    preset: PresetName | None = None
    quality: QualityName | None = None
    stride: int = 16
    size: int = 641  # long side (aspect) or both sides (tfjs) of the network's input, px
    resize: ResizeMode = "aspect"
    dilation: Dilation = "both"
    min_part_score: float = 0.2  # in [0, 1]; parts below are neither drawn nor boxed
    flip_test: bool = False  # fields averaged with those of the mirrored image: twice the network's time
    scales: tuple[float, ...] = (1.0,)  # factors of size at which the network sees each image
    mirror: bool = False  # the original's flipHorizontal: x becomes width - 1 - x
    device: str = "auto"  # auto, cpu, cuda[:n], mps
    backend: BackendName = "auto"
    precision: Precision = "float32"
    calibrate: str | None = None  # folder of photos that int8 is calibrated on; None: what comes with the model
    threads: int | None = None  # None: what the backend chooses

    def __post_init__(self) -> None:
        DecodeOptions.__post_init__(self)
        check_fraction("min_part_score", self.min_part_score)
        choices = {"resize": ResizeMode, "dilation": Dilation, "backend": BackendName, "precision": Precision}
        for name, kinds in choices.items():
            check_choice(name, getattr(self, name), kinds)
        if self.quality is not None:
            check_choice("quality", self.quality, QualityName)
        if not (self.scales and all(MIN_SCALE <= scale <= MAX_SCALE for scale in self.scales)):
            shown = ",".join(f"{scale:g}" for scale in self.scales)
            raise UsageError(f"--scales must be factors between {MIN_SCALE} and {MAX_SCALE}, got {shown or 'none'}")
        if self.stride not in (8, 16, 32):
            raise UsageError(f"--stride must be 8, 16 or 32, got {self.stride}")
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise UsageError(f"--size must lie between {MIN_SIZE} and {MAX_SIZE} px, got {self.size}")
        if len(set(self.scales)) < len(self.scales):
            raise UsageError("--scales must differ from each other: seeing the same thing twice tells nothing new")
        if max(self.scales) * self.size > MAX_SIZE:
            raise UsageError(f"--size times the largest of --scales must not exceed {MAX_SIZE} px")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"--threads must be at least 1, got {self.threads}")
        if self.calibrate is not None and self.precision != "int8":
            raise UsageError("--calibrate is for --precision int8; give both")


@dataclass(frozen=True, slots=True)
class InputOptions:
    """What is taken of the inputs. Raises UsageError for a value out of range."""

    every: int = 1  # of a video, each so-manieth frame
    start_s: float = 0.0  # of a video, s from its start
    duration_s: float | None = None  # of a video, s; None: to its end
    crop: tuple[int, int, int, int] | None = None  # x, y, width, height, px; results are in pixels of the crop

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"--every must be at least 1, got {self.every}")
        if not 0 <= self.start_s < math.inf:
            raise UsageError(f"--start must be seconds from the start, 0 or more, got {self.start_s:g}")
        if self.duration_s is not None and not 0 < self.duration_s < math.inf:
            raise UsageError(f"--duration must be more than 0 seconds, got {self.duration_s:g}")
        if self.crop is not None and not (min(self.crop[:2]) >= 0 and min(self.crop[2:]) > 0):
            raise UsageError(f"--crop must be X,Y,WIDTH,HEIGHT in px, got {','.join(map(str, self.crop))}")


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """What is made of the frames of a video as a whole; photos are not concerned."""

    track: bool = True  # people have ids that stay from frame to frame
    smooth: bool = False  # parts do not tremble; needs ids


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """How videos are written. Raises UsageError for a value out of range."""

    codec: Codec = "h264"
    crf: int | None = None  # lower is better and larger; None: as CRFS has it
    audio: bool = True  # the sound of the source goes along

    def __post_init__(self) -> None:
        check_choice("codec", self.codec, Codec)
        if self.crf is not None:
            crf_of(self.codec, self.crf)


# The quality of each codec: best, worst, default. The defaults look alike, and better than what FFmpeg would take: a
# video that is annotated was compressed before, and thin lines in strong colours are what compression spoils first.
CRFS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"h264": (1, 51, 20), "hevc": (1, 51, 22), "av1": (1, 63, 28), "vp9": (1, 63, 28), "mpeg4": (2, 31, 3)}
)


# What each quality fixes beside the defaults: size, decoder and test-time options, never a threshold.
QUALITIES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "fast": {"size": 385, "decoder": "accurate"},
        "balanced": {"size": 641, "decoder": "accurate"},  # the defaults
        "best": {"size": 641, "decoder": "accurate", "scales": (0.6, 1.0, 1.6)},
    }
)

# What each preset fixes beside the defaults: decoder, dilation, thresholds, NMS radius, most poses, precision; never
# size, stride or resize. The numbers are those of the programs it stands for.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "tfjs": {  # @tensorflow-models/posenet 2.2.2, estimateMultiplePoses without arguments
            "decoder": "tfjs",
            "dilation": "height",
            "max_poses": 5,
            "score_threshold": 0.5,
            "nms_radius": 20.0,
            "min_pose_score": 0.0,
            "precision": "float32",
        },
        "demo-photo": {  # its demo on photos
            "decoder": "tfjs",
            "dilation": "height",
            "max_poses": 15,
            "score_threshold": 0.1,
            "nms_radius": 20.0,
            "min_pose_score": 0.2,
            "min_part_score": 0.1,
            "precision": "float32",
        },
        "demo-camera": {  # its demo on the webcam
            "decoder": "tfjs",
            "dilation": "height",
            "max_poses": 5,
            "score_threshold": 0.1,
            "nms_radius": 30.0,
            "min_pose_score": 0.15,
            "min_part_score": 0.1,
            "precision": "float32",
        },
        "port2018": {  # rwightman/posenet-pytorch, image_demo.py
            "decoder": "port2018",
            "dilation": "both",
            "max_poses": 10,
            "score_threshold": 0.5,
            "nms_radius": 20.0,
            "min_pose_score": 0.25,
            "min_part_score": 0.25,
            "precision": "float32",
        },
    }
)


def resolve_options(preset: str | None = None, **explicit: Any) -> EstimatorOptions:
    """Combine what was asked for: an explicit option beats the preset, which beats the quality, then the defaults.

    An option that is None was not asked for. Raises UsageError for an unknown preset or quality or a value out of
    range, and TypeError for an unknown option.
    """
    unknown = explicit.keys() - {field.name for field in fields(EstimatorOptions)}
    if unknown:
        raise TypeError(f"unknown option: {', '.join(sorted(unknown))}")
    asked = {name: value for name, value in explicit.items() if value is not None}
    if "model" in asked:
        name, stride = split_model(asked["model"])
        if stride is not None and asked.setdefault("stride", stride) != stride:
            raise UsageError(f"--model {asked['model']} and --stride {asked['stride']} contradict each other; give one")
        asked["model"] = name
    chosen: dict[str, Any] = {}
    if quality := asked.get("quality"):
        chosen |= QUALITIES[check_choice("quality", quality, QualityName)]
    if preset is not None:
        check_choice("preset", preset, PresetName)
        chosen |= {"preset": preset, **PRESETS[preset]}
    return replace(EstimatorOptions(), **{**chosen, **asked})


def split_model(model: str) -> tuple[str, int | None]:
    """The name and the output stride of a model given as NAME@STRIDE; anything else, such as a path, stays whole."""
    match = re.fullmatch(r"([A-Za-z0-9._-]+)@(\d{1,3})", model)
    return (match[1], int(match[2])) if match else (model, None)


def parse_scales(text: str | None) -> tuple[float, ...] | None:
    """The factors in a text such as 0.7,1,1.4. Raises UsageError for anything else."""
    try:
        return None if text is None else tuple(float(factor) for factor in text.split(","))
    except ValueError:
        raise UsageError(f"--scales must be numbers separated by commas, such as 0.7,1,1.4; got {text!r}") from None


def parse_crop(text: str | None) -> tuple[int, int, int, int] | None:
    """The rectangle in a text such as 100,50,640,480: x, y, width, height. Raises UsageError for anything else."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,6}),(\d{1,6}),(\d{1,6}),(\d{1,6})", text.replace(" ", ""))
    if match is None:
        raise UsageError(f"--crop must be X,Y,WIDTH,HEIGHT in px, such as 100,50,640,480; got {text!r}")
    x, y, width, height = map(int, match.groups())
    return x, y, width, height


def parse_seconds(option: str, text: str | None) -> float | None:
    """The seconds in a text such as 90, 1:30 or 0:01:30.5. Raises UsageError for anything else."""
    if text is None:
        return None
    match = re.fullmatch(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,9}(?:\.\d{1,9})?)", text.strip())
    if match is None:
        raise UsageError(
            f"--{option} must be a time, as seconds or as MINUTES:SECONDS, such as 90 or 1:30; got {text!r}"
        )
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def crf_of(codec: Codec, crf: int | None) -> int:
    """The quality to encode with: the one asked for, else the codec's default. Raises UsageError out of range."""
    if codec not in CRFS:
        raise UsageError(f"--crf does not go with --codec {codec}, which has no quality to choose")
    best, worst, default = CRFS[codec]
    if crf is None:
        return default
    if not best <= crf <= worst:
        raise UsageError(f"--crf must lie between {best} and {worst} for --codec {codec}, got {crf}")
    return crf


def check_choice(option: str, value: str, kinds: Any) -> Any:
    """Give back `value`, one of the Literal `kinds`; else raise UsageError, with the option and the nearest choice."""
    known = get_args(kinds)
    if value not in known:
        hint = did_you_mean(value, known)
        raise UsageError(f"--{option} must be one of {', '.join(known)}; got {value!r}{hint}")
    return value


def did_you_mean(word: str, known: Any) -> str:
    """A hint such as " (did you mean mobilenet-075?)", empty when nothing known is near."""
    near = get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def check_fraction(name: str, value: float) -> None:
    """Raise UsageError unless the option's value lies in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"--{name.replace('_', '-')} must lie between 0 and 1, got {value}")
