import numpy as np
import pytest
import torch

from posecli.backends import fused
from posecli.backends.fused import FusedConvolution, FusedHeads, can_fuse, fuse
from posecli.backends.program import make_program
from posecli.networks.build import build_network
from posecli.networks.layers import HEADS, Activation, Convolution, Heads
from posecli.networks.spec import ModelSpec
from posecli.weights.checkpoint import Checkpoint, load
from posecli.weights.store import find

needs_fusion = pytest.mark.skipif(not can_fuse(torch.float32), reason="oneDNN's operations are for x86 CPUs")


@pytest.fixture
def images(rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(rng.integers(0, 256, (2, 65, 97, 3), dtype=np.uint8))


def random_checkpoint(spec: ModelSpec) -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint(spec, build_network(spec).state_dict(), {})


@needs_fusion
@pytest.mark.parametrize("activation", ["none", "relu", "relu6"])
@pytest.mark.parametrize("added", [False, True])
def test_a_convolution_and_its_twin_agree(activation: Activation, added: bool) -> None:
    torch.manual_seed(0)
    twin = Convolution(8, 8, 3, 2, (2, 1), (2, 1), groups=4, activation=activation).requires_grad_(False)
    x = 9 * torch.randn(2, 8, 17, 13).to(memory_format=torch.channels_last)
    plus = 9 * torch.randn(2, 8, 9, 7) if added else None
    before = None if plus is None else plus.clone()
    expected = twin(x, plus)
    assert expected.min() < (-1 if activation == "none" else 1e-9)
    assert expected.max() > 6.1 or activation == "relu6"
    torch.testing.assert_close(FusedConvolution(twin)(x, plus), expected, atol=1e-5, rtol=1e-5)
    assert plus is None or torch.equal(plus, before)


@needs_fusion
def test_heads_side_by_side_are_one_convolution() -> None:
    heads = Heads(8).requires_grad_(False)
    x = torch.randn(2, 8, 5, 4)
    one = FusedHeads(heads)
    assert [tuple(field.shape) for field in one(x)] == [(2, channels, 5, 4) for channels in HEADS.values()]
    for field, expected in zip(one(x), heads(x), strict=True):
        torch.testing.assert_close(field, expected)


@needs_fusion
@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("dilation", ["both", "height"])
def test_mobilenet_fused_and_not_agree(images: torch.Tensor, stride, dilation) -> None:
    checkpoint = load(find("mobilenet-075"))
    plain, fast = (make_program(checkpoint, stride, dilation) for _ in range(2))
    fuse(fast.network)
    assert not any(isinstance(module, Convolution) for module in fast.modules())
    for field, expected in zip(fast(images), plain(images), strict=True):
        torch.testing.assert_close(field, expected, atol=2e-4, rtol=1e-4)


@needs_fusion
def test_resnet_fused_and_not_agree(images: torch.Tensor) -> None:
    checkpoint = random_checkpoint(ModelSpec("resnet50", None))
    plain, fast = (make_program(checkpoint, 16) for _ in range(2))
    fuse(fast.network)
    for field, expected in zip(fast(images), plain(images), strict=True):
        torch.testing.assert_close(field, expected, atol=1e-4, rtol=1e-3)


def test_only_where_the_cpu_is_made_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "has_bfloat16", lambda: False)
    assert not can_fuse(torch.bfloat16)
    assert not can_fuse(torch.float16)
    monkeypatch.setattr(fused.platform, "machine", lambda: "arm64")
    assert not can_fuse(torch.float32)
