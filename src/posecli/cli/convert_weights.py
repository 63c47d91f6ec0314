"""`posecli convert-weights`: a TF.js PoseNet on disk becomes weights that `--model` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posecli.cli.common import OUTPUT_PANEL, Debug, Quiet, console, error_boundary, option


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
            help="The .safetensors file to write; by default named after what is recognised, such as "
            "mobilenet-050-quant2.safetensors, here.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Convert TF.js PoseNet weights, and check the result by running both networks.

    Layers are matched by topology, so re-exports without names work; each tensor is used exactly once.
    """
    with error_boundary(debug):
        from posecli.weights import store
        from posecli.weights.convert import convert
        from posecli.weights.tfjs import read_model

        conversion = convert(read_model(path))
        target = output or Path(f"{conversion.name}.safetensors")
        store.refuse_source(target, conversion)
        store.save(target, store.Checkpoint.of(conversion))
        if not quiet:
            lines = [*conversion.account, f"wrote {target}; use it with: posecli annotate DIR --model {target}"]
            console().print("\n".join(lines), markup=False, soft_wrap=True)
