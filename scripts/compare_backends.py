#!/usr/bin/env python3
"""Hold every backend and precision against PyTorch float32, against the original, and against COCO's annotations.

    python scripts/compare_backends.py --coco DIR -o docs/benchmarks.md

DIR has a folder `images` and beside it one JSON file of person keypoints; without it no accuracy is measured. What is
not installed, or not computed by this CPU, is left out with a line that says so. Prints the page's section, or puts it
into the file of -o; exit code 1 where a target is missed. AP takes minutes for each row.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend_agreement import (
    KINDS,
    REFERENCE,
    SURE,
    Agreement,
    Kind,
    compare,
    find_poses,
    load_kind,
    original_poses,
    why_not,
)
from golden_report import SHARED, Golden, bundled_goldens, shared_goldens
from peers.machine import this_cpu
from posecli.bench.machine import library_versions
from posecli.coco import Annotations, read_annotations
from posecli.errors import PosecliError, UsageError
from posecli.evaluate.running import find_people
from posecli.evaluate.scoring import check_scoring, score
from posecli.options import DEFAULT_MODEL, Precision
from posecli.testtime import SAME_PERSON
from sections import write_section

SECTION = "scripts/compare_backends.py"
MOST_PX = 0.05  # of a keypoint in float32
MOST_LOSS: Mapping[Precision, float] = {"bfloat16": 0.5, "int8": 1.0}  # AP, in per cent
SIZES: Mapping[Precision, Sequence[int]] = {"bfloat16": (513,), "int8": (513, 433, 385)}  # at which AP is measured
SCORE_THRESHOLD = 0.1  # of a root, as docs/accuracy.md has it

METHOD = f"""\
The goldens are poses of the original, TF.js 2.2.2, on photos at various sizes, strides and thresholds; posecli repeats
each with `--preset tfjs --resize tfjs`, on the CPU. A person is matched where a pose lies at an OKS of {SAME_PERSON} or
more; the other poses are extra. Distances are between all 17 parts of the people matched, in pixels of the photo; the
last column is the largest difference of a score. Sure are people and parts that score {SURE} or more in what is
compared with. The others, such as a part that nobody can see, have no sharp place: in a lower precision some move far,
and people whom the decoder hardly saw go or come. int8 is there for goldens of the packaged model at stride 16.

AP, AP50 and AR are COCO's, by pycocotools and in per cent, of the default decoder with `--score-threshold
{SCORE_THRESHOLD}` and no minimum pose score, as in [accuracy](accuracy.md). float32 is run on PyTorch alone, as its
poses are those of the other backends. Calibration has not seen these photos.

Few CPUs compute in bfloat16. What it does to the poses is emulated on all others: weights, and every convolution's
input and output, are rounded to bfloat16, and sums are float32, as these CPUs have it.
"""

REPRODUCE = f"""\
    pip install -e ".[openvino,onnx,eval]"
    python {SECTION} --coco DIR -o docs/benchmarks.md

DIR holds `images/` and one JSON file with COCO's person keypoints, whole or in part.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """How the poses of a kind agree with PyTorch float32 and with the original, over the goldens that it could do."""

    kind: Kind
    goldens: int
    reference: Agreement
    original: Agreement


@dataclass(frozen=True, slots=True)
class Accuracy:
    """COCO's figures of a kind at a size of the network's input."""

    kind: Kind
    size: int  # px of the long side
    ap: float  # in per cent, like the next two
    ap50: float
    ar: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was measured of it."""

    text: str
    limit: str
    measured: str
    is_met: bool | None  # None: not measured


@dataclass(frozen=True, slots=True)
class Report:
    """All that a run found."""

    rows: tuple[Row, ...]
    accuracies: tuple[Accuracy, ...]
    images: int  # that AP was measured on
    missing: tuple[tuple[Kind, str], ...]  # what this machine cannot measure, and why


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compare the backends and precisions in agreement and accuracy.")
    parser.add_argument("--coco", type=Path, metavar="DIR", help="images/ and one JSON file of person keypoints")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="put the section there, between its marks")
    arguments = parser.parse_args(argv)
    try:
        report = measure(arguments.coco)
    except PosecliError as error:
        sys.exit(f"error: {error}")
    if arguments.output is None:
        print(to_markdown(report))
    else:
        write_section(arguments.output, SECTION, to_markdown(report))
    return int(any(verdict.is_met is False for verdict in verdicts(report)))


def measure(coco: Path | None) -> Report:
    """Agreement of every kind that can be measured here, and its accuracy where there is COCO."""
    annotations = None if coco is None else annotations_in(coco)
    reasons = {kind: why_not(kind) for kind in KINDS}
    missing = tuple((kind, reason) for kind, reason in reasons.items() if reason is not None)
    kinds = [kind for kind, reason in reasons.items() if reason is None]
    rows = agreements(kinds)
    accuracies: list[Accuracy] = []
    if coco is not None and annotations is not None:
        accuracies.extend(measure_accuracy(kind, size, annotations, coco / "images") for kind, size in trials(kinds))
    return Report(tuple(rows), tuple(accuracies), len(annotations.images) if annotations else 0, missing)


def annotations_in(folder: Path) -> Annotations:
    """The annotations in a folder with `images/`, before anything takes minutes."""
    found = sorted(folder.glob("*.json"))
    if len(found) != 1:
        raise UsageError(f"--coco {folder}: has {len(found)} JSON files; one with person keypoints is needed")
    check_scoring()
    return read_annotations(found[0])


def agreements(kinds: Sequence[Kind]) -> list[Row]:
    """A row for each kind, over all goldens that are at hand."""
    parts: dict[Kind, list[tuple[Agreement, Agreement]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        for golden in goldens_at_hand(Path(folder)):
            say(f"golden {golden.name}")
            reference, original = find_poses(golden, REFERENCE), original_poses(golden)
            for kind in kinds:
                with suppress(UsageError):  # int8 is there for the packaged model at stride 16
                    found = reference if kind == REFERENCE else find_poses(golden, kind)
                    parts[kind].append((compare(found, reference), compare(found, original)))
    return [
        Row(kind, len(pairs), Agreement.of_all([a for a, _ in pairs]), Agreement.of_all([b for _, b in pairs]))
        for kind, pairs in parts.items()
    ]


def goldens_at_hand(folder: Path) -> Iterator[Golden]:
    """Those of the example photos, and those of the original's demo photos where they are; `folder` is for models."""
    yield from bundled_goldens()
    if SHARED.is_dir():
        yield from shared_goldens(SHARED, folder)


def trials(kinds: Sequence[Kind]) -> list[tuple[Kind, int]]:
    """What AP is measured of: each lower precision at its sizes, and the reference at all of these, first."""
    lower = [(kind, size) for kind in kinds for size in SIZES.get(kind.precision, ())]
    sizes = dict.fromkeys([513, *(size for _, size in lower)])
    return [*((REFERENCE, size) for size in sizes), *lower]


def measure_accuracy(kind: Kind, size: int, annotations: Annotations, folder: Path) -> Accuracy:
    """COCO's figures of the default decoder. Raises the error of the first image that cannot be read."""
    say(f"AP of {kind.name} at {size}")
    estimator = load_kind(kind, size=size, score_threshold=SCORE_THRESHOLD, min_pose_score=0.0)
    found = find_people(estimator, annotations.images, folder)
    if found.failures:
        raise found.failures[0].error
    stats = score(annotations, found.image_ids, found.results).stats
    return Accuracy(kind, size, 100 * stats["AP"], 100 * stats["AP50"], 100 * stats["AR"])


def verdicts(report: Report) -> list[Verdict]:
    """Every target, as far as it was measured."""
    found = []
    for row in report.rows:
        if row.kind.precision == "float32":
            if row.kind != REFERENCE:
                found.append(agreement_verdict(row.kind, "torch float32", row.reference))
            found.append(agreement_verdict(row.kind, "the original", row.original))
    aps = {(each.kind, each.size): each.ap for each in report.accuracies}
    for kind, size in trials(KINDS):
        if kind != REFERENCE:
            found.append(accuracy_verdict(kind, size, aps.get((kind, size)), aps.get((REFERENCE, size))))
    return found


def agreement_verdict(kind: Kind, against: str, agreement: Agreement) -> Verdict:
    """Whether just the people of the other were found, each part where it is there."""
    px = largest(agreement.xy)
    measured = f"{px:.5f} px" if agreement.is_complete else "other people"
    text = f"{kind.name}: keypoints on the goldens, against {against}"
    return Verdict(text, f"{MOST_PX} px", measured, agreement.is_complete and px <= MOST_PX)


def accuracy_verdict(kind: Kind, size: int, ap: float | None, reference: float | None) -> Verdict:
    """Whether a lower precision loses little enough AP, where it was measured."""
    text, limit = f"{kind.name}: loss of AP at {size}", MOST_LOSS[kind.precision]
    if ap is None or reference is None:
        return Verdict(text, f"{limit}", "-", None)
    return Verdict(text, f"{limit}", f"{reference - ap:.2f}", reference - ap <= limit)


def reference_ap(report: Report, size: int) -> float:
    """AP of PyTorch float32 at a size."""
    return next(each.ap for each in report.accuracies if each.kind == REFERENCE and each.size == size)


def to_markdown(report: Report) -> str:
    """The section of the page."""
    words = {True: "met", False: "**missed**", None: "not measured"}
    missing = [f"- {kind.name} cannot be measured here: {reason}" for kind, reason in report.missing]
    parts = [
        "## Agreement and accuracy of backends and precisions",
        table(
            ("target", "at most", "measured", ""),
            [(each.text, each.limit, each.measured, words[each.is_met]) for each in verdicts(report)],
        ),
        *(["\n".join(missing)] if missing else []),
        "### Poses on the goldens",
        "Against PyTorch float32:",
        agreement_table([(row, row.reference) for row in report.rows if row.kind != REFERENCE]),
        "Against the original's own poses:",
        agreement_table([(row, row.original) for row in report.rows]),
        *accuracy_parts(report),
        "### How agreement and accuracy are measured",
        METHOD.rstrip(),
        machine_text(),
        REPRODUCE.rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def agreement_table(rows: Sequence[tuple[Row, Agreement]]) -> str:
    """People matched, extra poses, distances and the largest difference of a score."""
    head = ("", "goldens", "people", "sure ones", "extra", "median px", "mean px, sure", "largest px", "score")
    cells = [
        (
            row.kind.name,
            f"{row.goldens}",
            f"{each.matched} of {each.people}",
            f"{each.sure_matched} of {each.sure_people}",
            f"{each.found - each.matched}",
            short(median(each.xy)),
            short(mean(each.xy[each.is_sure])),
            short(largest(each.xy)),
            short(largest(each.scores)),
        )
        for row, each in rows
    ]
    return table(head, cells)


def accuracy_parts(report: Report) -> Iterator[str]:
    """The table of AP, where it was measured."""
    if not report.accuracies:
        return
    yield "### AP on COCO"
    yield f"{DEFAULT_MODEL} on {report.images} images:"
    rows = [
        (
            each.kind.name,
            f"{each.size}",
            f"{each.ap:.2f}",
            "" if each.kind == REFERENCE else f"{each.ap - reference_ap(report, each.size):+.2f}",
            f"{each.ap50:.2f}",
            f"{each.ar:.2f}",
        )
        for each in sorted(report.accuracies, key=lambda each: -each.size)
    ]
    yield table(("", "size", "AP", "over float32", "AP50", "AR"), rows)


def machine_text() -> str:
    """CPU and versions: what the last digits depend on."""
    name, instructions = this_cpu()
    versions = ", ".join(f"{package} {version}" for package, version in library_versions().items())
    return f"Measured on {name} ({', '.join(instructions) or 'instruction sets unknown'}); {versions}."


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def short(value: float) -> str:
    """Two digits or more, without an exponent."""
    if 0 < value < 0.0001:
        return "< 0.0001"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def median(values: NDArray[np.float64]) -> float:
    """The median; 0 of nothing."""
    return float(np.median(values)) if values.size else 0.0


def mean(values: NDArray[np.float64]) -> float:
    """The mean; 0 of nothing."""
    return float(values.mean()) if values.size else 0.0


def largest(values: NDArray[np.float64]) -> float:
    """The largest; 0 of nothing."""
    return float(values.max(initial=0.0))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
