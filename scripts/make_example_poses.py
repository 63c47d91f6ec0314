#!/usr/bin/env python3
"""Write src/posecli/assets/example-poses.json, what `posecli doctor` compares with.

    python scripts/make_example_poses.py

The packaged photo is examples/two-pioneers.jpg; its entry in tests/data/golden-default-257.json (the original's poses
with the original's default settings, written by scripts/make_golden.py) is copied with where it comes from.
"""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests/data/golden-default-257.json"
PHOTO = "two-pioneers.jpg"
TARGET = ROOT / "src/posecli/assets/example-poses.json"


def example_poses() -> bytes:
    """The bytes of the file: the same from the same golden."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    document = {
        "note": f"examples/{PHOTO} in {GOLDEN.relative_to(ROOT).as_posix()}; scripts/make_example_poses.py wrote this",
        "reference": golden["reference"],
        "model": golden["model"],
        "settings": golden["settings"],
        "poses": golden["images"][PHOTO],  # x and y in source px, score
    }
    return (json.dumps(document, separators=(",", ":")) + "\n").encode()


if __name__ == "__main__":
    TARGET.write_bytes(example_poses())
    print(TARGET.relative_to(ROOT))
