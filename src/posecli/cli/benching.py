"""What `bench` does once its options are known: read, warm up, measure, show, and write what was asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NoReturn

import torch
import typer
from tqdm import tqdm

from posecli.bench.end_to_end import batch_size_alone, measure_end_to_end, one_by_one, picture_sink
from posecli.bench.machine import Machine, examine_machine, library_versions, peak_memory_bytes
from posecli.bench.pictures import Picture, Pictures, packaged_pictures, read_pictures, write_pictures
from posecli.bench.report import Setting, make_report
from posecli.bench.running import Measured, Samples, WarmUp, estimate, measure, warm_up
from posecli.cli.bench_tables import show_report
from posecli.cli.console import above, say_error
from posecli.cli.runs import header, ready_estimator
from posecli.errors import UsageError
from posecli.estimate import Estimator
from posecli.files import write_whole
from posecli.options import EstimatorOptions, InputOptions
from posecli.sinks.outputs import check_output
from posecli.sources import Failure, Frame, Inputs


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    inputs: tuple[str, ...]  # none: the packaged photo
    recursive: bool
    num_images: int
    end_to_end: bool
    people: bool
    json_file: str | None  # - is stdout
    options: EstimatorOptions
    taking: InputOptions
    fetch: bool
    batch_size: int | None
    workers: int | None
    quiet: bool


def bench(request: Request) -> None:
    """Measure, print the table to standard output, write the file; raise typer.Exit where inputs failed.

    An interruption shows and writes what was measured so far.
    """
    _check(request)
    machine = examine_machine()  # before anything that loads it
    source = _source(request)
    start = perf_counter()
    estimator = ready_estimator(request.options, fetch=request.fetch, quiet=request.quiet)
    setting = _setting(request, estimator, machine, perf_counter() - start)
    with TemporaryDirectory(prefix="posecli-bench-") as folder:
        pictures = _pictures(request, source, Path(folder))
        if request.end_to_end:
            _from_file_to_file(request, setting, estimator, pictures, Path(folder) / "pictures")
        else:
            _in_memory(request, setting, estimator, pictures)
    if pictures.failures:
        raise typer.Exit(max(failure.error.exit_code for failure in pictures.failures))


def _check(request: Request) -> None:
    """Raise UsageError for options that are out of range, or of no use."""
    if request.num_images < 1:
        raise UsageError(f"--num-images must be at least 1, got {request.num_images}")
    if request.workers is not None and not request.end_to_end:
        raise UsageError("--workers overlap reading and writing, which are not measured here; add --end-to-end")


def _source(request: Request) -> Inputs | None:
    """The inputs; None for the packaged photo."""
    if not request.inputs:
        return None
    source = Inputs.from_inputs(request.inputs, recursive=request.recursive, stdin=sys.stdin, taking=request.taking)
    videos = [entry for entry in source.entries if entry.is_video]
    if videos and request.end_to_end:
        raise UsageError(f"{videos[0].location}: --end-to-end measures photos; leave out videos, or measure without it")
    if request.json_file is not None:
        check_output(request.json_file, source.entries)
    return source


def _setting(request: Request, estimator: Estimator, machine: Machine, load_s: float) -> Setting:
    head = header(estimator)
    return Setting(
        mode="end-to-end" if request.end_to_end else "images",
        argv=("posecli", *sys.argv[1:]),
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        model=head.model,
        options={**head.options, "precision": estimator.backend.precision},
        machine=machine,
        versions=library_versions(),
        asked_images=request.num_images,
        batch_size=request.batch_size if request.end_to_end else request.batch_size or 1,
        workers=request.workers,
        threads=_threads(estimator),
        load_s=load_s,
    )


def _threads(estimator: Estimator) -> int | None:
    """CPU threads of the network; None where the backend does not say."""
    if estimator.options.threads is None and (estimator.backend.name, estimator.backend.device) == ("torch", "cpu"):
        return torch.get_num_threads()
    return estimator.options.threads


def _pictures(request: Request, source: Inputs | None, folder: Path) -> Pictures:
    """What is measured on: in memory, or from file to file, as files; each input that cannot be read is named."""
    if source is None:
        pictures = packaged_pictures(request.num_images)
        return write_pictures(pictures, folder) if request.end_to_end else pictures
    with _bar(request, min(source.length, request.num_images), "reading") as bar:

        def on_item(item: Frame | Failure) -> None:
            if isinstance(item, Failure):
                with above(bar):
                    say_error(str(item.error))
            bar.update()

        return read_pictures(source, request.num_images, hold=not request.end_to_end, on_item=on_item)


def _in_memory(request: Request, setting: Setting, estimator: Estimator, pictures: Pictures) -> None:
    batch_size, measured = request.batch_size or 1, Measured()

    def run(batch: Sequence[Picture]) -> None:
        estimate(batch, estimator, Samples())

    warmed = warm_up(pictures, request.num_images, batch_size, request.options, run)
    try:
        with _bar(request, request.num_images, "") as bar, measured.collections:
            batches = pictures.batches(request.num_images, batch_size)
            measure(batches, estimator, measured.samples, on_images=bar.update)
    finally:
        _finish(request, setting, pictures, warmed, measured)


def _from_file_to_file(
    request: Request, setting: Setting, estimator: Estimator, pictures: Pictures, folder: Path
) -> None:
    batch_size, measured = batch_size_alone(request.batch_size, estimator), Measured()
    sink = picture_sink(folder, estimator)

    def run(batch: Sequence[Picture]) -> None:
        one_by_one(batch, estimator, sink, Samples())

    warmed = warm_up(pictures, request.num_images, batch_size, request.options, run)
    try:
        with _bar(request, 2 * request.num_images, "") as bar, measured.collections:
            measure_end_to_end(
                list(pictures.batches(request.num_images, batch_size)),
                estimator,
                sink,
                measured,
                batch_size=request.batch_size,
                workers=request.workers,
                on_images=bar.update,
            )
    finally:
        _finish(request, setting, pictures, warmed, measured)


def _finish(request: Request, setting: Setting, pictures: Pictures, warmed: WarmUp, measured: Measured) -> None:
    """Show and write what was measured, also where that is not all; nothing where nothing was."""
    if not measured.samples.images:
        return
    report = make_report(setting, request.options, pictures, warmed, measured, peak_memory_bytes())
    if request.json_file == "-":
        typer.echo(report.as_json(), nl=False)
    else:
        show_report(report, people=request.people)
    if request.json_file not in (None, "-"):
        write_whole(Path(str(request.json_file)), report.as_json().encode())


def _bar(request: Request, total: int, what: str) -> tqdm[NoReturn]:
    disable = True if request.quiet else None  # None: where nobody looks
    return tqdm(total=total, desc=what or None, unit="image", disable=disable, delay=1, leave=False)
