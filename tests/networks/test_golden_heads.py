"""Our network against the raw heads of the original, where height alone is dilated."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from posecli.networks.mobilenet import MobileNetV1
from posecli.weights.convert import convert
from posecli.weights.tfjs import read_model


@pytest.mark.shared
@pytest.mark.parametrize("model", ["float-100-s16", "float-100-s8", "quant2-100-s16"])
def test_heads_are_those_of_the_original(shared, tmp_path, model):
    storage, multiplier, stride = model.split("-")
    name = f"savedmodel/posenet/mobilenet/{storage}/{multiplier}/model-stride{stride[1:]}.json"
    script = shared / "scripts/synthetic_shards.py"
    subprocess.run([sys.executable, script, shared / "tfjs-mirror" / name, tmp_path], check=True)
    conversion = convert(read_model(tmp_path))
    network = MobileNetV1(conversion.spec, int(stride[1:]), "height")
    network.load_state_dict(conversion.state_dict)

    image = cv2.cvtColor(cv2.imread(str(shared / "images/frisbee.jpg")), cv2.COLOR_BGR2RGB)
    with torch.inference_mode():
        fields = network(torch.from_numpy(image.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None])
        fields = fields._replace(heatmaps=fields.heatmaps.sigmoid())

    golden = np.load(shared / "golden/synthetic-heads-frisbee-513.npz")
    for head, field in fields._asdict().items():
        key = f"mobilenet-{model}/{head}"
        ours = field[0].permute(1, 2, 0).numpy()
        assert ours.shape == tuple(golden[f"{key}/shape"])
        expected = golden[f"{key}/value"]
        error = np.abs(ours.ravel()[golden[f"{key}/index"]] - expected).max()
        limit = 1e-3 if head == "heatmaps" else 1e-4 * np.abs(expected).max()
        print(f"{key}: largest error {error:.2e}, limit {limit:.2e}")
        assert error < limit
