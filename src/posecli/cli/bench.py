"""`posecli bench`: how fast posecli is on this machine, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posecli.cli.declarations import INPUT_PANEL, OUTPUT_PANEL, RUN_PANEL, Recursive, flag, option
from posecli.cli.estimator_options import with_estimator_options
from posecli.errors import UsageError
from posecli.options import EstimatorOptions, InputOptions

DEFAULT_NUM_IMAGES = 200


@with_estimator_options
def bench(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Photos, videos, folders, quoted globs, URLs, or - for a list of paths on standard input. "
            "Without any, a packaged photo at several crops and sizes.",
            show_default=False,
        ),
    ] = None,
    num_images: Annotated[
        int,
        option(
            "-n",
            "--num-images",
            metavar="N",
            help="Images to measure, after the warm-up; fewer inputs are taken over and over. 200 take 5 to 20 s on "
            "most CPUs; 1000 give percentiles to rely on.",
            panel=INPUT_PANEL,
        ),
    ] = DEFAULT_NUM_IMAGES,
    recursive: Recursive = False,
    end_to_end: Annotated[
        bool,
        flag(
            "--end-to-end",
            help="Measure from file to file, as annotate works, against what its slowest stage alone allows.",
            panel=RUN_PANEL,
        ),
    ] = False,
    people: Annotated[
        bool, flag("--people", help="Also show the time by the number of people found.", panel=OUTPUT_PANEL)
    ] = False,
    json_file: Annotated[
        str | None,
        option(
            "--json",
            metavar="FILE",
            help="Write all figures, with options, machine and versions, as JSON; - is stdout, in place of the table.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        option(
            "--compare",
            metavar="A.json B.json",
            help="Measure nothing: show B's figures relative to A's, two files of --json, and what differs.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    *,
    options: EstimatorOptions,
    taking: InputOptions,
    fetch: bool,
    batch_size: int | None,
    workers: int | None,
    quiet: bool,
) -> None:
    """Measure how fast posecli is here: per stage the percentiles over the images, throughput and memory.

    Images are in memory before the clock starts, and the warm-up is apart. For figures to rely on, leave the machine
    alone meanwhile.

    For example: posecli bench photos --num-images 1000 --json mine.json
    """
    if compare is not None:
        if inputs or end_to_end or people or json_file is not None:
            raise UsageError("--compare measures nothing; give it two files and nothing else")
        from posecli.cli.bench_tables import show_comparison

        show_comparison(*compare)
        return
    from posecli.cli import benching

    benching.bench(
        benching.Request(
            inputs=tuple(inputs or ()),
            recursive=recursive,
            num_images=num_images,
            end_to_end=end_to_end,
            people=people,
            json_file=json_file,
            options=options,
            taking=taking,
            fetch=fetch,
            batch_size=batch_size,
            workers=workers,
            quiet=quiet,
        )
    )
