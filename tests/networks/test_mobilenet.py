import pytest
import torch

from posecli.errors import UsageError
from posecli.networks.fields import Fields
from posecli.networks.mobilenet import MobileNetV1, plan_blocks
from posecli.networks.posenet import Plan
from posecli.networks.spec import ModelSpec
from posecli.weights.checkpoint import load
from posecli.weights.store import find

SPECS = {multiplier: ModelSpec("mobilenet_v1", multiplier) for multiplier in (0.5, 0.75, 1.0)}


def random_network(multiplier, stride=16, dilation="both"):
    """The same random weights at every stride, of a size that keeps values alive through all layers."""
    network = MobileNetV1(SPECS[multiplier], stride, dilation)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            scale = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim == 4 else 0.05
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return network


def bundled_network(multiplier, stride=16, dilation="both"):
    checkpoint = load(find("mobilenet-075"))
    network = MobileNetV1(checkpoint.spec, stride, dilation)
    network.load_state_dict(checkpoint.state_dict)
    return network


def run(network, height=129, width=161):
    image = torch.rand((2, 3, height, width), generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        return network(image)


@pytest.mark.parametrize(("multiplier", "parameters"), [(0.5, 577_459), (0.75, 1_258_195), (1.0, 3_313_907)])
def test_parameter_counts(multiplier, parameters):
    assert sum(parameter.numel() for parameter in MobileNetV1(SPECS[multiplier]).parameters()) == parameters


@pytest.mark.parametrize(
    ("multiplier", "stride"), [(0.5, 8), (0.5, 16), (0.75, 8), (0.75, 16), (1.0, 8), (1.0, 16), (1.0, 32)]
)
@pytest.mark.parametrize("cells", [(1, 2), (4, 3), (5, 7)])
@pytest.mark.parametrize("dilation", ["both", "height"])
def test_a_valid_size_gives_one_cell_per_stride_and_one_more(multiplier, stride, cells, dilation):
    height, width = (stride * (side - 1) + 1 for side in cells)
    fields = run(MobileNetV1(SPECS[multiplier], stride, dilation), height, width)
    assert Fields(*(tuple(field.shape) for field in fields)) == (
        (2, 17, *cells),
        (2, 34, *cells),
        *((2, 32, *cells),) * 2,
    )


@pytest.mark.parametrize("multiplier", [0.5, 0.75])
def test_stride_32_is_refused_where_the_network_has_none(multiplier):
    with pytest.raises(UsageError, match="no output stride 32"):
        MobileNetV1(SPECS[multiplier], 32)


PLAIN = Plan(1, (1, 1))
STRIDED = Plan(2, (1, 1))
START = [STRIDED, PLAIN, STRIDED, PLAIN, STRIDED, PLAIN]  # Conv2d_0 to block 5, the same everywhere


@pytest.mark.parametrize("multiplier", [0.5, 0.75])
@pytest.mark.parametrize("dilation", ["both", "height"])
def test_the_plan_of_the_narrow_networks(multiplier, dilation):
    assert plan_blocks(multiplier, 16, dilation) == [*START, STRIDED, *[PLAIN] * 7]
    rate = (2, 2) if dilation == "both" else (2, 1)
    assert plan_blocks(multiplier, 8, dilation) == [*START, PLAIN, *[Plan(1, rate)] * 7]


@pytest.mark.parametrize("dilation", ["both", "height"])
def test_the_plan_of_the_full_network(dilation):
    def rate(r):
        return Plan(1, (r, r if dilation == "both" else 1))

    assert plan_blocks(1.0, 32, dilation) == [*START, STRIDED, *[PLAIN] * 5, STRIDED, PLAIN]
    assert plan_blocks(1.0, 16, dilation) == [*START, STRIDED, *[PLAIN] * 6, rate(2)]
    assert plan_blocks(1.0, 8, dilation) == [*START, PLAIN, *[rate(2)] * 6, rate(4)]


@pytest.mark.parametrize(
    ("network", "multiplier", "fine", "coarse"),
    [(bundled_network, 0.75, 8, 16), (random_network, 1.0, 8, 16), (random_network, 1.0, 16, 32)],
)
def test_every_second_cell_of_the_finer_grid_is_the_coarser_grid(network, multiplier, fine, coarse):
    finer, coarser = run(network(multiplier, fine)), run(network(multiplier, coarse))
    for name, fine_field, coarse_field in zip(Fields._fields, finer, coarser, strict=True):
        error = (fine_field[..., ::2, ::2] - coarse_field).abs().max() / coarse_field.abs().max()
        assert error < 1e-4, name


def test_dilating_the_height_only_is_another_network():
    both, height = (run(bundled_network(0.75, 8, dilation)) for dilation in ("both", "height"))
    for one, other in zip(both, height, strict=True):
        assert (one - other).abs().max() > 0.1 * one.abs().max()
    for one, other in zip(*(run(bundled_network(0.75, 16, dilation)) for dilation in ("both", "height")), strict=True):
        assert torch.equal(one, other)
