"""`posecli models`: the table, the JSON, the paths, and the end of a model."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from posecli.cli import app
from posecli.cli.models import ModelRow, models_table, official_rows, own_rows, print_table
from posecli.options import DEFAULT_MODEL
from posecli.weights import store
from posecli.weights.catalog import MODELS, RECOMMENDED

ESCAPE = "\x1b"
OWN = ("ape", "broken", "zebra")

Run = Callable[..., Result]
Install = Callable[[str], Path]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type `posecli models ...` in an empty folder, on a terminal of so many columns."""
    monkeypatch.chdir(tmp_path)

    def typed(*words: object, exit_code: int = 0, columns: int | None = None) -> Result:
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", str(columns))
        result = CliRunner().invoke(app, ["models", *map(str, words)])
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    return typed


@pytest.fixture
def install(home: Path) -> Install:
    """Put the bundled weights among the installed models, under a name."""

    def put(name: str) -> Path:
        path = store.models_folder() / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(store.bundled_path(), path)
        return path

    return put


def cells(result: Result, name: str) -> list[str]:
    """The cells of a model's line, as far as they are set apart by several spaces."""
    (line,) = [line for line in result.stdout.splitlines() if line.split()[:1] == [name]]
    return re.split(r" {2,}", line.strip())


# the table


@pytest.mark.parametrize("columns", [80, 100, 120, 200])
def test_the_table_fits_and_every_model_has_one_line(run: Run, columns: int) -> None:
    lines = run(columns=columns).stdout.splitlines()
    assert max(map(len, lines)) <= columns
    for name in MODELS:
        assert sum(line.startswith(f"{name} ") for line in lines) == 1
    assert "…" not in "".join(lines)


def test_a_model_says_what_it_costs_and_what_it_is_worth(run: Run) -> None:
    result = run(columns=120)
    assert cells(result, "mobilenet-100-quant1") == [
        *("mobilenet-100-quant1", "no", "3.4 MB", "3.3 M", "8, 16, 32", "9.1", "0.0"),
        "useless: take mobilenet-100-quant2",
    ]
    assert cells(result, "resnet50-quant2") == ["resnet50-quant2", "no", "47.5 MB", "23.7 M", "16, 32", "64.4", "-"]


def test_the_default_and_the_recommended_model_are_marked(run: Run) -> None:
    result = run(columns=120)
    assert cells(result, DEFAULT_MODEL)[-1].startswith("default; ")
    assert cells(result, RECOMMENDED)[-1].startswith("recommended; ")


def test_the_table_says_what_its_accuracy_was_measured_on(run: Run) -> None:
    text = " ".join(run(columns=80).stdout.split())
    assert "AP: COCO keypoint AP in percent, on 162 images of val2017" in text
    assert "513 x 513 at stride 16" in text


def test_where_columns_are_few_the_notes_stand_below(run: Run) -> None:
    narrow, wide = run(columns=80).stdout, run(columns=120).stdout
    assert "mobilenet-050-quant1: useless: take mobilenet-050-quant2\n" in narrow
    assert "Note" not in narrow
    assert "mobilenet-050-quant1:" not in wide


def test_what_is_installed_is_told_apart(run: Run, install: Install) -> None:
    install("resnet50")
    result = run(columns=120)
    assert [cells(result, name)[1] for name in ("resnet50", "mobilenet-075", "mobilenet-100")] == [
        "yes",
        "bundled",
        "no",
    ]
    install("mobilenet-075")
    assert cells(run(columns=120), "mobilenet-075")[1] == "yes"


def test_models_of_ones_own_follow_with_what_their_files_say(run: Run, install: Install) -> None:
    install("zebra")
    install("ape")
    broken = install("broken")
    broken.write_bytes(broken.read_bytes()[:100])
    result = run(columns=120)
    names = [line.split()[0] for line in result.stdout.splitlines() if line and line.split()[0] in (*MODELS, *OWN)]
    assert names == [*MODELS, *OWN]
    assert cells(result, "ape") == ["ape", "yes", "-", "1.3 M", "8, 16", "3.8", "-", "your own, float32"]
    assert cells(result, "broken") == ["broken", "damaged", "-", "-", "-", "-", "-", "your own; cannot be read"]


def test_a_model_of_an_unknown_network_is_listed_all_the_same(install: Install) -> None:
    path = install("future")
    path.write_bytes(path.read_bytes().replace(b'"architecture":"mobilenet_v1"', b'"architecture":"mobilenet_v9"'))
    (row,) = own_rows()
    assert (row.name, row.parameters, row.strides, row.gflops) == ("future", None, (), None)


def test_what_a_file_says_cannot_write_on_the_terminal(run: Run, install: Install) -> None:
    path = install("evil")
    path.write_bytes(path.read_bytes().replace(b'"quantization":"float32"', b'"quantization":"\\u001b["'))
    assert store.read_metadata(path)["quantization"] == f"{ESCAPE}["
    result = run(columns=120)
    assert ESCAPE not in result.output
    assert cells(result, "evil")[-1] == "your own"


def test_long_names_stay_readable(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "n" * 64
    print_table(models_table([ModelRow(name, "yes", "/n", None, None, (), None, None, "")]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "".join(line.split()[0] for line in lines if line.startswith("n")) == name


def test_the_path_is_that_of_the_model_that_would_be_used(install: Install) -> None:
    assert {row.path for row in official_rows()} == {str(store.bundled_path()), None}
    paths = {name: str(install(name)) for name in ("mobilenet-075", "resnet50")}
    assert {row.name: row.path for row in official_rows() if row.path} == paths
    assert all(str(store.find(name)) == path for name, path in paths.items())


def test_official_models_alone_can_be_shown(install: Install) -> None:
    install("my-model")
    assert [row.name for row in official_rows()] == list(MODELS)


def posecli(*words: str, **environment: str) -> str:
    """What `posecli models` prints in a process of its own, into a pipe."""
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    command = [sys.executable, "-m", "posecli", "models", *words]
    run = subprocess.run(command, capture_output=True, check=True, env={**kept, "PYTHONUTF8": "1", **environment})
    assert run.stderr == b""
    return run.stdout.decode()


def test_in_a_pipe_it_is_plain_and_every_model_on_one_line_with_its_note() -> None:
    text = posecli()
    assert ESCAPE not in text
    assert re.search(r"^mobilenet-050-quant1 .* useless: take mobilenet-050-quant2 *$", text, re.MULTILINE)
    assert ESCAPE in posecli(FORCE_COLOR="1")


@pytest.mark.parametrize("words", [[], ["--json", "-"], ["path", "mobilenet-075"], ["rm", "mobilenet-075"]])
def test_nothing_heavy_is_imported(words: list[str]) -> None:
    script = (
        "import sys, typer.testing, posecli.cli as c\n"
        f"typer.testing.CliRunner().invoke(c.app, ['models', *{words!r}])\n"
        "print(*sorted({'torch', 'cv2', 'numba', 'numpy', 'requests', 'safetensors'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


# --json


def test_the_json_has_what_the_table_has(run: Run, install: Install) -> None:
    path = install("my-model")
    document = json.loads(run("--json", "-").stdout)
    assert document["ap_measured_on"].startswith("COCO keypoint AP")
    models = {model["name"]: model for model in document["models"]}
    assert list(models) == [*MODELS, "my-model"]
    assert models["my-model"] == {
        "ap": None,
        "default": False,
        "download_bytes": None,
        "gflops": 3.82,
        "installed": "yes",
        "name": "my-model",
        "note": "your own, float32",
        "parameters": 1_258_195,
        "path": str(path),
        "recommended": False,
        "strides": [8, 16],
    }
    assert all(list(model) == sorted(model) for model in models.values())
    assert models["mobilenet-075"]["path"] == str(store.bundled_path())
    assert models["mobilenet-100"]["path"] is None
    assert [name for name, model in models.items() if model["default"]] == [DEFAULT_MODEL]
    assert [name for name, model in models.items() if model["recommended"]] == [RECOMMENDED]


def test_the_json_goes_to_a_file_the_same_each_time(run: Run, tmp_path: Path) -> None:
    result = run("--json", tmp_path / "below" / "models.json")
    assert result.output == ""
    assert (tmp_path / "below" / "models.json").read_text() == run("--json", "-").stdout


def test_json_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    result = run("--json", tmp_path, exit_code=1)
    assert re.fullmatch(r"error: .* cannot be written .*\n", result.stderr)


@pytest.mark.parametrize("words", [["path", "mobilenet-075"], ["rm", "mobilenet-100"]])
def test_json_goes_with_the_table_alone(run: Run, words: list[str]) -> None:
    result = run("--json", "-", *words, exit_code=2)
    assert f"--json goes with posecli models alone, not with {words[0]}" in result.stderr


# path


def test_the_path_of_a_bundled_an_official_and_an_own_model(run: Run, install: Install) -> None:
    assert run("path", "mobilenet-075").stdout == f"{store.bundled_path()}\n"
    for name in ("mobilenet-075", "resnet50", "my-model"):
        path = install(name)
        assert run("path", name).stdout == f"{path}\n"
    assert run("path", "resnet50@32").stdout == f"{store.models_folder() / 'resnet50.safetensors'}\n"


def test_the_path_of_a_model_that_is_not_installed_is_the_command_that_fetches_it(run: Run) -> None:
    result = run("path", "resnet50@32", exit_code=1)
    assert result.stdout == ""
    assert result.stderr == (
        "error: no weights for resnet50; run: posecli fetch-weights resnet50 (--fetch does it at once)\n"
    )


def test_an_unknown_model_or_stride_has_no_path(run: Run, install: Install) -> None:
    install("my-model")
    assert "no model 'my-modle' (did you mean my-model?)" in run("path", "my-modle", exit_code=2).stderr
    assert "no model 'nothing'; list them" in run("path", "nothing", exit_code=2).stderr
    assert "resnet50 has no output stride 8" in run("path", "resnet50@8", exit_code=2).stderr


# rm


def test_removed_models_are_gone_and_named_with_the_bytes_freed(run: Run, install: Install) -> None:
    gone = [install("resnet50"), install("my-model")]
    stays = install("mobilenet-100")
    result = run("rm", "resnet50@32", "my-model", "resnet50")
    freed = f"{stays.stat().st_size / 1e6:.1f} MB freed"
    assert result.stdout == ""
    assert result.stderr == f"removed resnet50: {freed}\nremoved my-model: {freed}\n"
    assert not any(path.exists() for path in gone)
    assert stays.exists()


def test_what_is_part_of_posecli_stays(run: Run, install: Install) -> None:
    assert "mobilenet-075 is part of posecli itself" in run("rm", "mobilenet-075", exit_code=2).stderr
    path = install("mobilenet-075")
    run("rm", "mobilenet-075")
    assert not path.exists()
    assert store.bundled_path().exists()


def test_what_is_not_installed_cannot_be_removed(run: Run, install: Install) -> None:
    path = install("my-model")
    assert "no model 'my-modle' is installed (did you mean my-model?)" in run("rm", "my-modle", exit_code=2).stderr
    assert path.exists()


@pytest.mark.parametrize("command", ["path", "rm"])
def test_a_command_without_a_name_shows_its_help(run: Run, command: str) -> None:
    assert "NAME" in run(command, exit_code=2).output
