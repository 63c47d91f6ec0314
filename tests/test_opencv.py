import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from posecli import opencv
from posecli.errors import MissingDependencyError
from posecli.opencv import cv2

IMPORT = """
from posecli.errors import MissingDependencyError
try:
    import posecli.sources
except MissingDependencyError as error:
    print(error)
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put another OpenCV in the place of the real one."""

    def install(source: str) -> None:
        (tmp_path / "cv2.py").write_text(source)
        monkeypatch.delitem(sys.modules, "cv2")
        monkeypatch.syspath_prepend(tmp_path)

    return install


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("libGL.so.1: cannot open shared object file: No such file or directory", "apt-get install libgl1;"),
        ("libgthread-2.0.so.0: cannot open shared object file: No such file", "apt-get install libglib2.0-0;"),
        ("libGL.so.1: cannot open", "pip install opencv-python-headless"),
        ("No module named 'cv2'", "run: pip install --force-reinstall opencv-python"),
    ],
)
def test_a_missing_library_is_named_with_the_remedy(fake: Callable[[str], None], reason: str, remedy: str) -> None:
    fake(f"raise ImportError({reason!r})")
    with pytest.raises(MissingDependencyError) as caught:
        runpy.run_path(opencv.__file__)
    assert reason in str(caught.value)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_slim_server_is_told_by_the_first_import(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, env=environment)
    assert "apt-get install libgl1" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("old", [True, False])
def test_opencv_is_silenced_in_old_and_new_versions(
    fake: Callable[[str], None], old: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    silencer = "def setLogLevel(level): print('level', level)"
    new = f"class utils:\n  class logging:\n    LOG_LEVEL_SILENT = 0\n    @staticmethod\n    {silencer}"
    fake(silencer if old else new)
    runpy.run_path(opencv.__file__)
    assert capsys.readouterr().out == "level 0\n"


def test_the_real_one_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert cv2.imread("there is no such file.jpg") is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("asked", "expected"), [(None, str(2**28)), ("1000", "1000")])
def test_pixels_are_limited_before_opencv_is_loaded(
    fake: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    asked: str | None,
    expected: str,
) -> None:
    monkeypatch.delenv("OPENCV_IO_MAX_IMAGE_PIXELS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", asked)
    fake("import os; print(os.environ['OPENCV_IO_MAX_IMAGE_PIXELS']); setLogLevel = print")
    runpy.run_path(opencv.__file__)
    assert capsys.readouterr().out.split() == [expected, "0"]
