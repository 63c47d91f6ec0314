"""Graphs of a ResNet50: the forms they come in, and what is refused. (Those of a MobileNet: test_convert.py.)"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from posecli.errors import ConversionError
from posecli.networks.build import build_network
from posecli.networks.spec import ModelSpec
from posecli.weights import heads
from posecli.weights.convert import MAX_CHECK_ERROR, convert
from posecli.weights.graph import Node
from posecli.weights.tfjs import read_model


def assert_equal(converted, expected):
    assert converted.keys() == expected.keys()
    for name in expected:
        assert torch.equal(converted[name], expected[name]), name


def edit(graph, name, **changes):
    """The graph with one node changed; attributes of it by their names in `Attrs`."""
    assert any(node.name == name for node in graph.nodes)
    fields = {key: changes.pop(key) for key in ("op", "inputs") if key in changes}

    def changed(node):
        return replace(node, **fields, attrs=replace(node.attrs, **changes)) if node.name == name else node

    return replace(graph, nodes=tuple(map(changed, graph.nodes)))


def without(graph, name):
    """The graph with a node bypassed: what took its value takes that of its first input."""
    node = next(node for node in graph.nodes if node.name == name)

    def passed(name):
        return node.inputs[0] if name == node.name else name

    nodes = tuple(replace(n, inputs=tuple(map(passed, n.inputs))) for n in graph.nodes if n is not node)
    return replace(graph, nodes=nodes)


def dropped(graph, *names):
    """The graph without some nodes and tensors."""
    nodes = tuple(node for node in graph.nodes if node.name not in names)
    return replace(
        graph, nodes=nodes, tensors={name: value for name, value in graph.tensors.items() if name not in names}
    )


def behind(graph, name, new):
    """The graph with a node put behind another, which must be its only consumer."""
    at = next(i for i, node in enumerate(graph.nodes) if node.name == name)

    def passed(node):
        return replace(node, inputs=tuple(new.name if given == name else given for given in node.inputs))

    return replace(graph, nodes=(*graph.nodes[: at + 1], new, *map(passed, graph.nodes[at + 1 :])))


def with_tensor(graph, name, tensor):
    return replace(graph, tensors={**graph.tensors, name: tensor})


def renamed(graph, rng, keep="nothing"):
    """Every name random but for those that contain `keep`."""
    labels = rng.permutation(len(graph.nodes))
    names = {
        node.name: node.name if keep in node.name else f"n{label}"
        for node, label in zip(graph.nodes, labels, strict=True)
    }
    nodes = tuple(
        replace(node, name=names[node.name], inputs=tuple(names[given] for given in node.inputs))
        for node in graph.nodes
    )
    tensors = {names[name]: graph.tensors[name] for name in rng.permutation(list(graph.tensors))}
    return replace(graph, nodes=nodes, tensors=tensors, outputs={names[n]: names[n] for n in graph.outputs.values()})


# The forms a model comes in


@pytest.mark.parametrize("stride", [16, 32])
def test_a_model_gives_its_tensors_back(resnet, resnet_graphs, stride):
    graph = resnet_graphs[stride]
    conversion = convert(graph)
    assert_equal(conversion.state_dict, resnet)
    assert (conversion.name, conversion.spec.strides) == ("resnet50", (16, 32))
    assert (conversion.stride, conversion.dilation) == (stride, "height" if stride == 16 else None)
    assert conversion.check_error < MAX_CHECK_ERROR
    assert conversion.blob_sha1s.keys() == {file.name for file in graph.source.parent.iterdir()}
    account = "\n".join(conversion.account)
    for fact in (
        "recognised resnet50 in model.json",
        "114 tensors, 23,717,107 parameters",
        f"graph of stride {stride}",
    ):
        assert fact in account


def test_a_graph_that_says_so_is_dilated_in_both_directions(resnet_graphs):
    graph = resnet_graphs[16]
    for unit in range(3):
        graph = edit(graph, f"blocks.3.{unit}.conv2/conv", dilations=(2, 2))
    assert convert(graph).dilation == "both"


@pytest.mark.parametrize(("quantize", "suffix"), [("uint8", "-quant1"), ("uint16", "-quant2")])
def test_fused_and_quantised_models_convert_pads_and_all(resnet, build_resnet50, tmp_path, quantize, suffix):
    path = build_resnet50(resnet, 32, fused=True).write(tmp_path, quantize, shard_bytes=1 << 22)
    conversion = convert(read_model(path))
    assert conversion.name == f"resnet50{suffix}"
    steps = 255 if quantize == "uint8" else 65535
    for name, tensor in resnet.items():
        step = (tensor.max() - tensor.min()) / steps
        assert (conversion.state_dict[name] - tensor).abs().max() <= 0.51 * step, name
    assert not any("warning" in line for line in conversion.account)  # that is for MobileNet


def test_names_and_other_ways_to_say_the_same_do_not_matter(resnet, resnet_graphs, rng):
    graph = resnet_graphs[16]
    graph = edit(graph, "blocks.1.1.add", op="AddV2", inputs=("blocks.1.1.conv3/BiasAdd", "blocks.1.0.relu"))
    graph = edit(graph, "blocks.2.0.add", inputs=("blocks.2.0.shortcut/BiasAdd", "blocks.2.0.conv3/BiasAdd"))
    graph = edit(graph, "blocks.0.2.add", inputs=("blocks.0.2.shortcut", "blocks.0.2.conv3/BiasAdd"))
    graph = edit(without(graph, "blocks.0.2.pad"), "blocks.0.2.conv2/conv", padding="SAME")
    graph = edit(without(graph, "Pad_1"), "pool", padding="SAME")
    graph = edit(graph, "blocks.1.3.shortcut", padding="VALID")
    graph = edit(graph, "blocks.3.1.conv1/conv", padding="VALID")
    graph = edit(graph, "blocks.0.1.conv2/conv", padding="VALID")
    graph = behind(graph, "blocks.0.1.conv1/Relu", Node("more", "Pad", ("blocks.0.1.conv1/Relu", "Pad_1/paddings")))
    graph = behind(graph, "Pad/paddings", Node("read", "Identity", ("Pad/paddings",)))
    graph = behind(graph, "blocks.2.1.relu", Node("passed", "Identity", ("blocks.2.1.relu",)))
    assert_equal(convert(renamed(graph, rng, keep="displacement")).state_dict, resnet)


@pytest.mark.parametrize("forward_first", [True, False])
def test_without_any_name_the_photo_is_shown_as_the_network_takes_it(
    resnet, resnet_graphs, rng, monkeypatch, forward_first
):
    with torch.device("meta"):
        network = build_network(ModelSpec("resnet50", None), 32)
    network.load_state_dict(resnet, assign=True)

    def is_forward_first(run, stride):
        assert stride == 32
        pixels = rng.uniform(0, 255, (1, 65, 97, 3)).astype(np.float32)
        with torch.inference_mode():
            fields = network(network.normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
        for head, field in zip(run(pixels), (fields.heatmaps, fields.forward, fields.backward), strict=True):
            expected = field[0].permute(1, 2, 0).numpy()
            assert np.abs(head - expected).max() < 1e-4 * np.abs(expected).max()
        return forward_first

    monkeypatch.setattr(heads, "is_forward_first", is_forward_first)
    ways = ("fwd", "bwd") if forward_first else ("bwd", "fwd")
    converted = convert(renamed(resnet_graphs[32], rng)).state_dict
    for way, given in zip(ways, ("fwd", "bwd"), strict=True):
        assert torch.equal(converted[f"heads.displacement_{way}.bias"], resnet[f"heads.displacement_{given}.bias"])


# Faults: each is refused before anything runs, and the message names what is at fault


BIAS = np.zeros(512, np.float32)
PAD = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)


def pads(*changes, name="Pad_1/paddings"):
    """Other paddings: (side, end, pixels)."""

    def change(graph):
        paddings = PAD.copy()
        for side, end, pixels in changes:
            paddings[side, end] = pixels
        return with_tensor(graph, name, paddings)

    return change


def even(pixels):
    return pads(*((side, end, pixels) for side in (1, 2) for end in (0, 1)))


def another_unit(graph):
    """A unit of no shortcut behind the last; the tensors of its layers are new."""
    last, unit = "blocks.3.2", "blocks.3.3"
    nodes = [node for node in graph.nodes if node.name.startswith(f"{last}.")]
    moved = {node.name: node.name.replace(last, unit) for node in nodes} | {"blocks.3.1.relu": f"{last}.relu"}
    new = [replace(n, name=moved[n.name], inputs=tuple(moved.get(given, given) for given in n.inputs)) for n in nodes]
    at = next(i for i, node in enumerate(graph.nodes) if node.name == f"{last}.relu") + 1
    rest = [
        replace(n, inputs=tuple(f"{unit}.relu" if given == f"{last}.relu" else given for given in n.inputs))
        for n in graph.nodes[at:]
    ]
    tensors = {moved[node.name]: graph.tensors[node.name] for node in nodes if node.op == "Const"}
    return replace(graph, nodes=(*graph.nodes[:at], *new, *rest), tensors={**graph.tensors, **tensors})


def use(function, *args, **kwargs):
    return lambda graph: function(graph, *args, **kwargs)


def pool_for_a_layer(graph):
    graph = edit(graph, "blocks.0.1.conv3/BiasAdd", op="MaxPool", inputs=("blocks.0.1.conv2/Relu",))
    return dropped(graph, *(f"blocks.0.1.conv3/{part}" for part in ("conv", "weights", "bias")))


def layer_for_a_pool(graph):
    graph = edit(graph, "blocks.1.3.shortcut", op="_FusedConv2D", fused_ops=("BiasAdd",))
    inputs = ("blocks.1.2.relu", "weights", "bias")
    graph = edit(graph, "blocks.1.3.shortcut", inputs=inputs)
    graph = replace(graph, nodes=(Node("weights", "Const"), Node("bias", "Const"), *graph.nodes))
    return with_tensor(with_tensor(graph, "weights", np.zeros((1, 1, 512, 512), np.float32)), "bias", BIAS)


def stray_addition(graph):
    graph = edit(graph, "blocks.0.1.add", inputs=("stray", "blocks.0.1.conv3/BiasAdd"))
    at = next(i for i, node in enumerate(graph.nodes) if node.name == "blocks.0.1.add")
    stray = Node("stray", "Add", ("blocks.0.0.relu", "blocks.0.0.relu"))
    return replace(graph, nodes=(*graph.nodes[:at], stray, *graph.nodes[at:]))


def unit_without_addition(graph):
    graph = edit(graph, "blocks.3.2.add", inputs=("blocks.3.2.conv3/BiasAdd", "blocks.3.1.relu"))
    return without(graph, "blocks.3.2.add")


FAULTS = {
    "no pad": (use(without, "blocks.0.2.pad"), ("blocks.0.2.conv2", "expected padding (1, 1), got (0, 0)")),
    "no stem pad": (
        lambda graph: dropped(without(graph, "Pad"), "Pad/paddings"),
        ("stem", "expected padding (3, 3), got (0, 0)"),
    ),
    "pad twice": (use(edit, "stem/conv", padding="SAME"), ("as stem", "expected padding (3, 3), got (6, 6)")),
    "another pad": (even(2), ("as pool", "expected padding (1, 1), got (2, 2)")),
    "a pad of a million": (even(1_000_000), ("as pool", "got (1000000, 1000000)")),
    "a negative pad": (even(-1), ("as pool", "got (-1, -1)")),
    "a pad on one side": (pads((1, 1, 2)), ("Pad at node Pad_1", "(1, 2)", "both sides")),
    "a pad of images": (pads((0, 0, 1)), ("Pad at node Pad_1", "(1, 0)")),
    "a pad of channels": (pads((3, 1, 1)), ("Pad at node Pad_1", "(0, 1)")),
    "short paddings": (use(with_tensor, "Pad_1/paddings", PAD[:3]), ("Pad_1/paddings", "int32 (3, 2)")),
    "float paddings": (
        use(with_tensor, "Pad_1/paddings", PAD.astype(np.float32)),
        ("Pad_1/paddings", "float32 (4, 2), expected int32 (4, 2)"),
    ),
    "computed paddings": (
        use(edit, "Pad_1", inputs=("stem/Relu", "stem/Relu")),
        ("input 1 of Pad at node Pad_1 is no constant",),
    ),
    "a pad before an activation": (
        use(behind, "blocks.0.1.conv1/BiasAdd", Node("stray", "Pad", ("blocks.0.1.conv1/BiasAdd", "Pad_1/paddings"))),
        ("Pad at node stray", "no convolution or pool behind it"),
    ),
    "paddings as a bias": (
        use(edit, "blocks.0.2.pad", inputs=("blocks.0.2.conv1/Relu", "stem/bias")),
        ("stem/bias", "expected int32 (4, 2)"),
    ),
    "a tensor of another shape": (
        use(with_tensor, "blocks.1.2.conv2/weights", np.zeros((3, 3, 128, 127), np.float32)),
        ("blocks.1.2.conv2/weights", "(3, 3, 128, 128)", "(3, 3, 128, 127)"),
    ),
    "a tensor of another rank": (
        use(with_tensor, "blocks.1.2.conv2/weights", np.zeros((3, 3), np.float32)),
        ("blocks.1.2.conv2/weights", "got float32 (3, 3)"),
    ),
    "a tensor used twice": (
        use(edit, "blocks.1.2.conv2/conv", inputs=("blocks.1.2.conv1/Relu", "blocks.1.1.conv2/weights")),
        ("more than once", "blocks.1.1.conv2/weights"),
    ),
    "a tensor that no layer uses": (
        lambda graph: with_tensor(
            replace(graph, nodes=(*graph.nodes, Node("stray", "Const"))), "stray", np.zeros(3, np.float32)
        ),
        ("no layer uses", "stray"),
    ),
    "an unknown op": (use(edit, "blocks.2.3.relu", op="Elu"), ("unknown op Elu", "blocks.2.3.relu")),
    "a unit more": (another_unit, ("not a PoseNet", "1 layers, 1 pools and 17 residual units before 4 heads")),
    "a unit that adds nothing": (
        unit_without_addition,
        ("not a PoseNet", "4 layers, 1 pools and 15 residual units"),
    ),
    "branches that end in two additions": (
        stray_addition,
        ("behind node blocks.0.0.relu do not meet in one addition",),
    ),
    "a pool more in a unit": (
        use(behind, "blocks.0.1.conv1/Relu", Node("stray", "MaxPool", ("blocks.0.1.conv1/Relu",))),
        ("blocks.0.1.add, as blocks.0.1", "branches of 4 and 0 steps, expected 3 and at most 1"),
    ),
    "a pool for a layer in a unit": (pool_for_a_layer, ("as blocks.0.1.conv3", "a pool where there is none")),
    "a layer for a shortcut pool": (
        layer_for_a_pool,
        ("as blocks.1.3.shortcut", "a convolution where there is none"),
    ),
    "a shortcut pool of another stride": (
        use(edit, "blocks.1.3.shortcut", strides=(1, 1)),
        ("strides and dilations", "resnet50"),
    ),
    "a convolution of another stride": (
        use(edit, "blocks.1.3.conv2/conv", strides=(3, 3)),
        ("strides and dilations", "blocks.1.3.pad (3, 3) (1, 1)"),
    ),
    "another dilation": (use(edit, "blocks.3.1.conv2/conv", dilations=(3, 1)), ("strides and dilations", "(3, 1)")),
    "a larger pool": (use(edit, "pool", kernel=(2, 2)), ("as pool", "expected kernel (3, 3), got (2, 2)")),
    "a larger shortcut pool": (
        use(edit, "blocks.1.3.shortcut", kernel=(3, 3)),
        ("as blocks.1.3.shortcut", "expected kernel (1, 1), got (3, 3)"),
    ),
    "no shortcut pool": (
        lambda graph: without(edit(graph, "blocks.2.5.shortcut", strides=(1, 1)), "blocks.2.5.shortcut"),
        ("as blocks.2.5", "steps in the shortcut 1, got 0"),
    ),
    "a pool for a value": (
        use(behind, "blocks.0.0.relu", Node("stray", "MaxPool", ("blocks.0.0.relu",))),
        ("not a PoseNet", "2 pools"),
    ),
    "another activation in a unit": (
        use(edit, "blocks.0.1.relu", op="Relu6"),
        ("as blocks.0.1", "expected activation Relu, got Relu6"),
    ),
    "another activation in a layer": (
        use(edit, "blocks.0.1.conv2/Relu", op="Relu6"),
        ("as blocks.0.1.conv2", "expected activation Relu, got Relu6"),
    ),
    "no activation behind a unit": (use(without, "blocks.0.1.relu"), ("as blocks.0.1", "got None")),
    "an activation too many": (
        use(behind, "blocks.0.1.conv3/BiasAdd", Node("stray", "Relu", ("blocks.0.1.conv3/BiasAdd",))),
        ("as blocks.0.1.conv3", "expected activation None, got Relu"),
    ),
    "two branches inside a branch": (
        use(
            behind, "blocks.0.1.conv1/Relu", Node("stray", "Add", ("blocks.0.1.conv1/Relu", "blocks.0.1.conv1/BiasAdd"))
        ),
        ("blocks.0.1.conv1/BiasAdd", "leads to 2 nodes"),
    ),
    "a pool as a head": (
        lambda graph: replace(graph, nodes=(*graph.nodes, Node("stray", "MaxPool", ("blocks.3.2.relu",)))),
        ("MaxPool at node stray", "convolution"),
    ),
    "an Identity of nothing": (
        lambda graph: replace(graph, nodes=(*graph.nodes, Node("stray", "Identity"))),
        ("Identity at node stray has 0 inputs",),
    ),
    "depthwise layers": (
        use(edit, "blocks.0.1.conv2/conv", op="DepthwiseConv2dNative"),
        ("as blocks.0.1.conv2", "expected kind full, got depthwise"),
    ),
    "two activations in one": (
        use(edit, "stem/conv", op="_FusedConv2D", fused_ops=("BiasAdd", "Relu6", "Relu")),
        ("stem/conv fuses BiasAdd, Relu6, Relu",),
    ),
    "a bias behind the activation": (
        use(edit, "stem/conv", op="_FusedConv2D", fused_ops=("Relu", "BiasAdd")),
        ("stem/conv fuses Relu, BiasAdd",),
    ),
    "a head of two layers": (
        use(behind, "offset_2/BiasAdd", Node("stray", "MaxPool", ("offset_2/BiasAdd",))),
        ("not part of a PoseNet", "MaxPool at node stray"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_before_anything_runs(resnet_graphs, monkeypatch, fault):
    def run_graph(*_):
        raise AssertionError

    monkeypatch.setattr(heads, "run_graph", run_graph)
    change, words = FAULTS[fault]
    stride = 16 if "shortcut pool" in fault or "dilation" in fault else 32
    with pytest.raises(ConversionError) as error:
        convert(change(resnet_graphs[stride]))
    for word in ("model.json", *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)
