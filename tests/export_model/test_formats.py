from pathlib import Path

import pytest

from posecli.errors import UsageError
from posecli.export_model.formats import check_precision, default_name, format_of


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.onnx", "onnx"),
        ("a.b/c.ONNX", "onnx"),
        ("a.xml", "openvino"),
        ("a.pt", "torchscript"),
        ("a.ts", "torchscript"),
    ],
)
def test_the_suffix_says_the_format(name: str, format: str) -> None:
    assert format_of(Path(name)) == format
    assert format_of(Path(name), format) == format


def test_without_a_file() -> None:
    assert format_of(None) == "onnx"
    assert format_of(None, "openvino") == "openvino"


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("model", None, r"model: a model is written to a file whose name ends in \.onnx or \.xml or \.pt or \.ts"),
        ("model.tflite", None, r"model\.tflite: a model is written to a file"),
        ("model.onnx", "torchscript", r"a model in torchscript is written to a file whose name ends in \.pt or \.ts"),
        ("model.onnx", "onyx", r"--format must be one of onnx, openvino, torchscript; got 'onyx' \(did you mean onnx"),
        (None, "tflite", "--format must be one of"),
    ],
)
def test_what_is_no_format(name: str | None, format: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        format_of(None if name is None else Path(name), format)


def test_precisions() -> None:
    check_precision("openvino", "int8")
    with pytest.raises(UsageError, match="--format onnx has no --precision int8; choose --format openvino"):
        check_precision("onnx", "int8")
    with pytest.raises(UsageError, match="what runs the file chooses this precision"):
        check_precision("torchscript", "bfloat16")


def test_default_names() -> None:
    assert default_name("mobilenet-075", 16, "onnx", "float32") == "mobilenet-075-stride16.onnx"
    assert default_name("mine", 8, "openvino", "int8") == "mine-stride8-int8.xml"
