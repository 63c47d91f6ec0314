"""Show how AP changes with each constant of the accurate decoder: a Markdown table.

    python scripts/decoder_sensitivity.py --images DIR --annotations FILE [--size 353 513]

The network runs once per image and size; then each variant of the decoder, made from a copy of its source in which one
constant has another value, decodes what came out. AP is that of pycocotools (extra eval), on all images and,
for the defaults, on the two halves that every other image makes, by id.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecli.backends.torch import TorchBackend
from posecli.coco import Annotations, CocoImage, read_annotations, stills
from posecli.decode import hough
from posecli.decode.handover import hand_over
from posecli.errors import PosecliError
from posecli.evaluate.scoring import check_scoring, score
from posecli.poses import Poses
from posecli.preprocess import Resize
from posecli.sinks.coco import coco_results
from posecli.sources import Frame
from posecli.weights.checkpoint import load
from posecli.weights.store import find

FACTORS = (0.5, 0.7, 1.4, 2.0)
CONSTANTS = (
    "VOTING_RADIUS", "VOTE_SIGMA", "SETTLE_STEPS", "SETTLED", "OFFSET_STEPS", "SECOND_LOOK_GAIN", "LOCALISATION_ERROR",
    "SEEN",
)  # fmt: skip
MODEL, STRIDE = "mobilenet-075", 16
MAX_POSES, SCORE_THRESHOLD, NMS_RADIUS = 20, 0.1, 20.0

Number = float | int
Decoder = Callable[..., tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True)
class Seen:
    """One image as the network saw it."""

    id: int
    plan: Resize
    fields: tuple[NDArray[np.float32], ...]  # in the order of `decode`


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Show how AP changes with each constant of the accurate decoder.")
    parser.add_argument("--images", type=Path, required=True, help="folder of the annotated images")
    parser.add_argument("--annotations", type=Path, required=True, help="COCO person keypoints")
    parser.add_argument("--size", type=int, nargs="+", default=[513], help="long sides, network-input px")
    arguments = parser.parse_args(argv)
    try:
        report(arguments.images, arguments.annotations, arguments.size)
    except PosecliError as error:
        sys.exit(f"error: {error}")


def report(folder: Path, annotation_file: Path, sizes: Sequence[int]) -> None:
    """Print both tables."""
    annotations = read_annotations(annotation_file)
    check_scoring()
    seen = {size: see(annotations.images, folder, size) for size in sizes}
    print("\n".join(halves(annotations, seen)), end="\n\n", flush=True)
    for line in table(annotations, seen):
        print(line, flush=True)


def see(images: tuple[CocoImage, ...], folder: Path, size: int) -> list[Seen]:
    """Run the network on every image. Raises InputError at one that cannot be read."""
    backend = TorchBackend(load(find(MODEL)), STRIDE)
    seen = []
    for item in stills(images, folder):
        if not isinstance(item, Frame):
            raise item.error
        plan = Resize.plan(item.image.shape[:2], size, STRIDE, "aspect")
        fields = tuple(field[0].numpy() for field in backend(plan.apply(item.image)[None]))
        seen.append(Seen(images[item.index].id, plan, fields))
    return seen


def halves(annotations: Annotations, seen: Mapping[int, list[Seen]]) -> Iterator[str]:
    """The rows of the defaults: AP on all images and on either half."""
    yield "| size | AP | AP, even images | AP, odd images |"
    yield "|---|---|---|---|"
    for size, images in seen.items():
        results, ids = decoded(hough.decode_hough, images), sorted(image.id for image in images)
        parts = (ids, ids[::2], ids[1::2])
        yield f"| {size} | " + " | ".join(f"{ap(annotations, part, results):.2f}" for part in parts) + " |"


def table(annotations: Annotations, seen: Mapping[int, list[Seen]]) -> Iterator[str]:
    """A row per constant and value: AP and how it differs from that of the defaults, per size."""
    ids = {size: [image.id for image in images] for size, images in seen.items()}

    def measured(decoder: Decoder) -> list[float]:
        return [ap(annotations, ids[size], decoded(decoder, images)) for size, images in seen.items()]

    usual = measured(hough.decode_hough)
    yield "| constant | value |" + "".join(f" AP at {size} | difference |" for size in seen)
    yield "|---|---|" + "---|---|" * len(seen)
    for constant in CONSTANTS:
        default = getattr(hough, constant)
        for value in sorted([*values_around(default), default]):
            found = usual if value == default else measured(variant(constant, value))
            cells = [
                f" {each:.2f} | {'' if value == default else f'{each - before:+.2f}'} |"
                for each, before in zip(found, usual, strict=True)
            ]
            yield f"| {constant} | {value:g}{' (default)' if value == default else ''} |" + "".join(cells)


def values_around(default: Number) -> list[Number]:
    """The default times each factor; of a count, the whole numbers nearest to them, and at least the next ones."""
    if isinstance(default, int):
        steps = {max(round(default * factor), 1) for factor in FACTORS} | {default - 1, default + 1}
        return sorted(steps - {default})
    return [default * factor for factor in FACTORS]


def variant(constant: str, value: Number) -> Decoder:
    """The decoder with another constant: in its source, as numba takes a module's globals for constants."""
    source = Path(hough.__file__).read_text(encoding="utf-8")
    changed, count = re.subn(rf"^{constant} = [\d.]+", f"{constant} = {value!r}", source, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{constant}: expected once in {hough.__file__}, found {count} times")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hough_variant.py"
        path.write_text(changed, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        compile_now(module.decode_hough)  # while the source is there
    decoder: Decoder = module.decode_hough
    return decoder


def compile_now(decoder: Decoder) -> None:
    fields = [np.zeros((channels, 1, 1), np.float32) for channels in (17, 34, 32, 32)]
    decoder(*fields, STRIDE, MAX_POSES, SCORE_THRESHOLD, NMS_RADIUS)


def decoded(decoder: Decoder, images: list[Seen]) -> list[dict[str, Any]]:
    """COCO's results of what a decoder finds on the images."""
    results: list[dict[str, Any]] = []
    for image in images:
        poses = Poses(*hand_over(*decoder(*image.fields, STRIDE, MAX_POSES, SCORE_THRESHOLD, NMS_RADIUS), 0.0))
        results += coco_results(image.id, poses.with_xy(image.plan.restore(poses.xy)))
    return results


def ap(annotations: Annotations, ids: list[int], results: list[dict[str, Any]]) -> float:
    """AP in per cent."""
    return 100 * score(annotations, ids, results).stats["AP"]


if __name__ == "__main__":
    main()
