"""`posecli annotate`: photos and videos in, the same with skeletons out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from posecli.cli.declarations import OUTPUT_PANEL, VIDEO_PANEL, Boxes, Inputs, Labels, Recursive, Scores, Style, option
from posecli.cli.estimator_options import with_estimator_options
from posecli.options import (
    CRFS,
    Background,
    EstimatorOptions,
    Exists,
    FollowOptions,
    InputOptions,
    StyleName,
    VideoOptions,
    check_choice,
)


@with_estimator_options
def annotate(
    inputs: Inputs,
    output: Annotated[
        Path,
        option(
            "-o",
            "--output",
            metavar="DIR|FILE",
            help="Folder of the results; its tree is the input's. Of a single input also the file, such as out.mp4.",
            panel=OUTPUT_PANEL,
        ),
    ] = Path("posecli-out"),
    poses: Annotated[
        str | None,
        option("--poses", metavar="FILE", help="Also write the poses, in the same pass.", panel=OUTPUT_PANEL),
    ] = None,
    poses_format: Annotated[
        str | None,
        option(
            "--poses-format",
            metavar="FORMAT",
            help="As --format of posecli export; by default by FILE's suffix: .json, .jsonl or .csv.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    image_format: Annotated[
        str | None,
        option(
            "--image-format",
            metavar="FORMAT",
            help="jpg, png, webp or another that OpenCV writes; by default the input's.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    exists: Annotated[
        str | None,
        option(
            "--exists",
            metavar="WHAT",
            help="For results that are there already: skip (resumes an interrupted run), overwrite or error. By "
            "default overwrite, but for what may be an original because the output folder holds the inputs.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    style: Style = "modern",
    background: Annotated[
        str,
        option(
            "--background",
            metavar="KIND",
            help="Behind the skeletons: original, black or transparent.",
            panel=OUTPUT_PANEL,
        ),
    ] = "original",
    boxes: Boxes = False,
    labels: Labels = False,
    scores: Scores = False,
    codec: Annotated[
        str | None,
        option(
            "--codec",
            metavar="NAME",
            help="Of videos: h264 plays everywhere; hevc, av1, vp9, mpeg4, or gif for short clips. "
            "[dim]\\[default: h264, or as -o says][/]",
            panel=VIDEO_PANEL,
        ),
    ] = None,
    crf: Annotated[
        int | None,
        option(
            "--crf",
            metavar="N",
            help="Quality of videos, lower is better and larger. [dim]\\[default: "
            + ", ".join(f"{name} {default}" for name, (_, _, default) in CRFS.items())
            + "][/]",
            panel=VIDEO_PANEL,
        ),
    ] = None,
    audio: Annotated[bool, option("--audio/--no-audio", help="Keep the sound of videos.", panel=VIDEO_PANEL)] = True,
    recursive: Recursive = False,
    *,
    options: EstimatorOptions,
    taking: InputOptions,
    following: FollowOptions,
    fetch: bool,
    batch_size: int | None,
    workers: int | None,
    quiet: bool,
) -> None:
    """Draw a skeleton on every person in photos and videos.

    For example: posecli annotate photos clip.mp4 --recursive -o out --poses out/poses.json
    """
    from posecli.cli import runs
    from posecli.cli.targets import codec_for
    from posecli.draw import DrawStyle

    runs.annotate(
        inputs,
        output,
        DrawStyle(
            check_choice("style", style, StyleName),
            check_choice("background", background, Background),
            boxes,
            labels,
            scores,
            options.min_part_score,
        ),
        options,
        taking,
        following,
        VideoOptions(codec_for(output, codec), crf, audio),
        recursive=recursive,
        poses=poses,
        poses_format=poses_format,
        image_format=image_format,
        exists=None if exists is None else check_choice("exists", exists, Exists),
        fetch=fetch,
        batch_size=batch_size,
        workers=workers,
        quiet=quiet,
    )
