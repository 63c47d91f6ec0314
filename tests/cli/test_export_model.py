"""`posecli export-model` as people type it; TorchScript, the quickest format, stands for all."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from posecli.cli import exporting
from posecli.cli.export_model import export_model
from posecli.export_model import artifacts
from posecli.weights import store

Run = Callable[..., Result]

app = typer.Typer()
app.command()(export_model)


@pytest.fixture
def run(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type `posecli export-model ...` in an empty folder."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)

    def typed(*words: str, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    return typed


def files() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def test_a_file_with_its_report(run: Run) -> None:
    result = run("-o", "out/mine.pt")
    assert result.stdout == ""
    for words in ("heatmaps", "offsets", "forward", "backward", "Against torch float32", "people in 4 pictures"):
        assert words in result.stderr
    size = Path("out/mine.pt").stat().st_size
    assert result.stderr.splitlines()[-1] == f"wrote {Path('out/mine.pt')} ({size / 1e6:.1f} MB)"
    assert [path.name for path in Path("out").iterdir()] == ["mine.pt"]


def test_named_after_the_model(run: Run) -> None:
    assert run("--format", "torchscript", "--model", "mobilenet-075", "--quiet").output == ""
    assert files() == ["mobilenet-075-stride16.pt"]


def test_onnx_where_nothing_says_otherwise(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert 'run: pip install "posecli[onnx]"' in run(exit_code=1).stderr
    assert files() == []


def test_the_report_as_json(run: Run) -> None:
    result = run("-o", "mine.pt", "--json", "-", "--preset", "tfjs")
    report = json.loads(result.stdout)
    assert report["format"] == "torchscript"
    assert report["files"] == [{"path": "mine.pt", "bytes": Path("mine.pt").stat().st_size}]
    assert report["metadata"]["dilation"] == "height"
    assert report["limits"]["head"] == 1e-4
    assert set(report["heads"]) == {"heatmaps", "offsets", "forward", "backward"}
    assert all(error["relative"] <= 1e-4 for error in report["heads"].values())
    assert all(each["found"] == each["expected"] for each in report["pictures"])
    assert "heatmaps" not in result.stderr


def test_json_in_a_file(run: Run) -> None:
    result = run("-o", "mine.ts", "--json", "report.json")
    assert result.stderr.splitlines()[0] == "wrote report.json"
    assert result.stderr.splitlines()[1].startswith("wrote mine.ts")
    assert result.stdout == ""
    assert json.loads(Path("report.json").read_text(encoding="utf-8"))["metadata"]["model"] == "mobilenet-075"


def test_a_model_of_little_use_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "caution", lambda spec, metadata: "mine: poor [really]")
    assert run("-o", "mine.pt").stderr.startswith("warning: mine: poor [really]\n")


def test_fetching_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecli.cli import fetching

    asked = []

    def ensure(model: str, stride: int, *, quiet: bool) -> None:
        asked.append((model, stride, quiet))
        store.models_folder().mkdir(parents=True)
        shutil.copy(store.bundled_path(), store.models_folder() / f"{model}.safetensors")

    monkeypatch.setattr(fetching, "ensure", ensure)
    run("-o", "mine.pt", "--model", "mobilenet-100", "--fetch", "-q")
    assert asked == [("mobilenet-100", 16, True)]


def test_a_model_that_disagrees(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    make = artifacts.make_program
    monkeypatch.setattr(artifacts, "make_program", lambda checkpoint, stride, dilation: make(checkpoint, 8, dilation))
    result = run("-o", "mine.pt", "--json", "-", exit_code=1)
    assert result.stdout == ""
    assert result.stderr.startswith("error: mine.pt: not written: in torchscript, the model disagrees with torch")
    assert result.stderr.count("\n") == 1
    assert files() == []


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        (["-o", "mine.tflite"], 2, "mine.tflite: a model is written to a file whose name ends in .onnx or .xml"),
        (["-o", "mine.pt", "--format", "onnx"], 2, "mine.pt: a model in onnx is written to a file whose name ends"),
        (["-o", "mine.pt", "--precision", "int8"], 2, "--format torchscript has no --precision int8"),
        (["-o", "mine.pt", "--precision", "half"], 2, "--precision must be one of"),
        (["-o", "mine.pt", "--stride", "32"], 2, "mobilenet-075 has no output stride 32"),
        (["-o", "mine.pt", "--model", "mobilenet-50"], 1, "did you mean mobilenet-050"),
        (["-o", "mine.pt", "--model", "mobilenet-050"], 1, "posecli fetch-weights mobilenet-050"),
        (["-o", ".pt"], 2, ".pt: a model is written to a file"),
    ],
)
def test_mistakes_leave_nothing(run: Run, words: list[str], exit_code: int, message: str) -> None:
    result = run(*words, exit_code=exit_code)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert files() == []


def test_a_file_in_the_place_of_a_folder(run: Run) -> None:
    Path("file").touch()
    assert f"{Path('file/mine.pt')}: cannot be written" in run("-o", "file/mine.pt", exit_code=1).stderr
