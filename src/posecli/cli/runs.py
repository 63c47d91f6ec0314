"""What `annotate` and `export` do once the options are known: list the inputs, open the sinks, run the loop, sum up."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.markup import escape
from tqdm import tqdm

from posecli.cli.console import above, console, say_error
from posecli.cli.starting import started
from posecli.cli.targets import Target, names_file, target_of
from posecli.draw import DrawStyle, draw
from posecli.errors import PosecliWarning, UsageError
from posecli.estimate import Estimator, make_estimator
from posecli.memory import keep_freed_memory
from posecli.options import EstimatorOptions, Exists, FollowOptions, InputOptions, VideoOptions
from posecli.pipeline import Report, run
from posecli.poses import Poses
from posecli.sinks import Header, Sink, format_of, open_poses
from posecli.sinks.annotated import AnnotatedSink
from posecli.sinks.coco import read_image_ids
from posecli.sinks.images import ImageSink
from posecli.sources import Clip, Failure, Frame, Inputs


def annotate(
    inputs: Sequence[str],
    output: Path,
    style: DrawStyle,
    options: EstimatorOptions,
    taking: InputOptions,
    following: FollowOptions,
    video: VideoOptions,
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
    """Write each input's picture or video to `output`, and the poses of all to `poses` in the same pass."""
    if poses is not None:
        poses_format = format_of(poses, poses_format, "--poses-format")
    hidden = None if names_file(output) else output  # a file hides nothing: it may be one of the inputs
    source = Inputs.from_inputs(inputs, recursive=recursive, exclude=hidden, stdin=sys.stdin, taking=taking)
    results = _results(source, target_of(output, source, image_format), style, exists, video)
    results.plan(source.entries)
    todo = source.refusing(results.refusal)
    if exists == "skip":
        missing = source.without(lambda entry: entry.error is None and results.is_done(entry))
        done = source.length - missing.length
        if poses is None:
            todo = missing
        if done and not quiet:
            how = "skipped" if poses is None else "kept, and read again for --poses"
            console().print(f"{done} of {source.length} done already, {how}")
    if todo.length == 0:
        return
    estimator = ready_estimator(options, fetch=fetch, quiet=quiet)
    sinks: list[Sink] = [results]
    if poses is not None and poses_format is not None:
        sinks.append(open_poses(poses, poses_format, header(estimator, following), options.min_part_score))
        sinks[-1].plan(source.entries)
    wrote = f"{output} and {poses}" if poses not in (None, "-") else str(output)
    work(todo, estimator, sinks, following, batch_size=batch_size, workers=workers, quiet=quiet, wrote=wrote)


def _results(
    source: Inputs,
    target: Target,
    style: DrawStyle,
    exists: Exists | None,
    video: VideoOptions,
) -> AnnotatedSink:
    """Where the pictures and videos of `source` go."""
    is_transparent = style.background == "transparent"

    moving = replace(style, fades=True)  # parts that come and go should not blink

    def render(frame: Frame, found: Poses) -> NDArray[np.uint8]:
        return draw(frame.image, found, style if frame.clip is None else moving)

    videos = None
    if has_videos(source):
        from posecli.sinks.video import VideoSink  # here, as photos do without FFmpeg

        videos = VideoSink(target.folder, render, video, exists, is_transparent, target.file)
    pictures = ImageSink(target.folder, render, target.image_format, exists, is_transparent, target.file)
    return AnnotatedSink(pictures, videos)


def has_videos(source: Inputs) -> bool:
    """Whether there is a video or a stream among the inputs, as their names say."""
    return any(entry.is_video for entry in source.entries)


def export(
    inputs: Sequence[str],
    output: str,
    format: str | None,
    options: EstimatorOptions,
    taking: InputOptions,
    following: FollowOptions,
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
    source = Inputs.from_inputs(inputs, recursive=recursive, stdin=sys.stdin, taking=taking)
    estimator = ready_estimator(options, fetch=fetch, quiet=quiet)
    sink = open_poses(output, format, header(estimator, following), options.min_part_score, image_ids)
    sink.plan(source.entries, [] if annotations is None else [annotations])
    work(
        source,
        estimator,
        [sink],
        following,
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
    keep_freed_memory()
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


def header(estimator: Estimator, following: FollowOptions | None = None) -> Header:
    """What a JSON file says of the model and the options that found its poses."""
    spec = estimator.spec
    model = {"name": estimator.name, "architecture": spec.architecture, "multiplier": spec.multiplier}
    model |= {key: estimator.metadata.get(key, "unknown") for key in ("quantization", "sha256")}
    settings = asdict(estimator.options) | ({} if following is None else asdict(following))
    settings["device"], settings["backend"] = estimator.backend.device, estimator.backend.name
    return Header(model, settings)


def work(
    source: Inputs,
    estimator: Estimator,
    sinks: Sequence[Sink],
    following: FollowOptions,
    *,
    batch_size: int | None,
    workers: int | None,
    quiet: bool,
    wrote: str,
) -> None:
    """Run the loop over `source` with a progress bar, name each failure, sum up; raise typer.Exit for failures."""
    report, start = Report(), time.perf_counter()
    counted = "frame" if has_videos(source) else "image"
    progress = Progress(source.length, counted, quiet=quiet)
    follow = None
    if has_videos(source) and (following.track or following.smooth):
        from posecli.follow import Follower  # here, as photos do without SciPy

        follow = Follower(following, estimator.options.min_part_score)
    try:
        with source, progress.bar, progress.telling_warnings():
            run(
                source,
                estimator,
                sinks,
                report,
                batch_size=batch_size,
                workers=workers,
                follow=follow,
                on_item=progress.update,
            )
    except BrokenPipeError:  # the reader has what it wanted: nothing more to say
        quiet = True
        raise
    finally:
        if not quiet and (report.images or report.failures):
            seconds = time.perf_counter() - start
            how = f"{estimator.backend.name} {estimator.backend.precision}"
            console().print(summary(report, seconds, how, wrote, counted), soft_wrap=True)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


class Progress:
    """A bar over what is done. Of a video, how many frames come is known once it begins, and not always then."""

    def __init__(self, inputs: int, unit: str, *, quiet: bool) -> None:
        self.bar = tqdm(total=inputs, unit=unit, disable=True if quiet else None, delay=1, leave=False)
        self._clip: Clip | None = None
        self._quiet = quiet

    def update(self, item: Frame | Failure) -> None:
        """Count a frame, or name a failure above the bar."""
        if isinstance(item, Failure):
            with above(self.bar):
                say_error(str(item.error))
        elif item.clip is not None and item.clip is not self._clip:
            self._clip = item.clip
            self._expect(item.clip.length)
        self.bar.update()

    @contextmanager
    def telling_warnings(self) -> Iterator[None]:
        """Print each PosecliWarning above the bar; with --quiet, none."""
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *further: Any, **named: Any) -> None:
            if not issubclass(category, PosecliWarning):
                usual(message, category, *further, **named)
            elif not self._quiet:
                with above(self.bar):
                    console().print(f"[yellow]warning:[/] {escape(str(message))}", soft_wrap=True)

        with warnings.catch_warnings():
            warnings.simplefilter("always", PosecliWarning)
            warnings.showwarning = show
            yield

    def _expect(self, frames: int | None) -> None:
        """Make room for the frames of a video, which counted as one until now."""
        if self.bar.total is not None:
            self.bar.total = None if frames is None else self.bar.total + max(frames - 1, 0)


def summary(report: Report, seconds: float, how: str, wrote: str, counted: str = "image") -> str:
    """One line, in rich markup: images or frames, people, how many a second and `how`, failures, where results are."""
    parts = [_count(report.images, counted, f"{counted}s")]
    if counted == "image":  # in a video, the same people come again in each frame
        parts.append(_count(report.people, "person", "people"))
    if report.images:
        parts.append(f"{report.images / seconds:.1f} {counted}s/s on {how}")
    if report.failures:
        parts.append(f"[red]{len(report.failures)} failed[/]")
    where = f" → [bold]{escape(wrote)}[/]" if wrote and report.images else ""
    return " · ".join(parts) + where


def _count(number: int, one: str, many: str) -> str:
    return f"[bold]{number}[/] {one if number == 1 else many}"
