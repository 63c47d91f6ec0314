"""What `evaluate` writes and prints. Files come first: nothing that the table meets on its way can cost them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from rich.markup import escape

from posecli.cli.console import console, say_error
from posecli.cli.evaluation_request import Request
from posecli.cli.measurements import Measurement, csv_text, document, sweep_text, table_text
from posecli.coco import Annotations, CocoImage, stills
from posecli.errors import OutputError, UsageError
from posecli.evaluate.plot import Point, accuracy_plot
from posecli.evaluate.sweep import Axis
from posecli.evaluate.worst import worst_images, write_worst
from posecli.files import cannot_write, is_replaceable, write_whole
from posecli.sinks.outputs import check_output, make_folder
from posecli.sources import Failure


def check_outputs(request: Request, chosen: Sequence[CocoImage]) -> None:
    """Find out before any run what could not be written after it.

    Raises UsageError where two outputs are one, or one would replace what is read; OutputError where a place cannot be
    written to.
    """
    named = {
        "--results": request.results,
        "--json": None if request.json_file in (None, "-") else Path(str(request.json_file)),
        "--csv": request.csv_file,
        "--plot": request.plot_file,
        "-o": request.folder,
    }
    outputs = {name: path for name, path in named.items() if path is not None}
    _check_names(outputs)
    if request.folder is not None and request.images is not None and _is_same(request.folder, request.images):
        raise UsageError(f"{request.folder}: the folder of the images; choose another with -o")
    entries = stills(chosen, request.images).entries if request.images is not None else ()
    read = [path for path in (request.annotations, request.predictions) if path is not None]
    for name, path in outputs.items():
        if name != "-o":
            check_output(str(path), entries, read)
    for name, path in outputs.items():
        if name == "-o":
            make_folder(path)
        else:
            _try(path)


def _check_names(outputs: dict[str, Path]) -> None:
    taken: dict[str, str] = {}
    for name, path in outputs.items():
        if str(path) == "-":
            raise UsageError(f"{name} -: only --json goes to standard output; give a name")
        other = taken.setdefault(os.path.realpath(path).casefold(), name)
        if other != name:
            raise UsageError(f"{path}: {other} and {name} would both be written there; give them different names")
    plot = outputs.get("--plot")
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"{plot}: plots are PNG files; call it .png")


def _is_same(folder: Path, other: Path) -> bool:
    return os.path.realpath(folder) == os.path.realpath(other)


def _try(file: Path) -> None:
    """Raise OutputError where a file could not be written. The folders above it are made."""
    target = Path(os.path.realpath(file))
    if target.is_dir():
        raise cannot_write(file, OSError(errno.EISDIR, os.strerror(errno.EISDIR)))
    if is_replaceable(target):
        make_folder(target.parent)


def deliver(
    request: Request, annotations: Annotations, axes: Sequence[Axis], measurements: Sequence[Measurement]
) -> int:
    """Write every file that was asked for, then print; name what cannot be written or drawn. The exit code of that."""
    errors = [
        error
        for path, data in _files(request, annotations, axes, measurements)
        if (error := _write(path, data)) is not None
    ]
    if request.worst is not None:
        errors += _write_worst(request, annotations, measurements[0])
    if request.json_file == "-":
        text = document(request.annotations, annotations, axes, measurements)
    elif axes:
        text = sweep_text(annotations, axes, measurements)
    else:
        text = table_text(measurements[0], annotations)
    typer.echo(text, nl=False)
    return max(errors, default=0)


def _files(
    request: Request, annotations: Annotations, axes: Sequence[Axis], measurements: Sequence[Measurement]
) -> Iterator[tuple[Path, bytes]]:
    if request.json_file not in (None, "-"):
        text = document(request.annotations, annotations, axes, measurements)
        yield Path(str(request.json_file)), text.encode()
    if request.csv_file is not None:
        yield request.csv_file, csv_text(axes, measurements).encode()
    if request.plot_file is not None:
        yield request.plot_file, _plot(annotations, axes, measurements)


def _write(path: Path, data: bytes) -> int | None:
    """Write a file; where that fails, say so and return the exit code."""
    try:
        write_whole(path, data)
    except OutputError as error:
        say_error(str(error))
        return error.exit_code
    return None


def _plot(annotations: Annotations, axes: Sequence[Axis], measurements: Sequence[Measurement]) -> bytes:
    """Accuracy against time; runs that differ in the first option alone are joined."""
    across, *others = [index for index, axis in enumerate(axes) if axis.varies] or [0]
    points = []
    for each in measurements:
        assert each.found is not None  # a sweep runs
        series = ", ".join(f"{axes[index].title} {each.labels[index]}" for index in others)
        ap = 100 * each.score.stats["AP"]
        points.append(Point(each.found.median_estimate_ms, ap, each.labels[across], series))
    run = measurements[0].header
    assert run is not None  # a sweep runs
    facts = [] if any(axis.name == "model" and axis.varies for axis in axes) else [str(run.model["name"])]
    facts += [f"{axis.title} {axis.labels[0]}" for axis in axes if not axis.varies and axis.name != "model"]
    facts += [f"{len(measurements[0].score.images)} images of {annotations.path.name}", f"on {run.options['device']}"]
    return accuracy_plot(points, f"Accuracy and time by {axes[across].title}", ", ".join(facts))


def _write_worst(request: Request, annotations: Annotations, measurement: Measurement) -> list[int]:
    """Draw the worst images; name those that cannot be drawn, and return the exit codes of that."""
    assert request.worst is not None  # the caller's
    assert request.folder is not None  # check
    assert request.images is not None  # check
    # What could not be read has been named already.
    unread = frozenset(measurement.score.images) - frozenset(measurement.found.image_ids if measurement.found else ())
    ranked = worst_images(measurement.score, request.worst, unread if measurement.found else frozenset())
    pictures, exit_codes = 0, []
    try:
        for item in write_worst(
            request.folder, request.images, annotations, measurement.score, measurement.results, ranked
        ):
            if isinstance(item, Failure):
                say_error(str(item.error))
                exit_codes.append(item.error.exit_code)
            else:
                pictures += 1
    except OutputError as error:
        say_error(str(error))
        exit_codes.append(error.exit_code)
    if not request.quiet:
        what = "image" if pictures == 1 else "images"
        console().print(f"{pictures} {what} → [bold]{escape(str(request.folder))}[/]", soft_wrap=True)
    return exit_codes
