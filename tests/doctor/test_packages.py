import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from posecli.doctor import packages
from posecli.doctor.report import Extra, Library


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch):
    """Let posecli's metadata name these requirements."""
    return lambda *requirements: monkeypatch.setattr(packages, "requires", lambda name: list(requirements))


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package that cannot be imported."""
    (tmp_path / "posecli_broken_part.py").write_text("raise OSError('libpart.so.1:\\n  cannot open')")
    info = tmp_path / "posecli_broken_part-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: posecli-broken-part\nVersion: 2.5\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "posecli-broken-part"


def test_every_declared_dependency_is_known_by_its_module() -> None:
    """A dependency that is imported under another name than its own must be added to the module's table."""
    found = packages.libraries()
    assert {"numpy", "opencv-python", "torch", "typer"} <= {library.name for library in found}
    assert [library for library in found if library.problem] == []
    assert {library.name: library.version for library in found}["numpy"] == version("numpy")


def test_extras_leave_out_what_developers_need() -> None:
    found = {extra.name: extra for extra in packages.extras()}
    assert "eval" in found
    assert "dev" not in found
    assert [library.name for library in found["eval"].libraries] == ["matplotlib", "pycocotools"]
    assert not any(library.problem for extra in found.values() for library in extra.libraries)


def test_a_missing_library_says_how_to_get_it(declare) -> None:
    declare("numpy>=1.26", "posecli-nowhere[all]<3,>=2 ; extra == 'video'", "posecli-nothing")
    assert packages.libraries() == (
        Library("numpy", version("numpy"), None),
        Library("posecli-nothing", None, "not installed; run: pip install posecli-nothing"),
    )
    install = 'pip install "posecli[video]"'
    missing = Library("posecli-nowhere", None, f"not installed; run: {install}")
    assert packages.extras() == (Extra("video", install, (missing,)),)
    assert not missing.broken


def test_a_library_that_cannot_be_imported_says_why_in_one_line(declare, broken: str) -> None:
    declare(broken)
    (library,) = packages.libraries()
    assert library == Library(broken, "2.5", "OSError: libpart.so.1: cannot open")
    assert library.broken


def test_what_is_needed_only_elsewhere_is_not_missing(declare) -> None:
    declare(
        'posecli-nowhere; sys_platform == "plan9"',
        "posecli-nowhere ; (python_version < '3') and extra == 'video'",
        "posecli-nowhere ; 'plan9' in sys_platform",
        "numpy; python_version >= '3.0'",
    )
    assert [library.name for library in packages.libraries()] == ["numpy"]
    assert packages.extras() == ()


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    def lookup(name: str) -> str:
        if name.replace("-", "_") in versions:
            return versions[name.replace("-", "_")]
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "version", lookup)


def test_opencv_without_windows_is_opencv_too(declare, monkeypatch: pytest.MonkeyPatch) -> None:
    declare("opencv-python>=4.9")
    installed(monkeypatch, opencv_python_headless="4.10")
    assert packages.libraries() == (Library("opencv-python-headless", "4.10", None),)
    installed(monkeypatch, opencv_python="5.0", opencv_python_headless="4.10")  # they overwrite each other
    assert [library.name for library in packages.libraries()] == ["opencv-python", "opencv-python-headless"]
    installed(monkeypatch)
    assert packages.libraries() == (Library("opencv-python", "of unknown version", None),)


def test_opencv_that_cannot_be_loaded_says_what_to_install(declare, monkeypatch: pytest.MonkeyPatch) -> None:
    declare("opencv-python")
    for name in ("posecli.opencv", "cv2"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "cv2", None)
    (library,) = packages.libraries()
    assert library.version is not None
    assert library.problem.startswith("OpenCV cannot be loaded")
    assert "pip install" in library.problem
