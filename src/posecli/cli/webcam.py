"""`posecli webcam`: skeletons on what a camera sees, at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from posecli.cli.declarations import (
    INPUT_PANEL,
    OUTPUT_PANEL,
    RUN_PANEL,
    VIDEO_PANEL,
    Boxes,
    Labels,
    Scores,
    Style,
    flag,
    option,
)
from posecli.cli.estimator_options import with_estimator_options
from posecli.errors import UsageError
from posecli.options import EstimatorOptions, FollowOptions, StyleName, check_choice

TARGET_FPS = 20
QUALITY = "fast"  # what holds 20 frames a second on two cores


def _with_defaults(command: Callable[..., None], **defaults: object) -> Callable[..., None]:
    """The command with other defaults for options that all commands share."""
    signature = inspect.signature(command)
    parameters = [p.replace(default=defaults.get(name, p.default)) for name, p in signature.parameters.items()]
    made: Any = command
    made.__signature__ = signature.replace(parameters=parameters)
    return command


@with_estimator_options
def _webcam(
    camera: Annotated[
        int, option("--camera", metavar="N", help="Which camera; posecli cameras lists them.", panel=INPUT_PANEL)
    ] = 0,
    source: Annotated[
        str | None,
        option(
            "--source",
            metavar="FILE|URL",
            help="Take this for the camera: a video at its own speed, or a stream (RTSP, HTTP, HLS).",
            panel=INPUT_PANEL,
        ),
    ] = None,
    resolution: Annotated[
        str | None,
        option(
            "--resolution",
            metavar="WxH",
            help="Ask the camera for pictures of this size, in px. [dim]\\[default: 1280x720][/]",
            panel=INPUT_PANEL,
        ),
    ] = None,
    fps: Annotated[
        float | None,
        option("--fps", metavar="N", help="Ask the camera for so many pictures a second.", panel=INPUT_PANEL),
    ] = None,
    headless: Annotated[
        bool, flag("--headless", help="Open no window; for --poses and --record.", panel=OUTPUT_PANEL)
    ] = False,
    mirror_view: Annotated[
        bool | None,
        option(
            "--mirror-view/--no-mirror-view",
            help="Show the picture as a mirror does; what is saved never is. [dim]\\[default: for cameras][/]",
            panel=OUTPUT_PANEL,
            show_default=False,
        ),
    ] = None,
    poses: Annotated[
        str | None,
        option(
            "--poses",
            metavar="FILE",
            help="Write the poses of each frame, at once: JSON lines to - (standard output), else by FILE's suffix: "
            ".jsonl, .json or .csv.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    record: Annotated[
        Path | None,
        option(
            "--record",
            metavar="FILE",
            help="Record from the first frame on: a video, and beside it the poses as .jsonl.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    output: Annotated[
        Path,
        option("-o", "--output", metavar="DIR", help="Folder of what the keys s and r save.", panel=OUTPUT_PANEL),
    ] = Path("posecli-out"),
    style: Style = "modern",
    boxes: Boxes = False,
    labels: Labels = False,
    scores: Scores = False,
    track: Annotated[
        bool,
        option(
            "--track/--no-track",
            help="Give each person an id, and a colour, that stays from frame to frame.",
            panel=VIDEO_PANEL,
        ),
    ] = True,
    smooth: Annotated[
        bool, option("--smooth/--no-smooth", help="Keep people from trembling.", panel=VIDEO_PANEL)
    ] = True,
    adaptive: Annotated[
        bool,
        flag("--adaptive", help="Look less closely whenever --target-fps is not reached.", panel=RUN_PANEL),
    ] = False,
    target_fps: Annotated[
        float | None,
        option(
            "--target-fps",
            metavar="N",
            help=f"Frames a second that --adaptive holds. [dim]\\[default: {TARGET_FPS}][/]",
            panel=RUN_PANEL,
        ),
    ] = None,
    *,
    options: EstimatorOptions,
    fetch: bool,
    batch_size: int | None,
    workers: int | None,
    quiet: bool,
) -> None:
    """Draw a skeleton on everyone in front of the camera, live in a window.

    Keys: q or Esc quits, space pauses, s saves a picture, r records, 1 to 3 choose the quality, h shows them all.

    For example, poses for another program: posecli webcam --headless --poses - | your-program
    """
    if batch_size is not None or workers is not None:
        raise UsageError("--batch-size and --workers have no use here: each frame is shown before the next is taken")
    if target_fps is not None and not adaptive:
        raise UsageError("--target-fps is what --adaptive holds; add --adaptive, or leave it out")
    from posecli.cli import watching
    from posecli.draw import DrawStyle

    watching.watch(
        watching.Request(
            camera=camera,
            source=source,
            resolution=resolution,
            fps=fps,
            has_window=not headless,
            is_mirrored=mirror_view,
            poses=poses,
            record=record,
            folder=output,
            target_fps=(TARGET_FPS if target_fps is None else target_fps) if adaptive else None,
        ),
        DrawStyle(check_choice("style", style, StyleName), "original", boxes, labels, scores, options.min_part_score),
        options,
        FollowOptions(track, smooth),
        fetch=fetch,
        quiet=quiet,
    )


webcam = _with_defaults(_webcam, quality=QUALITY)
