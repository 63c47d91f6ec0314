"""`posecli annotate`: photos in, the same photos with skeletons out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from posecli.cli.common import OUTPUT_PANEL, Inputs, Recursive, flag, option, with_estimator_options
from posecli.options import Background, EstimatorOptions, StyleName


@with_estimator_options
def annotate(
    inputs: Inputs,
    output: Annotated[
        Path,
        option(
            "-o", "--output", metavar="DIR", help="Folder of the pictures; its tree is the input's.", panel=OUTPUT_PANEL
        ),
    ] = Path("posecli-out"),
    poses: Annotated[
        str | None,
        option("--poses", metavar="FILE", help="Also write the poses: .json, .jsonl or .csv.", panel=OUTPUT_PANEL),
    ] = None,
    image_format: Annotated[
        str | None,
        option(
            "--image-format",
            metavar="FORMAT",
            help="jpg, png, webp, ...",
            show_default="the input's",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    exists: Annotated[
        Literal["skip", "overwrite", "error"],
        option(
            "--exists", help="When a picture is there already; skip resumes an interrupted run.", panel=OUTPUT_PANEL
        ),
    ] = "overwrite",
    style: Annotated[StyleName, option("--style", help="classic is the look of 2018.", panel=OUTPUT_PANEL)] = "modern",
    background: Annotated[
        Background,
        option(
            "--background",
            metavar="KIND",
            help="Behind the skeletons: original, black or transparent.",
            panel=OUTPUT_PANEL,
        ),
    ] = "original",
    boxes: Annotated[bool, flag("--boxes", help="Draw a box around each person.", panel=OUTPUT_PANEL)] = False,
    labels: Annotated[bool, flag("--labels", help="Number the people.", panel=OUTPUT_PANEL)] = False,
    scores: Annotated[bool, flag("--scores", help="Write each person's score.", panel=OUTPUT_PANEL)] = False,
    recursive: Recursive = False,
    *,
    options: EstimatorOptions,
    batch_size: int,
    quiet: bool,
) -> None:
    """Draw a skeleton on every person in photos."""
    from posecli.cli import runs
    from posecli.draw import DrawStyle

    runs.annotate(
        inputs,
        output,
        DrawStyle(style, background, boxes, labels, scores, options.min_part_score),
        options,
        recursive=recursive,
        poses=poses,
        image_format=image_format,
        exists=exists,
        batch_size=batch_size,
        quiet=quiet,
    )
