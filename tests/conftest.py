"""Fixtures for the whole suite."""

import os
from pathlib import Path

# Before anything loads torch, here and in the processes that tests start: the suite runs on all cores already (`make
# test`), and threads of several processes that wait for each other's cores make torch several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

import posecli.opencv  # noqa: F401  # before any test imports cv2: OpenCV reads its limits once, as it is loaded
from browser import find_chromium

ROOT = Path(__file__).parents[1]

# No deadlines: timings belong in benchmarks. The same examples in every CI run, new ones elsewhere.
settings.register_profile("posecli", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("posecli")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference material beside the project; absent on most machines, required in CI."""
    folder = ROOT.parent / "shared"
    if not (folder / "POSENET.md").exists():
        if os.environ.get("CI"):
            pytest.fail("../shared is required in CI")
        pytest.skip("needs ../shared, the reference material")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """A browser that plays videos; absent on many machines, required in CI."""
    path = find_chromium()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is required in CI; on Debian: apt-get install chromium")
        pytest.skip("needs Chromium")
    return path


@pytest.fixture(scope="session")
def examples() -> Path:
    """The bundled example photos."""
    return ROOT / "examples"


@pytest.fixture(scope="session")
def no_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder where nothing is installed, and nothing may be."""
    return tmp_path_factory.mktemp("home") / "absent"


@pytest.fixture(autouse=True)
def isolated(no_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the models or the settings of whoever runs it; `home` gives a home folder to write to.

    `tmp_path` comes first, so that what a test patches is undone before pytest removes the test's folder.
    """
    for name in ("POSECLI_OFFLINE", "POSECLI_WEIGHTS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POSECLI_HOME", str(no_models))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, not there yet."""
    folder = tmp_path / "home [é]"
    monkeypatch.setenv("POSECLI_HOME", str(folder))
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture
def noise(rng: np.random.Generator) -> NDArray[np.uint8]:
    """An image of noise, (60, 80, 3)."""
    return rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
