"""Exported files in the hands of their own runtimes, which know nothing of posecli; and models that are refused."""

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from posecli import __version__
from posecli.backends.program import Program, make_program
from posecli.errors import MissingDependencyError, OutputError, UsageError
from posecli.export_model import ModelExport, artifacts, export_model
from posecli.export_model.exporting import DisagreementError
from posecli.networks.build import build_network
from posecli.networks.fields import Fields
from posecli.networks.spec import ModelSpec
from posecli.options import EstimatorOptions
from posecli.skeleton import PARTS
from posecli.weights.checkpoint import Checkpoint, load
from posecli.weights.store import bundled_path

NAMES = {"onnx": "mine.onnx", "openvino": "mine.xml", "torchscript": "mine.ts"}
PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino",), "torchscript": ()}
SHAPES = [(1, 33, 33), (1, 129, 65), (3, 97, 113)]

Exported = Callable[[str], tuple[Path, ModelExport]]
Run = Callable[[Path, np.ndarray], list[np.ndarray]]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load(bundled_path())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSECLI_HOME", str(tmp_path_factory.mktemp("home")))
        yield tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def exported(checkpoint: Checkpoint, folder: Path) -> Exported:
    """Export the bundled model to a format, once."""
    made: dict[str, ModelExport] = {}

    def export(format: str) -> tuple[Path, ModelExport]:
        for package in PACKAGES[format]:
            pytest.importorskip(package)
        path = folder / NAMES[format]
        if format not in made:
            made[format] = export_model(checkpoint, EstimatorOptions(), path, format)
        return path, made[format]

    return export


def run_onnx(path: Path, images: np.ndarray) -> list[np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(list(Fields._fields), {"images": images})


def run_openvino(path: Path, images: np.ndarray) -> list[np.ndarray]:
    import openvino

    compiled = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled({"images": images})
    return [found[name] for name in Fields._fields]


def run_torchscript(path: Path, images: np.ndarray) -> list[np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit.load
        module = torch.jit.load(path)
    return [field.numpy() for field in module(torch.from_numpy(images))]


RUNS = {"onnx": run_onnx, "openvino": run_openvino, "torchscript": run_torchscript}


def metadata_onnx(path: Path) -> dict[str, str]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.get_modelmeta().custom_metadata_map


def metadata_openvino(path: Path) -> dict[str, str]:
    import openvino

    model = openvino.Core().read_model(path)
    keys = ("model", "stride", "dilation", "precision", "parts", "posecli", "source", "licence", "sha256")
    return {key: model.get_rt_info(["posecli", key]).astype(str) for key in keys}


def metadata_torchscript(path: Path) -> dict[str, str]:
    extra = {"posecli.json": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit.load
        torch.jit.load(path, _extra_files=extra)
    return json.loads(extra["posecli.json"])


METADATA = {"onnx": metadata_onnx, "openvino": metadata_openvino, "torchscript": metadata_torchscript}


@pytest.mark.parametrize("format", NAMES)
def test_any_number_of_images_of_any_size(exported: Exported, checkpoint: Checkpoint, rng, format: str) -> None:
    path, _ = exported(format)
    for batch, height, width in SHAPES:
        images = rng.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)
        with torch.inference_mode():
            expected = make_program(checkpoint)(torch.from_numpy(images))
        for name, field, reference in zip(Fields._fields, RUNS[format](path, images), expected, strict=True):
            assert field.shape == reference.shape
            error = np.abs(field - reference.numpy()).max() / np.abs(reference.numpy()).max()
            assert error < 1e-4, f"{name}: {error:.1e}"


@pytest.mark.parametrize("format", NAMES)
def test_a_file_says_what_it_is(exported: Exported, checkpoint: Checkpoint, format: str) -> None:
    path, written = exported(format)
    metadata = METADATA[format](path)
    assert metadata == written.metadata
    assert metadata["model"] == "mobilenet-075"
    assert (metadata["stride"], metadata["dilation"], metadata["precision"]) == ("16", "both", "float32")
    assert (metadata["licence"], metadata["posecli"]) == ("Apache-2.0", __version__)
    assert tuple(json.loads(metadata["parts"])) == PARTS
    assert metadata["sha256"] == checkpoint.metadata["sha256"]


@pytest.mark.parametrize("format", NAMES)
def test_the_report_is_of_what_was_written(exported: Exported, format: str) -> None:
    path, written = exported(format)
    assert list(written.files)[-1] == path
    assert {each: each.stat().st_size for each in written.files} == written.files
    assert [each.suffix for each in written.files] == {"openvino": [".bin", ".xml"]}.get(format, [path.suffix])
    assert written.format == format
    assert written.parity.problems == ()
    assert written.parity.people >= 4


@pytest.mark.parametrize("format", NAMES)
def test_nothing_of_this_machine_is_in_a_file(exported: Exported, format: str) -> None:
    _, written = exported(format)
    source = str(Path(artifacts.__file__).parents[2])
    for path in written.files:
        assert source.encode() not in path.read_bytes()


def test_a_resnet(tmp_path: Path) -> None:
    """With weights of no use: nobody is found, and the heads alone decide."""
    spec = ModelSpec("resnet50", None)
    torch.manual_seed(0)
    checkpoint = Checkpoint(spec, build_network(spec).state_dict(), {})
    written = export_model(checkpoint, EstimatorOptions(stride=32), tmp_path / "r.pt", "torchscript")
    assert written.parity.problems == ()
    assert (written.metadata["model"], written.metadata["stride"]) == ("resnet50", "32")
    assert "licence" not in written.metadata


def test_int8(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is what the quantisation gives; here, to be quick, a network that has not been touched."""
    pytest.importorskip("openvino")
    from posecli.backends import quantise
    from posecli.backends.openvino import float_ir

    asked = []

    def int8_ir(checkpoint: Checkpoint, stride: int, dilation: str, calibrate: str | None) -> object:
        asked.append((stride, dilation, calibrate))
        return float_ir(checkpoint, stride, dilation)

    monkeypatch.setattr(quantise, "int8_ir", int8_ir)
    options = EstimatorOptions(precision="int8", calibrate="photos")
    written = export_model(checkpoint, options, tmp_path / "mine.xml", "openvino")
    assert asked == [(16, "both", "photos")]
    assert written.metadata["precision"] == "int8"
    assert written.parity.limits.part_px is None


def damaged(checkpoint: Checkpoint, stride: int, dilation: str) -> Program:
    """The program with one bias of many a little off."""
    program = make_program(checkpoint, stride, dilation)
    parameters = {name: value.clone() for name, value in program.state_dict().items()}
    parameters["network.blocks.5.pointwise.bias"][7] += 1.0
    program.load_state_dict(parameters, assign=True)
    return program.requires_grad_(False)


def test_a_damaged_conversion_is_refused(checkpoint, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(artifacts, "make_program", damaged)
    with pytest.raises(DisagreementError, match=r"mine\.pt: not written: in torchscript, the model disagrees.*differ"):
        export_model(checkpoint, EstimatorOptions(), tmp_path / "mine.pt", "torchscript")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_model_leaves_the_older_file(checkpoint, tmp_path, monkeypatch) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(b"older")
    monkeypatch.setattr(artifacts, "make_program", damaged)
    with pytest.raises(DisagreementError):
        export_model(checkpoint, EstimatorOptions(), path, "torchscript")
    assert path.read_bytes() == b"older"


def test_an_older_file_is_replaced(checkpoint, tmp_path) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(b"older")
    export_model(checkpoint, EstimatorOptions(stride=8, dilation="height"), path, "torchscript")
    metadata = metadata_torchscript(path)
    assert (metadata["stride"], metadata["dilation"]) == ("8", "height")
    assert [each.name for each in tmp_path.iterdir()] == ["mine.pt"]


def test_a_place_that_cannot_be_written(checkpoint, tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        export_model(checkpoint, EstimatorOptions(), tmp_path / "file" / "mine.pt", "torchscript")
    with pytest.raises(UsageError, match="a folder"):
        export_model(checkpoint, EstimatorOptions(), tmp_path, "torchscript")


def test_a_stride_and_a_precision_that_there_are_not(checkpoint, tmp_path) -> None:
    with pytest.raises(UsageError, match="mobilenet-075 has no output stride 32"):
        export_model(checkpoint, EstimatorOptions(stride=32), tmp_path / "mine.pt", "torchscript")
    with pytest.raises(UsageError, match="--format torchscript has no --precision int8"):
        export_model(checkpoint, EstimatorOptions(precision="int8"), tmp_path / "mine.pt", "torchscript")


@pytest.mark.parametrize(
    ("format", "package", "extra"),
    [("onnx", "onnx", "onnx"), ("onnx", "onnxruntime", "onnx"), ("openvino", "openvino", "openvino")],
)
def test_a_missing_extra_has_its_install_line(checkpoint, tmp_path, monkeypatch, format, package, extra) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf'run: pip install "posecli\[{extra}\]"'):
        export_model(checkpoint, EstimatorOptions(), tmp_path / NAMES[format], format)
    assert list(tmp_path.iterdir()) == []
