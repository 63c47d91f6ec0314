"""`posecli bench`: the table, the file, files to files, two compared, and what goes wrong."""

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from benchmarks import written
from posecli.cli import app, benching
from posecli.estimate import Estimator

SMALL = ("--size", "65", "--threads", "1", "--backend", "torch")

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type `posecli bench ...` in an empty folder, where nobody looks; nothing is left in the temporary folder."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def typed(*words: object, exit_code: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(app, ["bench", *map(str, words)], input=stdin)
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        assert list(temporary.iterdir()) == []
        return result

    return typed


@pytest.fixture
def photos(tmp_path: Path, examples: Path) -> Path:
    """A folder of two photos, of two people."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = cv2.resize(cv2.imread(str(examples / "two-pioneers.jpg")), (190, 128), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "a.jpg"), photo)
    cv2.imwrite(str(folder / "b.png"), np.ascontiguousarray(photo.transpose(1, 0, 2)))
    return folder


def document(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# figures


def test_without_inputs_the_packaged_photo_is_measured(run: Run, tmp_path: Path) -> None:
    result = run("-n", "9", *SMALL, "--json", "bench.json", "--people")
    measured = document(tmp_path / "bench.json")
    assert measured["inputs"]["packaged"]
    assert measured["run"]["images"] == sum(row["images"] for row in measured["people"]) == 9
    assert measured["run"]["warm_up_images"] >= 10
    assert list(measured["stages"]) == ["resize", "network", "decode", "total"]
    assert len(measured["inputs"]["network_sizes"]) > 2
    assert measured["argv"][0] == "posecli"
    assert measured["options"]["precision"] == "float32"
    table = result.stdout
    assert "mobilenet-075 on torch float32, cpu" in table
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines() if line.strip()}
    for stage, summary in measured["stages"].items():
        assert rows[stage] == [f"{summary[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms")]
    assert f"{measured['images_per_s']:.1f} images/s" in table
    assert "9 images are few" in table
    assert re.search(r"^people +images +decode p50, ms +total p50, ms", table, re.MULTILINE)


def test_people_are_shown_only_where_asked_for(run: Run) -> None:
    assert "decode p50" not in run("-n", "1", *SMALL).stdout


def test_stdout_is_the_document_alone(run: Run, photos: Path) -> None:
    measured = json.loads(run(photos, "-n", "3", *SMALL, "--batch-size", "2", "--json", "-").stdout)
    assert measured["run"]["batch_size"] == 2
    assert (measured["inputs"]["pictures"], measured["inputs"]["listed"]) == (2, 2)
    sizes = {(size["width"], size["height"]): size["images"] for size in measured["inputs"]["network_sizes"]}
    assert sizes == {(65, 49): 2, (49, 65): 1}
    assert measured["run"]["threads"] == 1


def test_a_list_on_standard_input_is_measured(run: Run, photos: Path) -> None:
    result = run("-", "-n", "1", *SMALL, "--json", "-", stdin=f"{photos / 'a.jpg'}\n")
    assert json.loads(result.stdout)["inputs"]["pictures"] == 1


@pytest.mark.parametrize("workers", [(), ("--workers", "0"), ("--workers", "2")])
def test_from_file_to_file(run: Run, photos: Path, tmp_path: Path, workers: tuple[str, ...]) -> None:
    before = sorted(photos.iterdir())
    result = run(photos, "-n", "5", *SMALL, "--end-to-end", *workers, "--json", "bench.json")
    measured = document(tmp_path / "bench.json")
    reached = measured["end_to_end"]
    assert list(measured["stages"]) == ["read", "resize", "network", "decode", "write", "total"]
    assert (measured["mode"], measured["complete"], reached["images"], measured["run"]["images"]) == (
        *("end-to-end", True),
        *(5, 5),
    )
    alone = reached["stage_images_per_s"]
    assert alone[reached["slowest_stage"]] == min(alone.values())
    assert reached["reached"] == pytest.approx(reached["images_per_s"] / min(alone.values()))
    assert f"{reached['reached']:.0%} of what the slowest stage, {reached['slowest_stage']}, allows" in result.stdout
    assert "target 85%" in result.stdout
    assert measured["inputs"]["held_bytes"] == 0
    assert sorted(photos.iterdir()) == before


def test_from_file_to_file_with_the_packaged_photo(run: Run) -> None:
    measured = json.loads(run("-n", "2", *SMALL, "--end-to-end", "--json", "-").stdout)
    assert measured["inputs"]["packaged"]
    assert measured["run"]["batch_size"] is None


# what goes wrong


def test_an_input_that_cannot_be_read_is_named_and_the_rest_measured(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "c.jpg").write_text("no image")
    for mode in ((), ("--end-to-end",)):
        result = run(photos, tmp_path / "absent.jpg", "-n", "4", *SMALL, *mode, "--json", "bench.json", exit_code=2)
        assert result.stderr.count("error:") == 2
        assert "c.jpg: not an image" in result.stderr
        assert "absent.jpg: no such file" in result.stderr
        assert "2 of 4 listed, 2 failed" in result.stdout
        assert document(tmp_path / "bench.json")["run"]["images"] == 4
    run(photos, "-n", "4", *SMALL, exit_code=1)


def test_nothing_readable_is_one_more_line(run: Run, photos: Path) -> None:
    for name in ("a.jpg", "b.png"):
        (photos / name).write_text("no image")
    result = run(photos, *SMALL, exit_code=1)
    assert "none of the 2 inputs could be read" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-n", "0"), "--num-images must be at least 1, got 0"),
        (("--num-images", "-3"), "--num-images must be at least 1, got -3"),
        (("--workers", "2"), "add --end-to-end"),
        (("--batch-size", "0"), "--batch-size must be at least 1"),
        (("absent",), "absent: no such file or folder"),
        (("--compare", "a.json", "b.json"), "a.json: no such file"),
        (("photos", "--compare", "a.json", "b.json"), "--compare measures nothing"),
        (("photos/a.jpg", "--json", "photos/a.jpg"), "would overwrite an input"),
    ],
)
def test_wrong_usage_is_one_clear_line(run: Run, photos: Path, words: tuple[str, ...], message: str) -> None:
    result = run(*words, exit_code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


class Interrupted(Estimator):
    """An estimator during which somebody presses Ctrl-C, at image `at`."""

    at = 0
    done = 0

    def batch(self, images: Any, times: Any = None) -> Any:
        Interrupted.done += len(images)
        if Interrupted.done == Interrupted.at:
            raise KeyboardInterrupt
        return super().batch(images, times)


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Press Ctrl-C at an image, the warm-up's included."""
    ready = benching.ready_estimator

    def make(*arguments: Any, **options: Any) -> Estimator:
        estimator = ready(*arguments, **options)
        return Interrupted(estimator.backend, estimator.spec, estimator.options, estimator.metadata)

    def at(image: int) -> None:
        monkeypatch.setattr(benching, "ready_estimator", make)
        monkeypatch.setattr(Interrupted, "at", image)
        monkeypatch.setattr(Interrupted, "done", 0)

    return at


def test_ctrl_c_shows_the_figures_so_far(
    run: Run, photos: Path, tmp_path: Path, interrupt: Callable[[int], None]
) -> None:
    interrupt(10 + 4)
    result = run(photos, "-n", "9", *SMALL, "--json", "bench.json", exit_code=130)
    assert "interrupted after 3 of 9 images" in result.stdout
    measured = document(tmp_path / "bench.json")
    assert (measured["complete"], measured["run"]["images"]) == (False, 3)
    assert result.stderr.count("\n") == 1


def test_ctrl_c_from_file_to_file_shows_the_stages(run: Run, photos: Path, interrupt: Callable[[int], None]) -> None:
    interrupt(10 + 3)
    result = run(photos, "-n", "9", *SMALL, "--end-to-end", exit_code=130)
    assert "interrupted after 2 of 9 images" in result.stdout
    assert "From file to file" not in result.stdout


def test_ctrl_c_in_the_warm_up_shows_nothing(run: Run, photos: Path, interrupt: Callable[[int], None]) -> None:
    interrupt(2)
    assert run(photos, *SMALL, exit_code=130).stdout == ""


def test_threads_are_those_of_torch_where_it_runs(run: Run) -> None:
    measured = json.loads(run("-n", "1", "--size", "65", "--backend", "torch", "--json", "-").stdout)
    assert measured["run"]["threads"] >= 1


# two compared


def test_two_files_are_compared_without_running_anything(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(written()))
    changes = {"images_per_s": 125.0, "options__size": 257, "machine__cpu": "Another [CPU]", "inputs__digest": "bb"}
    (tmp_path / "b.json").write_text(json.dumps(written(**changes)))
    table = run("--compare", "a.json", "b.json").stdout
    assert re.search(r"^network p50 +ms +10\.0 +10\.0 +1\.00", table, re.MULTILINE)
    assert re.search(r"^throughput +images/s +50\.0 +125\.0 +2\.50", table, re.MULTILINE)
    assert re.search(r"^options\.size +513 +257", table, re.MULTILINE)
    assert re.search(r"^machine\.cpu +A CPU +Another \[CPU\]", table, re.MULTILINE)
    assert "warning: the machines differ" in table
    assert "warning: the inputs differ" in table


def test_a_measurement_compares_with_itself(run: Run, tmp_path: Path) -> None:
    run("-n", "1", *SMALL, "--json", "a.json")
    table = run("--compare", "a.json", "a.json").stdout
    assert "differ" not in table
    assert re.search(r"^throughput .* 1\.00", table, re.MULTILINE)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": "posecli/1"}'])
def test_a_file_that_is_no_benchmark_is_one_clear_line(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    result = run("--compare", "a.json", "a.json", exit_code=2)
    assert result.stderr == "error: a.json: not a posecli-bench/1 file; make one with: posecli bench --json FILE\n"
