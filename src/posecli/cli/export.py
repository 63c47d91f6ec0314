"""`posecli export`: photos and videos in, poses out, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from posecli.cli.declarations import OUTPUT_PANEL, Inputs, Recursive, option
from posecli.cli.estimator_options import with_estimator_options
from posecli.options import EstimatorOptions, FollowOptions, InputOptions
from posecli.sinks.formats import DATA_FORMATS


@with_estimator_options
def export(
    inputs: Inputs,
    output: Annotated[
        str,
        option("-o", "--output", metavar="FILE", help="Where the poses go; - is stdout.", panel=OUTPUT_PANEL),
    ] = "-",
    format: Annotated[
        str | None,
        option(
            "--format",
            metavar="FORMAT",
            help=f"{', '.join(DATA_FORMATS)}. openpose and yolo-pose write a folder. By default by FILE's suffix, "
            "json on stdout.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    annotations: Annotated[
        Path | None,
        option(
            "--annotations",
            metavar="FILE",
            help="COCO annotations that give coco results their image_id, by file name; implies --format coco.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
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
    """Write the poses in photos and videos as JSON, CSV, COCO results and more.

    For example: posecli export photos --recursive -o poses.json
    """
    from posecli.cli import runs

    runs.export(
        inputs,
        output,
        format,
        options,
        taking,
        following,
        recursive=recursive,
        annotations=annotations,
        fetch=fetch,
        batch_size=batch_size,
        workers=workers,
        quiet=quiet,
    )
