"""The catalogue of Google's models: whole, consistent with the networks, and what the mirror has."""

import json
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha1
from pathlib import Path, PurePosixPath

import pytest
import torch
from torch import nn

import make_catalog
from posecli.errors import UsageError
from posecli.networks.build import build_network
from posecli.networks.spec import SPECS, ModelSpec
from posecli.options import DEFAULT_MODEL
from posecli.weights import catalog
from posecli.weights.catalog import COSTS, MODELS, OfficialModel, identify, official

KINDS = ("", "-quant2", "-quant1", "-v1")
BYTES_EACH = {"float32": 4, "uint16": 2, "uint8": 1}

each_model = pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)


def blob_sha1s(model: OfficialModel, stride: int = 16) -> list[str]:
    return [str(file.blob_sha1) for file in model.files(stride)]


# what there is


def test_all_sixteen_models_are_there() -> None:
    mobilenets = [f"mobilenet-{width}{kind}" for width in ("050", "075", "100") for kind in KINDS]
    assert set(MODELS) == {*mobilenets, "mobilenet-101", "resnet50", "resnet50-quant2", "resnet50-quant1"}
    assert all(model.name == name for name, model in MODELS.items())


def test_google_published_27_graphs_and_four_manifests() -> None:
    graphs = [graph for model in MODELS.values() for graph in model.graphs.values()]
    assert sum(model.release == 2 for model in MODELS.values()) == 12
    assert sum(PurePosixPath(graph.path).name == "manifest.json" for graph in graphs) == 4
    assert len(graphs) == 31


def test_only_three_graphs_are_known_by_address_alone() -> None:
    files = [file for model in MODELS.values() for file in (*model.graphs.values(), *model.weights)]
    unknown = {file.path for file in files if file.size is None or file.blob_sha1 is None}
    kinds = ("float", "quant2", "quant1")
    assert unknown == {f"savedmodel/posenet/mobilenet/{kind}/100/model-stride32.json" for kind in kinds}


def test_every_file_has_a_plain_path_and_stands_once() -> None:
    paths = [file.path for model in MODELS.values() for file in (*model.graphs.values(), *model.weights)]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith(("savedmodel/posenet/", "weights/posenet/")) for path in paths)
    assert not any(part in ("", ".", "..") for path in paths for part in path.split("/"))


def test_the_models_that_posecli_names_are_among_them() -> None:
    assert {DEFAULT_MODEL, catalog.RECOMMENDED} <= set(MODELS)


# what a fetch takes


@each_model
def test_every_stride_gives_one_graph_and_all_weights_with_known_hashes(model: OfficialModel) -> None:
    for stride in model.strides:
        graph, *weights = model.files(stride)
        assert graph in model.graphs.values()
        assert tuple(weights) == model.weights
        assert all(file.size and len(str(file.blob_sha1)) == 40 for file in (graph, *weights))
        assert len({PurePosixPath(file.path).parent for file in (graph, *weights)}) == 1


def test_a_stride_has_its_own_graph_where_that_can_be_verified() -> None:
    assert official("resnet50").files(32)[0].path.endswith("float/model-stride32.json")
    assert official("mobilenet-100").files(8)[0].path.endswith("100/model-stride8.json")
    assert official("mobilenet-100").files(32)[0].path.endswith("100/model-stride16.json")
    assert official("mobilenet-101").files(32)[0].path.endswith("mobilenet_v1_101/manifest.json")


@pytest.mark.parametrize(("name", "stride"), [("mobilenet-050", 32), ("resnet50", 8), ("mobilenet-075-v1", 32)])
def test_a_stride_that_the_network_has_not_is_refused(name: str, stride: int) -> None:
    with pytest.raises(UsageError, match=f"no output stride {stride}; choose one of"):
        official(name).files(stride)


@each_model
def test_the_weights_have_the_bytes_of_the_parameters(model: OfficialModel) -> None:
    constants = 16 if model.spec.architecture == "resnet50" else 0  # two paddings of 4 x 2
    size = sum(file.size or 0 for file in model.weights)
    assert size == BYTES_EACH[model.quantization] * (model.parameters + constants)


@each_model
def test_the_size_of_the_download_is_that_of_its_files_at_any_stride(model: OfficialModel) -> None:
    assert {sum(file.size or 0 for file in model.files(stride)) for stride in model.strides} == {model.download_bytes}


# what is known of them


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_costs_are_those_of_the_networks(spec: ModelSpec) -> None:
    flop = 0

    def count(layer: nn.Conv2d, _: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal flop
        flop += 2 * output.numel() * layer.weight[0].numel()

    with torch.device("meta"):
        network = build_network(spec, 16)
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(count)
        network(torch.empty(1, 3, 513, 513))
    assert COSTS[spec.name].parameters == sum(parameter.numel() for parameter in network.parameters())
    assert COSTS[spec.name].gflops == pytest.approx(flop / 1e9, abs=0.005)


@each_model
def test_notes_fit_into_a_table(model: OfficialModel) -> None:
    assert len(model.note) <= 40
    assert model.note.isprintable()
    assert model.licence == "Apache-2.0"
    assert model.gflops > 1


def test_eight_bit_mobilenets_are_called_useless_and_a_better_model_is_named() -> None:
    useless = [model for model in MODELS.values() if model.note.startswith("useless")]
    assert [model.name for model in useless] == [f"mobilenet-{width}-quant1" for width in ("050", "075", "100")]
    for model in useless:
        better = official(model.note.split()[-1])
        assert better.spec == model.spec
        assert better.quantization != "uint8"
        assert model.ap is not None
        assert model.ap < 1


def test_both_releases_of_a_network_are_measured_alike() -> None:
    assert [official(f"mobilenet-{width}-v1").ap for width in ("050", "075")] == [20.8, 29.1]
    assert [official(f"mobilenet-{width}").ap for width in ("050", "075")] == [20.8, 29.1]


# by name and by content


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no official model 'resnet-50' \(did you mean resnet50\?\)"):
        official("resnet-50")


@each_model
def test_a_model_is_recognised_by_its_files_whatever_lies_beside_them(model: OfficialModel) -> None:
    for stride in model.strides:
        assert identify([*blob_sha1s(model, stride), "0" * 40]) == model.name


@each_model
def test_a_model_with_a_file_missing_is_not_recognised(model: OfficialModel) -> None:
    for missing in model.files():
        assert identify({str(file.blob_sha1) for file in model.files()} - {str(missing.blob_sha1)}) is None


def test_nothing_is_not_a_model() -> None:
    assert identify(()) is None


def test_reading_the_catalogue_takes_no_heavy_library() -> None:
    script = (
        "import sys, posecli.weights.catalog; print(*sorted({'torch', 'numpy', 'rich', 'typer'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


# how it is made


def write_mirror(folder: Path, files: Mapping[str, bytes | object], blob_sha1s: Mapping[str, str]) -> Path:
    """A mirror of some files, JSON where the content is not bytes."""
    for name, content in {**files, "git-blob-ids.json": {"files": blob_sha1s}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


SHARDS = [f"group1-shard{n}of11.bin" for n in range(1, 12)]
GRAPH = {
    "weightsManifest": [
        {
            "paths": SHARDS,
            "weights": [
                {"shape": [10 * 1024 * 1024], "dtype": "float32"},
                {"shape": [2, 3], "dtype": "int32", "quantization": {"dtype": "uint16"}},
            ],
        }
    ]
}


def test_the_sizes_of_absent_shards_follow_from_the_graph(tmp_path: Path) -> None:
    hashes = {f"m/{name}": name for name in (*SHARDS, "model-stride16.json")}
    folders = make_catalog.read_mirror(write_mirror(tmp_path, {"m/model-stride16.json": GRAPH}, hashes))
    shards = {name: facts for name, facts in folders["m"].items() if name != "model-stride16.json"}
    assert list(shards) == SHARDS  # 2 before 10
    assert list(shards.values()) == [(4 * 1024 * 1024, name) for name in SHARDS[:10]] + [(12, SHARDS[10])]


def test_heads_that_pose_estimation_does_not_read_are_left_out(tmp_path: Path) -> None:
    heads = ("heatmap_2", "heatmap_1", "segment_2")
    manifest = {f"MobilenetV1/{head}/biases": {"filename": head, "shape": [17]} for head in heads}
    files = {"v1/manifest.json": manifest, "v1/heatmap_2": bytes(4 * 17)}
    hashes = dict.fromkeys(("v1/manifest.json", "v1/heatmap_2"), "hash")
    folders = make_catalog.read_mirror(write_mirror(tmp_path, files, hashes))
    assert folders["v1"] == {"heatmap_2": (68, "hash"), "manifest.json": (len(json.dumps(manifest)), "hash")}


def test_a_mirror_with_a_cut_shard_is_refused(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path, {"m/model-stride16.json": GRAPH, f"m/{SHARDS[10]}": bytes(11)}, {})
    with pytest.raises(SystemExit, match=r"shard11of11.bin: 11 bytes, but model-stride16.json says 12"):
        make_catalog.read_mirror(mirror)


@pytest.mark.shared
def test_the_committed_catalogue_is_what_the_mirror_gives(shared: Path) -> None:
    made = make_catalog.to_json(make_catalog.read_mirror(shared / "tfjs-mirror"))
    assert made.encode() == make_catalog.TARGET.read_bytes()


@pytest.mark.shared
def test_every_file_of_the_mirror_has_the_size_and_the_hash_of_the_catalogue(shared: Path) -> None:
    checked = 0
    for model in MODELS.values():
        for file in (*model.graphs.values(), *model.weights):
            path = shared / "tfjs-mirror" / file.path
            if path.exists():
                data = path.read_bytes()
                assert (len(data), sha1(b"blob %d\0" % len(data) + data).hexdigest()) == (file.size, file.blob_sha1)
                checked += 1
    assert checked == 28 + 8 + 2 * 62  # JSONs; shards of 050 and 075 and of 100 quant1; variables of 050 and 075
