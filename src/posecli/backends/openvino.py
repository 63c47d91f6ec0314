"""The OpenVINO backend: the fastest on most CPUs. float32, bfloat16 where the CPU has it, and int8.

One compiled model takes images of every number and size. The first image of a new shape costs some 30 ms more than
those that follow it (at 513 px); models compiled for one shape alone would each cost 100 ms, and run no faster.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from posecli.backends import Images
from posecli.backends.compiled import cached, program_key
from posecli.backends.program import make_program
from posecli.errors import MissingDependencyError, PosecliError, PosecliWarning
from posecli.networks.fields import Fields
from posecli.options import Dilation, Precision
from posecli.weights.checkpoint import Checkpoint

if TYPE_CHECKING:
    import openvino

EXAMPLE = (2, 65, 97, 3)  # (B, H, W, 3) of the images that the network is traced with; it takes all others
HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}  # int8 lies in the model; the hint is for all else in it
LENGTH_BYTES = 8


class OpenVinoBackend:
    """A checkpoint's network compiled by OpenVINO for this CPU, at one output stride and dilation mode.

    `threads` are OpenVINO's own, as many as there are cores unless given. `calibrate` is the folder of photos that int8
    is calibrated on; without it, what comes with the model serves. It may be called from several threads, which take
    turns; `shared_by` makes one for which they need not. The first call compiles, some 0.2 s. `precision` is what is
    really computed: a CPU without bfloat16 computes float32, with a PosecliWarning.

    Raises UsageError for a stride that the network does not have and for int8 that lacks its calibration, and
    MissingDependencyError where OpenVINO, or NNCF to calibrate with, is not installed.
    """

    name = "openvino"
    device = "cpu"
    precision: Precision

    def __init__(
        self,
        checkpoint: Checkpoint,
        stride: int = 16,
        dilation: Dilation = "both",
        *,
        precision: Precision = "float32",
        threads: int | None = None,
        calibrate: str | None = None,
    ) -> None:
        self.precision = precision
        self._settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": HINTS[precision]}
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = str(threads)
        self._ir = self._find_ir(checkpoint, stride, dilation, calibrate)
        self._callers = 1
        self._lock = Lock()
        self._idle: dict[np.dtype[Any], Queue[openvino.InferRequest]] = {}  # by type of the images
        if precision == "bfloat16" and not has_bfloat16():
            self.precision = "float32"
            warnings.warn(
                "this CPU has no bfloat16: float32 is computed instead; use --precision float32, or int8",
                PosecliWarning,
                stacklevel=2,
            )

    def __call__(self, images: Images) -> Fields:
        """Map images (B, H, W, 3), RGB, uint8 or float32 in [0, 255], to `Fields` on the CPU."""
        idle = self._requests(images.dtype)
        request = idle.get()
        try:
            with _errors_of_openvino("run"):
                found = request.infer([images], share_inputs=True)  # outputs are copied
                return Fields(*(torch.from_numpy(field) for field in found.to_tuple()))
        finally:
            idle.put(request)

    def shared_by(self, callers: int) -> OpenVinoBackend:
        """The same network for `callers` threads that call it at once, each with its share of OpenVINO's threads."""
        twin = copy(self)
        twin._settings = {**self._settings, "NUM_STREAMS": str(callers)}
        twin._callers = callers
        twin._lock, twin._idle = Lock(), {}
        return twin

    def _requests(self, dtype: np.dtype[Any]) -> Queue[openvino.InferRequest]:
        """The requests for images of this type that nobody uses; compiled when they are first needed."""
        with self._lock:
            if dtype not in self._idle:
                compiled = compile_ir(self._ir, dtype, self._settings)
                idle: Queue[openvino.InferRequest] = Queue()
                for _ in range(self._callers):
                    idle.put(compiled.create_infer_request())
                self._idle[dtype] = idle
            return self._idle[dtype]

    def _find_ir(self, checkpoint: Checkpoint, stride: int, dilation: Dilation, calibrate: str | None) -> Ir:
        if self.precision != "int8":
            return float_ir(checkpoint, stride, dilation)
        from posecli.backends.quantise import int8_ir

        return int8_ir(checkpoint, stride, dilation, calibrate)


class Ir(NamedTuple):
    """A network as OpenVINO keeps it on disk: graph and weights."""

    xml: bytes
    weights: bytes

    def pack(self) -> bytes:
        """Both as one file: the length of the graph, the graph, the weights."""
        return len(self.xml).to_bytes(LENGTH_BYTES, "little") + self.xml + self.weights

    @classmethod
    def unpack(cls, data: bytes) -> Ir:
        """What `pack` made."""
        end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
        return cls(data[LENGTH_BYTES:end], data[end:])

    @classmethod
    def of(cls, model: openvino.Model) -> Ir:
        """A model of OpenVINO's, which writes such files only by itself."""
        with TemporaryDirectory(prefix="posecli-") as folder:
            xml = Path(folder, "model.xml")
            load_openvino().serialize(model, str(xml))
            return cls(xml.read_bytes(), xml.with_suffix(".bin").read_bytes())


def float_ir(checkpoint: Checkpoint, stride: int, dilation: Dilation) -> Ir:
    """The network of a checkpoint in float32, from the cache or converted."""
    key = program_key(checkpoint, stride, dilation, kind="openvino", openvino=load_openvino().__version__)
    data = cached(key, "openvino", lambda: Ir.of(to_openvino(checkpoint, stride, dilation)).pack())
    return Ir.unpack(data)


def to_openvino(checkpoint: Checkpoint, stride: int, dilation: Dilation) -> openvino.Model:
    """Convert the `Program` of a checkpoint: images (B, H, W, 3) of uint8 in; the fields, by their names, out.

    OpenVINO's frontend is called directly: its `convert_model` reports its use over the network. The network is traced
    rather than exported (`torch.export`), for that takes ten times as long, and OpenVINO logs tracebacks on its way
    from there.
    """
    load_openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.passes import ConstantFolding, Manager

    program = make_program(checkpoint, stride, dilation)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.filterwarnings("ignore", r"`torch\.jit\.trace", DeprecationWarning)
        trace: Callable[..., Any] = torch.jit.trace
        traced = trace(program, torch.zeros(EXAMPLE, dtype=torch.uint8), check_trace=False)
    with _errors_of_openvino("convert"):
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced)  # has to live until the model is made: the frontend does not hold it
        model = frontend.convert(frontend.load(decoder))
        model.reshape([-1, -1, -1, 3])
        folding = Manager()
        folding.register_pass(ConstantFolding())  # NNCF takes weights and biases for such only where they are constants
        folding.run_passes(model)
        for output, name in zip(model.outputs, Fields._fields, strict=True):
            output.get_tensor().set_names({name})
    return model


def compile_ir(ir: Ir, images: np.dtype[Any], settings: dict[str, str]) -> openvino.CompiledModel:
    """Compile for images of a type, of any number and size."""
    openvino = load_openvino()
    with _errors_of_openvino("compile"):
        core = openvino.Core()
        model = core.read_model(ir.xml, ir.weights)
        model.input(0).get_node().set_element_type(openvino.Type(images))  # the graph goes on in float32 anyway
        model.validate_nodes_and_infer_types()
        return core.compile_model(model, "CPU", settings)


def has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16; OpenVINO takes float32 where it does not."""
    return "BF16" in load_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def load_openvino() -> Any:
    """The library. Raises MissingDependencyError where it is missing or cannot be loaded."""
    try:
        import openvino
    except ImportError as error:
        raise MissingDependencyError(
            f'OpenVINO cannot be loaded ({error}); run: pip install "posecli[openvino]"'
        ) from error
    return openvino


@contextmanager
def _errors_of_openvino(doing: str) -> Iterator[None]:
    """Turn its errors, which are long and of no type of their own, into one of ours."""
    try:
        yield
    except RuntimeError as error:
        told = " ".join(str(error).split())[-200:]
        raise PosecliError(f"OpenVINO cannot {doing} this network ({told}); use --backend torch") from error
