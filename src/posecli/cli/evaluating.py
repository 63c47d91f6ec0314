"""What `evaluate` does once its options are known: run or read, score, show, and write what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from tqdm import tqdm

from posecli.cli.common import above, console, say_error
from posecli.cli.measurements import Measurement, csv_text, document, show, show_sweep
from posecli.cli.runs import header, ready_estimator
from posecli.coco import Annotations, CocoImage, read_annotations, read_results, stills
from posecli.draw import DrawStyle
from posecli.errors import MissingPathError, UsageError
from posecli.evaluate.plot import Point, accuracy_plot, check_plotting
from posecli.evaluate.running import Found, find_people
from posecli.evaluate.scoring import check_scoring, score
from posecli.evaluate.sweep import Axis, Setting, combinations, parse_axis
from posecli.evaluate.worst import poses_of_results, worst_images, write_worst
from posecli.files import write_whole
from posecli.options import EstimatorOptions, resolve_options
from posecli.poses import Poses
from posecli.sinks.base import Sink
from posecli.sinks.coco import CocoSink
from posecli.sinks.outputs import check_output, make_folder
from posecli.sources import Failure, Frame


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
    batch_size: int
    quiet: bool


def evaluate(request: Request) -> None:
    """Measure, print the table to standard output, write the files; raise typer.Exit where images failed."""
    _check(request)
    axes = [parse_axis(text) for text in request.sweep]
    settings = [(setting, _resolve({**request.asked, **setting.values})) for setting in combinations(axes)]
    check_scoring()
    if request.plot_file is not None:
        check_plotting()
    annotations = read_annotations(request.annotations)
    chosen = annotations.select(request.image_ids, request.limit)
    _check_outputs(request, chosen)
    if request.predictions is not None:
        measurements = [_score_file(request.predictions, annotations, chosen)]
    else:
        measurements = _run_all(request, settings, annotations, chosen)
    _write(request, annotations, axes, measurements)
    failures = [failure for each in measurements if each.found for failure in each.found.failures]
    if failures:
        raise typer.Exit(max(failure.error.exit_code for failure in failures))


def parse_ids(texts: Sequence[str]) -> frozenset[int]:
    """The image ids in texts such as "139,285". Raises UsageError."""
    try:
        return frozenset(int(part) for text in texts for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--image-ids must be whole numbers with commas between, got {','.join(texts)!r}") from error


def _resolve(asked: Mapping[str, Any]) -> EstimatorOptions:
    """The options that were asked for; poses of any score, unless a preset or an option says which."""
    if "preset" not in asked and "min_pose_score" not in asked:
        asked = {**asked, "min_pose_score": 0.0}
    options = resolve_options(**asked)
    if options.mirror:
        raise UsageError("--mirror takes people away from their annotations; leave it out")
    return options


def _check(request: Request) -> None:
    """Raise UsageError for options that do not go together, or are out of range."""
    excluded = {"--results": request.results, "--worst": request.worst, "--predictions": request.predictions}
    for name, value in excluded.items():
        if request.sweep and value is not None:
            raise UsageError(f"{name} is of one run; leave it out, or --sweep")
    for name, value in {"--csv": request.csv_file, "--plot": request.plot_file}.items():
        if value is not None and not request.sweep:
            raise UsageError(f"{name} shows a --sweep; give one, such as --sweep size=353,513")
    if request.predictions is not None and request.results is not None:
        raise UsageError("--results writes what the model found; leave it out, or --predictions")
    if (request.worst is None) != (request.folder is None):
        raise UsageError("--worst N and -o DIR go together; give both")
    for name, number in {"--limit": request.limit, "--worst": request.worst}.items():
        if number is not None and number < 1:
            raise UsageError(f"{name} must be at least 1, got {number}")
    if request.images is None and (request.predictions is None or request.worst is not None):
        raise UsageError("give the folder of the images with --images")
    if request.images is not None and not request.images.is_dir():
        raise MissingPathError(f"{request.images}: no such folder; check --images")
    if request.plot_file is not None and request.plot_file.suffix.lower() != ".png":
        raise UsageError(f"{request.plot_file}: plots are PNG files; call it .png")


def _check_outputs(request: Request, chosen: Sequence[CocoImage]) -> None:
    """Raise UsageError where what is to be written would replace what is read."""
    entries = stills(chosen, request.images).entries if request.images is not None else ()
    read = [path for path in (request.annotations, request.predictions) if path is not None]
    files = (request.results, request.json_file, request.csv_file, request.plot_file)
    for file in files:
        if file is not None:
            check_output(str(file), entries, read)
    if request.folder is not None:
        make_folder(request.folder)


def _score_file(path: Path, annotations: Annotations, chosen: Sequence[CocoImage]) -> Measurement:
    image_ids = [image.id for image in chosen]
    results = read_results(path, annotations)
    return Measurement((), None, score(annotations, image_ids, results), None, path)


def _run_all(
    request: Request,
    settings: Sequence[tuple[Setting, EstimatorOptions]],
    annotations: Annotations,
    chosen: Sequence[CocoImage],
) -> list[Measurement]:
    """Run and score every setting, under one progress bar; name each failed image once."""
    assert request.images is not None  # _check
    total = len(settings) * len(chosen)
    bar = tqdm(total=total, unit="image", disable=True if request.quiet else None, delay=1, leave=False)
    named: set[str] = set()

    def on_item(item: Frame | Failure) -> None:
        if isinstance(item, Failure) and (message := str(item.error)) not in named:
            named.add(message)
            with above(bar):
                say_error(message)
        bar.update()

    sinks: list[Sink] = []
    if request.results is not None:
        sinks.append(CocoSink(str(request.results), {image.file_name: image.id for image in chosen}))
    measurements = []
    with bar:
        for setting, options in settings:
            bar.set_description(" ".join(setting.labels), refresh=False)
            with above(bar):
                estimator = ready_estimator(options, fetch=request.fetch, quiet=request.quiet)
            found = find_people(
                estimator, chosen, request.images, sinks, batch_size=request.batch_size, on_item=on_item
            )
            scored = score(annotations, found.image_ids, found.results)
            measurements.append(Measurement(setting.labels, header(estimator), scored, found, None))
    return measurements


def _write(
    request: Request, annotations: Annotations, axes: Sequence[Axis], measurements: Sequence[Measurement]
) -> None:
    titles = [axis.title for axis in axes]
    if request.json_file == "-":
        typer.echo(document(request.annotations, annotations, titles, measurements), nl=False)
    elif axes:
        show_sweep(titles, measurements)
    else:
        show(measurements[0], annotations)
    files: list[tuple[Path, bytes]] = []
    if request.json_file not in (None, "-"):
        text = document(request.annotations, annotations, titles, measurements)
        files.append((Path(str(request.json_file)), text.encode()))
    if request.csv_file is not None:
        files.append((request.csv_file, csv_text(titles, measurements).encode()))
    if request.plot_file is not None:
        files.append((request.plot_file, _plot(annotations, titles, measurements)))
    for path, data in files:
        write_whole(path, data)
    if request.worst is not None:
        _write_worst(request, annotations, measurements[0])


def _plot(annotations: Annotations, titles: Sequence[str], measurements: Sequence[Measurement]) -> bytes:
    """Accuracy against time; runs that differ in the first option alone are joined."""
    points = []
    for each in measurements:
        assert each.found is not None  # a sweep runs
        series = ", ".join(f"{title} {label}" for title, label in zip(titles[1:], each.labels[1:], strict=True))
        points.append(Point(each.found.median_estimate_ms, 100 * each.score.stats["AP"], each.labels[0], series))
    run = measurements[0].header
    assert run is not None  # a sweep runs
    caption = f"{len(measurements[0].score.images)} images of {annotations.path.name}, on {run.options['device']}"
    if "model" not in titles:
        caption = f"{run.model['name']}, {caption}"
    return accuracy_plot(points, f"Accuracy and time by {titles[0]}", caption)


def _write_worst(request: Request, annotations: Annotations, measurement: Measurement) -> None:
    assert request.worst is not None  # the caller's
    assert request.folder is not None  # _check
    assert request.images is not None  # _check
    ranked = worst_images(measurement.score, request.worst)
    style = DrawStyle()
    if measurement.header is not None:
        style = DrawStyle(min_part_score=measurement.header.options["min_part_score"])
    poses = _poses_of(request, annotations, measurement.found)
    for _ in write_worst(
        request.folder, request.images, annotations, ranked, [poses.get(each, Poses.empty()) for each in ranked], style
    ):
        pass
    if not request.quiet:
        console().print(f"{len(ranked)} images → [bold]{escape(str(request.folder))}[/]", soft_wrap=True)


def _poses_of(request: Request, annotations: Annotations, found: Found | None) -> dict[int, Poses]:
    """The poses on each image, as they were scored."""
    if found is not None:
        return dict(zip(found.image_ids, found.poses, strict=True))
    assert request.predictions is not None  # or there would be what was found
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for result in read_results(request.predictions, annotations):
        by_image.setdefault(result["image_id"], []).append(result)
    return {image_id: poses_of_results(results) for image_id, results in by_image.items()}
