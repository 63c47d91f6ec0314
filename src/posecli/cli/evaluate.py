"""`posecli evaluate`: how accurate the model is on annotated photos, and how fast."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from posecli.cli.declarations import INPUT_PANEL, OUTPUT_PANEL, option
from posecli.cli.estimator_options import with_estimator_options
from posecli.options import EstimatorOptions

SWEEP_PANEL = "Sweep"


@with_estimator_options
def evaluate(
    context: typer.Context,
    annotations: Annotated[
        Path,
        option("--annotations", metavar="FILE", help="COCO annotations: person_keypoints*.json.", panel=INPUT_PANEL),
    ],
    images: Annotated[
        Path | None, option("--images", metavar="DIR", help="The folder of their images.", panel=INPUT_PANEL)
    ] = None,
    predictions: Annotated[
        Path | None,
        option(
            "--predictions",
            metavar="FILE",
            help="Score these COCO results instead of running a model; --images is not needed.",
            panel=INPUT_PANEL,
        ),
    ] = None,
    limit: Annotated[
        int | None, option("--limit", metavar="N", help="Only the first N images by id.", panel=INPUT_PANEL)
    ] = None,
    image_ids: Annotated[
        list[str] | None,
        option("--image-ids", metavar="ID,ID,...", help="Only these images; may be repeated.", panel=INPUT_PANEL),
    ] = None,
    results: Annotated[
        Path | None,
        option("--results", metavar="FILE", help="Write the COCO results that were scored.", panel=OUTPUT_PANEL),
    ] = None,
    json_file: Annotated[
        str | None,
        option(
            "--json",
            metavar="FILE",
            help="Write all figures, with options, versions and each image's, as JSON; - is stdout, in place of the "
            "table.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    worst: Annotated[
        int | None,
        option(
            "--worst",
            metavar="N",
            help="Draw the N images with the least mean OKS into the folder -o: annotations left, poses right.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    output: Annotated[
        Path | None, option("-o", "--output", metavar="DIR", help="The folder for --worst.", panel=OUTPUT_PANEL)
    ] = None,
    sweep: Annotated[
        list[str] | None,
        option(
            "--sweep",
            metavar="NAME=V,V,...",
            help="Try these values of any model, decoding or running option; may be repeated, for every combination. "
            "A value that is several numbers joins them with +, as in scales=1,0.7+1+1.4.",
            panel=SWEEP_PANEL,
        ),
    ] = None,
    csv_file: Annotated[
        Path | None, option("--csv", metavar="FILE", help="Write the table as CSV.", panel=SWEEP_PANEL)
    ] = None,
    plot: Annotated[
        Path | None,
        option("--plot", metavar="FILE.png", help="Draw accuracy against time.", panel=SWEEP_PANEL),
    ] = None,
    *,
    options: EstimatorOptions,
    fetch: bool,
    batch_size: int | None,
    workers: int | None,
    quiet: bool,
) -> None:
    """Measure accuracy on COCO keypoint annotations, with pycocotools, and time per image.

    Poses of any score count here: --min-pose-score is 0 unless it or a --preset is given.

    For example: posecli evaluate --images val2017 --annotations person_keypoints_val2017.json --limit 500
    """
    from posecli.cli import evaluating
    from posecli.cli.evaluation_request import Request, parse_ids

    # As resolved, but for the model, whose NAME@STRIDE says more than its name.
    given = [field.name for field in fields(EstimatorOptions) if context.params.get(field.name) is not None]
    asked = {name: getattr(options, name) for name in given} | {
        name: context.params[name] for name in given if name == "model"
    }
    evaluating.evaluate(
        Request(
            annotations=annotations,
            images=images,
            predictions=predictions,
            limit=limit,
            image_ids=parse_ids(image_ids or []),
            results=results,
            json_file=json_file,
            worst=worst,
            folder=output,
            sweep=tuple(sweep or ()),
            csv_file=csv_file,
            plot_file=plot,
            asked=asked,
            fetch=fetch,
            batch_size=batch_size,
            workers=workers,
            quiet=quiet,
        )
    )
