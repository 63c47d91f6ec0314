"""Our networks against the raw heads of the original, where height alone is dilated."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from posecli.networks.build import build_network
from posecli.weights.convert import convert
from posecli.weights.tfjs import read_model

FOLDERS = {"mobilenet": "mobilenet/{}/100", "resnet50": "resnet50/{}"}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("entry", "storage", "stride"),
    [
        ("mobilenet-float-100-s16", "float", 16),
        ("mobilenet-float-100-s8", "float", 8),
        ("mobilenet-quant2-100-s16", "quant2", 16),
        ("resnet50-float-s16", "float", 16),
        ("resnet50-float-s32", "float", 32),
        ("resnet50-quant1-s16", "quant1", 16),
        ("resnet50-quant2-s32", "quant2", 32),
    ],
)
def test_heads_are_those_of_the_original(shared, tmp_path, entry, storage, stride):
    architecture = entry.partition("-")[0]
    folder = shared / "tfjs-mirror/savedmodel/posenet" / FOLDERS[architecture].format(storage)
    script = shared / "scripts/synthetic_shards.py"
    subprocess.run([sys.executable, script, folder / f"model-stride{stride}.json", tmp_path], check=True)
    conversion = convert(read_model(tmp_path))
    network = build_network(conversion.spec, stride, "height")
    network.load_state_dict(conversion.state_dict)

    image = cv2.cvtColor(cv2.imread(str(shared / "images/frisbee.jpg")), cv2.COLOR_BGR2RGB)
    image, kind = (image[:257, :257], "crop257") if architecture == "resnet50" else (image, "513")
    with torch.inference_mode():
        fields = network(network.normalise(torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]))
        fields = fields._replace(heatmaps=fields.heatmaps.sigmoid())

    golden = np.load(shared / f"golden/synthetic-heads-frisbee-{kind}.npz")
    for head, field in fields._asdict().items():
        key = f"{entry}/{head}"
        ours = field[0].permute(1, 2, 0).numpy()
        assert ours.shape == tuple(golden[f"{key}/shape"])
        expected = golden[f"{key}/value"]
        error = np.abs(ours.ravel()[golden[f"{key}/index"]] - expected).max()
        limit = 1e-3 if head == "heatmaps" else 1e-4 * np.abs(expected).max()
        print(f"{key}: largest error {error:.2e}, limit {limit:.2e}")
        assert error < limit
