import numpy as np
import pytest
import torch

from posecli.backends import torch as torch_backend
from posecli.backends.program import make_program
from posecli.backends.torch import TorchBackend, dtype_on, resolve_device
from posecli.errors import UsageError
from posecli.networks.mobilenet import MobileNetV1
from posecli.weights.checkpoint import Checkpoint, load
from posecli.weights.store import find


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load(find("mobilenet-075"))


def test_normalisation_and_sigmoid_are_inside(checkpoint: Checkpoint, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (2, 49, 65, 3), dtype=np.uint8)
    fields = TorchBackend(checkpoint)(images)
    network = MobileNetV1(checkpoint.spec)
    network.load_state_dict(checkpoint.state_dict)
    with torch.inference_mode():
        logits = network(torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1)
    torch.testing.assert_close(fields.heatmaps, torch.sigmoid(logits.heatmaps), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fields.forward, logits.forward, atol=1e-3, rtol=1e-5)
    assert [tuple(f.shape) for f in fields] == [(2, n, 4, 5) for n in (17, 34, 32, 32)]
    assert all(f.is_contiguous() and f.device.type == "cpu" for f in fields)


def test_uint8_and_the_same_values_in_float_agree(checkpoint: Checkpoint, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (1, 33, 33, 3), dtype=np.uint8)
    backend = TorchBackend(checkpoint)
    for exact, floating in zip(backend(images), backend(images.astype(np.float32)), strict=True):
        torch.testing.assert_close(exact, floating, atol=0, rtol=0)


def test_a_gpu_computes_in_16_bits_and_hands_out_float32(checkpoint: Checkpoint, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (1, 33, 49, 3), dtype=np.uint8)
    program = make_program(checkpoint)
    exact = program(torch.from_numpy(images))
    program.compute_in(torch.bfloat16)  # as on a GPU; emulated here
    for field, expected in zip(program(torch.from_numpy(images)), exact, strict=True):
        assert field.dtype == torch.float32
        assert 0 < (field - expected).abs().max() < 0.2 * expected.abs().max()


@pytest.mark.parametrize(
    ("device", "precision", "dtype"),
    [("cuda", "float16", torch.float16), ("cuda", "bfloat16", torch.bfloat16), ("cpu", "float32", torch.float32)],
)
def test_precisions(device: str, precision, dtype: torch.dtype) -> None:
    assert dtype_on(torch.device(device), precision) == dtype


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ("int8", "use --backend openvino"),
        ("float16", "float16 is for GPUs; use bfloat16 or float32 on a CPU"),
        ("bfloat16", "this CPU does not compute in it; float32 is far faster"),
    ],
)
def test_precisions_that_a_cpu_is_not_made_for(precision, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_backend, "has_bfloat16", lambda: False)
    with pytest.raises(UsageError, match=message):
        dtype_on(torch.device("cpu"), precision)


def test_bfloat16_where_the_cpu_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_backend, "has_bfloat16", lambda: True)
    assert dtype_on(torch.device("cpu"), "bfloat16") == torch.bfloat16


def test_a_cpu_without_fusion_computes_the_same(
    checkpoint: Checkpoint, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = rng.integers(0, 256, (1, 33, 49, 3), dtype=np.uint8)
    fused = TorchBackend(checkpoint)(images)
    monkeypatch.setattr(torch_backend, "can_fuse", lambda dtype: False)
    for field, expected in zip(TorchBackend(checkpoint)(images), fused, strict=True):
        torch.testing.assert_close(field, expected, atol=2e-4, rtol=1e-4)


def test_threads_are_set(checkpoint: Checkpoint) -> None:
    before = torch.get_num_threads()
    try:
        TorchBackend(checkpoint, threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "--device must be auto, cpu, cuda, cuda:N or mps; got 'gpu'"),
        ("cuda:x", "--device must be auto"),
        ("cuda", "sees no CUDA GPU; use --device cpu"),
        ("cuda:1", "sees no CUDA GPU"),
        ("mps", "no Metal GPU; use --device cpu"),
    ],
)
def test_devices_that_are_not_there(device: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=message):
        resolve_device(device)


def test_a_gpu_number_out_of_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="there are only 2 CUDA GPUs, numbered from 0"):
        resolve_device("cuda:2")


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_the_best_there_is(cuda: bool, mps: bool, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto").type == chosen
