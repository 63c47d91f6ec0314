"""What `webcam` does once it is parsed: open the camera, the window and the files, run the loop, sum up."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from posecli.cli.console import console
from posecli.draw import DrawStyle, prepare
from posecli.errors import UsageError
from posecli.files import exists
from posecli.follow import Follower
from posecli.live.adaptive import Adaptive
from posecli.live.preview import preview
from posecli.live.recording import POSES_SUFFIX
from posecli.live.session import Session, Settings
from posecli.options import EstimatorOptions, FollowOptions
from posecli.sinks import Sink, format_of, open_poses
from posecli.sinks.window import OpenCvScreen, Screen, Window, check_display
from posecli.sources.devices import (
    DEFAULT_RESOLUTION,
    CameraOptions,
    camera_of,
    is_address,
    open_camera,
    open_stream,
    stream_name,
)
from posecli.sources.live import LiveSource

if TYPE_CHECKING:
    from posecli.estimate import Estimator
    from posecli.pipeline import Report

TITLE = "posecli"
RECORDED = ".mp4"
MOST_FPS = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line."""

    camera: int = 0
    source: str | None = None
    resolution: str | None = None
    fps: float | None = None
    has_window: bool = True
    is_mirrored: bool | None = None  # None: as suits the source
    poses: str | None = None
    record: Path | None = None
    folder: Path = Path("posecli-out")
    target_fps: float | None = None  # None: the size stays


def watch(
    request: Request,
    style: DrawStyle,
    options: EstimatorOptions,
    following: FollowOptions,
    *,
    fetch: bool,
    quiet: bool,
    source: LiveSource | None = None,
    screen: Screen | None = None,
) -> None:
    """Show, record and write what a camera sees, until a key, a signal or the end of a file ends it.

    The window opens at once, while the model is loaded. `source` and `screen` stand for those that are asked for.
    """
    _check(request)
    if not request.has_window:
        screen = None
    elif screen is None:
        check_display()  # before the camera's light goes on
        screen = OpenCvScreen()
    with live_source(request) if source is None else source as source:
        load = partial(ready, options, fetch=fetch, quiet=quiet)
        if screen is None or fetch:  # a download is to end at once when it is interrupted
            _watch(request, style, following, source, load(), screen, quiet=quiet)
            return
        screen.open(TITLE)
        try:
            estimator, keys = preview(source, screen, load, is_mirrored=_is_mirrored(request, options))
            if estimator is not None:
                _watch(request, style, following, source, estimator, screen, keys, quiet=quiet)
        finally:
            screen.close()


def ready(options: EstimatorOptions, *, fetch: bool, quiet: bool) -> Estimator:
    """Load what takes long to load, PyTorch above all, and make the estimator."""
    from posecli.cli.runs import ready_estimator

    prepare()
    return ready_estimator(options, fetch=fetch, quiet=quiet)


def _watch(
    request: Request,
    style: DrawStyle,
    following: FollowOptions,
    source: LiveSource,
    estimator: Estimator,
    screen: Screen | None = None,
    keys: Sequence[int] = (),
    *,
    quiet: bool,
) -> None:
    """Run the loop with all that it needs; `keys` were pressed before."""
    from posecli.cli.runs import header  # here, as they bring PyTorch
    from posecli.pipeline import Report, run

    options, must_record = estimator.options, request.record is not None
    session = Session(
        source,
        estimator,
        Settings(request.folder, replace(style, fades=True), _is_mirrored(request, options), must_record),
        adaptive=None if request.target_fps is None else Adaptive(request.target_fps, options.size, options.stride),
        say=partial(_say, quiet),
    )
    if request.record is not None:
        session.recorder.start(request.record)
    # Without a window no key begins a recording, and once nobody reads the poses there is nothing left to do.
    sinks: list[Sink] = [session.recorder] if screen is not None or must_record else []
    if request.poses is not None:
        how = poses_format(request.poses)
        sinks.append(open_poses(request.poses, how, header(estimator, following), options.min_part_score))
    if screen is not None:
        window = Window(TITLE, session, screen)
        sinks.insert(0, window)
        session.meanwhile = window.refresh
    for key in keys:
        session.press(key)
    report, follow = Report(), Follower(following, options.min_part_score)
    start_s = source.now_s  # the camera has been open for longer
    try:
        run(session.frames(), estimator, sinks, report, batch_size=1, workers=0, follow=follow)
    finally:
        if not quiet and report.images:
            console().print(_summary(report, source.now_s - start_s, request), soft_wrap=True)
    if report.exit_code or session.has_failed:
        raise typer.Exit(report.exit_code or 1)


def live_source(request: Request) -> LiveSource:
    """The camera, file or stream that was asked for, not yet open. Raises UsageError for options that do not fit."""
    index = camera_of(request.source) if request.source is not None else request.camera
    if request.source is not None and index is None:
        if request.resolution is not None or request.fps is not None:
            raise UsageError("--resolution and --fps are asked of a camera; leave them out with --source")
        location = request.source if is_address(request.source) else Path(request.source)
        return LiveSource(partial(open_stream, request.source), stream_name(request.source), location)
    assert index is not None
    camera = CameraOptions(index, _resolution(request.resolution), request.fps)
    return LiveSource(lambda _: open_camera(camera), f"camera-{index}", index)


def poses_format(path: str) -> str:
    """The format of the poses: JSON lines on stdout, else by suffix. Raises UsageError for an unknown one."""
    return "jsonl" if path == "-" else format_of(path, option="--poses")


def _check(request: Request) -> None:
    """Raise UsageError for what cannot be, before the camera is opened."""
    if not request.has_window and request.poses is None and request.record is None:
        raise UsageError("--headless leaves nothing to do; give --poses - (poses to standard output) or --record FILE")
    if request.poses is not None:
        poses_format(request.poses)
    if request.target_fps is not None and not 0 < request.target_fps <= MOST_FPS:
        raise UsageError(f"--target-fps must lie between 0 and {MOST_FPS}, got {request.target_fps:g}")
    if request.record is not None:
        if request.record.suffix.lower() != RECORDED:
            raise UsageError(f"--record {request.record}: give a name that ends in {RECORDED}")
        for path in (request.record, request.record.with_suffix(POSES_SUFFIX)):
            if exists(path):
                raise UsageError(f"{path} is there already, and a recording cannot be made again; choose another name")
        beside = request.record.with_suffix(POSES_SUFFIX)
        if request.poses not in (None, "-") and os.path.realpath(str(request.poses)) == os.path.realpath(beside):
            raise UsageError(f"--poses {beside}: the recording's own poses go there; choose another name")


def _resolution(text: str | None) -> tuple[int, int]:
    if text is None:
        return DEFAULT_RESOLUTION
    match = re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", text)
    if match is None:
        raise UsageError(f"--resolution must be WIDTHxHEIGHT in px, such as 1280x720; got {text!r}")
    return int(match[1]), int(match[2])


def _is_mirrored(request: Request, options: EstimatorOptions) -> bool:
    """Whether the view mirrors what it is given: a camera's picture, unless the results are mirrored already."""
    is_camera = request.source is None or camera_of(request.source) is not None
    wanted = is_camera if request.is_mirrored is None else request.is_mirrored
    return wanted and not options.mirror


def _say(quiet: bool, text: str) -> None:
    if not quiet:
        console().print(text, markup=False, soft_wrap=True)


def _summary(report: Report, seconds: float, request: Request) -> str:
    """One line, in rich markup: frames, frames a second, and where the results are."""
    parts = [f"[bold]{report.images}[/] frames"]
    if seconds > 0:
        parts.append(f"{report.images / seconds:.1f} frames/s")
    wrote = [str(path) for path in (request.record, request.poses) if path not in (None, "-")]
    where = f" → [bold]{escape(' and '.join(wrote))}[/]" if wrote else ""
    return " · ".join(parts) + where
