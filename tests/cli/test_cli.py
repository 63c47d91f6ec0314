"""The commands as people type them: what they write, what they say, how they end."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from posecli import __version__
from posecli.cli import app
from posecli.cli.commands import ENTRIES
from posecli.estimate import Estimator, Prepared, SeenFields
from posecli.poses import Poses
from posecli.skeleton import PARTS
from posecli.weights.checkpoint import Checkpoint, load, save
from posecli.weights.store import find

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = ("--size", "65", "--threads", "1")

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command in an empty folder; nothing unexpected may come out of it."""
    monkeypatch.chdir(tmp_path)

    def typed(*words: object, exit_code: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    return typed


@pytest.fixture
def photo(examples: Path) -> NDArray[np.uint8]:
    """A photo of two people, small, BGR."""
    return cv2.resize(cv2.imread(str(examples / "two-pioneers.jpg")), (190, 128), interpolation=cv2.INTER_AREA)


@pytest.fixture
def photos(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """A folder: b.jpg, a.png and below/c.jpg, and a text."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for name in ("b.jpg", "a.png", "below/c.jpg"):
        cv2.imwrite(str(folder / name), photo)
    (folder / "notes.txt").write_text("no photo")
    return folder


def names(document: dict) -> list[str]:
    return [frame["name"] for frame in document["frames"]]


def exported(result: Result) -> dict:
    document = json.loads(result.stdout)
    jsonschema.validate(document, json.loads((ROOT / "docs/poses.schema.json").read_text(encoding="utf-8")))
    return document


# help


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"posecli {__version__}\n"


def test_no_command_shows_the_help() -> None:
    result = CliRunner().invoke(app, [])
    assert "annotate" in result.output
    assert result.exit_code == 2


@pytest.mark.parametrize("command", [entry.name for entry in ENTRIES])
def test_every_command_has_help_with_exit_codes_and_stands_in_the_readme(run: Run, command: str) -> None:
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", run(command, "--help").output).split())
    assert "130 interrupted" in text
    assert f"posecli {command}" in README


def test_every_option_stands_in_the_readme(run: Run) -> None:
    text = run("annotate", "--help").output + run("export", "--help").output
    options = set(re.findall(r"(--[a-z][a-z-]+)", text))
    assert {"--min-pose-score", "--background", "--annotations"} <= options
    assert sorted(option for option in options if f"`{option}" not in README) == ["--help"]


def test_the_help_shows_effective_values(run: Run) -> None:
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", run("export", "--help").output).split())
    assert "[default: 0.3; tfjs 0.5; demo-photo 0.1; demo-camera 0.1; port2018 0.5]" in text
    assert "[default: 641]" in text


# export


def test_export_to_stdout_is_valid_and_in_order(run: Run, photos: Path) -> None:
    document = exported(run("export", photos, "--recursive", "--size", 257))
    assert names(document) == ["a.png", "b.jpg", "below/c.jpg"]
    assert [frame["index"] for frame in document["frames"]] == [0, 1, 2]
    assert document["errors"] == []
    assert document["model"]["name"] == "mobilenet-075"
    first = document["frames"][0]
    assert (first["width"], first["height"], first["time_s"]) == (190, 128, None)
    assert len(first["poses"]) >= 2
    assert [k["part"] for k in first["poses"][0]["keypoints"]] == list(PARTS)
    assert first["poses"][0]["id"] is None


def test_talk_goes_to_stderr_and_quiet_ends_it(run: Run, photos: Path) -> None:
    loud, quiet = run("export", photos, *SMALL), run("export", photos, *SMALL, "--quiet")
    assert "2 images" in loud.stderr
    assert quiet.stderr == ""
    assert loud.stdout == quiet.stdout


def test_the_same_command_gives_the_same_bytes(run: Run, photos: Path) -> None:
    for name in ("one.json", "two.json"):
        run("export", photos, "-o", name, *SMALL)
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv"])
def test_the_suffix_chooses_the_format(run: Run, photos: Path, suffix: str) -> None:
    run("export", photos, "-o", f"out/poses.{suffix}", *SMALL, "--min-pose-score", 0, "--score-threshold", 0)
    text = Path(f"out/poses.{suffix}").read_text(encoding="utf-8")
    if suffix == "json":
        assert names(json.loads(text)) == ["a.png", "b.jpg"]
    elif suffix == "jsonl":
        assert [json.loads(line)["name"] for line in text.splitlines()] == ["a.png", "b.jpg"]
    else:
        rows = list(csv.DictReader(text.splitlines()))
        assert {row["name"] for row in rows} == {"a.png", "b.jpg"}
        assert len(rows) % 17 == 0


@pytest.mark.parametrize(("format", "file"), [("openpose", "a_keypoints.json"), ("yolo-pose", "a.txt")])
def test_folder_formats(run: Run, photos: Path, format: str, file: str) -> None:
    run("export", photos, "--format", format, "-o", "labels", *SMALL)
    assert (Path("labels") / file).exists()
    assert "give a folder instead of -" in run("export", photos, "--format", format, *SMALL, exit_code=2).stderr


def test_coco_results_take_their_ids_from_the_annotations(run: Run, photos: Path, tmp_path: Path) -> None:
    images = [{"id": 7, "file_name": "a.png"}, {"id": 9, "file_name": "b.jpg"}]
    (tmp_path / "person_keypoints.json").write_text(json.dumps({"images": images}))
    words = ("--format", "coco", "--size", 257)
    run("export", photos, "-o", "r.json", "--annotations", "person_keypoints.json", *words)
    results = json.loads(Path("r.json").read_text())
    assert {result["image_id"] for result in results} == {7, 9}
    assert all(len(result["keypoints"]) == 51 and result["category_id"] == 1 for result in results)


def test_unknown_formats_are_wrong_usage(run: Run, photos: Path) -> None:
    assert "did you mean jsonl?" in run("export", photos, "--format", "jsonlines", exit_code=2).stderr
    assert "give --format" in run("export", photos, "-o", "poses.xml", exit_code=2).stderr


def test_several_inputs_prefix_their_names(run: Run, photos: Path) -> None:
    document = exported(run("export", photos / "below", photos / "b.jpg", *SMALL))
    assert names(document) == ["below/c.jpg", "b.jpg"]


def test_globs_lists_and_odd_names(run: Run, photos: Path, photo: NDArray[np.uint8]) -> None:
    odd = photos / "odd [1]" / "Zoë & 人 (2).png"
    odd.parent.mkdir()
    odd.write_bytes(cv2.imencode(".png", photo)[1].tobytes())
    assert names(exported(run("export", photos / "*.jpg", *SMALL))) == ["b.jpg"]
    assert names(exported(run("export", odd, *SMALL))) == ["Zoë & 人 (2).png"]
    assert names(exported(run("export", odd.parent, *SMALL))) == ["Zoë & 人 (2).png"]
    listed = exported(run("export", "-", *SMALL, stdin="photos/b.jpg\nphotos/below/c.jpg\n"))
    assert names(listed) == ["photos/b.jpg", "photos/below/c.jpg"]


# options


def options_of(result: Result) -> dict:
    return json.loads(result.stdout)["options"]


def test_explicit_beats_preset_beats_default(run: Run, photos: Path) -> None:
    plain = options_of(run("export", photos / "b.jpg", *SMALL))
    assert (plain["score_threshold"], plain["max_poses"], plain["dilation"]) == (0.3, 20, "both")
    preset = options_of(run("export", photos / "b.jpg", *SMALL, "--preset", "demo-camera"))
    assert (preset["score_threshold"], preset["nms_radius"], preset["dilation"]) == (0.1, 30.0, "height")
    both = options_of(run("export", photos / "b.jpg", *SMALL, "--preset", "demo-camera", "--score-threshold", 0.3))
    assert (both["score_threshold"], both["nms_radius"]) == (0.3, 30.0)


def test_every_setting_reaches_the_estimator(run: Run, photos: Path) -> None:
    words = "--stride 8 --size 97 --resize tfjs --single --max-poses 3 --score-threshold 0.25 --nms-radius 7 "
    words += "--min-pose-score 0.05 --min-part-score 0.4 --mirror --device cpu --backend torch --threads 1"
    options = options_of(run("export", photos / "b.jpg", *words.split(), "--batch-size", 2))
    expected = {"stride": 8, "size": 97, "resize": "tfjs", "single": True, "max_poses": 3, "score_threshold": 0.25}
    expected |= {"nms_radius": 7.0, "min_pose_score": 0.05, "min_part_score": 0.4, "mirror": True, "device": "cpu"}
    assert {name: options[name] for name in expected} == expected


def test_single_finds_one(run: Run, photos: Path) -> None:
    document = exported(run("export", photos / "b.jpg", "--single", "--size", 257))
    assert len(document["frames"][0]["poses"]) == 1


def test_batches_change_nothing(run: Run, photos: Path) -> None:
    one, four = (exported(run("export", photos, "-r", "--size", 129, "--batch-size", n)) for n in (1, 4))
    assert names(one) == names(four)
    poses = [[pose for frame in document["frames"] for pose in frame["poses"]] for document in (one, four)]
    assert len(poses[0]) >= 3
    for p, q in zip(*poses, strict=True):
        for a, b in zip(p["keypoints"], q["keypoints"], strict=True):
            assert (a["x"], a["y"], a["score"]) == pytest.approx((b["x"], b["y"], b["score"]), abs=0.01)


# annotate


def test_annotate_mirrors_the_tree(run: Run, photos: Path) -> None:
    result = run("annotate", photos, "-r", "--size", 257, "--poses", "poses.json")
    out = Path("posecli-out")
    assert {p.relative_to(out).as_posix() for p in out.rglob("*.*")} == {"a.png", "b.jpg", "below/c.jpg"}
    before, after = cv2.imread(str(photos / "a.png")), cv2.imread(str(out / "a.png"))
    assert after.shape == before.shape
    assert (after != before).any()
    assert names(json.loads(Path("poses.json").read_text())) == ["a.png", "b.jpg", "below/c.jpg"]
    assert "3 images" in result.stderr
    assert "posecli-out and poses.json" in result.stderr


def test_annotate_looks(run: Run, photos: Path) -> None:
    words = ("--size", 257, "--boxes", "--labels", "--scores")
    run("annotate", photos / "b.jpg", "-o", "clear", "--background", "transparent", *words)
    clear = cv2.imread("clear/b.png", cv2.IMREAD_UNCHANGED)
    assert clear.shape == (128, 190, 4)
    assert 0 < (clear[..., 3] > 0).mean() < 0.6
    run("annotate", photos / "b.jpg", "-o", "black", "--background", "black", "--style", "classic", *words)
    assert (cv2.imread("black/b.jpg") < 30).mean() > 0.5
    run("annotate", photos / "b.jpg", "-o", "webp", "--image-format", "webp", *words)
    assert cv2.imread("webp/b.webp") is not None
    message = run("annotate", photos, "--background", "transparent", "--image-format", "jpg", exit_code=2).stderr
    assert "jpg cannot be transparent; use png or webp" in message


def test_mirrored_photo_and_skeleton(run: Run, photos: Path) -> None:
    run("annotate", photos / "a.png", "--mirror", "--min-pose-score", 1, *SMALL)  # nobody scores 1: only the photo
    before = cv2.imread(str(photos / "a.png"))
    np.testing.assert_array_equal(cv2.imread("posecli-out/a.png"), before[:, ::-1])


def test_exists(run: Run, photos: Path) -> None:
    run("annotate", photos, *SMALL)
    picture = Path("posecli-out/a.png")
    picture.write_bytes(b"kept")
    skipped = run("annotate", photos, "-r", "--exists", "skip", *SMALL)
    assert "2 of 3 done already, skipped" in skipped.stderr
    assert "1 image" in skipped.stderr
    assert run("annotate", photos, "-r", "--exists", "skip", *SMALL).stderr == "3 of 3 done already, skipped\n"
    assert picture.read_bytes() == b"kept"
    refused = run("annotate", photos, "--exists", "error", "--poses", "p.json", *SMALL, exit_code=1)
    assert "posecli-out/a.png: exists already" in refused.stderr
    assert picture.read_bytes() == b"kept"
    again = run("annotate", photos, "--exists", "skip", "--poses", "p.json", *SMALL)
    assert "2 of 2 done already, kept, and read again for --poses" in again.stderr
    assert names(json.loads(Path("p.json").read_text())) == ["a.png", "b.jpg"]
    assert picture.read_bytes() == b"kept"
    run("annotate", photos, *SMALL)
    assert picture.read_bytes() != b"kept"


def test_output_inside_the_input_is_not_input(run: Run, photos: Path) -> None:
    for _ in range(2):
        result = run("annotate", photos, "-r", "-o", photos / "out", *SMALL)
        assert "3 images" in result.stderr
    assert not (photos / "out" / "out").exists()


def test_originals_are_never_overwritten(run: Run, photos: Path) -> None:
    before = (photos / "b.jpg").read_bytes()
    assert "is the input folder" in run("annotate", photos, "-o", photos, *SMALL, exit_code=2).stderr
    assert "would overwrite an input" in run("annotate", photos / "b.jpg", "-o", photos, *SMALL, exit_code=2).stderr
    assert (photos / "b.jpg").read_bytes() == before


def test_two_inputs_for_one_output(run: Run, photos: Path) -> None:
    (photos / "a.jpg").write_bytes((photos / "b.jpg").read_bytes())
    message = run("annotate", photos, "--image-format", "png", *SMALL, exit_code=2).stderr
    assert "a.jpg" in message
    assert "a.png" in message
    assert not Path("posecli-out").exists()


def test_output_that_cannot_be_written(run: Run, photos: Path) -> None:
    Path("file").write_text("in the way")
    assert "file/out: cannot be written" in run("annotate", photos, "-o", "file/out", *SMALL, exit_code=1).stderr
    assert "file/p.json: cannot be written" in run("export", photos, "-o", "file/p.json", *SMALL, exit_code=1).stderr


# bad input


def test_missing_paths_are_wrong_usage_and_the_rest_is_done(run: Run, photos: Path) -> None:
    result = run("export", "nowhere.jpg", photos / "b.jpg", *SMALL, exit_code=2)
    assert result.stderr.count("nowhere.jpg") == 1
    document = exported(result)
    assert names(document) == ["b.jpg"]
    assert [error["name"] for error in document["errors"]] == ["nowhere.jpg"]
    run("export", "nowhere.jpg", exit_code=2)


def test_nothing_to_do_is_wrong_usage(run: Run, photos: Path) -> None:
    Path("empty").mkdir()
    assert "empty" in run("annotate", "empty", exit_code=2).stderr
    Path("outer/inner").mkdir(parents=True)
    (photos / "b.jpg").rename("outer/inner/b.jpg")
    assert "--recursive" in run("annotate", "outer", exit_code=2).stderr
    run("export", "-", stdin="", exit_code=2)


def test_inputs_are_never_overwritten_by_data(run: Run, photos: Path, tmp_path: Path) -> None:
    before = (photos / "b.jpg").read_bytes()
    for format in ("json", "jsonl", "csv", "csv-wide", "coco"):
        run("export", photos / "b.jpg", "-o", photos / "b.jpg", "--format", format, *SMALL, exit_code=2)
    run("annotate", photos, "--poses", photos / "b.jpg", "--poses-format", "json", *SMALL, exit_code=2)
    assert (photos / "b.jpg").read_bytes() == before
    Path("truth.json").write_text(json.dumps({"images": [{"id": 7, "file_name": "b.jpg"}]}))
    run("export", photos / "b.jpg", "-o", "truth.json", "--annotations", "truth.json", *SMALL, exit_code=2)
    assert "images" in json.loads(Path("truth.json").read_text())


def test_annotations_mean_coco(run: Run, photos: Path) -> None:
    Path("truth.json").write_text(json.dumps({"images": [{"id": 7, "file_name": "b.jpg"}]}))
    result = run("export", photos / "b.jpg", "--annotations", "truth.json", "--size", 257)
    assert {each["image_id"] for each in json.loads(result.stdout)} == {7}
    message = run("export", photos, "--annotations", "truth.json", "--format", "csv", exit_code=2).stderr
    assert "--annotations goes with --format coco, not with csv" in message


def test_bad_images_are_named_and_the_rest_is_done(
    run: Run, photos: Path, photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (photos / "b.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "text.jpg").write_text("<html>not found</html>")
    (photos / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (photos / "locked.png").write_bytes((photos / "a.png").read_bytes())
    read_bytes = Path.read_bytes

    def locked(path: Path) -> bytes:
        if path.name == "locked.png":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", locked)
    result = run("annotate", photos, "--poses", "poses.json", *SMALL, exit_code=1)
    document = json.loads(read_bytes(Path("poses.json")))
    bad = ["cut.jpg", "empty.jpg", "locked.png", "phone.heic", "text.jpg"]
    assert [error["name"] for error in document["errors"]] == bad
    assert names(document) == ["a.png", "b.jpg"]
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 5
    assert all(name in line for name, line in zip(bad, lines, strict=True))
    assert "5 failed" in result.stderr
    assert sorted(p.name for p in Path("posecli-out").iterdir()) == ["a.png", "b.jpg"]


def test_sizes_at_the_extremes(run: Run, tmp_path: Path) -> None:
    cv2.imwrite("dot.png", np.zeros((1, 1, 3), np.uint8))
    cv2.imwrite("thin.png", np.zeros((10, 20000, 3), np.uint8))
    for resize in ("aspect", "tfjs"):
        run("annotate", "dot.png", "thin.png", "--resize", resize, *SMALL)
        assert cv2.imread("posecli-out/thin.png").shape == (10, 20000, 3)


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        ("--size 10", 2, "--size must lie between 33 and 8193 px, got 10"),
        ("--stride 32", 2, "mobilenet-075 has no output stride 32; choose one of: 8, 16"),
        ("--stride 12", 2, "--stride must be 8, 16 or 32, got 12"),
        ("--model mobilenet-057", 1, "did you mean mobilenet-0"),
        ("--model mobilenet-100", 1, "posecli fetch-weights mobilenet-100"),
        ("--model broken.safetensors", 1, "broken.safetensors"),
        ("--score-threshold 2", 2, "--score-threshold must lie between 0 and 1, got 2.0"),
        ("--device cuda:99", 2, "--device"),
        ("--resize squash", 2, "--resize must be one of aspect, tfjs; got 'squash'"),
        ("--preset tfsj", 2, "got 'tfsj' (did you mean tfjs?)"),
        ("--batch-size 0", 2, "--batch-size must be at least 1, got 0"),
        ("--style moderne", 2, "--style must be one of modern, classic; got 'moderne' (did you mean modern?)"),
        ("--background pink", 2, "--background must be one of original, black, transparent; got 'pink'"),
        ("--exists never", 2, "--exists must be one of skip, overwrite, error; got 'never'"),
        ("--poses poses.txt", 2, "--poses-format"),
        ("--poses p.json --poses-format jsonlines", 2, "did you mean jsonl?"),
    ],
)
def test_wrong_options(run: Run, photos: Path, words: str, exit_code: int, message: str) -> None:
    Path("broken.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{broken")
    result = run("annotate", photos, *words.split(), exit_code=exit_code)
    assert message in " ".join(result.stderr.split())
    assert not Path("posecli-out").exists()


def test_the_unexpected_is_one_line_and_debug_shows_it(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(estimator: Estimator, prepared: object) -> list[SeenFields]:
        raise ZeroDivisionError("of the\nuniverse")

    monkeypatch.setattr(Estimator, "infer", broken)
    result = run("export", photos, *SMALL, exit_code=1)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert errors == ["error: unexpected ZeroDivisionError: of the universe; run again with --debug and report it"]
    shown = CliRunner().invoke(app, ["export", str(photos), *SMALL, "--debug"])
    assert shown.exit_code == 1
    assert "Traceback" in shown.stderr
    assert shown.stderr.endswith("error: unexpected ZeroDivisionError: of the universe; report it\n")


def test_debug_keeps_the_exit_code(photos: Path) -> None:
    shown = CliRunner().invoke(app, ["export", str(photos), "--size", "10", "--debug"])
    assert shown.exit_code == 2
    assert "Traceback" in shown.stderr


def test_an_error_is_one_printable_line(run: Run) -> None:
    message = run("export", "a\nb\x1b[31m.jpg", exit_code=2).stderr
    assert message.count("\n") == 1
    assert "\x1b[31m.jpg" not in message


def test_interrupting_keeps_what_was_finished(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    infer = Estimator.infer
    calls = iter([False, False, True])

    def interrupted(estimator: Estimator, prepared: Sequence[Prepared]) -> list[SeenFields]:
        if next(calls):
            raise KeyboardInterrupt
        return infer(estimator, prepared)

    monkeypatch.setattr(Estimator, "infer", interrupted)
    result = run("annotate", photos, "-r", "--poses", "poses.json", *SMALL, exit_code=130)
    assert "interrupted" in result.stderr
    assert names(json.loads(Path("poses.json").read_text())) == ["a.png", "b.jpg"]
    assert sorted(p.name for p in Path("posecli-out").rglob("*.*")) == ["a.png", "b.jpg"]
    assert not [p for p in Path().rglob("*") if "part" in p.suffix or p.suffix == ".tmp"]


# convert-weights


def test_convert_weights_names_what_it_cannot_read(run: Run) -> None:
    Path("model.json").write_text("<html>404</html>")
    assert "model.json" in run("convert-weights", "model.json", exit_code=1).stderr
    assert "nowhere" in run("convert-weights", "nowhere", exit_code=2).stderr


@pytest.mark.shared
def test_convert_weights_and_use_them(run: Run, photos: Path, shared: Path) -> None:
    model = shared / "tfjs-mirror/savedmodel/posenet/mobilenet/float/050/model-stride16.json"
    result = run("convert-weights", model)
    account = " ".join(result.stderr.split())
    assert "mobilenet-050" in account
    assert "577,459 parameters" in account
    assert "largest error" in account
    document = exported(run("export", photos / "b.jpg", "--model", "mobilenet-050.safetensors", "--size", 257))
    assert document["model"]["multiplier"] == 0.5
    run("convert-weights", model, "-o", "elsewhere/half.safetensors", "--quiet")
    assert Path("elsewhere/half.safetensors").exists()
    assert "posecli convert-weights" in run("export", photos, "--model", model, exit_code=1).stderr


def test_weights_that_do_not_say_how_they_were_stored(run: Run, photos: Path) -> None:
    bundled = load(find("mobilenet-075"))
    save(Path("own.safetensors"), Checkpoint(bundled.spec, bundled.state_dict, {}))
    document = exported(run("export", photos / "b.jpg", "--model", "own.safetensors", *SMALL))
    assert document["model"]["quantization"] == "unknown"
    assert document["model"]["sha256"] == bundled.metadata["sha256"]


# as processes


def posecli(*words: object, **settings: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "posecli", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", **settings
    )


@pytest.fixture
def many(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """More photos than are done before the reader of the first line has acted."""
    folder = tmp_path / "many"
    folder.mkdir()
    first = folder / "0000.jpg"
    first.write_bytes(cv2.imencode(".jpg", photo)[1].tobytes())
    for i in range(1, 2000):
        (folder / f"{i:04}.jpg").hardlink_to(first)
    return folder


def test_a_reader_that_leaves_ends_the_run_quietly(many: Path) -> None:
    with posecli("export", many, "--format", "jsonl", "--size", 129) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["name"] == "0000.jpg"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_in_the_middle(many: Path, tmp_path: Path) -> None:
    words = ("annotate", many, "--poses", "-", "--size", 129, "-o", tmp_path / "out")
    with posecli(*words) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '"0001.jpg"' in line:
                process.send_signal(signal.SIGINT)
                break
        rest, talk = process.communicate()
        assert process.returncode == 130
    assert "error: interrupted; what was finished is kept" in talk
    assert "Traceback" not in talk
    assert rest.endswith("}\n")  # the document was completed
    pictures = sorted((tmp_path / "out").iterdir())
    assert 2 <= len(pictures) < 2000
    assert all(cv2.imread(str(picture)) is not None for picture in pictures)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_sigterm_keeps_what_was_finished(many: Path, tmp_path: Path) -> None:
    with posecli("annotate", many, "--poses", "poses.jsonl", "--size", 129, "-o", "out", cwd=tmp_path) as process:
        assert process.stderr is not None
        while not (tmp_path / "out/0001.jpg").exists():
            with pytest.raises(subprocess.TimeoutExpired):  # it has not ended
                process.wait(0.05)
        process.terminate()
        _, talk = process.communicate()
    assert process.returncode == 143
    assert "error: interrupted; what was finished is kept" in talk
    assert not list(tmp_path.rglob("*.part"))
    assert json.loads((tmp_path / "poses.jsonl").read_text().splitlines()[0])["name"] == "0000.jpg"


def test_pictures_go_on_when_the_reader_of_the_poses_leaves(photos: Path, tmp_path: Path) -> None:
    words = (
        "annotate",
        photos,
        "--recursive",
        "--poses",
        "-",
        "--poses-format",
        "jsonl",
        *SMALL,
        "-o",
        tmp_path / "out",
    )
    with posecli(*words) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 0
    assert sum(path.is_file() for path in (tmp_path / "out").rglob("*")) == 3


def test_without_libgl_the_package_to_install_is_named(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "fake").mkdir()
    message = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "fake/cv2.py").write_text(f"raise ImportError({message!r})")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "fake")}
    with posecli("annotate", photos, env=environment) as process:
        _, talk = process.communicate()
    assert process.returncode == 1
    assert "apt-get install libgl1" in talk
    assert len(talk.splitlines()) == 1


def test_the_readmes_python_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    assert isinstance(names["poses"], Poses)
    assert len(names["poses"]) >= 2
