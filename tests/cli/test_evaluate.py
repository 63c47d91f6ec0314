"""`posecli evaluate`: the table, the files, subsets, sweeps, and what goes wrong."""

import contextlib
import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from coco_datasets import dataset, person, result, write
from posecli.cli import app, evaluating, evaluation_outputs, fetching
from posecli.errors import InputError, OutputError
from posecli.evaluate.running import find_people
from posecli.evaluate.scoring import STATS
from posecli.skeleton import PARTS
from posecli.sources import Failure

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
    return write(tmp_path / "person_keypoints.json", sized(dataset(people, [8, 5, 3, 9])))


def sized(document: dict[str, Any]) -> dict[str, Any]:
    """The same with the sizes of `photos`."""
    for image in document["images"]:
        image["width"], image["height"] = (150, 100) if image["id"] == 8 else (190, 128)
    return document


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
    return write(annotations, sized(dataset(people, list(image_ids))))


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


def test_nobody_is_found_on_images_that_fail(run: Run, photos: Path, annotations: Path, tmp_path: Path) -> None:
    """Leaving them out would raise the score, and disagree with what the exported results give."""
    (photos / f"{5:012}.png").write_bytes(b"no image")
    words = ("evaluate", "--images", photos, "--annotations", annotations, *SMALL, "--results", "r.json")
    shown = run(*words, "--json", "m.json", exit_code=1)
    ours = measured(tmp_path / "m.json")
    assert "Images" in shown.stdout
    assert " 4 (2 failed, counted as nobody found)" in shown.stdout
    assert f"error: {photos / '000000000009.png'}: no such file, for image 9; check --images\n" in shown.stderr
    assert "000000000005.png: not an image" in shown.stderr
    assert [failed["name"] for failed in ours["failed"]] == ["000000000005.png", "000000000009.png"]
    assert [image["image_id"] for image in ours["per_image"]] == [3, 5, 8, 9]
    assert [image["ms"] is None for image in ours["per_image"]] == [False, True, False, True]
    assert ours["people"]["annotated"] == 3
    assert ours["stats"] == by_hand(annotations, tmp_path / "r.json", [3, 5, 8, 9])
    run("evaluate", "--predictions", "r.json", "--annotations", annotations, "--json", "p.json")
    assert measured(tmp_path / "p.json")["stats"] == ours["stats"]


def test_a_photo_of_another_size_than_annotated_fails(run: Run, photos: Path, annotations: Path) -> None:
    for photo in photos.iterdir():
        cv2.imwrite(str(photo), cv2.resize(cv2.imread(str(photo)), (95, 64)))
    words = ("evaluate", "--images", photos, "--annotations", annotations, *SMALL)
    shown = run(*words, "--image-ids", "3,8", exit_code=1)
    assert "000000000003.png: is 95x64, annotated at 190x128; give --images as they were annotated\n" in shown.stderr
    assert "none of the 2 images could be used" in shown.stderr


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


@pytest.mark.parametrize("image_ids", ["8", "8,5"])
def test_nobody_to_be_found(run: Run, photos: Path, tmp_path: Path, image_ids: str) -> None:
    """On 8 nobody has keypoints, on 5 there is a crowd."""
    people = [person(1, 3), person(3, 5, iscrowd=1), person(4, 8, labelled=0)]
    path = write(tmp_path / "a.json", dataset(people, [8, 5, 3]))
    shown = run("evaluate", "--images", photos, "--annotations", path, "--image-ids", image_ids, exit_code=2)
    count = len(image_ids.split(","))
    assert shown.stderr == f"error: {path}: nobody is annotated with keypoints in the {count} images chosen\n"
    assert shown.stdout == ""


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
    assert cv2.imread(str(tmp_path / "worst" / names[0])).shape == (128 + 2 * 24, 2 * 190 + 8, 3)


def test_worst_images_without_a_photo(run: Run, photos: Path, annotations: Path, tmp_path: Path) -> None:
    """Those of a file are named, and the others drawn; what a run could not read has been named already."""
    write(tmp_path / "r.json", [])
    words = ("--images", photos, "--annotations", annotations, "--worst", 4)
    shown = run("evaluate", "--predictions", "r.json", *words, "-o", "w", exit_code=1)
    assert shown.stderr.count("000000000009.png: no such file, for image 9; check --images\n") == 1
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == ["worst-1-image-3.jpg", "worst-2-image-5.jpg"]
    assert "2 images → w" in shown.stderr
    shown = run("evaluate", *SMALL, *words, "-o", "v", exit_code=1)
    assert shown.stderr.count("000000000009.png") == 1
    assert len(list((tmp_path / "v").iterdir())) == 2


# sweep


def test_a_sweep(run: Run, photos: Path, annotations: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    shown = run("evaluate", "--images", photos, "--annotations", annotations, "--threads", 1, "--limit", 2,
                "--sweep", "size=97,129", "--sweep", "--decoder=tfjs,port2018", "--csv", "s.csv", "--plot", "s.png",
                "--json", "s.json")  # fmt: skip
    combined = [["97", "tfjs"], ["97", "port2018"], ["129", "tfjs"], ["129", "port2018"]]
    lines = shown.stdout.splitlines()
    assert lines[0] == "mobilenet-075 on person_keypoints.json"
    assert [line.split()[:2] for line in lines[4:8]] == combined
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
    assert "4 images (1 failed, counted as nobody found)." in shown.stdout


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_figure_of_a_sweep_is_cut_off(
    run: Run, photos: Path, annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = run("evaluate", "--images", photos, "--annotations", annotations, "--limit", 2, "--sweep", "size=97,129",
                "--sweep", "score-threshold=0.25,0.3", "--sweep", "decoder=tfjs", "--sweep", "threads=1",
                "--csv", "s.csv")  # fmt: skip
    assert "…" not in shown.stdout
    heading, _, titles, _, *rows = shown.stdout.splitlines()[: 8 if width > 40 else None]
    assert heading == "mobilenet-075, decoder tfjs, threads 1 on person_keypoints.json"
    assert max(map(len, [titles, *rows[:4]])) <= width
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as file:
        precisions = [f"{100 * float(row['AP']):.1f}" for row in csv.DictReader(file)]
    assert "AP" in titles
    assert [p for p in precisions if p not in shown.stdout] == []
    assert ("interval" in titles) == (width >= 60)
    assert ("large" in titles) == ("medium" in titles) == ("AP50" in titles) == (width >= 80)


class GoneError(Exception):
    """What a test lets happen."""


def stop_at(call: int, error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have the estimators' runs end with an error at one of them; the sizes of all that were started."""
    sizes: list[int] = []

    def found(estimator: Any, *arguments: Any, **named: Any) -> Any:
        sizes.append(estimator.options.size)
        if len(sizes) == call:
            raise error
        return find_people(estimator, *arguments, **named)

    monkeypatch.setattr(evaluating, "find_people", found)
    return sizes


@pytest.mark.parametrize(("error", "exit_code"), [(KeyboardInterrupt, 130), (GoneError, 1)])
def test_what_a_sweep_has_finished_is_kept(
    run: Run,
    photos: Path,
    annotations: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    exit_code: int,
) -> None:
    sizes = stop_at(3, error, monkeypatch)
    shown = run("evaluate", "--images", photos, "--annotations", annotations, "--threads", 1, "--limit", 2, "--sweep",
                "size=97,113,129,145", "--csv", "s.csv", "--plot", "s.png", "--json", "s.json",
                exit_code=exit_code)  # fmt: skip
    assert sizes == [97, 113, 129]
    assert [line.split()[0] for line in shown.stdout.splitlines()[4:6]] == ["97", "113"]
    assert len(json.loads((tmp_path / "s.json").read_text())["runs"]) == 2
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 3
    assert (tmp_path / "s.png").exists()
    assert "2 of 4 settings were finished; here they are\n" in shown.stderr


def test_an_interrupted_run_says_what_is_kept(
    run: Run, photos: Path, annotations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(*arguments: Any, on_item: Callable[[Any], None], **named: Any) -> None:
        on_item(Failure("a", 0, InputError("a: broken")))
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluating, "find_people", found)
    words = ("evaluate", "--images", photos, "--annotations", annotations, *SMALL)
    shown = run(*words, exit_code=130)
    assert "\nnothing was scored\n" in shown.stderr
    assert shown.stdout == ""
    shown = run(*words, "--results", "r.json", exit_code=130)
    assert "\nnothing was scored; r.json has the results of 1 image\n" in shown.stderr


@pytest.mark.parametrize(
    ("sweep", "line", "exit_code"),
    [
        ("model=mobilenet-075,mobilenet-100", "no weights for mobilenet-100; run: posecli fetch-weights", 1),
        ("model=mobilenet-075,gone.safetensors", "gone.safetensors: no such weights file", 1),
        ("stride=16,32", "mobilenet-075 has no output stride 32; choose one of: 8, 16", 2),
    ],
)
def test_what_a_sweep_lacks_is_found_out_before_its_first_run(
    run: Run,
    photos: Path,
    annotations: Path,
    monkeypatch: pytest.MonkeyPatch,
    sweep: str,
    line: str,
    exit_code: int,
) -> None:
    sizes = stop_at(0, GoneError, monkeypatch)
    words = ("evaluate", "--images", photos, "--annotations", annotations, *SMALL, "--limit", 1, "--sweep", sweep)
    assert line in run(*words, exit_code=exit_code).stderr
    assert sizes == []


def test_a_sweep_fetches_what_it_lacks_before_its_first_run(
    run: Run, photos: Path, annotations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[tuple[str, int]] = []
    monkeypatch.setattr(fetching, "ensure", lambda name, stride, *, quiet: fetched.append((name, stride)))
    sizes = stop_at(0, GoneError, monkeypatch)
    run("evaluate", "--images", photos, "--annotations", annotations, *SMALL, "--limit", 1, "--fetch", "--sweep",
        "model=mobilenet-075,mobilenet-100@8", exit_code=1)  # fmt: skip
    assert fetched == [("mobilenet-075", 16), ("mobilenet-100", 8)]
    assert sizes == []


def test_the_reader_of_the_table_may_leave(photos: Path, annotations: Path, tmp_path: Path) -> None:
    """`| true`: every file is written, and the command ends well."""
    write(tmp_path / "r.json", [])
    words = ["evaluate", "--predictions", "r.json", "--images", photos, "--annotations", annotations, "--image-ids",
             "3,5", "--json", "m.json", "--worst", "1", "-o", "w"]  # fmt: skip
    read, write_end = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "posecli", *map(str, words)], stdout=write_end, stderr=subprocess.PIPE, cwd=tmp_path
    )
    os.close(write_end)
    assert (ended.returncode, ended.stderr.decode()) == (0, "1 image → w\n")
    assert (tmp_path / "m.json").exists()
    assert len(list((tmp_path / "w").iterdir())) == 1


# where nothing can be written


@pytest.mark.parametrize("option", ["--json", "--csv", "--plot", "--results", "-o"])
def test_a_place_that_cannot_be_written_to_is_found_out_first(
    run: Run, photos: Path, annotations: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    sizes = stop_at(0, GoneError, monkeypatch)
    Path("file").touch()
    Path("folder.png").mkdir()
    needed = {"--csv": ("--sweep", "size=97"), "--plot": ("--sweep", "size=97"), "-o": ("--worst", 1)}.get(option, ())
    words = ("evaluate", "--images", photos, "--annotations", annotations, *needed, option)
    for target in ("file/below.png", "file" if option == "-o" else "folder.png"):
        shown = run(*words, target, exit_code=1)
        assert "cannot be written" in shown.stderr
        assert shown.stderr.count("\n") == 1
        assert shown.stdout == ""
    assert sizes == []


def test_a_file_that_cannot_be_written_costs_itself_only(
    run: Run, photos: Path, annotations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one whose disk is full, which nobody knows before."""

    def write_some(path: Path, data: bytes) -> None:
        if path.name == "s.json":
            raise OutputError("s.json: cannot be written (No space left on device); choose another place")
        path.write_bytes(data)

    monkeypatch.setattr(evaluation_outputs, "write_whole", write_some)
    shown = run("evaluate", "--images", photos, "--annotations", annotations, *SMALL, "--limit", 1, "--sweep",
                "decoder=tfjs", "--json", "s.json", "--csv", "s.csv", exit_code=1)  # fmt: skip
    assert shown.stderr == "error: s.json: cannot be written (No space left on device); choose another place\n"
    assert Path("s.csv").exists()
    assert "95% interval" in shown.stdout


def test_a_device_may_be_written_to(run: Run, annotations: Path, tmp_path: Path) -> None:
    write(tmp_path / "r.json", [])
    run("evaluate", "--predictions", "r.json", "--annotations", annotations, "--json", os.devnull)


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
        (("--images", "photos", "--results", "x", "--json", "./x"), "x: --results and --json would both be written"),
        (("--images", "photos", "--worst", "1", "-o", "x", "--json", "X"), "x: --json and -o would both be written"),
        (("--images", "photos", "--worst", "1", "-o", "photos/"), "photos: the folder of the images; choose another"),
        (("--images", "photos", "--results", "-"), "--results -: only --json goes to standard output; give a name"),
        (("--images", "photos", "--sweep", "size=97", "--csv", "-"), "--csv -: only --json goes to standard output"),
        (("--images", "photos", "--sweep", "size=97", "--plot", "-"), "--plot -: only --json goes to standard output"),
        (("--predictions", "r.json", "--size", "99"), "--size is for running a model; leave it out, or --predictions"),
        (("--predictions", "r.json", "--quality", "best"), "--quality is for running a model; leave it out, or"),
        (("--predictions", "r.json", "--min-part-score", "0"), "--min-part-score is for running a model; leave"),
        (("--predictions", "r.json", "--preset", "tfjs"), "--preset is for running a model; leave it out, or"),
        (("--predictions", "r.json", "--batch-size", "2"), "--batch-size is for running a model; leave it out, or"),
        (("--predictions", "r.json", "--workers", "0"), "--workers is for running a model; leave it out, or"),
        (("--predictions", "r.json", "--fetch"), "--fetch is for running a model; leave it out, or --predictions"),
        (
            ("--images", "photos", "--size", "257", "--sweep", "quality=fast,balanced"),
            "--sweep: fast and balanced are the same setting here; leave one of them out",
        ),
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
