import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from official_models import remote_file, stand_in
from posecli.errors import OutputError, UsageError, WeightsError
from posecli.networks.spec import ModelSpec
from posecli.weights import catalog, store
from posecli.weights import checkpoint as checkpoint_module
from posecli.weights.checkpoint import Checkpoint, caution, load, refuse_source, save
from posecli.weights.convert import convert
from posecli.weights.fetch import fetch
from posecli.weights.tfjs import read_model


@pytest.fixture
def checkpoint(half):
    return Checkpoint(ModelSpec("mobilenet_v1", 0.5), half, {"licence": "Apache-2.0", "source": "a test", "more": "é"})


@pytest.fixture
def path(tmp_path, checkpoint):
    path = tmp_path / "weights [é].safetensors"
    save(path, checkpoint)
    return path


def refused(path, *words):
    with pytest.raises(WeightsError) as error:
        load(path)
    for word in (path.name, *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


# Writing


def test_what_was_saved_is_loaded(path, checkpoint):
    loaded = load(path)
    assert loaded.spec == checkpoint.spec
    assert loaded.state_dict.keys() == checkpoint.state_dict.keys()
    for name, tensor in checkpoint.state_dict.items():
        assert torch.equal(loaded.state_dict[name], tensor)
    assert loaded.metadata.items() >= checkpoint.metadata.items()
    assert loaded.metadata["format"] == "posecli/1"
    assert (loaded.metadata["architecture"], loaded.metadata["multiplier"]) == ("mobilenet_v1", "0.50")
    assert list(path.parent.iterdir()) == [path]


def test_the_same_checkpoint_gives_the_same_bytes(path, tmp_path):
    """The library's own header has its fields in another order at every call."""
    for i in range(5):
        again = tmp_path / f"{i}.safetensors"
        save(again, load(path))
        assert again.read_bytes() == path.read_bytes()


def test_a_conversion_is_saved_with_where_it_came_from(model, tmp_path):
    conversion = convert(read_model(model.write(tmp_path / "model", "uint16")))
    save(tmp_path / "a.safetensors", Checkpoint.of(conversion, licence="Apache-2.0"))
    metadata = load(tmp_path / "a.safetensors").metadata
    assert (metadata["quantization"], metadata["licence"]) == ("uint16", "Apache-2.0")
    assert (metadata["source"], metadata["source_kind"]) == ("model.json", "graph-model")
    assert json.loads(metadata["source_sha256"]) == conversion.sha256s
    assert metadata["check_error"] == "below 1e-04"


@pytest.mark.parametrize("stride", [8, 16])
def test_googles_files_give_the_same_however_they_came(half, build, tmp_path, home, monkeypatch, stride):
    """Fetched, or downloaded otherwise and converted."""
    folder = tmp_path / "mirror" / "mobilenet-050"
    official = stand_in("mobilenet-050", build(half, 16).write(folder).parent)
    (folder / "model.json").rename(folder / "model-stride16.json")
    build(half, 8).write(folder).rename(folder / "model-stride8.json")
    graphs = {
        stride: remote_file(path, f"mobilenet-050/{path.name}")
        for stride in (8, 16)
        for path in [folder / f"model-stride{stride}.json"]
    }
    official = replace(official, graphs=graphs)
    monkeypatch.setitem(catalog._BY_NAME, "mobilenet-050", official)
    fetched = fetch(official, [str(tmp_path / "mirror")], stride=stride).path

    conversion = convert(read_model(folder / f"model-stride{stride}.json"))
    converted = Checkpoint.of(conversion)
    save(tmp_path / "converted.safetensors", converted)
    assert (tmp_path / "converted.safetensors").read_bytes() == fetched.read_bytes()
    assert converted.metadata["name"] == "mobilenet-050"
    assert converted.metadata["source"] == f"{catalog.BASE_URL}mobilenet-050/model-stride{stride}.json"
    assert converted.metadata["licence"] == "Apache-2.0"
    mine = Checkpoint.of(conversion, name="mine", source="a copy", licence="other").metadata
    assert [mine[key] for key in ("name", "source", "licence")] == ["mine", "a copy", "other"]


def test_weights_of_ones_own_have_no_licence_of_googles(model, tmp_path):
    metadata = Checkpoint.of(convert(read_model(model.write(tmp_path)))).metadata
    assert "licence" not in metadata
    assert metadata["source"] == "model.json"


def test_a_caution_stays_short():
    said = caution(ModelSpec("mobilenet_v1", 0.5), {"quantization": "uint8", "name": "x\n" * 100_000})
    assert said is not None
    assert len(said) < 200
    assert "\n" not in said
    assert caution(ModelSpec("mobilenet_v1", 0.5), {"quantization": "uint16"}) is None
    assert caution(ModelSpec("resnet50", None), {"quantization": "uint8"}) is None


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, checkpoint, monkeypatch):
    before = path.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
        save(path, replace(checkpoint, metadata={}))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_the_way(checkpoint, tmp_path):
    (tmp_path / "a.safetensors").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        save(tmp_path / "a.safetensors", checkpoint)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.safetensors"]


@pytest.mark.parametrize("name", [".", "mobilenet-075", "model.json", "weights.bin", ".safetensors"])
def test_a_name_that_says_something_else_is_refused(checkpoint, tmp_path, monkeypatch, name):
    """`--model mobilenet-075` would be the bundled model, and a .json one that is to be converted."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"ends in \.safetensors; choose such a name with -o") as error:
        save(Path(name), checkpoint)
    assert str(error.value).startswith(f"{name}: ")
    assert list(tmp_path.iterdir()) == []


def test_the_case_of_a_suffix_does_not_matter(checkpoint, tmp_path):
    save(tmp_path / "A.SAFETENSORS", checkpoint)
    assert load(tmp_path / "A.SAFETENSORS").spec == checkpoint.spec


def test_the_model_that_is_converted_is_not_overwritten(model, tmp_path, monkeypatch):
    path = model.write(tmp_path / "model")
    shard = path.with_name("shard.safetensors")
    path.with_name("group1-shard2of5.bin").rename(shard)
    path.write_text(path.read_text().replace("group1-shard2of5.bin", shard.name))
    conversion = convert(read_model(path))
    monkeypatch.chdir(path.parent)
    os.link(shard, tmp_path / "link.safetensors")
    for target in (path, shard, Path("shard.safetensors"), Path("../model/model.json"), tmp_path / "link.safetensors"):
        with pytest.raises(UsageError, match="a file of the model that is converted; choose another name") as error:
            refuse_source(target, conversion)
        assert str(target) in str(error.value)
    for target in (tmp_path / "new.safetensors", tmp_path / "absent" / "new.safetensors", Path("x" * 5000)):
        refuse_source(target, conversion)
    (tmp_path / "other.safetensors").write_bytes(shard.read_bytes())
    refuse_source(tmp_path / "other.safetensors", conversion)


def test_a_folder_that_is_not_there_is_made(checkpoint, tmp_path):
    save(tmp_path / "new" / "a.safetensors", checkpoint)
    assert load(tmp_path / "new" / "a.safetensors").spec == checkpoint.spec


# Reading what is not right


@pytest.mark.parametrize("length", [0, 4, 8, 100, 5000, -1])
def test_a_truncated_file(path, length):
    path.write_bytes(path.read_bytes()[:length])
    refused(path, "not a whole safetensors file", "again")


def test_a_page_instead_of_weights(path):
    path.write_text("<!DOCTYPE html><html><body>Not found</body></html>")
    refused(path, "not a whole safetensors file", "again")


def test_a_changed_bit(path):
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    refused(path, "damaged", "again")


def test_a_path_where_nothing_is(tmp_path):
    refused(tmp_path / "absent.safetensors", "no such weights file")


def test_a_tfjs_model_is_to_be_converted_first(model, tmp_path):
    refused(model.write(tmp_path), "posecli convert-weights", "model.json")
    refused(tmp_path, "posecli convert-weights")


@pytest.mark.parametrize(
    ("name", "is_model"),
    [
        ("model.json", True),
        ("model-stride16.json", True),
        ("manifest.json", True),
        ("package.json", False),
        ("photo.jpg", False),
        ("weights.safetensors", False),
    ],
)
def test_a_folder_is_a_tfjs_model_only_if_it_holds_one(tmp_path, name, is_model):
    folder = tmp_path / "folder"
    folder.mkdir()
    refused(folder, ": a folder; --model takes a .safetensors file")
    (folder / name).touch()
    refused(folder, "a TF.js model; convert it first" if is_model else ": a folder; --model takes a .safetensors file")


def test_a_tfjs_model_that_is_not_there_is_not_to_be_converted(tmp_path):
    refused(tmp_path / "model.json", "no such weights file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name on this system")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    refused(tmp_path / "pipe.safetensors", "not a file", "--model takes a .safetensors file")


def with_header(path, change=None, length=None):
    """Write a file anew, its header changed by a function, or claimed to have another length."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    if change:
        change(header)
    encoded = json.dumps(header).encode()
    path.write_bytes((length or len(encoded)).to_bytes(8, "little") + encoded + data[end:])
    return path


@pytest.mark.parametrize("length", [1, 10**7, 10**8 + 1, 1 << 63, (1 << 64) - 1])
def test_a_header_of_another_length_than_it_says(path, length):
    refused(with_header(path, length=length), "not a whole safetensors file", "again")


def test_an_enormous_header_is_not_parsed(path, monkeypatch):
    def pad(length):
        data = path.read_bytes()
        end = 8 + int.from_bytes(data[:8], "little")
        path.write_bytes(length.to_bytes(8, "little") + data[8:end].rstrip().ljust(length) + data[end:])

    pad(store.MAX_HEADER_BYTES)
    assert load(path).spec == ModelSpec("mobilenet_v1", 0.5)
    pad(store.MAX_HEADER_BYTES + 8)
    monkeypatch.setattr(checkpoint_module, "safe_open", None)
    refused(path, "not a whole safetensors file (a header of 1,000,008 bytes, at most 1,000,000)", "again")


def test_what_the_library_says_is_shown_in_part(path):
    with pytest.raises(WeightsError, match=r"not a whole safetensors file .*unknown variant `xx") as error:
        load(with_header(path, lambda header: header["stem.bias"].update(dtype="x" * 100_000)))
    assert len(str(error.value)) < 1000


def test_a_file_that_cannot_be_read_is_named(path, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    refused(path, "cannot be read (Permission denied)", "--model")


@pytest.mark.parametrize("value", [None, 0.5, ["0.50"], {"a": "0.50"}, float("nan")])
def test_metadata_that_is_no_text(path, value):
    refused(
        with_header(path, lambda header: header["__metadata__"].update(multiplier=value)),
        "not a whole safetensors file",
        "again",
    )


@pytest.mark.parametrize("metadata", [[], "text", 3])
def test_metadata_of_another_kind(path, metadata):
    refused(with_header(path, lambda header: header.update(__metadata__=metadata)), "not a whole", "again")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("format", ("not weights of posecli", "posecli convert-weights")),
        ("architecture", ("unknown network, architecture None, multiplier '0.50'", "again")),
        ("multiplier", ("unknown network, architecture 'mobilenet_v1', multiplier None", "again")),
        ("sha256", ("damaged", "again")),
    ],
)
def test_metadata_missing(path, key, words):
    refused(with_header(path, lambda header: header["__metadata__"].pop(key)), *words)


@pytest.mark.parametrize("shape", [[1 << 62, 4], [-1], [], [17]])
def test_a_shape_that_its_bytes_do_not_fill(path, shape):
    refused(with_header(path, lambda header: header["stem.bias"].update(shape=shape)), "not a whole", "again")


def test_weights_of_something_else(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", "not weights of posecli", "posecli convert-weights")


def spoiled(path, half, spec=None, **tensors):
    """A file like one of ours but for some tensors (None: left out) or for what it says it is."""
    changed = {name: tensor for name, tensor in {**half, **tensors}.items() if tensor is not None}
    metadata = {"format": "posecli/1", "architecture": "mobilenet_v1", "multiplier": "0.50"}
    save_file(changed, path, {**metadata, "sha256": checkpoint_module._digest(half), **(spec or {})})
    return path


def test_no_code_in_a_file_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    path = tmp_path / "weights.safetensors"
    for data in (pickle.dumps(Trap()), b"\x80\x02" + pickle.dumps(Trap(), 2)):
        path.write_bytes(data)
        refused(path)
    torch.save({"trap": Trap()}, path)
    refused(path)
    assert not (tmp_path / "sprung").exists()


def test_tensors_missing_or_unknown(half, path):
    refused(spoiled(path, half, **{"stem.weight": None}), "missing tensors: stem.weight", "again")
    refused(spoiled(path, half, stray=torch.zeros(1)), "unknown tensors: stray", "again")
    refused(spoiled(path, half, **{"a\n\x1b[2J": torch.zeros(1)}), r"unknown tensors: 'a\n\x1b[2J'", "again")
    refused(spoiled(path, {"stem.weight": half["stem.weight"]}), "missing tensors: blocks.0.", " and 53 more;", "again")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(17),
        torch.zeros(16, 1),
        torch.zeros(16).half(),
        torch.zeros(16).double(),
        torch.zeros(16, dtype=torch.int64),
    ],
)
def test_tensors_of_another_shape_or_kind(half, path, tensor):
    refused(spoiled(path, half, **{"stem.bias": tensor}), "stem.bias", "expected F32 (16,)", "again")


@pytest.mark.parametrize(
    "spec",
    [
        {"architecture": "resnet50"},
        {"multiplier": "2.00"},
        {"multiplier": "abc"},
        {"multiplier": "nan"},
        {"multiplier": "0.5"},
        {"multiplier": ""},
    ],
)
def test_an_unknown_network(half, path, spec):
    refused(spoiled(path, half, spec), "unknown network", *map(repr, spec.values()), "update posecli", "again")


def test_a_network_whose_name_would_break_the_line(half, path):
    refused(spoiled(path, half, {"multiplier": "1\n\x1b[31m" + "x" * 10_000}), "unknown network", r"'1\n\x1b[31mxxx")


def test_another_width_than_it_says(half, path):
    refused(spoiled(path, half, {"multiplier": "0.75"}), "expected F32 (24, 3, 3, 3), got F32 (16, 3, 3, 3)")


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_values_that_are_not_finite(path, checkpoint, value):
    bias = checkpoint.state_dict["stem.bias"].clone()
    bias[3] = value
    save(path, replace(checkpoint, state_dict={**checkpoint.state_dict, "stem.bias": bias}))
    refused(path, "not finite", "stem.bias")


# Finding
