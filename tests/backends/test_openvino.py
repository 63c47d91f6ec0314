"""OpenVINO against torch. What is converted here is kept in one cache for all tests of the module."""

import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import cv2
import numpy as np
import pytest
import torch

from posecli.backends import openvino as module
from posecli.backends.openvino import Ir, OpenVinoBackend, float_ir, to_openvino
from posecli.backends.torch import TorchBackend
from posecli.errors import MissingDependencyError, PosecliError, PosecliWarning, UsageError
from posecli.estimate import Estimator
from posecli.networks.fields import Fields
from posecli.options import EstimatorOptions
from posecli.weights.checkpoint import Checkpoint, load
from posecli.weights.store import bundled_path

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load(bundled_path())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(autouse=True)
def one_cache(isolated: None, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_HOME", str(kept))


@pytest.fixture(scope="module")
def backend(checkpoint: Checkpoint, kept: Path) -> Iterator[OpenVinoBackend]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSECLI_HOME", str(kept))
        yield OpenVinoBackend(checkpoint)


@pytest.fixture(scope="module")
def reference(checkpoint: Checkpoint) -> TorchBackend:
    return TorchBackend(checkpoint)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)


def largest_errors(found: Fields, expected: Fields) -> dict[str, float]:
    assert [field.shape for field in found] == [field.shape for field in expected]
    pairs = zip(Fields._fields, found, expected, strict=True)
    return {name: float((a - b).abs().max()) for name, a, b in pairs}


def assert_same(found: Fields, expected: Fields) -> None:
    errors = largest_errors(found, expected)
    assert errors.pop("heatmaps") < 1e-5
    assert max(errors.values()) < 2e-3  # px


def test_float32_is_that_of_torch_for_any_number_and_size(backend: OpenVinoBackend, reference: TorchBackend) -> None:
    for shape in [(1, 65, 97), (2, 65, 97), (1, 97, 65), (3, 33, 161), (1, 65, 97)]:
        images = noise(*shape)
        assert_same(backend(images), reference(images))


@pytest.mark.parametrize(("stride", "dilation"), [(8, "both"), (8, "height")])
def test_strides_and_dilations(checkpoint: Checkpoint, stride: int, dilation: str) -> None:
    images = noise(1, 129, 97)
    found = OpenVinoBackend(checkpoint, stride, dilation)(images)
    assert_same(found, TorchBackend(checkpoint, stride, dilation)(images))


def test_poses_are_those_of_torch(
    checkpoint: Checkpoint, backend: OpenVinoBackend, reference: TorchBackend, examples: Path
) -> None:
    estimators = [Estimator(each, checkpoint.spec, EstimatorOptions(size=353)) for each in (backend, reference)]
    people = 0
    for photo in sorted(examples.glob("*.jpg")):
        image = np.ascontiguousarray(cv2.imread(str(photo))[:, :, ::-1])
        found, expected = (estimator(image) for estimator in estimators)
        np.testing.assert_allclose(found.xy, expected.xy, atol=0.05)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
        people += len(found)
    assert people >= 6


def test_float_images_are_not_rounded(backend: OpenVinoBackend, reference: TorchBackend) -> None:
    images = noise(1, 65, 97).astype(np.float32) * np.float32(0.987)
    assert_same(backend(images), reference(images))
    rounded = largest_errors(backend(images), backend(np.round(images)))
    assert rounded["offsets"] > 1e-2


def test_images_that_are_views_and_cannot_be_written(backend: OpenVinoBackend) -> None:
    images = noise(2, 65, 97)
    images.setflags(write=False)
    assert_same(backend(images[:, ::-1]), backend(np.ascontiguousarray(images[:, ::-1])))


def test_fields_stay_when_others_are_computed(backend: OpenVinoBackend) -> None:
    images = noise(1, 65, 97)
    fields = backend(images)
    before = Fields(*(field.clone() for field in fields))
    backend(255 - images)
    assert largest_errors(fields, before) == dict.fromkeys(Fields._fields, 0.0)
    assert all(field.dtype == torch.float32 and field.is_contiguous() for field in fields)
    fields.heatmaps.zero_()  # our own memory: it can be written


def test_it_may_be_called_from_several_threads(backend: OpenVinoBackend) -> None:
    inputs = [noise(1 + i % 2, 33 + 32 * (i % 3), 65) for i in range(12)]
    inputs[5] = inputs[5].astype(np.float32)
    expected = [backend(images) for images in inputs]
    with ThreadPoolExecutor(4) as pool:
        for found, alone in zip(pool.map(backend, inputs), expected, strict=True):
            assert_same(found, alone)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list:
    """What is compiled."""
    compiled = []
    compile_ir = module.compile_ir
    monkeypatch.setattr(module, "compile_ir", lambda *given: compiled.append(compile_ir(*given)) or compiled[-1])
    return compiled


def test_threads_and_precision_are_what_openvino_is_told(checkpoint: Checkpoint, told: list) -> None:
    backend = OpenVinoBackend(checkpoint, threads=1)
    for _ in range(2):
        backend(noise(1, 33, 33))
    assert len(told) == 1
    assert told[0].get_property("INFERENCE_NUM_THREADS") == 1
    assert told[0].get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"


def test_callers_that_share_it_run_side_by_side(
    checkpoint: Checkpoint, backend: OpenVinoBackend, told: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = OpenVinoBackend(checkpoint, threads=2).shared_by(2)
    both = Barrier(2)

    class Meeting(Fields):
        """Made while a request is in use: the other one must be, too."""

        def __new__(cls, *fields: torch.Tensor) -> Fields:
            both.wait(30)
            return Fields(*fields)

    inputs = [noise(1, 65, 97), noise(1, 97, 65)]
    monkeypatch.setattr(module, "Fields", Meeting)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(shared, inputs))
    monkeypatch.undo()
    for fields, images in zip(found, inputs, strict=True):
        assert_same(fields, backend(images))
    assert [compiled.get_property("NUM_STREAMS") for compiled in told] == [2]
    assert told[0].get_property("INFERENCE_NUM_THREADS") == 2


def test_bfloat16_is_computed_or_the_user_is_told(checkpoint: Checkpoint, backend: OpenVinoBackend) -> None:
    images = noise(1, 65, 97)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        narrow = OpenVinoBackend(checkpoint, precision="bfloat16")
    errors = largest_errors(narrow(images), backend(images))
    is_float32 = errors["offsets"] < 1e-3
    assert narrow.precision == ("float32" if is_float32 else "bfloat16")
    assert [each.category for each in caught] == [PosecliWarning] * is_float32
    assert errors["heatmaps"] < 0.05


def test_bfloat16_where_the_cpu_has_it(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "has_bfloat16", lambda: True)
    assert OpenVinoBackend(checkpoint, precision="bfloat16").precision == "bfloat16"


def test_what_is_converted_is_kept_and_replaced_where_damaged(
    checkpoint: Checkpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversions = []
    convert = module.to_openvino
    monkeypatch.setattr(module, "to_openvino", lambda *given: conversions.append(given) or convert(*given))
    first, second = (float_ir(checkpoint, 16, "both") for _ in range(2))
    assert first == second
    assert len(conversions) == 1
    (file,) = (home / "cache" / "compiled").iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    images = noise(1, 33, 33)
    fields = OpenVinoBackend(checkpoint)(images)
    assert len(conversions) == 2
    assert_same(fields, TorchBackend(checkpoint)(images))


def test_another_version_of_openvino_converts_anew(
    checkpoint: Checkpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    float_ir(checkpoint, 16, "both")
    monkeypatch.setattr(openvino, "__version__", "0.0.0")
    float_ir(checkpoint, 16, "both")
    assert len(list((home / "cache" / "compiled").iterdir())) == 2


def test_a_packed_network_is_unpacked() -> None:
    ir = Ir(b"<net/>", bytes(range(256)))
    assert Ir.unpack(ir.pack()) == ir


def test_the_outputs_are_named(checkpoint: Checkpoint) -> None:
    model = to_openvino(checkpoint, 16, "both")
    assert [output.get_any_name() for output in model.outputs] == list(Fields._fields)
    assert model.input(0).get_partial_shape().to_string() == "[?,?,?,3]"


def test_nothing_is_reported_to_anybody(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = pytest.importorskip("openvino_telemetry")

    def fail(*_: object, **__: object) -> None:
        pytest.fail("OpenVINO's telemetry was called")

    for name in ("init", "start_session", "send_event", "send_error"):
        monkeypatch.setattr(telemetry.Telemetry, name, fail)
    to_openvino(checkpoint, 16, "both")


def test_without_openvino_it_says_what_to_install(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "posecli\[openvino\]"'):
        OpenVinoBackend(checkpoint)


def test_a_stride_that_the_network_has_not(checkpoint: Checkpoint) -> None:
    with pytest.raises(UsageError, match="no output stride 32"):
        OpenVinoBackend(checkpoint, 32)


def test_errors_of_openvino_are_one_line(backend: OpenVinoBackend) -> None:
    with pytest.raises(PosecliError, match=r"OpenVINO cannot run this network .*; use --backend torch$") as caught:
        backend(np.zeros((1, 5), np.uint8))
    assert "\n" not in str(caught.value)
