"""`posecli export-model`: the network as a file for ONNX Runtime, OpenVINO or TorchScript."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from posecli.cli.console import error_boundary
from posecli.cli.declarations import MODEL_PANEL, OUTPUT_PANEL, Debug, Quiet, option
from posecli.cli.estimator_options import Calibrate, Fetch, Model, Preset, Stride


def export_model(
    output: Annotated[
        Path | None,
        option(
            "-o",
            "--output",
            metavar="FILE",
            help="The file to write, or replace: .onnx, .xml (OpenVINO, with a .bin beside it), .pt or .ts "
            "(TorchScript); by default named after the model, such as mobilenet-075-stride16.onnx, here.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    format: Annotated[
        str | None,
        option(
            "--format",
            metavar="NAME",
            help="onnx, openvino or torchscript; by default what the file's name says, or onnx.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    json_file: Annotated[
        str | None,
        option(
            "--json",
            metavar="FILE",
            help="Write the report there as JSON, and show none; - is stdout.",
            panel=OUTPUT_PANEL,
        ),
    ] = None,
    model: Model = None,
    fetch: Fetch = False,
    stride: Stride = None,
    precision: Annotated[
        str | None,
        option("--precision", metavar="NAME", help="float32, or int8 (OpenVINO).", panel=MODEL_PANEL),
    ] = None,
    calibrate: Calibrate = None,
    preset: Preset = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the network as a file for ONNX Runtime, OpenVINO or TorchScript.

    It takes images of any number and size, uint8, RGB, (batch, height, width, 3), sides multiples of the stride plus
    1, and gives heatmaps (after the sigmoid), offsets, forward and backward displacements; normalisation is inside.

    The file is written only if it finds on a packaged photo what PyTorch finds there; the report says how near it is.
    """
    with error_boundary(debug):
        from posecli.cli import exporting

        asked = {"model": model, "stride": stride, "precision": precision, "calibrate": calibrate}
        exporting.run(output, format, preset, asked, json_file=json_file, fetch=fetch, quiet=quiet)
