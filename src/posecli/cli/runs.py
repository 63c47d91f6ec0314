"""What `annotate` and `export` do once the options are known: list the inputs, open the sinks, run the loop, sum up."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import typer
from rich.markup import escape
from tqdm import tqdm

from posecli.cli.common import above, console, say_error
from posecli.cli.starting import started
from posecli.draw import DrawStyle, draw
from posecli.errors import PosecliWarning, UsageError
from posecli.estimate import Estimator, make_estimator
from posecli.options import EstimatorOptions, Exists
from posecli.pipeline import Report, run
from posecli.sinks import Header, Sink, format_of, open_poses
from posecli.sinks.coco import read_image_ids
from posecli.sinks.images import ImageSink
from posecli.sources import Failure, Frame, Stills


def annotate(
    inputs: Sequence[str],
    folder: Path,
    style: DrawStyle,
    options: EstimatorOptions,
    *,
    recursive: bool,
    poses: str | None,
    poses_format: str | None,
    image_format: str | None,
    exists: Exists | None,
    fetch: bool,
    batch_size: int | None,
    workers: int | None,
    quiet: bool,
) -> None:
    """Write each input's picture below `folder`, and the poses of all to `poses` in the same pass."""
    if poses is not None:
        poses_format = format_of(poses, poses_format, "--poses-format")
    source = Stills.from_inputs(inputs, recursive=recursive, exclude=folder, stdin=sys.stdin)
    pictures = ImageSink(
        folder,
        lambda frame, found: draw(frame.image, found, style),
        image_format,
        exists,
        needs_alpha=style.background == "transparent",
    )
    pictures.plan(source.entries)
    todo = source.refusing(lambda still: pictures.refusal(still.name))
    if exists == "skip":
        missing = source.without(lambda still: still.error is None and pictures.is_done(still.name))
        done = source.length - missing.length
        if poses is None:
            todo = missing
        if done and not quiet:
            how = "skipped" if poses is None else "kept; their photos are read again for --poses"
            console().print(f"{done} of {source.length} done already, {how}")
    if todo.length == 0:
        return
    estimator = ready_estimator(options, fetch=fetch, quiet=quiet)
    sinks: list[Sink] = [pictures]
    if poses is not None and poses_format is not None:
        sinks.append(open_poses(poses, poses_format, header(estimator), options.min_part_score))
        sinks[-1].plan(source.entries)
    wrote = f"{folder} and {poses}" if poses not in (None, "-") else str(folder)
    work(todo, estimator, sinks, batch_size=batch_size, workers=workers, quiet=quiet, wrote=wrote)


def export(
    inputs: Sequence[str],
    output: str,
    format: str | None,
    options: EstimatorOptions,
    *,
    recursive: bool,
    annotations: Path | None,
    fetch: bool,
    batch_size: int | None,
    workers: int | None,
    quiet: bool,
) -> None:
    """Write the poses of every input to `output`, a file, a folder or `-`."""
    if annotations is not None and format is None:
        format = "coco"
    format = format_of(output, format)
    if annotations is not None and format != "coco":
        raise UsageError(f"--annotations goes with --format coco, not with {format}")
    image_ids = None if annotations is None else read_image_ids(annotations)
    source = Stills.from_inputs(inputs, recursive=recursive, stdin=sys.stdin)
    estimator = ready_estimator(options, fetch=fetch, quiet=quiet)
    sink = open_poses(output, format, header(estimator), options.min_part_score, image_ids)
    sink.plan(source.entries, [] if annotations is None else [annotations])
    work(
        source,
        estimator,
        [sink],
        batch_size=batch_size,
        workers=workers,
        quiet=quiet,
        wrote="" if output == "-" else output,
    )


def ready_estimator(options: EstimatorOptions, *, fetch: bool, quiet: bool) -> Estimator:
    """Make the estimator, where `fetch` says so after fetching its model; warn of weights that are of little use."""
    if fetch:
        from posecli.cli.fetching import ensure  # here, as it is rarely asked for

        ensure(options.model, options.stride, quiet=quiet)
    patience = nullcontext() if quiet else console().status("getting ready")  # the first run compiles, for seconds
    with patience, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PosecliWarning)
        estimator = make_estimator(options)
    started()
    for warning in caught:
        if not issubclass(warning.category, PosecliWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif not quiet:
            console().print(f"[yellow]warning:[/] {escape(str(warning.message))}", soft_wrap=True)
    return estimator


def header(estimator: Estimator) -> Header:
    """What a JSON file says of the model and the options that found its poses."""
    spec = estimator.spec
    model = {"name": estimator.name, "architecture": spec.architecture, "multiplier": spec.multiplier}
    model |= {key: estimator.metadata.get(key, "unknown") for key in ("quantization", "sha256")}
    settings = asdict(estimator.options)
    settings["device"], settings["backend"] = estimator.backend.device, estimator.backend.name
    return Header(model, settings)


def work(
    source: Stills,
    estimator: Estimator,
    sinks: Sequence[Sink],
    *,
    batch_size: int | None,
    workers: int | None,
    quiet: bool,
    wrote: str,
) -> None:
    """Run the loop over `source` with a progress bar, name each failure, sum up; raise typer.Exit for failures."""
    report, start = Report(), time.perf_counter()
    bar = tqdm(total=source.length, unit="image", disable=True if quiet else None, delay=1, leave=False)

    def on_item(item: Frame | Failure) -> None:
        if isinstance(item, Failure):
            with above(bar):
                say_error(str(item.error))
        bar.update()

    try:
        with source, bar:
            run(source, estimator, sinks, report, batch_size=batch_size, workers=workers, on_item=on_item)
    except BrokenPipeError:  # the reader has what it wanted: nothing more to say
        quiet = True
        raise
    finally:
        if not quiet and (report.images or report.failures):
            console().print(summary(report, time.perf_counter() - start, wrote), soft_wrap=True)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def summary(report: Report, seconds: float, wrote: str) -> str:
    """One line, in rich markup: images, people, images/s, failures, and where the results are."""
    parts = [_count(report.images, "image", "images"), _count(report.people, "person", "people")]
    if report.images:
        parts.append(f"{report.images / seconds:.1f} images/s")
    if report.failures:
        parts.append(f"[red]{len(report.failures)} failed[/]")
    where = f" → [bold]{escape(wrote)}[/]" if wrote and report.images else ""
    return " · ".join(parts) + where


def _count(number: int, one: str, many: str) -> str:
    return f"[bold]{number}[/] {one if number == 1 else many}"
