from pathlib import Path

import pytest
import torch

from posecli.backends import onnx, opening
from posecli.backends.opening import PRECISIONS, choose, is_installed, open_backend
from posecli.errors import MissingDependencyError, UsageError
from posecli.options import EstimatorOptions
from posecli.weights.checkpoint import Checkpoint, load
from posecli.weights.store import find


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load(find("mobilenet-075"))


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    """Let these backends, and no others, be installed."""
    return lambda *names: monkeypatch.setattr(opening, "is_installed", lambda name: name in names)


@pytest.mark.parametrize(
    ("installed", "precision", "chosen"),
    [
        (("torch", "onnx", "openvino"), "float32", "openvino"),
        (("torch", "onnx"), "float32", "onnx"),
        (("torch",), "float32", "torch"),
        (("torch", "onnx"), "bfloat16", "torch"),
        (("torch", "onnx"), "int8", "openvino"),
    ],
)
def test_auto_takes_the_fastest_that_has_the_precision(install, installed, precision, chosen) -> None:
    install(*installed)
    assert choose(EstimatorOptions(device="cpu", precision=precision)) == chosen


@pytest.mark.parametrize("installed", [("torch", "onnx", "openvino"), ("torch",)])
def test_auto_leaves_a_gpu_to_torch(install, installed, monkeypatch: pytest.MonkeyPatch) -> None:
    install(*installed)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose(EstimatorOptions(device="auto", precision="float16")) == "torch"
    assert choose(EstimatorOptions(device="cuda:0")) == "torch"


@pytest.mark.parametrize("missing", ["onnxruntime", "onnx", "onnxscript"])
def test_a_backend_of_which_a_part_is_missing_is_not_taken(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other packages bring onnxruntime, too, without what posecli needs beside it."""
    there = {"onnxruntime", "onnx", "onnxscript", "torch"} - {missing}
    monkeypatch.setattr(opening, "find_spec", lambda name: name if name in there else None)
    monkeypatch.setattr(opening, "version", lambda name: "99.0")
    assert choose(EstimatorOptions(device="cpu")) == "torch"


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        ({"openvino": "2025.0.0", "torch": "2.4.1"}, "openvino"),
        ({"openvino": "2024.6.0", "torch": "2.6.0+cpu"}, "onnx"),
        ({"openvino": "2024.6.0", "torch": "2.5.1"}, "torch"),
        ({"openvino": "unknown", "torch": "2.5.1"}, "torch"),
    ],
)
def test_a_backend_that_is_too_old_is_not_taken(
    versions: dict[str, str], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda name: name)
    monkeypatch.setattr(opening, "version", lambda name: versions[name])
    assert choose(EstimatorOptions(device="cpu")) == chosen


def test_what_is_asked_for_is_taken(install) -> None:
    install("torch", "onnx", "openvino")
    for name in PRECISIONS:
        assert choose(EstimatorOptions(backend=name)) == name


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (EstimatorOptions(backend="onnx", precision="int8"), UsageError, "use --backend openvino"),
        (EstimatorOptions(backend="openvino", precision="float16"), UsageError, "use --backend torch"),
        (EstimatorOptions(backend="onnx", precision="bfloat16"), UsageError, "use --backend openvino or torch"),
        (EstimatorOptions(backend="openvino", device="cuda"), UsageError, "--device cuda needs --backend torch"),
        (EstimatorOptions(backend="openvino"), MissingDependencyError, r'pip install "posecli\[openvino\]"'),
        (EstimatorOptions(backend="onnx"), MissingDependencyError, r'pip install "posecli\[onnx\]"'),
        (EstimatorOptions(precision="int8"), MissingDependencyError, r'pip install "posecli\[openvino\]"'),
    ],
)
def test_what_cannot_be_says_what_to_do(install, checkpoint: Checkpoint, options, error, message) -> None:
    install("torch")
    with pytest.raises(error, match=message):
        open_backend(checkpoint, options)


@pytest.mark.parametrize("name", PRECISIONS)
def test_each_opens(checkpoint: Checkpoint, home: Path, name, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened only: to be quick, nothing is exported to ONNX, which test_onnx.py does for the backend itself."""
    if not is_installed(name):
        pytest.skip(f"needs the extra of {name}")
    asked = []
    monkeypatch.setattr(onnx, "to_onnx", lambda program: asked.append(program) or b"what was exported")
    backend = open_backend(checkpoint, EstimatorOptions(backend=name, device="cpu", stride=8))
    assert (backend.name, backend.device, backend.precision) == (name, "cpu", "float32")
    image = torch.zeros(1, 65, 65, 3)
    assert [program(image).heatmaps.shape[-1] for program in asked] == [9] * (name == "onnx")  # at stride 8
