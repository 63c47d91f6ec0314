"""Time the decoders alone on photos, against their goals: python scripts/bench_decode.py [IMAGES...]

The network runs once per photo, with the bundled weights, on the photo stretched to 513 x 513 px; then `decode` runs
over and over on what came out, with the original's algorithm (tfjs) and ours (accurate). Exit code 1 where a goal is
missed: for tfjs by the slowest photo, for accurate by the median photo, at any of its thresholds.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numba
import numpy as np
import torch
from numpy.typing import NDArray

from posecli.decode import decode
from posecli.networks.mobilenet import MobileNetV1
from posecli.options import DecodeOptions, Decoder
from posecli.weights.checkpoint import load
from posecli.weights.store import find

SLOWEST_TFJS_MS = 0.15
MEDIAN_ACCURATE_MS = 0.5
SIZE, STRIDE = 513, 16  # network-input px
MAX_POSES = 20
WARM_UP, CALLS = 50, 400
ROOT = Path(__file__).resolve().parents[1]
SUFFIXES = {".jpg", ".jpeg", ".png"}

Fields = list[NDArray[np.float32]]  # of one image, in the order of `decode`


@dataclass(frozen=True)
class Trial:
    """One column: a decoder with a threshold."""

    decoder: Decoder
    threshold: float

    @property
    def options(self) -> DecodeOptions:
        """What it decodes with."""
        return DecodeOptions(
            decoder=self.decoder, max_poses=MAX_POSES, score_threshold=self.threshold, min_pose_score=0.0
        )


TRIALS = [Trial(decoder, threshold) for decoder in ("tfjs", "accurate") for threshold in (0.5, 0.3, 0.1)]


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


def print_rows(images: list[Path], network: MobileNetV1) -> NDArray[np.float64]:
    """Print a row per photo; its median times, (photos, trials) in ms."""
    print(f"{'':24}" + "".join(f"{f'{trial.decoder} {trial.threshold}':>24}" for trial in TRIALS))
    print(f"{'photo':24}" + f"{'people':>8}{'median':>8}{'p95':>8}" * len(TRIALS))
    medians = np.empty((len(images), len(TRIALS)))
    for photo, path in enumerate(images):
        fields = fields_of(path, network)
        row = f"{path.name:24}"
        for column, trial in enumerate(TRIALS):
            people, medians[photo, column], p95 = time_decode(fields, trial.options)
            row += f"{people:8}{medians[photo, column]:8.3f}{p95:8.3f}"
        print(row, flush=True)
    for name, over_photos in (("median photo", np.median(medians, axis=0)), ("slowest photo", medians.max(axis=0))):
        print(f"{name:24}" + "".join(f"{'':8}{time_ms:8.3f}{'':8}" for time_ms in over_photos))
    return medians


def meets(what: str, worst_ms: float, goal_ms: float) -> bool:
    """Print whether a goal is met."""
    print(f"{what} {worst_ms:.3f} ms, goal {goal_ms} ms: {'met' if worst_ms <= goal_ms else 'missed'}")
    return worst_ms <= goal_ms


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the decoders alone on photos.")
    parser.add_argument("images", nargs="*", type=Path, help="default: ../shared/images, else examples/")
    images = parser.parse_args().images or default_images()
    machine = f"{platform.machine()}, Python {platform.python_version()}, numba {numba.__version__}"
    print(f"{machine}; decoder and threshold, at most {MAX_POSES} poses; {CALLS} calls each, ms")
    medians = print_rows(images, load_network())
    is_tfjs = np.array([trial.decoder == "tfjs" for trial in TRIALS])
    met = [
        meets("tfjs, slowest photo", float(medians[:, is_tfjs].max()), SLOWEST_TFJS_MS),
        meets("accurate, median photo", float(np.median(medians[:, ~is_tfjs], axis=0).max()), MEDIAN_ACCURATE_MS),
    ]
    sys.exit(not all(met))


if __name__ == "__main__":
    main()
