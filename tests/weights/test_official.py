"""Every official model through `posecli fetch-weights`, from a server on loopback with Google's layout."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import posecli
from misbehaving_server import MisbehavingServer
from official_models import unhashed
from posecli.cli import app
from posecli.weights import catalog
from posecli.weights.checkpoint import load
from posecli.weights.store import find

# 28 of the 31 JSON files: those of 1.00 at stride 32 are known by their addresses only.
STRIDES = {
    name: [stride for stride, graph in model.graphs.items() if graph.blob_sha1]
    for name, model in catalog.MODELS.items()
}
GOLDEN = {  # stride -> key in ../shared/golden/synthetic-heads-frisbee-crop257.npz
    "resnet50": {16: "resnet50-float-s16", 32: "resnet50-float-s32"},
    "resnet50-quant1": {16: "resnet50-quant1-s16"},
    "resnet50-quant2": {32: "resnet50-quant2-s32"},
}

pytestmark = pytest.mark.shared


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


def test_the_mirror_has_all_but_three_json_files(shared):
    assert sum(map(len, STRIDES.values())) == 28
    assert sum(len(model.graphs) for model in catalog.MODELS.values()) == 31
    assert len(STRIDES) == 16


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
            said = next(line for line in result.stderr.splitlines() if line.startswith(name))
            checkpoint = load(find(name))
            assert find(name).is_relative_to(home)
            assert checkpoint.spec == official.spec
            assert checkpoint.metadata["quantization"] == official.quantization
            assert sum(tensor.numel() for tensor in checkpoint.state_dict.values()) == official.parameters
            useless = official.quantization == "uint8" and official.spec.architecture == "mobilenet_v1"
            with pytest.warns(UserWarning, match="hardly anybody") if useless else nullcontext():
                estimator = posecli.load_estimator(f"{name}@{stride}", dilation="height", score_threshold=0.1)
            people = len(estimator(image))
            print(f"{said.split(' → ')[0]}; {'made-up bodies' if made_up else f'{people} people'}")
            assert made_up or useless or people
            if stride in GOLDEN.get(name, {}):
                assert_heads(estimator.backend(image[None, :257, :257]), shared, GOLDEN[name][stride])
        assert {request.path for request in server.requests} >= {f"/{file.path}" for file in official.weights}
    finally:
        catalog._BY_NAME[name] = official
