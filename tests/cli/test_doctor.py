"""`posecli doctor` as people type it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from posecli import __version__
from posecli.cli import app
from posecli.doctor import packages, selftest
from posecli.doctor.selftest import read_reference
from posecli.weights import store

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type `posecli doctor` in an empty folder, with no models but the bundled one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSECLI_HOME", str(tmp_path / "kept"))

    def typed(*words: str, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["doctor", *words])
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    return typed


def test_a_page_to_paste(run: Run) -> None:
    result = run()
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == f"posecli    {__version__}"
    assert lines[-1].startswith("self-test  ok on ")
    assert "2 people" in lines[-1]
    assert len(lines) <= 40
    assert "\x1b" not in result.stdout
    assert any(line.startswith("models     mobilenet-075 (5.0 MB, bundled)") for line in lines)


def test_long_paths_stay_whole(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(tmp_path / ("long " * 30 + "name"))
    monkeypatch.setenv("POSECLI_HOME", folder)
    assert folder in run().stdout


def test_json_has_the_same_facts(run: Run) -> None:
    report = json.loads(run("--json", "-").stdout)
    page = run().stdout
    assert report["ok"] is True
    assert report["posecli"] == __version__
    facts = [f"{library['name']} {library['version']}" for library in report["libraries"]]
    facts += [report["host"]["python"], report["host"]["platform"], report["folder"]["path"]]
    facts += [f"{name}={value}" for name, value in report["variables"].items()]
    facts += [device["name"] for device in report["compute"]["devices"]]
    facts += [model["name"] for model in report["models"]]
    facts += [f"{test['people']} people" for test in report["self_tests"]]
    assert [fact for fact in facts if fact not in page] == []


def test_json_in_a_file(run: Run) -> None:
    result = run("--json", "out/report.json")
    assert result.stdout == ""
    assert result.stderr == "wrote out/report.json\n"
    assert json.loads(Path("out/report.json").read_text(encoding="utf-8"))["ok"] is True
    assert [path.name for path in Path("out").iterdir()] == ["report.json"]


def test_a_file_that_cannot_be_written(run: Run) -> None:
    Path("file").touch()
    assert f"{Path('file/report.json')}: cannot be written" in run("--json", "file/report.json", exit_code=1).stderr


def test_a_self_test_that_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = read_reference()
    reference["poses"][0]["keypoints"][0][0] += 5
    monkeypatch.setattr(selftest, "read_reference", lambda: reference)
    result = run(exit_code=1)
    assert re.search(r"self-test  FAILED on cpu: a keypoint is 5(\.0\d)? px", result.stdout)
    report = json.loads(run("--json", "-", exit_code=1).stdout)
    assert report["ok"] is False
    assert report["self_tests"][0]["deviation_px"] == pytest.approx(5, abs=0.1)


def test_a_missing_extra_has_its_install_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "requires", lambda name: ["numpy", "posecli-nowhere>=2; extra == 'video'"])
    assert 'posecli-nowhere missing; run: pip install "posecli[video]"' in run().stdout


def test_a_damaged_model_is_named(run: Run) -> None:
    path = store.models_folder() / "mobilenet-050.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(store.bundled_path().read_bytes()[:-100])
    lines = [line for line in run().stdout.splitlines() if "mobilenet-050" in line]
    assert len(lines) == 1
    assert "not a whole safetensors file" in lines[0]
    assert "posecli fetch-weights mobilenet-050" in lines[0]


def test_credentials_are_masked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_WEIGHTS_URL", "https://ann:secret@mirror.example/posenet/")
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:secret@proxy:3128")
    for words in ((), ("--json", "-")):
        text = run(*words).stdout
        assert "secret" not in text
        assert "https://***@mirror.example/posenet/" in text
        assert "http://***@proxy:3128" in text


def test_names_that_the_console_cannot_show(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_EXAMPLE", "人")
    result = CliRunner(charset="ascii").invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    assert "POSECLI_EXAMPLE=?" in result.output
