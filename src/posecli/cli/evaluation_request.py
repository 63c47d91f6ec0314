"""What `evaluate` is asked for, and whether it can be done: all that can be known before the first image is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecli.errors import MissingPathError, UsageError
from posecli.evaluate.sweep import Axis, Setting, check_distinct, combinations, parse_axis
from posecli.networks.spec import ModelSpec
from posecli.options import EstimatorOptions, resolve_options
from posecli.weights.checkpoint import load
from posecli.weights.store import BUNDLED, bundled_path, find


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    annotations: Path
    images: Path | None
    predictions: Path | None
    limit: int | None
    image_ids: frozenset[int]
    results: Path | None
    json_file: str | None  # - is stdout
    worst: int | None
    folder: Path | None  # for the worst images
    sweep: tuple[str, ...]  # NAME=V,V,... each
    csv_file: Path | None
    plot_file: Path | None
    asked: Mapping[str, Any]  # options of the estimator that were given
    fetch: bool
    batch_size: int | None
    workers: int | None
    quiet: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One setting to be measured."""

    setting: Setting
    options: EstimatorOptions


def parse_ids(texts: Sequence[str]) -> frozenset[int]:
    """The image ids in texts such as "139,285". Raises UsageError."""
    try:
        return frozenset(int(part) for text in texts for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--image-ids must be whole numbers with commas between, got {','.join(texts)!r}") from error


def check(request: Request) -> None:
    """Raise UsageError for options that do not go together, or are out of range."""
    excluded = {"--results": request.results, "--worst": request.worst, "--predictions": request.predictions}
    for name, value in excluded.items():
        if request.sweep and value is not None:
            raise UsageError(f"{name} is of one run; leave it out, or --sweep")
    for name, value in {"--csv": request.csv_file, "--plot": request.plot_file}.items():
        if value is not None and not request.sweep:
            raise UsageError(f"{name} shows a --sweep; give one, such as --sweep size=353,513")
    if request.predictions is not None:
        _check_with_predictions(request)
    if (request.worst is None) != (request.folder is None):
        raise UsageError("--worst N and -o DIR go together; give both")
    for name, number in {"--limit": request.limit, "--worst": request.worst}.items():
        if number is not None and number < 1:
            raise UsageError(f"{name} must be at least 1, got {number}")
    if request.images is None and (request.predictions is None or request.worst is not None):
        raise UsageError("give the folder of the images with --images")
    if request.images is not None and not request.images.is_dir():
        raise MissingPathError(f"{request.images}: no such folder; check --images")


def _check_with_predictions(request: Request) -> None:
    """Raise UsageError for what would be asked of a model, where none is run."""
    if request.results is not None:
        raise UsageError("--results writes what the model found; leave it out, or --predictions")
    given = [*request.asked, *(name for name in ("batch_size", "workers") if getattr(request, name) is not None)]
    given += ["fetch"] * request.fetch
    if given:
        raise UsageError(f"--{given[0].replace('_', '-')} is for running a model; leave it out, or --predictions")


def runs_of(request: Request) -> tuple[list[Axis], list[Run]]:
    """What the sweep varies, and every setting of it; one setting where there is none. Raises UsageError."""
    axes = [parse_axis(text) for text in request.sweep]
    runs = [Run(setting, _resolve({**request.asked, **setting.values})) for setting in combinations(axes)]
    check_distinct([(run.setting, run.options) for run in runs])
    return axes, runs


def _resolve(asked: Mapping[str, Any]) -> EstimatorOptions:
    """The options that were asked for; poses of any score, unless a preset or an option says which."""
    if "preset" not in asked and "min_pose_score" not in asked:
        asked = {**asked, "min_pose_score": 0.0}
    options = resolve_options(**asked)
    if options.mirror:
        raise UsageError("--mirror takes people away from their annotations; leave it out")
    return options


def check_models(all_options: Iterable[EstimatorOptions]) -> None:
    """Raise WeightsError where a model of a sweep is missing or damaged, UsageError where it lacks a stride.

    Found out at its turn only, it would cost the runs after it.
    """
    specs: dict[str, ModelSpec] = {}
    for options in all_options:
        name = options.model
        if name not in specs:
            # An installed copy of a bundled model may be damaged: then the bundled one serves.
            specs[name] = load(bundled_path(name) if name in BUNDLED else find(name)).spec
        specs[name].check_stride(options.stride, name)
