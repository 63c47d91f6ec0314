"""`Artifact`: a model in another format, still in memory, and ready to run there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from posecli.backends.program import make_program
from posecli.export_model.formats import Format
from posecli.export_model.parity import Run
from posecli.networks.fields import Fields
from posecli.options import EstimatorOptions
from posecli.weights.checkpoint import Checkpoint

INPUT = "images"


@dataclass(frozen=True)
class Artifact:
    """What is to be written, and the means to try it first."""

    files: Mapping[str, bytes]  # by the suffix of their names, "" being the one that was asked for; it comes last
    run: Run  # in the format's own runtime, made from these very bytes


def make_artifact(
    checkpoint: Checkpoint, options: EstimatorOptions, format: Format, metadata: Mapping[str, str]
) -> Artifact:
    """Convert a model. Raises MissingDependencyError without the extra that the format needs."""
    if format == "openvino":
        return _openvino(checkpoint, options, metadata)
    program = make_program(checkpoint, options.stride, options.dilation)
    if format == "onnx":
        from posecli.backends.onnx import load_onnxruntime, open_session, run_session, to_onnx

        load_onnxruntime()  # or what it takes to try the model is found missing after the work
        data = to_onnx(program, metadata)
        session = open_session(data)
        return Artifact({"": data}, lambda images: run_session(session, images))
    from posecli.export_model.torchscript import open_torchscript, to_torchscript

    data = to_torchscript(program, metadata)
    module = open_torchscript(data)
    return Artifact({"": data}, lambda images: module(torch.from_numpy(images)))


def _openvino(checkpoint: Checkpoint, options: EstimatorOptions, metadata: Mapping[str, str]) -> Artifact:
    """OpenVINO's own two files: the graph, which leads to the weights beside it by its name."""
    from posecli.backends.openvino import Ir, compile_ir, float_ir, load_openvino

    openvino = load_openvino()
    if options.precision == "int8":
        from posecli.backends.quantise import int8_ir

        ir = int8_ir(checkpoint, options.stride, options.dilation, options.calibrate)
    else:
        ir = float_ir(checkpoint, options.stride, options.dilation)
    model = openvino.Core().read_model(ir.xml, ir.weights)
    model.input(0).get_tensor().set_names({INPUT})
    model.set_friendly_name(metadata["model"])
    for key, value in metadata.items():
        model.set_rt_info(value, ["posecli", key])
    ir = Ir.of(model)
    request = compile_ir(ir, np.dtype(np.uint8), {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()

    def run(images: NDArray[np.uint8]) -> Fields:
        return Fields(*(torch.from_numpy(field) for field in request.infer([images]).to_tuple()))

    return Artifact({".bin": ir.weights, "": ir.xml}, run)
