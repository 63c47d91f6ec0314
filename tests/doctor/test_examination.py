import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from posecli import __version__
from posecli.doctor import Problem, examination, examine
from posecli.doctor.report import Extra, Library, SelfTest, probe
from posecli.errors import WeightsError
from posecli.weights import store


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "kept"
    monkeypatch.setenv("POSECLI_HOME", str(folder))
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No self-test: it has tests of its own."""
    monkeypatch.setattr(examination, "self_test", lambda device: SelfTest(device, 2, 0.01, 30.0, None))


def install(name: str, data: bytes) -> Path:
    path = store.models_folder() / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_nothing_missing() -> None:
    report = examine()
    assert report.ok
    assert report.posecli == __version__
    assert [name for name, answer in asdict(report).items() if isinstance(getattr(report, name), Problem)] == []
    assert report.host.platform.split("-")[0] in {"Linux", "macOS", "Windows"}
    assert report.compute.devices[0].name == "cpu"
    assert report.compute.threads >= 1
    assert [test.device for test in report.self_tests] == [device.name for device in report.compute.devices]
    assert [(model.name, model.bundled, model.problem) for model in report.models] == [("mobilenet-075", True, None)]
    assert report.models[0].size_bytes == store.bundled_path().stat().st_size


def test_the_report_is_for_others_to_read(quick: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(home.parent))
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:secret@proxy:3128")
    monkeypatch.setattr(sys, "executable", str(home.parent / "bin" / "python"))
    install("mine", b"no weights")
    text = json.dumps(asdict(examine()))
    assert json.dumps(str(home.parent))[1:-1] not in text
    assert "secret" not in text
    assert str(Path("~/kept")) in text.replace("\\\\", "\\")


# models


def test_installed_models(quick: None) -> None:
    bundled = store.bundled_path().read_bytes()
    install("own", bundled)
    damaged = install("mobilenet-050", bundled[: len(bundled) // 2])
    models = {model.name: model for model in examine().models if not model.bundled}
    assert list(models) == ["mobilenet-050", "own"]
    assert models["own"].problem is None
    assert models["own"].size_bytes == len(bundled)
    assert "not a whole safetensors file" in models["mobilenet-050"].problem
    assert store.mend(damaged) in models["mobilenet-050"].problem
    assert examine().ok  # what the user keeps is not the installation


def test_the_folder(quick: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = examine().folder
    assert (folder.path, folder.variable) == (str(home), "POSECLI_HOME")
    assert (folder.exists, folder.writable) == (False, True)
    home.mkdir()
    assert examine().folder.exists
    for missing in (os.W_OK, os.X_OK):
        monkeypatch.setattr(os, "access", lambda path, mode, missing=missing: not mode & missing)
        assert not examine().folder.writable


def test_a_file_in_the_folders_place_is_named(quick: None, home: Path) -> None:
    home.touch(0o777)
    assert "is not a folder" in examine().folder.problem


def test_the_variable_that_chose_the_folder(quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSECLI_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert examine().folder.variable is None
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(store, "home", lambda: tmp_path / "data" / "posecli")
    assert examine().folder.variable == "XDG_DATA_HOME"
    monkeypatch.setattr(store, "home", lambda: tmp_path / "elsewhere")
    assert examine().folder.variable is None


# environment


def test_only_variables_that_matter_are_shown() -> None:
    environment = {
        "POSECLI_OFFLINE": "1",
        "POSECLI_WEIGHTS_URL": "https://ann:secret@mirror.example/",
        "https_proxy": "ann:secret@proxy:3128",
        "OMP_NUM_THREADS": "4",
        "POSECLI_HOME": "/data/a@b?",
        "API_KEY": "secret",
        "PATH": "/bin",
        "HTTP_PROXY_PASSWORD": "secret",
    }
    assert examination.variables_that_matter(environment) == {
        "OMP_NUM_THREADS": "4",
        "POSECLI_HOME": "/data/a@b?",
        "POSECLI_OFFLINE": "1",
        "POSECLI_WEIGHTS_URL": "https://***@mirror.example/",
        "https_proxy": "***@proxy:3128",
    }


# devices


def test_gpus_are_named_and_tested(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = SimpleNamespace(name="Test GPU", total_memory=8_000_000_000)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: gpu)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    report = examine()
    assert report.compute.build == "CUDA 12.8"
    names = ["cpu", "cuda:0", "cuda:1", "mps"]
    assert [device.name for device in report.compute.devices] == names
    assert (report.compute.devices[1].description, report.compute.devices[1].memory_bytes) == ("Test GPU", 8 * 10**9)
    assert [test.device for test in report.self_tests] == names
    assert report.compute.note is None


def test_a_gpu_build_without_a_gpu_says_why(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> int:
        raise RuntimeError("Found no NVIDIA driver on your system.")

    monkeypatch.setattr(torch.version, "hip", "6.2")
    monkeypatch.setattr(torch.cuda, "current_device", no_driver)
    report = examine()
    assert (report.compute.build, [device.name for device in report.compute.devices]) == ("ROCm 6.2", ["cpu"])
    assert report.compute.note == "RuntimeError: Found no NVIDIA driver on your system."
    assert report.ok


def test_memory_is_not_known_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert examination._host().memory_bytes is None


# one problem does not end the report


SECTIONS = {"_host": "host", "libraries": "libraries", "extras": "extras", "_compute": "compute", "_folder": "folder"}
SECTIONS |= {"_models": "models", "_cameras": "cameras"}


@pytest.mark.parametrize("failing", SECTIONS)
def test_each_question_fails_alone(quick: None, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise SystemError("built for\nanother Python")

    monkeypatch.setattr(examination, failing, fail)
    report = examine()
    problems = {name for name in SECTIONS.values() if isinstance(getattr(report, name), Problem)}
    assert problems == {SECTIONS[failing]}
    assert getattr(report, SECTIONS[failing]).problem == "SystemError: built for another Python"
    assert report.ok == (failing not in ("libraries", "extras"))
    assert len(report.self_tests) >= 1


def test_probe_gives_the_answer_or_one_short_line() -> None:
    def fail() -> None:
        raise WeightsError("a.safetensors: damaged " + "x" * 1000)

    assert probe(lambda: 7) == 7
    problem = probe(fail).problem
    assert problem.startswith("a.safetensors: damaged")
    assert len(problem) < 320
    with pytest.raises(KeyboardInterrupt):
        probe(lambda: (_ for _ in ()).throw(KeyboardInterrupt))


@pytest.mark.parametrize(
    ("library", "needed", "ok"),
    [
        (Library("a", "1", None), True, True),
        (Library("a", "1", "OSError"), True, False),
        (Library("a", None, "not installed"), True, False),
        (Library("a", None, "not installed"), False, True),
        (Library("a", "1", "OSError"), False, False),
    ],
)
def test_what_counts_as_fine(
    quick: None, library: Library, needed: bool, ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "libraries", lambda: (library,) if needed else ())
    monkeypatch.setattr(examination, "extras", lambda: () if needed else (Extra("a", "pip", (library,)),))
    assert examine().ok == ok


def test_a_failed_self_test_is_not_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "self_test", lambda device: SelfTest(device, None, None, None, "no"))
    assert not examine().ok


def test_it_works_where_numpy_torch_and_opencv_do_not(tmp_path: Path) -> None:
    for name, error in {
        "numpy": "ImportError('numpy is built for another Python')",
        "torch": "OSError('libtorch_cpu.so: invalid ELF header')",
        "cv2": "ImportError('libGL.so.1: cannot open shared object file')",
    }.items():
        (tmp_path / f"{name}.py").write_text(f"raise {error}")
    code = "import sys, posecli.__main__; sys.argv = ['posecli', 'doctor', '--json', '-']; posecli.__main__.main()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert run.returncode == 1, run.stderr
    assert run.stderr == ""
    report = json.loads(run.stdout)
    problems = {library["name"]: library["problem"] for library in report["libraries"]}
    assert problems["numpy"] == "ImportError: numpy is built for another Python"
    assert problems["torch"] == "OSError: libtorch_cpu.so: invalid ELF header"
    assert "apt-get install libgl1" in problems["opencv-python"]
    assert problems["requests"] is None
    assert report["compute"] == {"problem": "OSError: libtorch_cpu.so: invalid ELF header"}
    assert report["folder"]["writable"]
    assert report["self_tests"][0]["problem"]
    assert not report["ok"]
