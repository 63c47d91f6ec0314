#!/usr/bin/env python3
"""Print the accuracy of models on COCO images: keypoint AP, in percent.

    python scripts/measure_models.py mobilenet-075 converted/ --coco ../shared/coco

A model is a name, a file of converted weights, or a folder of such files. The COCO folder holds `images` and one
annotation file, person_keypoints*.json; only the images that it names are used. Needs `pip install "posecli[eval]"`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tqdm import tqdm

import posecli
from posecli.pipeline import Report, run
from posecli.sinks.coco import CocoSink, read_image_ids
from posecli.sources import Stills

OPTIONS = {"size": 513, "stride": 16, "score_threshold": 0.1, "max_poses": 20, "min_pose_score": 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a name, a .safetensors file, or a folder of them")
    parser.add_argument("--coco", type=Path, required=True, metavar="DIR", help="a folder with images and annotations")
    arguments = parser.parse_args()
    annotations = find_annotations(arguments.coco)
    print("model                     AP   AP50 medium  large")
    for model in expand(arguments.models):
        ap, ap50, medium, large = measure(model, arguments.coco / "images", annotations)
        print(f"{Path(model).stem:22} {ap:5.1f}  {ap50:5.1f}  {medium:5.1f}  {large:5.1f}", flush=True)


def find_annotations(coco: Path) -> Path:
    """The one annotation file in a COCO folder."""
    found = sorted(coco.glob("person_keypoints*.json"))
    if len(found) != 1:
        raise SystemExit(f"{coco}: expected one person_keypoints*.json, found {len(found)}")
    return found[0]


def expand(models: Sequence[str]) -> Iterator[str]:
    """The models that the arguments name, folders as the files in them."""
    for model in models:
        folder = Path(model)
        yield from sorted(map(str, folder.glob("*.safetensors"))) if folder.is_dir() else [model]


def measure(model: str, images: Path, annotations: Path) -> tuple[float, float, float, float]:
    """AP, AP50, AP of medium and of large people, each in percent."""
    ids = read_image_ids(annotations)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        find_poses(model, [str(images / name) for name in ids], CocoSink(str(results), ids))
        return evaluate(annotations, results)


def find_poses(model: str, photos: Sequence[str], sink: CocoSink) -> None:
    """Run a model over photos. Raises SystemExit where one cannot be used, as it would count as empty."""
    source, report = Stills.from_inputs(photos), Report()
    with source, tqdm(total=source.length, unit="image", leave=False, disable=None) as bar:
        run(source, posecli.load_estimator(model, **OPTIONS), [sink], report, on_item=lambda _: bar.update())
    if report.failures:
        raise SystemExit(f"error: {report.failures[0].error}")


def evaluate(annotations: Path, results: Path) -> tuple[float, float, float, float]:
    """What pycocotools makes of a file of results."""
    with contextlib.redirect_stdout(io.StringIO()):  # it tells of each step
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ap, ap50, _, medium, large = (100 * float(value) for value in evaluation.stats[:5])
    return ap, ap50, medium, large


if __name__ == "__main__":
    main()
