"""`posecli convert-weights`: a TF.js PoseNet on disk becomes weights that `--model` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posecli.cli.console import console, error_boundary
from posecli.cli.declarations import OUTPUT_PANEL, RUN_PANEL, Debug, Quiet, flag, option


def convert_weights(
    path: Annotated[
        Path,
        typer.Argument(
            help="A TF.js model.json with its shards beside it, a first-release manifest.json, or the folder of one.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        option(
            "-o",
            "--output",
            metavar="FILE",
            help="The .safetensors file to write, or replace; by default (unless --name is given) named after what is "
            "recognised, such as mobilenet-050-quant2.safetensors, here.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    name: Annotated[
        str | None,
        option(
            "--name",
            metavar="NAME",
            help="Install the model under this name, for: --model NAME.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    force: Annotated[bool, flag("--force", help="Replace the installed model of this name.", panel=RUN_PANEL)] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Convert a TF.js PoseNet, on MobileNet or ResNet50, official, fine-tuned or re-exported.

    Layers are matched by topology, so re-exports without names work; each tensor is used exactly once, and the result
    is checked by running both networks.
    """
    with error_boundary(debug):
        from posecli.cli import converting

        account = converting.run(path, output, name, force=force)
        if not quiet:
            console().print("\n".join(account), markup=False, soft_wrap=True)
