"""scripts/compare_backends.py: what is measured, judged and written."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import compare_backends
from backend_agreement import KINDS, REFERENCE, Agreement, Kind
from compare_backends import Accuracy, Report, Row, to_markdown, trials, verdicts
from golden_report import bundled_goldens
from posecli.coco import read_annotations
from posecli.errors import UsageError

BFLOAT16, EMULATED = Kind("torch", "bfloat16"), Kind("torch", "bfloat16", is_emulated=True)
INT8, OPENVINO = Kind("openvino", "int8"), Kind("openvino", "float32")


def agreeing(px: float, found: int = 2) -> Agreement:
    """Two people, both matched, one part `px` off."""
    xy = np.zeros((2, 17))
    xy[1, 3] = px
    return Agreement(
        pose_scores=np.array([0.4, 0.6], np.float32),
        is_matched=np.ones(2, np.bool_),
        found=found,
        xy=xy,
        is_sure=np.ones((2, 17), np.bool_),
        scores=np.zeros((2, 18)),
    )


@pytest.fixture
def report() -> Report:
    """float32 as it should be, int8 within its bound, bfloat16 outside it."""
    rows = (
        Row(REFERENCE, 2, agreeing(0), agreeing(0.02)),
        Row(OPENVINO, 2, agreeing(0.01), agreeing(0.03)),
        Row(INT8, 1, agreeing(30), agreeing(31)),
    )
    accuracies = (
        Accuracy(REFERENCE, 513, 34.9, 64.1, 41.9),
        Accuracy(REFERENCE, 385, 28.6, 52.8, 35.3),
        Accuracy(EMULATED, 513, 34.3, 64.0, 41.0),
        Accuracy(INT8, 513, 35.1, 65.0, 42.1),
        Accuracy(INT8, 385, 27.6, 52.0, 34.4),
    )
    return Report(rows, accuracies, 162, ((BFLOAT16, "this CPU does not compute in it"),))


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Two small photos of noise, with one person annotated."""
    folder = tmp_path / "coco"
    (folder / "images").mkdir(parents=True)
    for i in (1, 2):
        noise = np.random.default_rng(i).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"{i}.png"), noise)
    images = [{"id": i, "file_name": f"{i}.png", "width": 80, "height": 60} for i in (1, 2)]
    person = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [9.0, 9.0, 2.0] * 17, "num_keypoints": 17,
              "area": 900.0, "bbox": [0, 0, 30, 30], "iscrowd": 0}  # fmt: skip
    document = {"images": images, "annotations": [person], "categories": [{"id": 1, "name": "person"}]}
    (folder / "people.json").write_text(json.dumps(document))
    return folder


def judged(report: Report) -> dict[str, bool | None]:
    return {verdict.text: verdict.is_met for verdict in verdicts(report)}


def test_every_target_is_judged_or_said_to_be_unmeasured(report: Report) -> None:
    assert judged(report) == {
        "torch float32: keypoints on the goldens, against the original": True,
        "openvino float32: keypoints on the goldens, against torch float32": True,
        "openvino float32: keypoints on the goldens, against the original": True,
        "bfloat16, emulated: loss of AP at 513": False,
        "torch bfloat16: loss of AP at 513": None,
        "openvino bfloat16: loss of AP at 513": None,
        "openvino int8: loss of AP at 513": True,
        "openvino int8: loss of AP at 433": None,  # not among the measured ones above
        "openvino int8: loss of AP at 385": True,
    }


@pytest.mark.parametrize(("agreement", "is_met"), [(agreeing(0.05), True), (agreeing(0.06), False)])
def test_float32_may_be_a_twentieth_of_a_pixel_off(report: Report, agreement: Agreement, is_met: bool) -> None:
    rows = (report.rows[0], replace(report.rows[1], reference=agreement))
    found = judged(replace(report, rows=rows))
    assert found["openvino float32: keypoints on the goldens, against torch float32"] is is_met


def test_float32_has_to_find_just_the_same_people(report: Report) -> None:
    rows = (report.rows[0], replace(report.rows[1], original=agreeing(0, found=3)))
    (verdict,) = (each for each in verdicts(replace(report, rows=rows)) if each.is_met is False and "px" in each.limit)
    assert (verdict.measured, verdict.text) == (
        "other people",
        "openvino float32: keypoints on the goldens, against the original",
    )


def test_float32_is_run_on_torch_alone_and_first() -> None:
    assert trials([REFERENCE, OPENVINO]) == [(REFERENCE, 513)]
    assert trials(KINDS)[:3] == [(REFERENCE, 513), (REFERENCE, 433), (REFERENCE, 385)]
    assert trials([REFERENCE, BFLOAT16, INT8])[3:] == [(BFLOAT16, 513), (INT8, 513), (INT8, 433), (INT8, 385)]
    lower = {kind for kind, _ in trials(KINDS)[3:]}
    assert lower == {kind for kind in KINDS if kind.precision != "float32"}


def test_the_page(report: Report) -> None:
    page = to_markdown(report)
    for row in (
        "| openvino float32: keypoints on the goldens, against torch float32 | 0.05 px | 0.01000 px | met |",
        "| bfloat16, emulated: loss of AP at 513 | 0.5 | 0.60 | **missed** |",
        "| torch bfloat16: loss of AP at 513 | 0.5 | - | not measured |",
        "| openvino int8: loss of AP at 513 | 1.0 | -0.20 | met |",
        "| openvino int8 | 1 | 2 of 2 | 1 of 1 | 0 | 0 | 0.88 | 30 | 0 |",
        "| openvino int8 | 385 | 27.60 | -1.00 | 52.00 | 34.40 |",
        "| torch float32 | 513 | 34.90 |  | 64.10 | 41.90 |",
    ):
        assert row in page
    assert "- torch bfloat16 cannot be measured here: this CPU does not compute in it" in page
    assert str(Path.cwd()) not in page
    tables = [line for line in page.splitlines() if line.startswith("| ") and "torch float32 |" in line]
    assert len(tables) == 4  # two sizes, the original, and the verdict that names it


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (2e-5, "< 0.0001"), (0.000342, "0.00034"), (2.717, "2.7"), (531.2, "531")]
)
def test_numbers_have_no_exponent(value: float, shown: str) -> None:
    assert compare_backends.short(value) == shown


def test_without_coco_there_is_no_table_of_it(report: Report) -> None:
    page = to_markdown(replace(report, accuracies=(), images=0))
    assert "### AP on COCO" not in page
    assert "| openvino int8: loss of AP at 513 | 1.0 | - | not measured |" in page


def test_what_a_kind_has_no_network_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    names = ("golden-default-257", "golden-stride-8-353")
    goldens = [
        replace(golden, poses=dict([*golden.poses.items()][:1])) for golden in bundled_goldens() if golden.name in names
    ]
    monkeypatch.setattr(compare_backends, "goldens_at_hand", lambda folder: goldens)
    reference, int8 = compare_backends.agreements([REFERENCE, INT8])
    assert (reference.goldens, int8.goldens) == (2, 1)  # int8 comes at stride 16
    assert reference.reference.is_complete
    assert reference.reference.xy.max() == 0
    assert 0 < reference.original.xy.max() < 0.05


def test_accuracy_is_that_of_pycocotools(coco: Path) -> None:
    pytest.importorskip("pycocotools")
    annotations = read_annotations(coco / "people.json")
    measured = compare_backends.measure_accuracy(REFERENCE, 97, annotations, coco / "images")
    assert (measured.kind, measured.size) == (REFERENCE, 97)
    assert 0 <= measured.ap <= measured.ap50 <= 100
    (coco / "images/2.png").unlink()
    with pytest.raises(Exception, match=r"2\.png: no such file"):
        compare_backends.measure_accuracy(REFERENCE, 97, annotations, coco / "images")


def test_a_folder_without_annotations_is_one_line(coco: Path, report: Report) -> None:
    pytest.importorskip("pycocotools")
    assert compare_backends.annotations_in(coco).path == coco / "people.json"
    (coco / "more.json").write_text("{}")
    with pytest.raises(UsageError, match="has 2 JSON files; one with person keypoints is needed"):
        compare_backends.annotations_in(coco)
    with pytest.raises(SystemExit, match=r"^error: --coco .*: has 2 JSON files"):
        compare_backends.main(["--coco", str(coco)])


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[Report], None]:
    return lambda report: monkeypatch.setattr(compare_backends, "measure", lambda coco: report)


def test_the_section_is_put_into_the_page(
    report: Report, measured: Callable[[Report], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Benchmarks\n\nOther things.\n")
    measured(report)
    assert compare_backends.main(["-o", str(page)]) == 1  # bfloat16 loses too much
    text = page.read_text()
    assert "Other things." in text
    assert "<!-- begin: scripts/compare_backends.py -->" in text
    assert capsys.readouterr().out == ""
    measured(replace(report, accuracies=()))
    assert compare_backends.main([]) == 0
    assert capsys.readouterr().out.startswith("## Agreement and accuracy")


def test_a_run_measures_what_is_there(monkeypatch: pytest.MonkeyPatch, coco: Path) -> None:
    pytest.importorskip("pycocotools")
    reasons = {kind: None if kind in (REFERENCE, INT8) else "not here" for kind in KINDS}
    monkeypatch.setattr(compare_backends, "why_not", reasons.__getitem__)
    monkeypatch.setattr(
        compare_backends, "agreements", lambda kinds: [Row(kind, 1, agreeing(0), agreeing(0)) for kind in kinds]
    )
    monkeypatch.setattr(
        compare_backends, "measure_accuracy", lambda kind, size, *rest: Accuracy(kind, size, 30.0, 60.0, 40.0)
    )
    report = compare_backends.measure(coco)
    assert [row.kind for row in report.rows] == [REFERENCE, INT8]
    assert [(each.kind, each.size) for each in report.accuracies] == trials([REFERENCE, INT8])
    assert report.images == 2
    assert dict(report.missing) == dict.fromkeys(set(KINDS) - {REFERENCE, INT8}, "not here")
    assert compare_backends.measure(None).accuracies == ()
