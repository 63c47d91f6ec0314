from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posecli.errors import ConversionError
from posecli.weights.graph import Attrs, Graph, Node, run_graph


def literal_convolution(image, kernel, attrs):
    """Convolution (1, H, W, in) x (kh, kw, in, out) as loops over output pixels, from TensorFlow's own definition."""
    _, height, width, _ = image.shape
    kh, kw, _, out = kernel.shape
    (sh, sw), (dh, dw) = attrs.strides, attrs.dilations
    reach_h, reach_w = (kh - 1) * dh + 1, (kw - 1) * dw + 1
    if attrs.padding == "SAME":
        oh, ow = int(np.ceil(height / sh)), int(np.ceil(width / sw))
        top = max((oh - 1) * sh + reach_h - height, 0) // 2
        left = max((ow - 1) * sw + reach_w - width, 0) // 2
    else:
        oh, ow = int(np.ceil((height - reach_h + 1) / sh)), int(np.ceil((width - reach_w + 1) / sw))
        top = left = 0
    result = np.zeros((1, oh, ow, out))
    for y in range(oh):
        for x in range(ow):
            for i in range(kh):
                for j in range(kw):
                    yy, xx = y * sh + i * dh - top, x * sw + j * dw - left
                    if 0 <= yy < height and 0 <= xx < width:
                        result[0, y, x] += image[0, yy, xx] @ kernel[i, j]
    return result


def run(op, image, *tensors, attrs=None, inputs=None):
    names = [f"t{i}" for i in range(len(tensors))]
    nodes = (
        Node("image", "Placeholder"),
        *(Node(name, "Const") for name in names),
        Node("out", op, ("image", *names) if inputs is None else inputs, attrs or Attrs()),
    )
    constants = dict(zip(names, tensors, strict=True))
    graph = Graph(nodes, constants, {"result": "out"}, Path("model.json"), "graph-model", "float32", {}, {})
    return run_graph(graph, image)["result"]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("size", [(7, 9), (8, 10), (8, 7)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 1)])
@pytest.mark.parametrize("dilations", [(1, 1), (2, 1), (2, 2)])
def test_convolutions_pad_stride_and_dilate_as_tensorflow_defines(rng, padding, size, strides, dilations):
    attrs = Attrs(strides, dilations, padding)
    image = rng.normal(size=(1, *size, 3)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    assert run("Conv2D", image, kernel, attrs=attrs) == pytest.approx(
        literal_convolution(image, kernel, attrs), abs=1e-4
    )

    # Depthwise: a full convolution whose kernel is zero between different channels.
    per_channel = rng.normal(size=(3, 3, 3, 2)).astype(np.float32)
    block = np.zeros((3, 3, 3, 6), np.float32)
    for channel in range(3):
        block[:, :, channel, 2 * channel : 2 * channel + 2] = per_channel[:, :, channel]
    got = run("DepthwiseConv2dNative", image, per_channel, attrs=attrs)
    assert got == pytest.approx(literal_convolution(image, block, attrs), abs=1e-4)


def literal_pool(image, attrs):
    """The largest of each window that lies in the image, as loops over output pixels."""
    _, height, width, channels = image.shape
    (kh, kw), (sh, sw) = attrs.kernel, attrs.strides
    if attrs.padding == "SAME":
        oh, ow = int(np.ceil(height / sh)), int(np.ceil(width / sw))
        top, left = (max((o - 1) * s + k - n, 0) // 2 for o, s, k, n in ((oh, sh, kh, height), (ow, sw, kw, width)))
    else:
        oh, ow = (height - kh) // sh + 1, (width - kw) // sw + 1
        top = left = 0
    result = np.zeros((1, oh, ow, channels), np.float32)
    for y in range(oh):
        for x in range(ow):
            y0, x0 = y * sh - top, x * sw - left
            window = image[0, max(y0, 0) : y0 + kh, max(x0, 0) : x0 + kw]
            result[0, y, x] = window.max(axis=(0, 1))
    return result


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("size", [(7, 9), (8, 10), (8, 7)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 1)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 2), (5, 2)])
def test_pools_pad_and_stride_as_tensorflow_defines(rng, padding, size, strides, kernel):
    """Of negative values too: padding is never the largest."""
    attrs = Attrs(strides, padding=padding, kernel=kernel)
    image = rng.normal(-3, 1, size=(1, *size, 3)).astype(np.float32)
    assert np.array_equal(run("MaxPool", image, attrs=attrs), literal_pool(image, attrs))


@pytest.mark.parametrize("paddings", [((0, 0), (0, 0)), ((1, 1), (1, 1)), ((0, 2), (3, 1))])
def test_pads_put_zeros_around_the_image(rng, paddings):
    image = rng.normal(size=(2, 4, 5, 3)).astype(np.float32)
    constant = np.array([(0, 0), *paddings, (0, 0)], np.int32)
    assert np.array_equal(run("Pad", image, constant), np.pad(image, ((0, 0), *paddings, (0, 0))))


def pad_of(*sides):
    return np.array(sides, np.int32)


@pytest.mark.parametrize(
    ("paddings", "words"),
    [
        (pad_of((0, 0), (1, 1), (1, 1)), r"int32 \(3, 2\), expected int32 \(4, 2\)"),
        (pad_of((0, 0), (1, 1), (1, 1), (0, 0)).astype(np.float32), "paddings of float32"),
        (pad_of((1, 0), (1, 1), (1, 1), (0, 0)), r"paddings of \(1, 0\) images"),
        (pad_of((0, 0), (1, 1), (1, 1), (0, 9)), r"\(0, 9\) channels"),
        (pad_of((0, 0), (1, -1), (1, 1), (0, 0)), "padding of -1 px, expected 0 to 64"),
        (pad_of((0, 0), (1, 1), (2**31 - 1, 1), (0, 0)), "padding of 2147483647 px"),
    ],
)
def test_paddings_that_cannot_be_are_refused(paddings, words):
    image = np.ones((1, 5, 5, 3), np.float32)
    with pytest.raises(ConversionError, match=f"cannot run Pad at node out: .*{words}"):
        run("Pad", image, paddings)


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("MaxPool", Attrs(kernel=(1000, 1000), padding="SAME")),
        ("MaxPool", Attrs(kernel=(9, 9))),  # larger than the image
        ("MaxPool", Attrs(kernel=(0, 1))),
        ("Conv2D", Attrs(dilations=(1000, 1), padding="SAME")),
    ],
)
def test_windows_that_cannot_be_are_refused(op, attrs):
    """Before memory is asked for: an enormous window would pad an enormous image."""
    image, kernel = np.ones((1, 5, 5, 3), np.float32), np.ones((3, 3, 3, 2), np.float32)
    with pytest.raises(ConversionError, match=f"cannot run {op} at node out"):
        run(op, image, *([kernel] if op == "Conv2D" else []), attrs=attrs)


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ("Relu", [0, 0, 0.5, 6, 7]),
        ("Relu6", [0, 0, 0.5, 6, 6]),
        ("Identity", [-7, -0.5, 0.5, 6, 7]),
    ],
)
def test_activations(op, expected):
    image = np.array([-7, -0.5, 0.5, 6, 7], np.float32).reshape(1, 1, 1, 5)
    assert run(op, image).ravel().tolist() == expected


@pytest.mark.parametrize("op", ["BiasAdd", "Add", "AddV2"])
def test_a_bias_is_added_per_channel(rng, op):
    image, bias = rng.normal(size=(1, 2, 3, 5)).astype(np.float32), np.arange(5, dtype=np.float32)
    assert run(op, image, bias) == pytest.approx(image + bias)


@pytest.mark.parametrize(
    ("op", "plain"), [("_FusedConv2D", "Conv2D"), ("FusedDepthwiseConv2dNative", "DepthwiseConv2dNative")]
)
def test_fused_convolutions_equal_their_parts(rng, op, plain):
    image, kernel = rng.normal(size=(1, 5, 5, 4)).astype(np.float32), rng.normal(size=(3, 3, 4, 1)).astype(np.float32)
    convolved = run(plain, image, kernel)
    bias = rng.normal(size=convolved.shape[-1]).astype(np.float32)
    fused = Attrs(fused_ops=("BiasAdd", "Relu6"))
    assert run(op, image, kernel, bias, attrs=fused) == pytest.approx(np.clip(convolved + bias, 0, 6), abs=1e-6)
    assert run(op, image, kernel, attrs=Attrs(fused_ops=("Relu",))) == pytest.approx(np.maximum(convolved, 0), abs=1e-6)


@pytest.mark.parametrize(
    ("op", "attrs", "words"),
    [
        ("Swish", Attrs(), "unknown op Swish at node out"),
        ("_FusedConv2D", Attrs(fused_ops=("BiasAdd", "Elu")), "unknown op Elu at node out"),
        ("_FusedConv2D", Attrs(fused_ops=("Relu",)), "1 further inputs"),
        ("_FusedConv2D", Attrs(fused_ops=("x" * 500,) * 500), r"1 further inputs for xxx.{600,700} and 492 more$"),
        ("Conv2D", Attrs(), "cannot run Conv2D at node out"),
    ],
)
def test_what_cannot_be_run_is_named(rng, op, attrs, words):
    image, kernel, bias = np.ones((1, 5, 5, 3), np.float32), np.ones((3, 3, 3, 2), np.float32), np.ones(2, np.float32)
    with pytest.raises(ConversionError, match=words) as error:
        run(op, image, kernel, bias, attrs=attrs)
    assert "model.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_shapes_that_do_not_fit_are_named():
    image, kernel = np.ones((1, 5, 5, 3), np.float32), np.ones((3, 3, 4, 2), np.float32)
    with pytest.raises(ConversionError, match="cannot run Conv2D at node out"):
        run("Conv2D", image, kernel)


def test_a_graph_without_input_is_refused(model, tmp_path):
    graph = Graph((), {}, {}, Path("model.json"), "graph-model", "float32", {}, {})
    with pytest.raises(ConversionError, match="one Placeholder, got 0"):
        run_graph(graph, np.zeros((1, 5, 5, 3), np.float32))
    assert replace(graph, nodes=(Node("image", "Placeholder"),)).node("Placeholder").name == "image"
