"""Make the int8 network that ships inside the package, from the bundled weights and the photos in examples/.

    pip install "posecli[int8]"
    python scripts/calibrate_bundled.py

It is for an output stride of 16, where MobileNet 0.75 has no dilation: one network serves both dilation modes.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from posecli.backends.compiled import tensors_digest
from posecli.backends.openvino import Ir, load_openvino
from posecli.backends.quantise import bundled_int8_path, list_photos, load_nncf, pack_bundled, quantise
from posecli.files import write_whole
from posecli.weights.checkpoint import load
from posecli.weights.store import HOME_VARIABLE, bundled_path

EXAMPLES = Path(__file__).parents[1] / "examples"
STRIDE = 16


def main() -> None:
    checkpoint = load(bundled_path())
    photos = list_photos(EXAMPLES)
    about = {
        "weights": tensors_digest(checkpoint.state_dict),
        "stride": STRIDE,
        "dilations": ["both", "height"],
        "photos": {photo.name: sha256(photo.read_bytes()).hexdigest() for photo in photos},
        "openvino": load_openvino().__version__,
        "nncf": load_nncf().__version__,
    }
    with TemporaryDirectory(prefix="posecli-") as folder:
        os.environ[HOME_VARIABLE] = folder  # an empty cache: nothing that an older posecli has made goes into it
        data = pack_bundled(Ir.of(quantise(checkpoint, STRIDE, "both", photos)), about)
    path = bundled_int8_path(checkpoint.spec)
    write_whole(path, data)
    print(f"wrote {path.name}: {len(data):,} bytes, SHA-256 {sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
