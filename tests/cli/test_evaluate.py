"""`posecli evaluate`: the table, the files, subsets, sweeps, and what goes wrong."""

import contextlib
import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from coco_datasets import dataset, person, result, write
from posecli.cli import app
from posecli.evaluate.scoring import STATS
from posecli.skeleton import PARTS

pytest.importorskip("pycocotools")

SMALL = ("--size", "129", "--threads", "1")
IDS = (3, 5, 8)

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type `posecli ...` in an empty folder, where nobody looks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def typed(*words: object, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    return typed


@pytest.fixture
def photos(tmp_path: Path, examples: Path) -> Path:
    """Three photos of two people: as it is, mirrored, and smaller."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = cv2.resize(cv2.imread(str(examples / "two-pioneers.jpg")), (190, 128), interpolation=cv2.INTER_AREA)
    for image_id, picture in zip(IDS, (photo, photo[:, ::-1], cv2.resize(photo, (150, 100))), strict=True):
        cv2.imwrite(str(folder / f"{image_id:012}.png"), picture)
    return folder


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    """People who are somewhere, on three images and on one without a file."""
    people = [person(1, 3), person(2, 5), person(3, 5, left=70, iscrowd=1), person(4, 8, labelled=0), person(5, 9)]
    return write(tmp_path / "person_keypoints.json", dataset(people, [8, 5, 3, 9]))


def by_hand(annotations: Path, results: Path, image_ids: list[int]) -> dict[str, float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
        evaluation.params.imgIds = image_ids
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(STATS, evaluation.stats.tolist(), strict=True))


def measured(path: Path) -> Any:
    (run,) = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return run


def perfect(annotations: Path, results: Path, image_ids: tuple[int, ...]) -> Path:
    """Annotations by which these results are perfect."""
    people = [
        {
            **{key: each[key] for key in ("image_id", "category_id", "keypoints")},
            **{"id": number, "num_keypoints": 17, "iscrowd": 0, "area": 9000.0, "bbox": [0, 0, 100, 90]},
        }
        for number, each in enumerate(json.loads(results.read_text()), start=1)
    ]
    return write(annotations, dataset(people, list(image_ids)))


# what is scored


@pytest.mark.parametrize("options", [(), ("--stride", "8", "--min-pose-score", "0.3")])
def test_it_agrees_with_export_and_with_pycocotools(
    run: Run, photos: Path, annotations: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """People are annotated more and more beside where the model finds them."""
    score = () if options else ("--min-pose-score", "0")
    run("export", photos, *SMALL, *options, *score, "--annotations", annotations, "-o", "exported.json")
    exported = json.loads((tmp_path / "exported.json").read_text())
    beside = [{**each, **result(each, moved=2.0 * index)} for index, each in enumerate(exported)]
    truth = perfect(tmp_path / "truth.json", write(tmp_path / "beside.json", beside), IDS)
    run("evaluate", "--images", photos, *SMALL, *options, "--annotations", truth, "--results", "r.json",
        "--json", "m.json")  # fmt: skip
    assert (tmp_path / "r.json").read_bytes() == (tmp_path / "exported.json").read_bytes()
    ours = measured(tmp_path / "m.json")
    assert ours["stats"] == by_hand(truth, tmp_path / "r.json", list(IDS))
    assert 0 < ours["stats"]["AP"] < 0.99


def test_a_perfect_prediction_scores_one(run: Run, photos: Path, annotations: Path, tmp_path: Path) -> None:
    """Against annotations that are what the model finds, the model is perfect; so is its file of results."""
    run("export", photos, *SMALL, "--annotations", annotations, "--min-pose-score", "0", "-o", "r.json")
    truth = perfect(tmp_path / "truth.json", tmp_path / "r.json", IDS)
    run("evaluate", "--images", photos, *SMALL, "--annotations", truth, "--json", "m.json")
    run("evaluate", "--predictions", "r.json", "--annotations", truth, "--json", "p.json")
    ours, read = measured(tmp_path / "m.json"), measured(tmp_path / "p.json")
    assert ours["stats"]["AP"] == ours["stats"]["AR"] == pytest.approx(1.0)
    assert read["stats"] == ours["stats"]
    assert ours["people"]["annotated"] == ours["people"]["found"] == ours["people"]["matched"] > 3
    assert {part: entry["oks"] for part, entry in ours["oks_by_part"].items()} == dict.fromkeys(PARTS, 1.0)


@pytest.mark.shared
def test_on_official_annotations(run: Run, shared: Path, tmp_path: Path) -> None:
    annotations, photos = shared / "coco" / "person_keypoints_dev.json", shared / "coco" / "images"
    run("evaluate", "--images", photos, "--annotations", annotations, "--size", "193", "--threads", "1",
        "--limit", "12", "--results", "r.json", "--json", "m.json")  # fmt: skip
    ours = measured(tmp_path / "m.json")
    image_ids = [image["image_id"] for image in ours["per_image"]]
    assert len(image_ids) == ours["images"] == 12
    assert ours["stats"] == by_hand(annotations, tmp_path / "r.json", image_ids)
    assert ours["stats"]["AP"] > 0
    documents = json.loads(annotations.read_text())
    assert image_ids == sorted(image["id"] for image in documents["images"])[:12]
    chosen = [each for each in documents["annotations"] if each["image_id"] in image_ids]
    perfect_results = [result(each) for each in chosen if each["num_keypoints"]]
    write(tmp_path / "p.json", perfect_results)
    run("evaluate", "--predictions", "p.json", "--annotations", annotations, "--limit", "12", "--json", "m.json")
    assert measured(tmp_path / "m.json")["stats"]["AP"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "least"),
    [((), 0.0), (("--min-pose-score", "0.15"), 0.15), (("--preset", "port2018"), 0.25), (("--preset", "tfjs"), 0.0)],
)
def test_poses_of_any_score_count_unless_told(
    run: Run, photos: Path, annotations: Path, tmp_path: Path, options: tuple[str, ...], least: float
) -> None:
    run("evaluate", "--images", photos, "--annotations", annotations, *SMALL, *options, "--image-ids", 3,
        "--json", "m.json")  # fmt: skip
    assert measured(tmp_path / "m.json")["options"]["min_pose_score"] == least


# what is shown


def test_the_table(run: Run, photos: Path, annotations: Path) -> None:
    shown = run("evaluate", "--images", photos, "--annotations", annotations, *SMALL, "--image-ids", "3,5,8")
    lines = shown.stdout.splitlines()
    assert lines[0] == "mobilenet-075 on person_keypoints.json"
    assert lines[2].split() == ["AP", "AP50", "AP75", "AP", "medium", "AP", "large", "AR"]
    assert lines[4].split()[4] == "-"  # nobody large
    assert "in 95% of 500 bootstrap draws of images." in lines[5]
    (images,) = [line.split() for line in lines if line.startswith("Images")]
    assert images == ["Images", "3"]
    (people,) = [line for line in lines if line.startswith("People")]
    assert " 2 annotated, " in people
    (times,) = [line for line in lines if line.startswith("ms per image")]
    assert [word for word in times.split() if word.isalpha()] == [
        "ms",
        "per",
        "image",
        "read",
        "resize",
        "network",
        "decode",
    ]
    assert sum(line.startswith(("nose", "eye", "ear", "shoulder", "elbow")) for line in lines) == 5
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in shown.stdout


def test_json_on_standard_output_is_alone_there(run: Run, photos: Path, annotations: Path) -> None:
    shown = run("evaluate", "--images", photos, "--annotations", annotations, *SMALL, "--limit", 2, "--json", "-")
    document = json.loads(shown.stdout)
    assert set(document["versions"]) == {"python", "torch", "numpy", "pycocotools", "opencv"}
    assert document["argv"][0] == "posecli"
    (only,) = document["runs"]
    assert only["model"]["name"] == "mobilenet-075"
    assert (only["options"]["size"], only["options"]["device"]) == (129, "cpu")
    assert [image["image_id"] for image in only["per_image"]] == [3, 5]
    assert set(only["per_image"][0]["ms"]) == {"read", "resize", "network", "decode"}
    assert set(only["median_ms"]) == {"read", "resize", "network", "decode", "estimate"}


def test_images_that_fail_are_left_out(run: Run, photos: Path, annotations: Path, tmp_path: Path) -> None:
    (photos / f"{5:012}.png").write_bytes(b"no image")
    words = ("evaluate", "--images", photos, "--annotations", annotations, *SMALL, "--results", "r.json")
    shown = run(*words, "--json", "m.json", exit_code=1)
    ours = measured(tmp_path / "m.json")
    assert "Images" in shown.stdout
    assert " 2 (2 more failed, and are left out)" in shown.stdout
    assert f"error: {photos / '000000000009.png'}: no such file, for image 9; check --images\n" in shown.stderr
    assert "000000000005.png: not an image" in shown.stderr
    assert [failed["name"] for failed in ours["failed"]] == ["000000000005.png", "000000000009.png"]
    assert [image["image_id"] for image in ours["per_image"]] == [3, 8]
    assert ours["stats"] == by_hand(annotations, tmp_path / "r.json", [3, 8])


def test_results_of_a_file(run: Run, annotations: Path, tmp_path: Path) -> None:
    write(tmp_path / "r.json", [result(person(1, 3)), result(person(2, 5))])
    shown = run("evaluate", "--predictions", "r.json", "--annotations", annotations, "--image-ids", 3,
                "--image-ids", "5", "--json", "m.json")  # fmt: skip
    ours = measured(tmp_path / "m.json")
    assert shown.stdout.startswith("r.json on person_keypoints.json\n")
    assert "ms per image" not in shown.stdout
    assert ours["stats"]["AP"] == pytest.approx(1.0)
    assert (ours["predictions"], ours["model"], ours["median_ms"]) == ("r.json", None, {})
    assert ours["per_image"][0]["ms"] is None


def test_nobody_to_be_found(run: Run, annotations: Path, tmp_path: Path) -> None:
    write(tmp_path / "r.json", [])
    shown = run("evaluate", "--predictions", "r.json", "--annotations", annotations, "--image-ids", 8)
    assert shown.stdout.splitlines()[4].split() == ["-"] * 6
    assert "bootstrap" not in shown.stdout


# worst


@pytest.mark.parametrize("source", ["model", "file"])
def test_the_worst_images(run: Run, photos: Path, annotations: Path, tmp_path: Path, source: str) -> None:
    write(tmp_path / "r.json", [result(person(1, 3))])
    words = ("--predictions", "r.json") if source == "file" else SMALL
    run("evaluate", *words, "--images", photos, "--annotations", annotations, "--image-ids", "3,5,8",
        "--worst", 2, "-o", "worst")  # fmt: skip
    names = sorted(path.name for path in (tmp_path / "worst").iterdir())
    if source == "file":  # 5 was missed, 3 is perfect
        assert names == ["worst-1-image-5.jpg", "worst-2-image-3.jpg"]
    assert len(names) == 2
    assert cv2.imread(str(tmp_path / "worst" / names[0])).shape == (128, 2 * 190 + 8, 3)


# sweep


def test_a_sweep(run: Run, photos: Path, annotations: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    shown = run("evaluate", "--images", photos, "--annotations", annotations, "--threads", 1, "--limit", 2,
                "--sweep", "size=97,129", "--sweep", "--decoder=tfjs,port2018", "--csv", "s.csv", "--plot", "s.png",
                "--json", "s.json")  # fmt: skip
    combined = [["97", "tfjs"], ["97", "port2018"], ["129", "tfjs"], ["129", "port2018"]]
    assert [line.split()[:2] for line in shown.stdout.splitlines()[2:6]] == combined
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    runs = json.loads((tmp_path / "s.json").read_text())["runs"]
    assert [[row["size"], row["decoder"]] for row in rows] == combined
    for row, each in zip(rows, runs, strict=True):
        assert each["setting"] == {"size": row["size"], "decoder": row["decoder"]}
        assert (each["options"]["size"], each["options"]["decoder"]) == (int(row["size"]), row["decoder"])
        assert each["options"]["min_pose_score"] == 0
        assert float(row["AP"]) == each["stats"]["AP"]
        assert float(row["estimate_ms"]) == pytest.approx(each["median_ms"]["estimate"], abs=0.001)
    assert cv2.imread(str(tmp_path / "s.png")).shape == (800, 1280, 3)


def test_a_sweep_of_presets_takes_their_least_score(run: Run, photos: Path, annotations: Path, tmp_path: Path) -> None:
    run("evaluate", "--images", photos, "--annotations", annotations, *SMALL, "--limit", 1, "--sweep",
        "preset=tfjs,port2018", "--sweep", "max-poses=2", "--json", "s.json", "--plot", "s.png")  # fmt: skip
    settings = [each["options"] for each in json.loads((tmp_path / "s.json").read_text())["runs"]]
    assert [(each["min_pose_score"], each["max_poses"], each["size"]) for each in settings] == [
        (0, 2, 129),
        (0.25, 2, 129),
    ]


def test_a_failed_image_is_named_once(run: Run, photos: Path, annotations: Path) -> None:
    shown = run("evaluate", "--images", photos, "--annotations", annotations, "--threads", 1, "--sweep", "size=97,129",
                exit_code=1)  # fmt: skip
    assert shown.stderr.count("000000000009.png: no such file") == 1
    assert "3 images (1 more failed, and are left out)." in shown.stdout


# mistakes


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "give the folder of the images with --images"),
        (("--predictions", "r.json", "--worst", "2", "-o", "w"), "give the folder of the images with --images"),
        (("--images", "gone"), "gone: no such folder; check --images"),
        (("--images", "photos", "--worst", "2"), "--worst N and -o DIR go together; give both"),
        (("--images", "photos", "-o", "w"), "--worst N and -o DIR go together; give both"),
        (("--images", "photos", "--worst", "0", "-o", "w"), "--worst must be at least 1, got 0"),
        (("--images", "photos", "--limit", "0"), "--limit must be at least 1, got 0"),
        (("--images", "photos", "--csv", "s.csv"), "--csv shows a --sweep; give one, such as --sweep size=353,513"),
        (("--images", "photos", "--sweep", "size=97", "--plot", "s.svg"), "s.svg: plots are PNG files; call it .png"),
        (("--images", "photos", "--sweep", "size=97", "--results", "r"), "--results is of one run; leave it out, or"),
        (("--images", "photos", "--sweep", "size=7,97"), "--size must lie between 33"),
        (("--predictions", "r.json", "--results", "s.json"), "--results writes what the model found; leave it out"),
        (("--images", "photos", "--mirror"), "--mirror takes people away from their annotations; leave it out"),
        (("--images", "photos", "--image-ids", "3,x"), "--image-ids must be whole numbers with commas between, got"),
        (("--images", "photos", "--image-ids", "4"), "person_keypoints.json: no image 4 is annotated there"),
        (("--images", "photos", "--json", "person_keypoints.json"), "person_keypoints.json: writing it would"),
        (("--images", "photos", "--results", "photos/000000000003.png"), "writing it would overwrite an input"),
    ],
)
def test_mistakes(run: Run, photos: Path, annotations: Path, words: tuple[str, ...], line: str) -> None:
    before = annotations.read_bytes()
    shown = run("evaluate", "--annotations", annotations, *words, exit_code=2)
    assert line in shown.stderr
    assert shown.stderr.count("\n") == 1
    assert shown.stdout == ""
    assert annotations.read_bytes() == before


def test_no_keypoints_file(run: Run, photos: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "instances.json", dataset([{"id": 1, "image_id": 3, "category_id": 1}], [3]))
    shown = run("evaluate", "--annotations", path, "--images", photos, exit_code=2)
    assert 'no COCO person keypoints (annotation 1 has no "keypoints"); give a file such as' in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_without_pycocotools(run: Run, photos: Path, annotations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before any work, not after."""
    monkeypatch.setitem(sys.modules, "pycocotools.cocoeval", None)
    words = ("evaluate", "--annotations", annotations, "--images", photos, "--results", "r.json", *SMALL)
    assert 'pip install "posecli[eval]"' in run(*words, exit_code=1).stderr
    assert not Path("r.json").exists()


def test_every_image_failed(run: Run, photos: Path, annotations: Path) -> None:
    shutil.rmtree(photos)
    photos.mkdir()
    shown = run("evaluate", "--annotations", annotations, "--images", photos, *SMALL, exit_code=1)
    assert "none of the 4 images could be used; check --images" in shown.stderr
    assert shown.stdout == ""


@pytest.mark.skipif(os.name == "nt", reason="a symbolic link needs rights there")
def test_an_output_that_is_a_link_to_the_annotations(run: Run, photos: Path, annotations: Path) -> None:
    Path("m.json").symlink_to(annotations)
    shown = run("evaluate", "--annotations", annotations, "--images", photos, "--json", "m.json", exit_code=2)
    assert "m.json: writing it would overwrite an input" in shown.stderr


def test_help_names_the_options(run: Run) -> None:
    shown = run("evaluate", "--help").stdout
    assert all(name in shown for name in ("--images", "--predictions", "--sweep", "--worst", "--min-pose-score"))


def test_numbers_are_plain(run: Run, annotations: Path, tmp_path: Path) -> None:
    """No numpy number gets into the JSON, nor one that is none."""
    write(tmp_path / "r.json", [])
    run("evaluate", "--predictions", "r.json", "--annotations", annotations, "--json", "m.json")
    text = (tmp_path / "m.json").read_text()
    assert "NaN" not in text
    assert measured(tmp_path / "m.json")["oks_by_part"]["nose"] == {"oks": None, "people": 0}
    assert np.isfinite(measured(tmp_path / "m.json")["ap_interval"]["high"])
