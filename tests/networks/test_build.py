import pytest
import torch

from posecli.errors import UsageError
from posecli.networks.build import build_network
from posecli.networks.mobilenet import MobileNetV1
from posecli.networks.posenet import PoseNet
from posecli.networks.resnet import ResNet50
from posecli.networks.spec import SPECS, ModelSpec

PARAMETERS = {"mobilenet-050": 577_459, "mobilenet-075": 1_258_195, "mobilenet-100": 3_313_907, "resnet50": 23_717_107}


def outline(*args) -> PoseNet:
    with torch.device("meta"):
        return build_network(*args)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_spec_gives_its_network_with_the_same_parameters_at_every_stride(spec):
    for stride in spec.strides:
        for dilation in ("both", "height"):
            network = outline(spec, stride, dilation)
            assert type(network) is (ResNet50 if spec.name == "resnet50" else MobileNetV1)
            assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[spec.name]
            shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
            assert shapes == {name: tensor.shape for name, tensor in outline(spec).state_dict().items()}


@pytest.mark.parametrize(("spec", "stride"), [(SPECS[0], 32), (SPECS[2], 4), (SPECS[3], 8)])
def test_a_stride_that_a_network_does_not_have_is_refused(spec, stride):
    with pytest.raises(UsageError, match=f"{spec.name} has no output stride {stride}"):
        outline(spec, stride)


def test_specs_are_told_apart_by_their_names():
    assert [spec.name for spec in SPECS] == ["mobilenet-050", "mobilenet-075", "mobilenet-100", "resnet50"]
    assert [spec.strides for spec in SPECS] == [(8, 16), (8, 16), (8, 16, 32), (16, 32)]
    assert ModelSpec("resnet50", None) in SPECS


def test_pixels_become_what_each_network_was_trained_on():
    pixels = torch.tensor([0.0, 127.5, 255.0]).expand(2, 3, 1, 3)  # (B, 3, H, W)
    mobilenet, resnet = (outline(spec).normalise(pixels) for spec in (SPECS[0], SPECS[3]))
    assert torch.equal(mobilenet, torch.tensor([-1.0, 0.0, 1.0]).expand(2, 3, 1, 3))
    shift = torch.tensor([-123.15, -115.90, -103.06]).reshape(3, 1, 1)  # red, green, blue
    assert torch.equal(resnet, pixels + shift)
