"""Every official model through `posecli fetch-weights`, from a server on loopback with Google's layout.

What is missing of Google's weights is made up here; scripts/official_report.py tells what comes of the others.
"""

import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import official_report
import posecli
from misbehaving_server import MisbehavingServer
from official_models import stand_in, unhashed
from posecli.cli import app
from posecli.errors import PosecliWarning
from posecli.weights import catalog
from posecli.weights.checkpoint import load
from posecli.weights.store import find

# 28 of the 31 JSON files: those of 1.00 at stride 32 are known by their addresses only.
STRIDES = {name: official_report.strides(model) for name, model in catalog.MODELS.items()}
GOLDEN = {  # stride -> key in ../shared/golden/synthetic-heads-frisbee-crop257.npz
    "resnet50": {16: "resnet50-float-s16", 32: "resnet50-float-s32"},
    "resnet50-quant1": {16: "resnet50-quant1-s16"},
    "resnet50-quant2": {32: "resnet50-quant2-s32"},
}


@pytest.fixture
def server(shared):
    with MisbehavingServer() as server:
        server.mount("/", shared / "tfjs-mirror")
        yield server


def make_up_what_is_missing(model, server, shared: Path, folder: Path) -> bool:
    """Put made-up bodies beside those of the mirror that are missing; the catalogue then knows no hash for them."""
    mirror = shared / "tfjs-mirror"
    missing = [file.path for file in model.weights if not (mirror / file.path).exists()]
    if missing:
        graph = model.files()[0].path
        script = shared / "scripts/synthetic_shards.py"
        subprocess.run([sys.executable, script, mirror / graph, folder], check=True)
        server.mount(f"/{graph.rpartition('/')[0]}", folder)
        catalog._BY_NAME[model.name] = unhashed(model, *missing)
    return bool(missing)


@pytest.mark.shared
def test_the_mirror_has_all_but_three_json_files(shared):
    graphs = [graph for model in catalog.MODELS.values() for graph in model.graphs.values()]
    there = [graph for graph in graphs if (shared / "tfjs-mirror" / graph.path).exists()]
    assert there == [graph for graph in graphs if graph.blob_sha1]
    assert (len(STRIDES), len(there), len(graphs)) == (16, 28, 31)


def assert_heads(fields, shared: Path, key: str) -> None:
    """Against the raw heads of the original: 1000 values of each, the heatmap's after the sigmoid."""
    golden = np.load(shared / "golden/synthetic-heads-frisbee-crop257.npz")
    for head, field in fields._asdict().items():
        ours = field[0].permute(1, 2, 0).numpy()
        assert ours.shape == tuple(golden[f"{key}/{head}/shape"])
        expected = golden[f"{key}/{head}/value"]
        error = np.abs(ours.ravel()[golden[f"{key}/{head}/index"]] - expected).max()
        limit = 1e-3 if head == "heatmaps" else 1e-4 * np.abs(expected).max()
        print(f"{key}/{head}: largest error {error:.2e}, limit {limit:.2e}")
        assert error < limit


@pytest.mark.shared
@pytest.mark.parametrize("name", STRIDES)
def test_it_is_fetched_verified_and_usable(name, server, shared, home, tmp_path):
    official = catalog.MODELS[name]
    image = cv2.cvtColor(cv2.imread(str(shared / "images/frisbee.jpg")), cv2.COLOR_BGR2RGB)
    try:
        made_up = make_up_what_is_missing(official, server, shared, tmp_path / "bodies")
        for stride in STRIDES[name]:
            words = ["fetch-weights", f"{name}@{stride}", "--base-url", server.url, "--force"]
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 0, result.output
            checkpoint = load(find(name))
            assert find(name).is_relative_to(home)
            assert checkpoint.spec == official.spec
            assert checkpoint.metadata["quantization"] == official.quantization
            assert sum(tensor.numel() for tensor in checkpoint.state_dict.values()) == official.parameters
            useless = official.quantization == "uint8" and official.spec.architecture == "mobilenet_v1"
            # The fastest backend takes seconds to convert a model: one of each network runs there.
            backend = "auto" if name in ("mobilenet-075", "resnet50") else "torch"
            options = {"dilation": "height", "score_threshold": 0.1, "backend": backend, "size": 257}
            with pytest.warns(PosecliWarning, match="hardly anybody") if useless else nullcontext():
                estimator = posecli.load_estimator(f"{name}@{stride}", **options)
            assert len(estimator(image)) or made_up or useless
            if stride in GOLDEN.get(name, {}):
                assert_heads(estimator.backend(image[None, :257, :257]), shared, GOLDEN[name][stride])
        assert {request.path for request in server.requests} >= {f"/{file.path}" for file in official.weights}
    finally:
        catalog._BY_NAME[name] = official


# scripts/official_report.py


@pytest.fixture
def mirror(half, build, tmp_path, monkeypatch) -> Path:
    """A mirror with nothing but a small mobilenet-050, which takes the official one's place."""
    files = build(half).write(tmp_path / "mirror (1)" / "mobilenet-050").parent
    monkeypatch.setitem(catalog._BY_NAME, "mobilenet-050", stand_in("mobilenet-050", files))
    return files.parent


def cells(output: str) -> dict[tuple[str, str], list[str]]:
    """The other cells of a Markdown table by those of its first two columns."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if "|" in line]
    return {(name, stride): rest for name, stride, *rest in rows[2:]}


def test_the_report_tells_what_comes_of_each_model(mirror, home, capsys):
    assert official_report.main([str(mirror), "--markdown"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    table = cells(out)
    files, size_mb, parameters, stored, error, people, seconds, missing = table.pop(("mobilenet-050", "16"))
    assert (files, parameters, stored, missing) == ("6 of 6", "577,459", "float32", "")
    assert float(size_mb) == pytest.approx(sum(file.stat().st_size for file in mirror.rglob("*.*")) / 1e6, abs=0.005)
    assert 0 < float(error) < 1e-4
    assert int(people) >= 0
    assert float(seconds) > 0
    assert len(table) == 26  # the small one has one stride only
    for (name, stride), (count, *_, missing) in table.items():
        assert count == f"0 of {len(catalog.MODELS[name].files(int(stride)))}"
        assert re.fullmatch(r"(model-stride\d+|manifest)\.json: no such file", missing)
    assert out.endswith("\n1 of 27 fetched, verified, converted and used: 1 of 16 models\n")
    assert not home.exists()
    assert os.environ["POSECLI_HOME"] == str(home)


def test_the_report_says_what_is_wrong_with_a_file(mirror, capsys):
    shard = mirror / "mobilenet-050" / "group1-shard2of5.bin"
    shard.write_bytes(bytes(shard.stat().st_size))
    assert official_report.main([str(mirror)]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("mobilenet-050 "))
    assert re.fullmatch(r"mobilenet-050 +16 +2 of 6 +0\.\d\d +float32 +group1-shard2of5\.bin: .*SHA-1 is wrong", row)


@pytest.mark.parametrize("words", [["absent"], [".", "--photo", __file__]])
def test_the_report_refuses_what_it_cannot_use(words, capsys):
    assert official_report.main(words) > 0
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: ")
