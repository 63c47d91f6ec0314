#!/usr/bin/env python3
"""Write tests/data/golden-*.json: the poses that Google's own code finds in the example photos.

    npm install --prefix scripts/tfjs
    python scripts/make_golden.py MODELS

MODELS is a folder laid out as https://storage.googleapis.com/tfjs-models/savedmodel/posenet/mobilenet/, with the
JSON and shards of float/075. Node runs @tensorflow-models/posenet 2.2.2 (wasm) on the very pixels that posecli reads.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import cv2

from posecli.sources import read_image

ROOT = Path(__file__).parents[1]
CASES = {  # name -> settings beside those of BASE
    "default-257": {"resolution": 257, "max": 5},
    "score-0.5-513": {},
    "score-0.1-513": {"score": 0.1},
    "stride-8-353": {"stride": 8, "resolution": 353},
    "single-513": {"single": True},
    "flip-353": {"resolution": 353, "flip": True},
}
BASE = {
    "stride": 16,
    "multiplier": 0.75,
    "resolution": 513,
    "max": 20,
    "score": 0.5,
    "nms": 20,
    "single": False,
    "flip": False,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, help="folder with float/075/model-stride{8,16}.json")
    models = parser.parse_args().models
    photos = sorted(p for p in (ROOT / "examples").iterdir() if p.suffix in {".jpg", ".png"})
    with tempfile.TemporaryDirectory() as folder:
        pictures = [str(Path(folder, f"{photo.name}.png")) for photo in photos]
        for photo, picture in zip(photos, pictures, strict=True):
            cv2.imwrite(picture, read_image(photo, photo.name)[..., ::-1])
        for case, changes in CASES.items():
            settings = BASE | changes
            model = models / f"float/075/model-stride{settings['stride']}.json"
            command = [
                "node",
                str(ROOT / "scripts/tfjs/poses.js"),
                json.dumps({**settings, "model": str(model.resolve())}),
            ]
            run = subprocess.run([*command, *pictures], check=True, stdout=subprocess.PIPE, text=True)
            golden = {
                "reference": "@tensorflow-models/posenet 2.2.2 on tfjs-backend-wasm 3.21.0",
                "model": "mobilenet-075",
                "settings": settings,
                "images": {
                    photo.name: [compact(pose) for pose in poses]
                    for photo, poses in zip(photos, json.loads(run.stdout), strict=True)
                },
            }
            target = ROOT / f"tests/data/golden-{case}.json"
            target.write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n")
            print(target.relative_to(ROOT), {name: len(poses) for name, poses in golden["images"].items()})


def compact(pose: dict) -> dict:
    """One pose as {"score": s, "keypoints": [[x, y, score] x 17]}, in the original's part order."""
    parts = [(k["position"]["x"], k["position"]["y"], k["score"]) for k in pose["keypoints"]]
    return {"score": round(pose["score"], 6), "keypoints": [[round(v, 5) for v in part] for part in parts]}


if __name__ == "__main__":
    main()
