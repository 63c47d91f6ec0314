import pytest
import torch

from posecli.networks.fields import Fields
from posecli.networks.layers import HEADS, Heads
from posecli.networks.posenet import Plan, PoseNet, plan_strides


@pytest.mark.parametrize(
    ("strides", "stride", "rates"),
    [
        ((2, 2, 2, 2), 16, (1, 1, 1, 1)),
        ((2, 2, 2, 2), 8, (1, 1, 1, 1)),
        ((2, 2, 2, 2), 4, (1, 1, 1, 2)),
        ((2, 2, 2, 1, 2, 1), 4, (1, 1, 1, 2, 2, 4)),
        ((2, 1, 1, 2, 1, 3, 1), 2, (1, 1, 1, 1, 2, 2, 6)),
    ],
)
def test_what_follows_a_stride_given_up_is_dilated_by_it(strides, stride, rates):
    both, height = plan_strides(strides, stride, "both"), plan_strides(strides, stride, "height")
    assert [plan.dilation for plan in both] == [(rate, rate) for rate in rates]
    assert [plan.dilation for plan in height] == [(rate, 1) for rate in rates]
    kept = [plan.stride for plan in both]
    assert kept == [plan.stride for plan in height]
    reached = next(at for at in range(len(kept) + 1) if torch.tensor(kept[:at]).prod() == stride)
    assert kept == [*strides[:reached], *(1,) * (len(strides) - reached)]
    assert isinstance(both[0], Plan)


class Doubling(PoseNet):
    def __init__(self):
        super().__init__()
        self.heads = Heads(3)

    def normalise(self, pixels):
        return pixels

    def features(self, x):
        return 2 * x


def test_every_head_sees_the_features_and_comes_out_under_its_own_name():
    network = Doubling()
    with torch.no_grad():
        for number, name in enumerate(HEADS):
            network.heads[name].weight.fill_(number + 1)
            network.heads[name].bias.zero_()
        fields = network(torch.ones(1, 3, 2, 2))
    assert tuple(HEADS) == ("heatmap", "offset", "displacement_fwd", "displacement_bwd")
    for number, field in enumerate(Fields(*fields)):
        assert torch.equal(field, torch.full((1, list(HEADS.values())[number], 2, 2), 6.0 * (number + 1)))
