import base64
import json
import tracemalloc

import numpy as np
import pytest

from posecli.errors import ConversionError, MissingPathError
from posecli.weights.convert import convert
from posecli.weights.graph import Attrs
from posecli.weights.tfjs import CHUNK, read_model
from posecli.weights.untrusted import MAX_NAME


@pytest.fixture
def edit(model, tmp_path):
    """Write the model with its JSON changed in place by a function; the path."""

    def write(change):
        path = model.write(tmp_path / "edited")
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        return path

    return write


def refused(path, *words):
    with pytest.raises(ConversionError) as error:
        read_model(path)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_a_graph_model_is_read_as_it_stands(model, tmp_path):
    model.nodes = model.nodes[::-1]  # the reader sorts them
    graph = read_model(model.write(tmp_path, shard_bytes=333_333))
    assert graph.source == tmp_path / "model.json"
    assert (graph.kind, graph.quantization, graph.unused) == ("graph-model", "float32", ())
    assert graph.tensors.keys() == model.tensors.keys()
    for name, tensor in model.tensors.items():
        assert graph.tensors[name].dtype == tensor.dtype
        assert np.array_equal(graph.tensors[name], tensor)
    assert set(graph.outputs) == {
        f"{head}_2/BiasAdd" for head in ("heatmap", "offset", "displacement_fwd", "displacement_bwd")
    }
    assert set(graph.sha256s) == set(graph.blob_sha1s) == {file.name for file in tmp_path.iterdir()}
    place = {node.name: i for i, node in enumerate(graph.nodes)}
    assert len(place) == len(model.nodes)
    assert all(place[name] < place[node.name] for node in graph.nodes for name in node.inputs)


def test_attributes_are_parsed_as_tfjs_reads_them(half, build, tmp_path):
    graph = read_model(build(half, stride=8, fused=True).write(tmp_path))
    nodes = {node.name: node for node in graph.nodes}
    assert nodes["Conv2d_0/out"].attrs == Attrs((2, 2), (1, 1), "SAME", ("BiasAdd", "Relu6"))
    assert nodes["Conv2d_8_depthwise/out"].attrs.dilations == (2, 1)  # written [2, 2, 1, 1]
    assert nodes["Conv2d_8_depthwise/out"].inputs[1:] == ("Conv2d_8_depthwise/weights", "Conv2d_8_depthwise/bias")
    assert nodes["heatmap_2/out"].attrs.fused_ops == ("BiasAdd",)
    assert nodes["sub_2"].attrs == Attrs()


def test_a_pool_is_parsed_with_its_window(edit):
    def add(content):
        size = {"list": {"i": ["1", "3", "2", "1"]}}
        node = {"name": "pool", "op": "MaxPool", "input": ["sub_2"], "attr": {"ksize": size, "strides": size}}
        content["modelTopology"]["node"].append(node)

    nodes = {node.name: node for node in read_model(edit(add)).nodes}
    assert nodes["pool"].attrs == Attrs(strides=(3, 2), kernel=(3, 2))


def test_the_signature_names_the_outputs(model, tmp_path):
    model.signature = {"outputs": {"heat:0": {"name": "heatmap_2/BiasAdd:0"}, "off": {"name": "offset_2/BiasAdd"}}}
    graph = read_model(model.write(tmp_path))
    assert graph.outputs == {"heat": "heatmap_2/BiasAdd", "off": "offset_2/BiasAdd"}
    model.signature = {"outputs": {"heat:0": {"name": "nowhere:0"}}}
    refused(model.write(tmp_path), "outputs that are not nodes: nowhere")


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535)])
def test_quantised_values_are_scaled_as_tfjs_does_it(edit, dtype, top):
    """In float64, then rounded once to float32; integers are rounded half up."""
    scale, low = 0.1, -3.3

    def quantise(content):
        group = content["weightsManifest"][0]
        quantization = {"dtype": dtype, "scale": scale, "min": low}
        group["paths"] = ["q.bin"]
        group["weights"] = [
            {"name": "f", "shape": [3], "dtype": "float32", "quantization": quantization},
            {"name": "i", "shape": [3], "dtype": "int32", "quantization": {**quantization, "scale": 0.5, "min": -1}},
        ]
        content["modelTopology"]["node"] = [{"name": "f", "op": "Const"}, {"name": "i", "op": "Const"}]

    path = edit(quantise)
    (path.parent / "q.bin").write_bytes(np.array([0, 7, top, 1, 3, 8], dtype).tobytes())
    graph = read_model(path)
    assert graph.quantization == dtype
    assert graph.tensors["f"].dtype == np.float32
    assert graph.tensors["f"].tolist() == [float(np.float32(q * scale + low)) for q in (0, 7, top)]
    assert graph.tensors["i"].dtype == np.int32
    assert graph.tensors["i"].tolist() == [0, 1, 3]  # -0.5, 0.5, 3.0


def quantised(content, dtype, kept, size):
    """Make one tensor of a model."""
    quantization = {"dtype": dtype, "scale": 0.1, "min": -3.3}
    entry = {"name": "f", "shape": [size], "dtype": kept, "quantization": quantization}
    content["weightsManifest"] = [{"paths": ["q.bin"], "weights": [entry]}]
    content["modelTopology"]["node"] = [{"name": "f", "op": "Const"}]


def test_values_are_the_same_wherever_a_chunk_ends(edit, rng):
    values = rng.integers(0, 65536, 2 * CHUNK + 3).astype("<u2")
    path = edit(lambda m: quantised(m, "uint16", "float32", len(values)))
    (path.parent / "q.bin").write_bytes(values.tobytes())
    expected = (values.astype(np.float64) * 0.1 - 3.3).astype(np.float32)
    assert np.array_equal(read_model(path).tensors["f"], expected)


@pytest.mark.parametrize(
    ("dtype", "kept"), [("uint8", "float32"), ("uint8", "int32"), ("uint16", "float32"), ("float32", "float32")]
)
def test_reading_takes_no_more_than_three_times_the_memory_of_the_tensors(edit, dtype, kept):
    size = 4_000_000
    path = edit(lambda m: quantised(m, dtype, kept, size))
    if dtype == "float32":
        content = json.loads(path.read_text())
        content["weightsManifest"][0]["weights"][0].pop("quantization")
        path.write_text(json.dumps(content))
    (path.parent / "q.bin").write_bytes(bytes(size * np.dtype(dtype).itemsize))
    tracemalloc.start()
    try:
        graph = read_model(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert graph.tensors["f"].nbytes == 4 * size
    assert peak < 3 * 4 * size


def test_what_can_be_refused_without_its_values_is(edit, monkeypatch):
    """A shard of zeros takes no room on a disk, and much in memory."""
    read = []
    monkeypatch.setattr("posecli.weights.tfjs._Group.read", lambda group, _: read.append(group))
    bytes_of_a_float = 40_000_000
    path = edit(lambda m: quantised(m, "uint8", "float32", bytes_of_a_float))
    with (path.parent / "q.bin").open("wb") as file:
        file.truncate(bytes_of_a_float)
    refused(path, "tensors of 160,000,000 bytes are too large for a PoseNet (at most 134,217,728)")
    refused(
        edit(lambda m: m["modelTopology"]["node"].append({"name": "stray", "op": "Const"})), "no weights for: stray"
    )
    refused(edit(entry(name="Conv2d_0/bias")), "two tensors are named Conv2d_0/bias")
    refused(edit(lambda m: m.update(signature={"outputs": {"a": {"name": "b"}}})), "outputs that are not nodes: b")
    assert read == []


# Which file is meant


def test_a_folder_with_one_model_stands_for_it(model, half, first_release, tmp_path):
    model.write(tmp_path / "second")
    first_release(half, tmp_path / "first")
    assert read_model(tmp_path / "second").kind == "graph-model"
    assert read_model(tmp_path / "first").kind == "first-release manifest"


def test_a_folder_with_several_models_is_a_question(model, tmp_path):
    path = model.write(tmp_path)
    path.rename(tmp_path / "model-stride8.json")
    (tmp_path / "model-stride16.json").write_bytes((tmp_path / "model-stride8.json").read_bytes())
    refused(tmp_path, "model-stride16.json, model-stride8.json", "share their weights")
    (tmp_path / "other.json").write_text("{}")
    refused(tmp_path, "other.json", "which one")
    for number in range(1000):
        (tmp_path / f"{number}.json").touch()
    refused(tmp_path, "0.json, 1.json, 10.json", "and 995 more", "which one")


def test_an_empty_folder_and_a_missing_path(tmp_path):
    refused(tmp_path, str(tmp_path), "no model.json or manifest.json")
    with pytest.raises(MissingPathError, match="absent") as error:
        read_model(tmp_path / "absent")
    assert error.value.exit_code == 2


@pytest.mark.parametrize("content", ["{}", '{"a": 1}', '{"a": {"shape": [1]}}'])
def test_json_of_something_else(tmp_path, content):
    (tmp_path / "package.json").write_text(content)
    refused(tmp_path, "package.json", "neither a TF.js graph model nor")


def test_a_page_instead_of_a_model(tmp_path):
    (tmp_path / "model.json").write_text("<html><body>404</body></html>")
    refused(tmp_path / "model.json", "model.json", "HTML")


# Faults of the files


def test_a_shard_missing(model, tmp_path):
    path = model.write(tmp_path)
    (tmp_path / "group1-shard2of5.bin").unlink()
    refused(path, "group1-shard2of5.bin", "missing")


@pytest.mark.parametrize("change", [-4, 1])
def test_shards_of_another_length(model, tmp_path, change):
    path = model.write(tmp_path)
    shard = tmp_path / "group1-shard5of5.bin"
    data = shard.read_bytes()
    shard.write_bytes(data[:change] if change < 0 else data + b"\0")
    refused(path, "model.json", f"{577_459 * 4:,}", f"{577_459 * 4 + change:,}", "group1-shard5of5.bin")


@pytest.mark.parametrize("escape", ["../group1-shard1of5.bin", "/group1-shard1of5.bin", "https://host/a.bin"])
def test_a_shard_elsewhere(edit, escape):
    refused(edit(lambda m: m["weightsManifest"][0].update(paths=[escape])), "not inside its folder", escape)


def test_a_shape_of_terabytes_allocates_nothing(edit):
    path = edit(lambda m: m["weightsManifest"][0]["weights"][0].update(shape=[1 << 30, 1 << 30, 1 << 30]))
    refused(path, "model.json", f"{4 << 90:,}"[:12])


def test_a_shape_of_thousands_of_digits(edit):
    refused(edit(entry(shape=[10**4000] * 4)), "model.json", "Conv2d_0/weights", "not a shape")


@pytest.mark.parametrize("groups", [1, 2])
def test_a_shard_named_twice(edit, groups):
    """Sixty names of one file of 10 MB are 600 MB."""

    def repeat(content):
        group = content["weightsManifest"][0]
        if groups == 1:
            group["paths"] *= 60
        else:
            content["weightsManifest"].append(group)

    refused(edit(repeat), "group1-shard1of5.bin", "more than once")


def test_the_model_itself_is_no_shard(edit):
    refused(edit(lambda m: m["weightsManifest"][0].update(paths=["model.json"])), "model.json", "more than once")


def test_no_shard_is_read_before_all_are_weighed(model, tmp_path, monkeypatch):
    path = model.write(tmp_path)
    content = path.read_bytes()
    monkeypatch.setattr("posecli.weights.untrusted.MAX_BYTES", 2_000_000)
    opened = []
    monkeypatch.setattr("posecli.weights.untrusted.ModelFolder.read", lambda _, name: opened.append(name) or content)
    refused(path, "too large for a PoseNet", "(at most 2,000,000)")
    assert opened == ["model.json"]


def test_tensors_are_weighed_as_they_will_lie_in_memory(model, tmp_path, monkeypatch):
    """A byte in the file becomes four."""
    path = model.write(tmp_path, "uint8")
    monkeypatch.setattr("posecli.weights.tfjs.MAX_BYTES", 577_459 * 4)
    assert read_model(path).quantization == "uint8"
    monkeypatch.setattr("posecli.weights.tfjs.MAX_BYTES", 577_459 * 4 - 1)
    refused(path, "model.json", "tensors of 2,309,836 bytes", "too large")


def test_a_message_stays_short(edit):
    path = edit(lambda m: m["weightsManifest"][0].update(weights=[]))
    with pytest.raises(ConversionError, match="its tensors take 0 bytes"):
        read_model(path)
    path = edit(lambda m: m.update(weightsManifest=[]))
    with pytest.raises(ConversionError, match=r"no weights for: Conv2d_0/weights, .* and 54 more$"):
        read_model(path)


def entry(**changes):
    return lambda m: m["weightsManifest"][0]["weights"][0].update(changes)


QUANTIZATION = {"dtype": "uint8", "scale": 1.0, "min": 0.0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (entry(dtype="complex64"), ("Conv2d_0/weights", "complex64", "float32, int32")),
        (entry(dtype=None), ("Conv2d_0/weights", "dtype")),
        (entry(shape=[3, -3]), ("Conv2d_0/weights", "not a shape")),
        (entry(shape="3"), ("Conv2d_0/weights", "shape")),
        (entry(name=7), ("a tensor", "name")),
        (entry(name="Conv2d_0/bias"), ("two tensors are named Conv2d_0/bias",)),
        (entry(name="other"), ("no weights for: Conv2d_0/weights",)),
        (entry(quantization={**QUANTIZATION, "dtype": "float16"}), ("Conv2d_0/weights", "float16", "uint16, uint8")),
        (entry(quantization={**QUANTIZATION, "scale": None}), ("Conv2d_0/weights", "scale")),
        (entry(quantization={**QUANTIZATION, "min": float("nan")}), ("Conv2d_0/weights", "min", "nan")),
        (entry(quantization={**QUANTIZATION, "min": 10**400}), ("Conv2d_0/weights", "min")),
        (entry(quantization=[]), ("Conv2d_0/weights", "quantization")),
        (lambda m: m.update(format="layers-model"), ("layers-model", "graph-model")),
        (lambda m: m.update(weightsManifest={}), ("weightsManifest",)),
        (lambda m: m.update(weightsManifest=[1]), ("paths",)),
        (lambda m: m.pop("weightsManifest"), ("weightsManifest",)),
        (lambda m: m.pop("modelTopology"), ("modelTopology",)),
        (lambda m: m["modelTopology"].pop("node"), ("node",)),
        (lambda m: m["weightsManifest"][0].update(paths=[1]), ("paths are not all text",)),
        (lambda m: m.update(signature={"outputs": 3}), ("signature", "outputs")),
        (lambda m: m.update(signature={"outputs": {"a": 3}}), ("output a", "name")),
    ],
)
def test_a_manifest_that_is_wrong(edit, change, words):
    refused(edit(change), "model.json", *words)


def node(name="Conv2d_0/conv", **changes):
    return lambda m: next(n for n in m["modelTopology"]["node"] if n["name"] == name).update(changes)


def attr(**changes):
    return lambda m: next(n for n in m["modelTopology"]["node"] if n["name"] == "Conv2d_0/conv")["attr"].update(changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (node(op=None), ("Conv2d_0/conv", "op")),
        (node(name="Conv2d_0/conv", input=["nowhere", "x"]), ("Conv2d_0/conv takes nowhere",)),
        (node(input="text"), ("Conv2d_0/conv", "input")),
        (node(input=[3]), ("Conv2D at node Conv2d_0/conv",)),
        (node(input=["sub_2:1", "Conv2d_0/weights"]), ("sub_2:1",)),
        (node(input=["heatmap_2/BiasAdd", "Conv2d_0/weights"]), ("circle",)),
        (node(attr=[]), ("Conv2d_0/conv", "attr")),
        (lambda m: m["modelTopology"]["node"].append({"name": "sub_2", "op": "Relu"}), ("two nodes are named sub_2",)),
        (lambda m: m["modelTopology"]["node"].append(7), ("a node", "name")),
        (attr(data_format={"s": "TkNIVw=="}), ("Conv2d_0/conv", "NCHW", "NHWC")),
        (attr(padding={"s": "RVhQTElDSVQ="}), ("Conv2d_0/conv", "EXPLICIT")),
        (attr(padding={"s": "%%%"}), ("Conv2d_0/conv", "base64")),
        (attr(padding={}), ("Conv2d_0/conv",)),
        (attr(strides={"list": {"i": ["1", "2", "2"]}}), ("Conv2d_0/conv",)),
        (attr(strides={"list": {"i": [1, float("inf"), 1, 1]}}), ("Conv2d_0/conv", "not an integer: inf")),
        (attr(ksize={"list": {"i": [1, 1, float("-inf"), 1]}}), ("Conv2d_0/conv", "not an integer: -inf")),
        (attr(strides={"list": {"i": [1, 2.5, 2, 1]}}), ("Conv2d_0/conv", "not an integer: 2.5")),
        (attr(strides={"list": {"i": [1, True, 2, 1]}}), ("Conv2d_0/conv", "not an integer: True")),
        (attr(strides={"list": {"i": [1, "\uff12", 2, 1]}}), ("Conv2d_0/conv", "not an integer: '\uff12'")),
        (attr(strides={"list": {"i": [1, "2" * 19, 2, 1]}}), ("Conv2d_0/conv", "not an integer: '222")),
        (attr(strides={"list": {"i": [1, 10**4000, 2, 1]}}), ("Conv2d_0/conv", "strides of 1000")),
        (attr(strides={"list": {"i": ["1", "0", "2", "1"]}}), ("Conv2d_0/conv", "strides")),
        (attr(ksize={"list": {"i": ["1", "100000", "3", "1"]}}), ("Conv2d_0/conv", "ksize of 100000 x 3")),
        (attr(ksize={"list": {"i": ["1", "-3", "3", "1"]}}), ("Conv2d_0/conv", "ksize")),
        (attr(dilations={"list": {"i": ["1", "many", "2", "1"]}}), ("Conv2d_0/conv",)),
        (attr(fused_ops=3), ("Conv2d_0/conv",)),
    ],
)
def test_a_topology_that_is_wrong(edit, change, words):
    refused(edit(change), "model.json", *words)


# Names of any length


HUGE = "x" * 500_000
CODES = "a\n\x1b[2Jb"


def as_text(name):
    return {"s": base64.b64encode(name.encode()).decode()}


def outputs(**named):
    return lambda m: m.update(signature={"outputs": named})


def retitled(name):
    return lambda m: m["weightsManifest"][0].update(paths=[name])


@pytest.mark.parametrize("name", [HUGE, CODES], ids=["huge", "codes"])
@pytest.mark.parametrize(
    "change",
    [
        lambda name: lambda m: m["modelTopology"]["node"][0].update(name=name),
        lambda name: node(op=name),
        lambda name: node(input=[name]),
        lambda name: node(input=["sub_2", f"{name}:0"]),
        lambda name: attr(fused_ops={"list": {"s": [as_text(name)["s"]]}}),
        lambda name: attr(padding=as_text(name)),
        lambda name: attr(padding={"s": name}),
        lambda name: attr(data_format=as_text(name)),
        lambda name: attr(strides={"list": {"i": ["1", name, "1", "1"]}}),
        lambda name: attr(**{"strides": name}),
        lambda name: entry(name=name),
        lambda name: entry(dtype=name),
        lambda name: entry(shape=name),
        lambda name: entry(quantization=name),
        lambda name: entry(quantization={**QUANTIZATION, "dtype": name}),
        lambda name: entry(quantization={**QUANTIZATION, "scale": name}),
        lambda name: retitled(name),
        lambda name: retitled(f"../{name}"),
        lambda name: outputs(**{name: {"name": "sub_2"}}),
        lambda name: outputs(**{name: {}}),
        lambda name: outputs(heat={"name": name}),
        lambda name: lambda m: m.update(format=name),
        lambda name: lambda m: m.update(modelTopology=name),
        lambda name: lambda m: [m.clear(), m.update({name: {"filename": "a", "shape": [1]}})],
        lambda name: lambda m: [m.clear(), m.update({name: {"filename": "a", "shape": name}})],
        lambda name: lambda m: [m.clear(), m.update({"a": {"filename": name, "shape": [1]}})],
    ],
)
def test_no_message_grows_with_what_a_model_says(edit, change, name):
    path = edit(change(name))
    with pytest.raises(ConversionError) as error:
        read_model(path)
    assert len(str(error.value)) < len(str(path)) + 1000
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.node("z" * MAX_NAME, "Z" * MAX_NAME, "y" * MAX_NAME),
        lambda m: m.find("conv").update(op="Z" * MAX_NAME),
        lambda m: m.find("conv").update(op="FusedBatchNormV3"),
        lambda m: m.find("conv").update(input=["sub_2", m.node("z" * MAX_NAME, "Relu", "sub_2")]),
        lambda m: m.find("conv").update(op="MaxPool"),
        lambda m: m.find("conv").update(op="DepthwiseConv2dNative"),
        lambda m: m.find("conv")["attr"].update(strides={"list": {"i": ["1", "5", "5", "1"]}}),
        lambda m: m.find("conv").update(input=["conv", "weights"]),
        lambda m: m.find("conv").update(input=["nowhere".ljust(MAX_NAME), "weights"]),
        lambda m: m.find("conv")["attr"].update(fused_ops={"list": {"s": [as_text("Z" * MAX_NAME)["s"]] * 1000}}),
        lambda m: m.find("relu").update(op="Relu"),
        lambda m: m.find("relu").update(op="Identity", input=[]),
        lambda m: m.tensors.update(weights=np.zeros((7, 7, 1, 1, 1, 1, 1, 1), np.float32)),
        lambda m: m.tensors.update(weights=np.full_like(m.tensors["weights"], np.nan)),
    ],
)
def test_names_as_long_as_they_may_be_leave_messages_short(model, tmp_path, change):
    """Each fault at a layer whose nodes and tensors have such names."""
    long = {kind: kind.ljust(MAX_NAME, "_") for kind in ("conv", "relu", "weights")}
    names = {
        "conv": "Conv2d_5_pointwise/conv",
        "relu": "Conv2d_5_pointwise/Relu6",
        "weights": "Conv2d_5_pointwise/weights",
    }
    model = model.renamed({names[kind]: kind for kind in names})
    change(model)
    model = model.renamed(long)
    path = model.write(tmp_path)
    with pytest.raises(ConversionError) as error:
        convert(read_model(path))
    assert len(str(error.value)) < len(str(path)) + 1000


def test_a_name_may_have_256_letters(model, half, tmp_path):
    long = {node["name"]: node["name"].ljust(MAX_NAME, "_") for node in model.nodes}
    graph = read_model(model.renamed(long).write(tmp_path))
    assert {len(node.name) for node in graph.nodes} == {256}
    assert convert(graph).state_dict.keys() == half.keys()
