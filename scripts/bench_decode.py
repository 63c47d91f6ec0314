"""Time the decoder alone on photos, against its goal: python scripts/bench_decode.py [IMAGES...]

The network runs once per photo, with the bundled weights, on the photo stretched to 513 x 513 px; then `decode` runs
over and over on what came out. Exit code 1 when the slowest photo misses the goal.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

import cv2
import numba
import numpy as np
import torch
from numpy.typing import NDArray

from posecli.decode import decode
from posecli.networks.mobilenet import MobileNetV1
from posecli.options import DecodeOptions
from posecli.weights.checkpoint import load
from posecli.weights.store import find

GOAL_MS = 0.15
SIZE, STRIDE = 513, 16  # network-input px
THRESHOLDS = (0.5, 0.3, 0.1)
MAX_POSES = 20
WARM_UP, CALLS = 50, 400
ROOT = Path(__file__).resolve().parents[1]
SUFFIXES = {".jpg", ".jpeg", ".png"}

Fields = list[NDArray[np.float32]]  # of one image, in the order of `decode`


def default_images() -> list[Path]:
    photos = ROOT.parent / "shared" / "images"
    folder = photos if photos.is_dir() else ROOT / "examples"
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def load_network() -> MobileNetV1:
    checkpoint = load(find("mobilenet-075"))
    network = MobileNetV1(checkpoint.spec, STRIDE)
    network.load_state_dict(checkpoint.state_dict)
    return network.eval()


def fields_of(path: Path, network: MobileNetV1) -> Fields:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        sys.exit(f"{path}: not an image")
    rgb = cv2.resize(image, (SIZE, SIZE))[..., ::-1]
    batch = torch.from_numpy(rgb.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    with torch.inference_mode():
        fields = network(batch)
    return [np.ascontiguousarray(field[0].numpy()) for field in (fields.heatmaps.sigmoid(), *fields[1:])]


def time_decode(fields: Fields, options: DecodeOptions) -> tuple[int, float, float]:
    """Count the people; median and 95th percentile of one call, in ms."""
    for _ in range(WARM_UP):
        people = len(decode(*fields, STRIDE, options))
    times = np.empty(CALLS)
    for call in range(CALLS):
        start = time.perf_counter()
        decode(*fields, STRIDE, options)
        times[call] = time.perf_counter() - start
    return people, float(np.median(times) * 1e3), float(np.percentile(times, 95) * 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the decoder alone on photos.")
    parser.add_argument("images", nargs="*", type=Path, help="default: ../shared/images, else examples/")
    images = parser.parse_args().images or default_images()
    network = load_network()

    print(
        f"{platform.machine()}, Python {platform.python_version()}, numba {numba.__version__}; {CALLS} calls each, ms"
    )
    print(f"{'':24}" + "".join(f"{f'threshold {threshold}, max {MAX_POSES}':>28}" for threshold in THRESHOLDS))
    print(f"{'photo':24}" + f"{'people':>12}{'median':>8}{'p95':>8}" * len(THRESHOLDS))
    slowest = 0.0
    for path in images:
        fields = fields_of(path, network)
        row = f"{path.name:24}"
        for threshold in THRESHOLDS:
            options = DecodeOptions(max_poses=MAX_POSES, score_threshold=threshold, min_pose_score=0.0)
            people, median, p95 = time_decode(fields, options)
            row += f"{people:12}{median:8.3f}{p95:8.3f}"
            slowest = max(slowest, median)
        print(row)
    print(f"slowest median {slowest:.3f} ms, goal {GOAL_MS} ms: {'met' if slowest <= GOAL_MS else 'missed'}")
    sys.exit(slowest > GOAL_MS)


if __name__ == "__main__":
    main()
