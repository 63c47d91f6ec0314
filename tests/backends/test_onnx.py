"""ONNX Runtime against torch, and what the exporter must keep to itself."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from posecli.backends import onnx as module
from posecli.backends.compiled import cached
from posecli.backends.onnx import OnnxBackend
from posecli.backends.program import make_program
from posecli.decode import decode
from posecli.errors import MissingDependencyError, UsageError
from posecli.export_model.views import batches
from posecli.networks.fields import Fields
from posecli.options import DecodeOptions
from posecli.weights.checkpoint import Checkpoint, load
from posecli.weights.store import find

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

SHAPES = [(1, 33, 33), (1, 129, 65), (3, 97, 113)]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load(find("mobilenet-075"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home folder of this module's backends: what one test exports, the others read."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSECLI_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def backend(checkpoint: Checkpoint, cache: Path) -> OnnxBackend:
    return OnnxBackend(checkpoint, threads=1)


@pytest.fixture
def again(cache: Path, backend: OnnxBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache has the export; whoever exports once more fails."""
    monkeypatch.setenv("POSECLI_HOME", str(cache))
    monkeypatch.setattr(module, "to_onnx", lambda program: pytest.fail("exported once more"))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """The packaged photo as a batch of one."""
    return batches(16)[0].inputs


def expected(checkpoint: Checkpoint, images: np.ndarray, stride: int = 16, dilation: str = "both") -> Fields:
    with torch.inference_mode():
        return make_program(checkpoint, stride, dilation)(torch.from_numpy(images))


def assert_agree(ours: Fields, theirs: Fields) -> None:
    for name, field, reference in zip(Fields._fields, ours, theirs, strict=True):
        error = float((field - reference).abs().max() / reference.abs().max())
        assert error < 1e-4, f"{name}: {error:.1e}"


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_heads_are_those_of_torch(backend, again, checkpoint, rng, shape, dtype) -> None:
    images = rng.uniform(0, 255, (*shape, 3)).astype(dtype)
    fields = backend(images)
    assert_agree(fields, expected(checkpoint, images))
    batch, height, width = shape
    grid = ((height - 1) // 16 + 1, (width - 1) // 16 + 1)
    assert [tuple(field.shape) for field in fields] == [(batch, n, *grid) for n in (17, 34, 32, 32)]
    assert all(field.dtype == torch.float32 and field.is_contiguous() for field in fields)


def test_poses_are_those_of_torch(backend, checkpoint, photo) -> None:
    options = DecodeOptions()
    ours, theirs = (
        decode(*(field[0].numpy() for field in fields), 16, options)
        for fields in (backend(photo), expected(checkpoint, photo))
    )
    assert len(ours) == len(theirs) > 0
    assert np.abs(ours.xy - theirs.xy).max() < 0.05


@pytest.fixture(scope="module")
def elsewhere(cache: Path) -> "subprocess.CompletedProcess[str]":
    """Another process, all its warnings on, that leaves stride 8 with dilated height in the cache."""
    code = (
        "import logging; from posecli.backends.onnx import OnnxBackend; from posecli.weights.checkpoint import load;"
        "from posecli.weights.store import bundled_path; OnnxBackend(load(bundled_path()), 8, 'height');"
        "assert logging.getLogger('torch.onnx._internal.exporter._registration').level == logging.NOTSET"
    )
    command = [sys.executable, "-W", "default", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_the_exporter_is_silent(elsewhere) -> None:
    assert (elsewhere.stdout, elsewhere.stderr) == ("", "")


def test_another_stride_and_dilation_from_another_process(checkpoint, elsewhere, again, rng) -> None:
    images = rng.integers(0, 256, (1, 81, 97, 3), dtype=np.uint8)
    fields = OnnxBackend(checkpoint, 8, "height")(images)
    assert_agree(fields, expected(checkpoint, images, 8, "height"))


def test_the_export_is_made_once(checkpoint, again, rng) -> None:
    images = rng.integers(0, 256, (1, 33, 33, 3), dtype=np.uint8)
    for dtype in (np.uint8, np.float32):
        OnnxBackend(checkpoint)(images.astype(dtype))


def test_it_says_what_it_is(backend) -> None:
    assert (backend.name, backend.device, backend.precision) == ("onnx", "cpu", "float32")


def test_threads(checkpoint, again) -> None:
    def threads(asked: int | None, callers: int = 1) -> int:
        backend = OnnxBackend(checkpoint, threads=asked)
        if callers > 1:
            backend = backend.shared_by(callers)
        return backend._session(np.dtype(np.uint8)).get_session_options().intra_op_num_threads

    assert threads(3) == 3
    assert threads(None) == torch.get_num_threads()
    assert threads(5, callers=2) == 4  # four and the other caller
    assert threads(1, callers=2) == 1


def test_callers_that_share_it_get_what_each_asked_for(backend, again, rng) -> None:
    shared = backend.shared_by(2)
    inputs = [rng.integers(0, 256, (1, side, 65, 3), dtype=np.uint8) for side in (33, 49, 65, 81)]
    expected = [backend(images) for images in inputs]
    with ThreadPoolExecutor(2) as pool:
        for fields, alone in zip(pool.map(shared, inputs), expected, strict=True):
            assert_agree(fields, alone)


def test_a_stride_that_the_network_lacks(checkpoint) -> None:
    with pytest.raises(UsageError, match="no output stride 32"):
        OnnxBackend(checkpoint, 32)


@pytest.mark.parametrize("package", ["onnxruntime", "onnx", "onnxscript"])
def test_a_missing_package_has_its_install_line(checkpoint, home, monkeypatch, package) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    if package == "onnxruntime":
        monkeypatch.setattr(module, "to_onnx", lambda program: b"")
    with pytest.raises(MissingDependencyError, match=r'run: pip install "posecli\[onnx\]"'):
        OnnxBackend(checkpoint)


def test_an_exporter_that_is_not_installed(checkpoint, monkeypatch) -> None:
    def absent(package: str) -> str:
        raise module.PackageNotFoundError(package)

    monkeypatch.setattr(module, "version", absent)
    with pytest.raises(MissingDependencyError, match=r'onnxscript.*pip install "posecli\[onnx\]"'):
        OnnxBackend(checkpoint)


@pytest.fixture(scope="module")
def exported(backend: OnnxBackend, cache: Path):
    """The file that the backend made."""
    return onnx.load_from_string(cached(backend._key, "onnx", lambda: pytest.fail("not in the cache")))


def axes(value) -> list[str | int]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def test_inputs_and_outputs_have_names(exported) -> None:
    (images,) = exported.graph.input
    assert (images.name, axes(images)) == ("images", ["batch", "height", "width", 3])
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [(head.name, axes(head)) for head in exported.graph.output] == [
        (name, ["batch", channels, "grid_height", "grid_width"])
        for name, channels in zip(Fields._fields, (17, 34, 32, 32), strict=True)
    ]


def test_nothing_of_this_machine_is_in_the_file(exported) -> None:
    data = exported.SerializeToString()
    assert str(Path(module.__file__).parents[2]).encode() not in data
    assert b".py" not in data
    assert b"stack_trace" not in data
