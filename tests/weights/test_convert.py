import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from posecli.errors import ConversionError
from posecli.weights import convert as convert_module
from posecli.weights import heads
from posecli.weights.checkpoint import Checkpoint, caution, load
from posecli.weights.convert import MAX_CHECK_ERROR, Conversion, convert
from posecli.weights.store import find
from posecli.weights.tfjs import read_model
from posecli.weights.topology import find_layers


def assert_equal(converted, expected):
    assert converted.keys() == expected.keys()
    for name in expected:
        assert torch.equal(converted[name], expected[name]), name


# The forms a model comes in


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("fused", [False, True])
def test_a_named_model_gives_its_tensors_back(half, build, tmp_path, stride, fused):
    conversion = convert(read_model(build(half, stride, fused).write(tmp_path)))
    assert_equal(conversion.state_dict, half)
    assert conversion.spec.name == "mobilenet-050"
    assert (conversion.stride, conversion.dilation) == (stride, "height" if stride == 8 else None)
    assert conversion.quantization == "float32"
    assert conversion.check_error < MAX_CHECK_ERROR
    assert conversion.sha256s.keys() == conversion.blob_sha1s.keys() == {file.name for file in tmp_path.iterdir()}


@pytest.mark.parametrize("seed", range(3))
def test_order_and_names_do_not_matter_but_for_the_displacement_heads(half, build, tmp_path, seed):
    model = build(half, fused=seed == 1).nameless(np.random.default_rng(seed), keep="displacement")
    assert_equal(convert(read_model(model.write(tmp_path))).state_dict, half)


def test_a_name_of_an_output_tells_the_displacement_heads(half, build, tmp_path, rng):
    model = build(half)
    forward, backward = (len(model.nodes) - 1 - at for at in (4, 0))
    nodes = [model.nodes[forward], model.nodes[backward]]
    assert [node["name"] for node in nodes] == [f"displacement_{way}_2/BiasAdd" for way in ("fwd", "bwd")]
    model = model.nameless(rng)
    outputs = {"displacement_fwd:0": nodes[0], "displacement_bwd:0": nodes[1]}
    bias = {name: half[f"heads.{name[:-2]}.bias"].numpy() for name in outputs}
    for name in outputs:
        const = next(key for key, tensor in model.tensors.items() if np.array_equal(tensor, bias[name]))
        outputs[name] = next(node for node in model.nodes if const in node["input"])["name"]
    model.signature = {"outputs": {name: {"name": f"{node}:0"} for name, node in outputs.items()}}
    assert_equal(convert(read_model(model.write(tmp_path))).state_dict, half)


@pytest.mark.parametrize("stride", [8, 16])
def test_without_any_name_the_photo_tells_the_displacement_heads(build, tmp_path, stride):
    expected = load(find("mobilenet-075")).state_dict
    forward, model = expected["heads.displacement_fwd.bias"].numpy(), build(expected, stride)
    orders = set()
    for seed in range(4):
        graph = read_model(model.nameless(np.random.default_rng(seed)).write(tmp_path))
        biases = [graph.tensors[layer.bias] for layer in find_layers(graph).heads]
        orders.add(np.array_equal(next(bias for bias in biases if bias.size == 32), forward))
        assert_equal(convert(graph).state_dict, expected)
    assert orders == {True, False}  # either came first


def test_without_names_weights_that_see_nothing_are_refused(model, tmp_path, rng):
    with pytest.raises(ConversionError, match="displacement_fwd"):
        convert(read_model(model.nameless(rng).write(tmp_path)))


def test_identity_nodes_and_plain_additions_are_seen_through(model, half, tmp_path):
    model.find("Conv2d_3_pointwise/conv")["input"][1] = model.node("read", "Identity", "Conv2d_3_pointwise/weights")
    model.find("Conv2d_4_depthwise/conv")["input"][0] = model.node("pass", "Identity", "Conv2d_3_pointwise/Relu6")
    model.find("Conv2d_5_depthwise/BiasAdd")["op"] = "AddV2"
    addition = model.find("Conv2d_5_pointwise/BiasAdd")
    addition |= {"op": "Add", "input": addition["input"][::-1]}
    assert_equal(convert(read_model(model.write(tmp_path))).state_dict, half)


@pytest.mark.parametrize(("quantize", "bits"), [("uint8", 8), ("uint16", 16)])
def test_quantised_weights_are_within_half_a_step(half, build, tmp_path, quantize, bits):
    conversion = convert(read_model(build(half).write(tmp_path, quantize)))
    assert conversion.quantization == quantize
    for name, tensor in half.items():
        step = (tensor.max() - tensor.min()) / (2**bits - 1)
        assert (conversion.state_dict[name] - tensor).abs().max() <= 0.51 * step
    warnings = [line for line in conversion.account if line.startswith("warning: ")]
    said = caution(conversion.spec, Checkpoint.of(conversion).metadata)
    assert warnings == ([] if said is None else [said.replace(conversion.name, "warning", 1)])
    assert len(warnings) == (quantize == "uint8")


def test_a_first_release_manifest_gives_its_tensors_back(half, first_release, tmp_path):
    conversion = convert(read_model(first_release(half, tmp_path)))
    assert_equal(conversion.state_dict, half)
    assert conversion.unused == ("MobilenetV1/heatmap_1/weights", "MobilenetV1/partoff_2/biases")
    assert any("MobilenetV1/partoff_2/biases" in line for line in conversion.account)


@pytest.mark.parametrize(("quantize", "suffix"), [(None, ""), ("uint16", "-quant2"), ("uint8", "-quant1")])
def test_a_name_tells_versions_of_a_network_apart(model, tmp_path, quantize, suffix):
    conversion = convert(read_model(model.write(tmp_path, quantize)))
    assert conversion.name == f"mobilenet-050{suffix}"
    assert conversion.account[0] == f"recognised mobilenet-050{suffix} in model.json (TF.js graph-model)"


def test_the_name_of_a_first_release_says_so(half, first_release, tmp_path):
    conversion = convert(read_model(first_release(half, tmp_path)))
    assert conversion.name == "mobilenet-050-v1"
    assert conversion.account[0] == "recognised mobilenet-050-v1 in manifest.json (TF.js first-release manifest)"


def test_files_of_google_have_the_name_that_google_gave_them(half, first_release, tmp_path, monkeypatch):
    """The two 1.00 of the first release differ by their values alone."""
    conversion = convert(read_model(first_release(half, tmp_path)))
    assert conversion.official is None
    monkeypatch.setattr(
        convert_module,
        "identify",
        lambda blob_sha1s: "mobilenet-101" if set(blob_sha1s) == set(conversion.blob_sha1s.values()) else None,
    )
    assert conversion.official == conversion.name == "mobilenet-101"


def test_the_files_that_were_read_are_known(model, tmp_path):
    path = model.write(tmp_path / "model")
    content = json.loads(path.read_text())
    (tmp_path / "model" / "shards").mkdir()
    for shard in content["weightsManifest"][0]["paths"]:
        (tmp_path / "model" / shard).rename(tmp_path / "model" / "shards" / shard)
    paths = [f"shards\\{shard}" for shard in content["weightsManifest"][0]["paths"]]
    content["weightsManifest"][0]["paths"] = paths
    path.write_text(json.dumps(content))
    conversion = convert(read_model(tmp_path / "model"))
    assert conversion.source == path
    assert set(conversion.files) == {file for file in path.parent.rglob("*") if file.is_file()}


def test_the_account_says_what_was_recognised(model, tmp_path):
    account = "\n".join(convert(read_model(model.write(tmp_path))).account)
    for fact in (
        "mobilenet-050",
        "model.json",
        "graph-model",
        "62 tensors",
        "577,459",
        "float32",
        "stride 16",
        "limit",
    ):
        assert fact in account


# Faults: each is refused, and the message names what is at fault


def refused(model, folder, *words):
    with pytest.raises(ConversionError) as error:
        convert(read_model(model.write(folder)))
    for word in ("model.json", *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_tensor(model, tmp_path):
    del model.tensors["Conv2d_7_pointwise/bias"]
    refused(model, tmp_path, "Conv2d_7_pointwise/bias")


def test_a_tensor_used_twice(model, tmp_path):
    model.find("Conv2d_9_pointwise/conv")["input"][1] = "Conv2d_8_pointwise/weights"
    refused(model, tmp_path, "more than once", "Conv2d_8_pointwise/weights")


def test_a_tensor_that_no_layer_uses(model, tmp_path):
    model.const("stray", np.zeros(3, np.float32))
    refused(model, tmp_path, "no layer uses", "stray")


def test_a_tensor_of_another_shape(model, tmp_path):
    model.tensors["Conv2d_7_pointwise/weights"] = np.zeros((1, 1, 256, 255), np.float32)
    refused(model, tmp_path, "Conv2d_7_pointwise/weights", "(1, 1, 256, 256)", "(1, 1, 256, 255)")


def test_a_tensor_of_integers(model, tmp_path):
    model.tensors["Conv2d_7_pointwise/bias"] = np.zeros(256, np.int32)
    refused(model, tmp_path, "Conv2d_7_pointwise/bias", "int32")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite(model, tmp_path, value):
    model.tensors["Conv2d_7_pointwise/bias"] = np.full(256, value, np.float32)
    refused(model, tmp_path, "Conv2d_7_pointwise/bias", "not finite")


def test_a_quantised_tensor_that_overflows(model, tmp_path):
    path = model.write(tmp_path, "uint8")
    content = json.loads(path.read_text())
    content["weightsManifest"][0]["weights"][0]["quantization"]["scale"] = 1e308
    path.write_text(json.dumps(content))
    with pytest.raises(ConversionError, match=r"Conv2d_0/weights.*not finite"):
        convert(read_model(path))


def test_a_first_layer_of_unknown_width(model, tmp_path):
    model.tensors["Conv2d_0/weights"] = np.zeros((3, 3, 3, 20), np.float32)
    refused(model, tmp_path, "Conv2d_0/weights", "(3, 3, 3, 20)", "(3, 3, 3, 16)")


def test_an_unknown_op(model, tmp_path):
    model.find("Conv2d_5_pointwise/Relu6")["op"] = "Swish"
    refused(model, tmp_path, "Swish", "Conv2d_5_pointwise/Relu6")


def test_batch_norm_that_is_not_folded(model, tmp_path):
    model.find("Conv2d_5_pointwise/BiasAdd")["op"] = "FusedBatchNormV3"
    refused(model, tmp_path, "batch norm", "Conv2d_5_pointwise/BiasAdd")


def test_an_activation_of_another_kind(model, tmp_path):
    model.find("Conv2d_5_pointwise/Relu6")["op"] = "Relu"
    refused(model, tmp_path, "Conv2d_5_pointwise/conv", "activation", "Relu6")


def test_a_layer_without_bias(model, tmp_path):
    model.find("Conv2d_5_pointwise/Relu6")["input"] = ["Conv2d_5_pointwise/conv"]
    model.nodes.remove(model.find("Conv2d_5_pointwise/BiasAdd"))
    refused(model, tmp_path, "Conv2d_5_pointwise/conv", "bias")


def test_weights_that_are_computed(model, tmp_path):
    model.find("Conv2d_5_pointwise/conv")["input"][1] = model.node("relu", "Relu", "Conv2d_5_pointwise/weights")
    refused(model, tmp_path, "Conv2d_5_pointwise/conv", "no constant")


def test_valid_padding(model, tmp_path):
    model.find("Conv2d_5_depthwise/conv")["attr"]["padding"] = {"s": "VkFMSUQ="}
    refused(model, tmp_path, "Conv2d_5_depthwise/conv", "expected padding (1, 1), got (0, 0)")


def test_a_depthwise_layer_where_a_full_one_belongs(model, tmp_path):
    model.find("heatmap_2/conv")["op"] = "DepthwiseConv2dNative"
    refused(model, tmp_path, "heatmap_2/conv", "kind")


@pytest.mark.parametrize("key", ["strides", "dilations"])
def test_strides_or_dilations_of_no_known_plan(model, tmp_path, key):
    model.find("Conv2d_9_depthwise/conv")["attr"][key] = {"list": {"i": ["1", "3", "3", "1"]}}
    refused(model, tmp_path, "strides and dilations", "mobilenet-050", "(3, 3)")


def test_a_strided_head(model, tmp_path):
    model.find("offset_2/conv")["attr"]["strides"] = {"list": {"i": ["1", "2", "2", "1"]}}
    refused(model, tmp_path, "offset_2/conv", "strides")


def test_something_behind_a_head(model, tmp_path):
    model.node("twice", "Add", "heatmap_2/BiasAdd", "heatmap_2/BiasAdd")
    refused(model, tmp_path, "not part of a PoseNet", "Add at node twice")


def test_something_else_before_the_first_layer(model, tmp_path):
    model.find("Conv2d_0/conv")["input"][0] = model.node("shift", "Relu", "sub_2")
    refused(model, tmp_path, "Relu at node shift", "convolution")


def test_a_head_missing(model, tmp_path):
    model.nodes = [node for node in model.nodes if "offset_2" not in node["name"]]
    model.tensors = {name: tensor for name, tensor in model.tensors.items() if "offset_2" not in name}
    refused(model, tmp_path, "3 heads")


@pytest.mark.parametrize("head", ["heatmap_2", "offset_2", "displacement_bwd_2"])
def test_heads_without_names_are_checked_before_anything_runs(model, tmp_path, rng, monkeypatch, head):
    """A kernel of a thousand cells a side, dilated, would ask for terabytes."""

    def run_graph(*_):
        raise AssertionError

    monkeypatch.setattr(heads, "run_graph", run_graph)
    model.tensors[f"{head}/weights"] = np.zeros((3, 3, *model.tensors[f"{head}/weights"].shape[2:]), np.float32)
    refused(model.nameless(rng), tmp_path, "expected float32 (1, 1, 256,", "got float32 (3, 3, 256,")


def test_heads_of_other_channels(model, tmp_path):
    model.tensors["offset_2/bias"] = np.zeros(33, np.float32)
    refused(model, tmp_path, "33", "17, 34, 32, 32")


def test_two_inputs(model, tmp_path):
    model.node("second", "Placeholder")
    refused(model, tmp_path, "one Placeholder, got 2")


def test_the_executed_check_catches_a_conversion_gone_wrong(model, tmp_path, monkeypatch):
    """Were the layout of square 1x1 kernels transposed by mistake, shapes alone would not tell."""
    graph = read_model(model.write(tmp_path))
    honest = convert_module._state_dict

    def mistaken(*args):
        state_dict = honest(*args)
        name = "blocks.8.pointwise.weight"
        if name in state_dict:
            state_dict[name] = state_dict[name].transpose(0, 1).contiguous()
        return state_dict

    monkeypatch.setattr(convert_module, "_state_dict", mistaken)
    with pytest.raises(ConversionError, match="executed check failed"):
        convert(graph)


def test_the_executed_check_refuses_what_overflows(model, tmp_path):
    model.tensors["Conv2d_13_pointwise/weights"] *= 1e38
    model.tensors["heatmap_2/weights"] = np.full_like(model.tensors["heatmap_2/weights"], 3e38)
    refused(model, tmp_path, "executed check failed", "heatmap")


# The official files


def complete_bodies(shared: Path) -> list[Path]:
    mirror = shared / "tfjs-mirror"
    graphs = [path for path in mirror.glob("savedmodel/posenet/mobilenet/*/*/*.json") if any(path.parent.glob("*.bin"))]
    return sorted(
        [*graphs, *(mirror / f"weights/posenet/mobilenet_v1_{name}/manifest.json" for name in ("050", "075"))]
    )


@pytest.mark.shared
def test_every_official_body_converts(shared):
    paths = complete_bodies(shared)
    assert len(paths) == 16
    for path in paths:
        conversion = convert(read_model(path))
        assert conversion.check_error < MAX_CHECK_ERROR, path
        assert conversion.official == conversion.name, path
        if path.name != "manifest.json":
            assert conversion.spec.name.endswith(path.parent.name)
            assert f"stride{conversion.stride}.json" in path.name
            dilated = conversion.stride == 8 or conversion.spec.multiplier == 1.0
            assert conversion.dilation == ("height" if dilated else None)


def official(shared: Path, path: str) -> Conversion:
    return convert(read_model(shared / "tfjs-mirror" / path))


@pytest.mark.shared
@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("multiplier", ["050", "075"])
def test_an_official_model_without_its_names_gives_the_same_tensors(shared, tmp_path, rng, multiplier, stride):
    path = shared / f"tfjs-mirror/savedmodel/posenet/mobilenet/float/{multiplier}/model-stride{stride}.json"
    model = json.loads(path.read_text())
    names = [node["name"] for node in model["modelTopology"]["node"]]
    rename = {name: f"x{label}" for name, label in zip(names, rng.permutation(len(names)), strict=True)}
    for node in model["modelTopology"]["node"]:
        node["name"] = rename[node["name"]]
        node["input"] = [rename[name] for name in node.get("input", [])]
    rng.shuffle(model["modelTopology"]["node"])
    for group in model["weightsManifest"]:
        for weight in group["weights"]:
            weight["name"] = rename[weight["name"]]
        for shard in group["paths"]:
            (tmp_path / shard).write_bytes((path.parent / shard).read_bytes())
    (tmp_path / "model.json").write_text(json.dumps(model))
    assert_equal(convert(read_model(tmp_path)).state_dict, convert(read_model(path)).state_dict)


@pytest.mark.shared
@pytest.mark.parametrize("multiplier", ["050", "075"])
def test_both_releases_hold_the_same_weights(shared, multiplier):
    first = official(shared, f"weights/posenet/mobilenet_v1_{multiplier}")
    second = official(shared, f"savedmodel/posenet/mobilenet/float/{multiplier}/model-stride16.json")
    for name, tensor in second.state_dict.items():
        assert (first.state_dict[name] - tensor).abs().max() <= 1e-6 * tensor.abs().max(), name


def synthesise(shared: Path, model: Path, folder: Path) -> Path:
    script = shared / "scripts/synthetic_shards.py"
    subprocess.run([sys.executable, script, model, folder], check=True)
    return folder / model.name


@pytest.mark.shared
@pytest.mark.parametrize("stride", [8, 16])
def test_the_full_width_converts(shared, tmp_path, stride):
    model = shared / f"tfjs-mirror/savedmodel/posenet/mobilenet/float/100/model-stride{stride}.json"
    conversion = convert(read_model(synthesise(shared, model, tmp_path)))
    assert (conversion.spec.name, conversion.stride, conversion.dilation) == ("mobilenet-100", stride, "height")
    assert conversion.check_error < MAX_CHECK_ERROR


@pytest.mark.shared
@pytest.mark.parametrize("name", ["100", "101"])
def test_the_first_release_at_full_width_is_dilated_in_both_directions(shared, tmp_path, name):
    manifest = shared / f"tfjs-mirror/weights/posenet/mobilenet_v1_{name}/manifest.json"
    conversion = convert(read_model(synthesise(shared, manifest, tmp_path)))
    assert (conversion.spec.name, conversion.stride, conversion.dilation) == ("mobilenet-100", 16, "both")
    assert len(conversion.unused) == (20 if name == "101" else 8)


@pytest.mark.shared
@pytest.mark.parametrize("quantize", ["float", "quant1", "quant2"])
@pytest.mark.parametrize("stride", [16, 32])
def test_the_official_resnets_convert(shared, tmp_path, quantize, stride):
    model = shared / f"tfjs-mirror/savedmodel/posenet/resnet50/{quantize}/model-stride{stride}.json"
    conversion = convert(read_model(synthesise(shared, model, tmp_path)))
    assert conversion.name == ("resnet50" if quantize == "float" else f"resnet50-{quantize}")
    assert (conversion.stride, conversion.dilation) == (stride, "height" if stride == 16 else None)
    assert sum(tensor.numel() for tensor in conversion.state_dict.values()) == 23_717_107
    assert conversion.check_error < MAX_CHECK_ERROR
    print(f"{conversion.name} stride {stride}: largest error of the check {conversion.check_error:.1e}")
