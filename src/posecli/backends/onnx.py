"""The ONNX Runtime backend, float32 on the CPU; and the one way to an ONNX file, which `export_model` takes too."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from posecli.backends import Images
from posecli.backends.compiled import cached, program_key
from posecli.backends.program import Program, make_program
from posecli.errors import MissingDependencyError, PosecliError
from posecli.networks.fields import Fields
from posecli.options import Dilation, Precision
from posecli.weights.checkpoint import Checkpoint

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

INPUT = "images"
OUTPUTS = Fields._fields
TRACED_SHAPE = (2, 49, 65, 3)  # images, px, px, RGB; of what the exporter sees, valid at every stride
GRID_AXES = ("batch", None, "grid_height", "grid_width")
IMAGE_AXES = ("batch", "height", "width", None)
ERRORS_ONLY = 3  # as onnxruntime counts severities


class OnnxBackend:
    """A checkpoint's network in ONNX Runtime on the CPU, at one output stride and dilation mode.

    The first use of a checkpoint takes seconds; what it makes is kept on disk. `threads` are this network's own; by
    default as many as torch takes. Raises UsageError for a stride that the network does not have, and
    MissingDependencyError without the extra `onnx`.
    """

    name = "onnx"
    device = "cpu"
    precision: Precision = "float32"

    def __init__(
        self,
        checkpoint: Checkpoint,
        stride: int = 16,
        dilation: Dilation = "both",
        *,
        threads: int | None = None,
    ) -> None:
        checkpoint.spec.check_stride(stride)
        self._threads = threads or torch.get_num_threads()
        self._key = program_key(checkpoint, stride, dilation, kind="onnx", onnxscript=_exporter_version())
        self._make_model = lambda: to_onnx(make_program(checkpoint, stride, dilation))
        self._sessions: dict[np.dtype[Any], InferenceSession] = {}
        self._lock = Lock()
        load_onnxruntime()
        cached(self._key, "onnx", self._make_model)

    def __call__(self, images: Images) -> Fields:
        """Map images (B, H, W, 3), RGB, uint8 or float32 in [0, 255], to `Fields` on the CPU."""
        return run_session(self._session(images.dtype), images)

    def shared_by(self, callers: int) -> OnnxBackend:
        """The same network for `callers` threads that call it at once: each works itself, helped by what is left."""
        twin = copy(self)
        twin._threads = max(self._threads - callers + 1, 1)
        twin._sessions, twin._lock = {}, Lock()
        return twin

    def _session(self, dtype: np.dtype[Any]) -> InferenceSession:
        """The session that takes images of this type, made when it is first needed."""
        with self._lock:
            if dtype not in self._sessions:
                model = cached(self._key, "onnx", self._make_model)
                if dtype == np.float32:
                    model = with_float_input(model)
                self._sessions[dtype] = open_session(model, self._threads)
            return self._sessions[dtype]


def load_onnxruntime() -> Any:
    """The library, told to report nothing to anybody. Raises MissingDependencyError where it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing("onnxruntime") from error
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def open_session(model: bytes, threads: int | None = None) -> InferenceSession:
    """Make an ONNX file ready to run on the CPU, all its optimisations on; `threads` count the one that calls."""
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = ERRORS_ONLY
    # Threads that wait busily take the cores from those that read, decode and write.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # it keeps a plan of memory for every size of input there has ever been
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_session(session: InferenceSession, images: Images) -> Fields:
    """Map images (B, H, W, 3), of the type that the session takes, to `Fields`."""
    try:
        found = session.run(list(OUTPUTS), {INPUT: images})
    except RuntimeError as error:  # what its exceptions are
        told = " ".join(str(error).split())[-200:]
        raise PosecliError(f"ONNX Runtime cannot run this network ({told}); use --backend torch") from error
    return Fields(*(torch.from_numpy(array) for array in found))


def to_onnx(program: Program, metadata: Mapping[str, str] | None = None) -> bytes:
    """An ONNX file of a program: uint8 `images` (batch, height, width, 3) in, heads under the names of `Fields` out.

    Sizes and batch are free. `metadata` goes into the file. Raises MissingDependencyError without the extra `onnx`.
    """
    try:
        import onnx

        import_module("onnxscript")  # torch's exporter builds on it
    except ImportError as error:
        raise _missing("onnx and onnxscript") from error
    free = torch.export.Dim.DYNAMIC
    with _silent():
        exported = torch.onnx.export(
            program,
            (torch.zeros(TRACED_SHAPE, dtype=torch.uint8),),
            dynamo=True,
            dynamic_shapes=({0: free, 1: free, 2: free},),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            verbose=False,
        )
    assert exported is not None  # with dynamo, and no file named
    model = exported.model_proto
    _tidy(model)
    onnx.helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def with_float_input(model: bytes) -> bytes:
    """The ONNX file that takes float32 in [0, 255] where `model`, one of `to_onnx`, takes uint8.

    What comes first in it, a transposition and a cast, takes both.
    """
    import onnx

    changed = onnx.load_from_string(model)
    changed.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    data: bytes = changed.SerializeToString()
    return data


def _tidy(model: ModelProto) -> None:
    """Name the free axes, and drop what the exporter notes down: sources with their paths, types of what lies between.

    Those types would bind `with_float_input`, and any runtime finds them itself.
    """
    graph = model.graph
    for values, axes in ((graph.input, IMAGE_AXES), (graph.output, GRID_AXES)):
        for value in values:
            for dimension, name in zip(value.type.tensor_type.shape.dim, axes, strict=True):
                if name is not None:
                    dimension.dim_param = name
    del graph.value_info[:]
    for noted in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del noted.metadata_props[:]


@contextmanager
def _silent() -> Iterator[None]:
    """Keep from the user what the exporter says of itself, and of packages that no PoseNet needs."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")  # "torchvision is not installed"
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch 2.13 copies its own trees in a way that it has deprecated itself.
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        registration.setLevel(level)


def _exporter_version() -> str:
    """The version of what torch exports with, which need not be loaded where the cache has the file."""
    try:
        return version("onnxscript")
    except PackageNotFoundError as error:
        raise _missing("onnxscript") from error


def _missing(what: str) -> MissingDependencyError:
    return MissingDependencyError(f'ONNX needs {what}, not installed; run: pip install "posecli[onnx]"')
