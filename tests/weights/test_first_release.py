import json

import pytest

from posecli.errors import ConversionError
from posecli.weights.tfjs import read_model


@pytest.fixture
def spoil(half, first_release, tmp_path):
    """Write the files of a first release, change the manifest, and expect an error with these words."""

    def expect(change, *words):
        path = first_release(half, tmp_path)
        manifest = json.loads(path.read_text())
        change(manifest)
        path.write_text(json.dumps(manifest))
        with pytest.raises(ConversionError) as error:
            read_model(path)
        for word in words:
            assert word in str(error.value)

    return expect


def test_a_manifest_becomes_the_graph_it_stands_for(half, first_release, tmp_path):
    graph = read_model(first_release(half, tmp_path))
    strides = [node.attrs.strides for node in graph.nodes if "Conv2D" in node.op or "Depthwise" in node.op]
    assert [i for i, stride in enumerate(strides) if stride == (2, 2)] == [0, 3, 7, 11]  # Conv2d_0, 2, 4, 6
    assert all(node.attrs.dilations == (1, 1) for node in graph.nodes)
    assert len(graph.tensors) == 62
    assert "MobilenetV1_heatmap_1_weights" not in graph.sha256s  # never read


CONV = "MobilenetV1/Conv2d_12_pointwise/weights"


def test_a_variable_missing(spoil):
    spoil(lambda m: m.pop(CONV), "manifest.json", "missing variables", CONV)


def test_an_unknown_variable(spoil):
    spoil(lambda m: m.update(extra=m[CONV]), "manifest.json", "unknown variables: extra")


def test_a_file_of_another_length(spoil):
    spoil(lambda m: m[CONV].update(shape=[1, 1, 256, 255]), "Conv2d_12_pointwise_weights", "expected 261,120 bytes")


def test_a_shape_of_terabytes_allocates_nothing(spoil):
    spoil(lambda m: m[CONV].update(shape=[1 << 30, 1 << 30]), "Conv2d_12_pointwise_weights", "got 262,144")


@pytest.mark.parametrize(
    ("shape", "words"), [([], "expected 4 bytes"), ([256], "expected 1,024 bytes"), ([10**4000], "not a shape")]
)
def test_a_shape_of_no_convolution(spoil, shape, words):
    spoil(lambda m: m[CONV].update(shape=shape), "Conv2d_12_pointwise", words)


def test_a_file_named_by_two_variables(spoil):
    name = "MobilenetV1_Conv2d_11_pointwise_weights"
    spoil(lambda m: m[CONV].update(filename=name), name, "more than once")


def test_nothing_is_read_before_all_is_weighed(half, first_release, tmp_path, monkeypatch):
    path = first_release(half, tmp_path)
    monkeypatch.setattr("posecli.weights.untrusted.MAX_BYTES", 1_000_000)
    opened = []
    monkeypatch.setattr("posecli.weights.untrusted.ModelFolder.read", lambda _, name: opened.append(name) or b"{}")
    monkeypatch.setattr("posecli.weights.tfjs.parse_json", lambda *_: json.loads(path.read_text()))
    with pytest.raises(ConversionError, match=r"too large for a PoseNet.* \(at most 1,000,000\)"):
        read_model(path)
    assert opened == ["manifest.json"]


def test_a_variable_elsewhere(spoil):
    spoil(lambda m: m[CONV].update(filename="../weights"), "not inside its folder", "../weights")


def test_a_variable_without_its_file(spoil):
    spoil(lambda m: m[CONV].update(filename="absent"), "absent", "missing")


@pytest.mark.parametrize("changes", [{"filename": 3}, {"shape": None}])
def test_a_manifest_that_is_wrong(spoil, changes):
    spoil(lambda m: m[CONV].update(changes), "manifest.json", CONV, next(iter(changes)))
