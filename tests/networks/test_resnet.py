import numpy as np
import pytest
import torch
from torch import nn

from posecli.networks.fields import Fields
from posecli.networks.layers import Convolution
from posecli.networks.posenet import Plan
from posecli.networks.resnet import Bottleneck, ResNet50, plan_units
from posecli.networks.spec import ModelSpec

SPEC = ModelSpec("resnet50", None)
PLAIN, STRIDED = Plan(1, (1, 1)), Plan(2, (1, 1))


@pytest.fixture(scope="module")
def weights():
    """Random, of a size that keeps values alive through all layers."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in ResNet50(SPEC).state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=generator)
        * (0.05 if len(shape) == 1 else (0.3 if "conv3" in name else 1.0) * (2 / np.prod(shape[1:])) ** 0.5)
        for name, shape in shapes.items()
    }


@pytest.fixture
def network(weights):
    def build(stride=16, dilation="both"):
        with torch.device("meta"):
            network = ResNet50(SPEC, stride, dilation)
        network.load_state_dict(weights, assign=True)
        return network

    return build


def run(network, height=129, width=161):
    pixels = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(1)) * 255
    with torch.inference_mode():
        return network(network.normalise(pixels))


def test_the_last_unit_of_a_block_has_its_stride():
    blocks = [[PLAIN] * 2 + [STRIDED], [PLAIN] * 3 + [STRIDED], [PLAIN] * 5 + [STRIDED], [PLAIN] * 3]
    assert plan_units(32, "both") == plan_units(32, "height") == blocks
    dilated = [[*blocks[2][:-1], PLAIN], [Plan(1, (2, 2))] * 3]
    assert plan_units(16, "both") == [*blocks[:2], *dilated]
    assert plan_units(16, "height") == [*blocks[:2], dilated[0], [Plan(1, (2, 1))] * 3]


@pytest.mark.parametrize("stride", [16, 32])
def test_shortcuts_are_convolutions_where_the_width_changes_and_pools_where_a_block_ends(stride):
    with torch.device("meta"):
        network = ResNet50(SPEC, stride)
    kinds = [[type(unit.shortcut) for unit in block] for block in network.blocks]
    pooled = [[Convolution, *[nn.Identity] * (units - 2), nn.MaxPool2d] for units in (3, 4, 6)]
    assert kinds == [*pooled, [Convolution, nn.Identity, nn.Identity]]


@pytest.mark.parametrize("stride", [16, 32])
@pytest.mark.parametrize("dilation", ["both", "height"])
@pytest.mark.parametrize("cells", [(1, 2), (4, 3), (3, 5)])
def test_a_valid_size_gives_one_cell_per_stride_and_one_more(network, stride, dilation, cells):
    height, width = (stride * (side - 1) + 1 for side in cells)
    fields = run(network(stride, dilation), height, width)
    assert [tuple(field.shape) for field in fields] == [(1, channels, *cells) for channels in (17, 34, 32, 32)]


def test_every_second_cell_of_the_finer_grid_is_the_coarser_grid(network):
    finer, coarser = run(network(16)), run(network(32))
    for name, fine_field, coarse_field in zip(Fields._fields, finer, coarser, strict=True):
        error = (fine_field[..., ::2, ::2] - coarse_field).abs().max() / coarse_field.abs().max()
        assert error < 1e-4, name


def test_dilating_the_height_only_is_another_network(network):
    for one, other in zip(run(network(16, "both")), run(network(16, "height")), strict=True):
        assert (one - other).abs().max() > 0.1 * one.abs().max()
    for one, other in zip(run(network(32, "both")), run(network(32, "height")), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (16, 48), (64, 64)])
def test_the_grid_lies_over_the_image_as_it_should(y, x):
    """With kernels that pass on their middle alone, a pixel at a cell's own place is seen in that cell."""
    network = ResNet50(SPEC, 16)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.zero_()
            if parameter.ndim == 4 and "conv3" not in name:
                middle = parameter.shape[2] // 2
                parameter[:, 0, middle, middle] = 1.0
        image = torch.zeros(1, 3, 65, 65)
        image[0, 0, y, x] = 1.0
        heatmap = network(image).heatmaps[0, 0]
    assert heatmap.argmax() == (y // 16) * 5 + x // 16
    assert heatmap.count_nonzero() == 1


def test_a_unit_adds_every_second_value_to_what_it_computes():
    unit = Bottleneck(8, 2, STRIDED, subsampled=True)
    with torch.no_grad():
        unit.conv3.weight.zero_()
        unit.conv3.bias.fill_(1.0)
        x = torch.randn((1, 8, 5, 7), generator=torch.Generator().manual_seed(0))
        assert torch.equal(unit(x), torch.relu(x[..., ::2, ::2] + 1))
