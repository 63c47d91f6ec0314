"""`kernel`: kernels work where numba finds no place for its cache, or a bad one."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core import caching

from posecli.decode.jit import kernel

SOURCE = """
from posecli.decode.jit import kernel

@kernel
def doubled(value):
    return 2 * value

@kernel
def plus_one(value):
    return doubled(value) + 1
"""
CACHE_PLACES = ("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "USERPROFILE")
RUN = "import made; print(made.plus_one(20))"


def run(folder: Path, code: str = RUN, **environment: str) -> str:
    """Run code beside the module `made` in a fresh process: its output; its failure fails the test."""
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder), **environment}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "made.py").write_text(SOURCE, encoding="utf-8")
    return tmp_path / "code"


def test_the_machine_code_is_kept_and_found_again(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert run(folder, NUMBA_CACHE_DIR=str(cache)) == "41"
    assert len(list(cache.rglob("*.nbc"))) == 2
    again = "import made; made.plus_one(20); print(made.plus_one.stats.cache_hits.total())"
    assert run(folder, again, NUMBA_CACHE_DIR=str(cache)) == "1"


def test_no_place_to_write_is_no_error(folder: Path) -> None:
    # A path below a regular file cannot be made, not even by root, whom permissions do not bind.
    blocker = folder / "__pycache__"
    blocker.write_text("a file where a folder is wanted")
    nowhere = str(blocker / "below")
    places = dict.fromkeys(CACHE_PLACES, nowhere)
    code = "import made; print(made.plus_one(20), type(made.plus_one._cache).__name__)"
    assert run(folder, code, **places) == "41 NullCache"


def test_a_place_that_goes_away_is_no_error(folder: Path, tmp_path: Path) -> None:
    code = "import made, shutil, pathlib; p = pathlib.Path({0!r}); shutil.rmtree(p); p.write_text(''); {1}"
    cache = tmp_path / "cache"
    assert run(folder, code.format(str(cache), RUN), NUMBA_CACHE_DIR=str(cache)) == "41"
    assert cache.is_file()


@pytest.mark.parametrize(("suffix", "share"), [("nbi", 0), ("nbc", 0.5)])
def test_a_damaged_cache_is_no_error(folder: Path, tmp_path: Path, suffix: str, share: float) -> None:
    cache = tmp_path / "cache"
    run(folder, NUMBA_CACHE_DIR=str(cache))
    files = list(cache.rglob(f"*.{suffix}"))
    assert files
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * share)])
    assert run(folder, NUMBA_CACHE_DIR=str(cache)) == "41"


def half(value: float) -> float:
    return value / 2


def test_a_full_disk_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    tried = []
    monkeypatch.setattr(caching.IndexDataCacheFile, "load", lambda *args: None)
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", lambda *args: (tried.append(args), full()))
    assert kernel(half)(3.0) == 1.5
    assert tried


def test_without_a_place_the_kernel_is_compiled_uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert kernel(half)(3.0) == 1.5


def test_kernels_work_with_the_jit_off(folder: Path) -> None:
    assert run(folder, NUMBA_DISABLE_JIT="1") == "41"


def test_the_package_itself_works_from_where_nothing_can_be_written(tmp_path: Path) -> None:
    import posecli

    package = Path(posecli.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__", "bundled")
    copy = shutil.copytree(package, tmp_path / "site" / "posecli", ignore=ignore)
    (copy / "decode" / "__pycache__").write_text("")
    nowhere = str(copy / "decode" / "__pycache__" / "below")
    places = dict.fromkeys(CACHE_PLACES, nowhere)
    code = """
import numpy as np, posecli
from posecli.decode import decode, single
from posecli.options import DecodeOptions
fields = [np.zeros((depth, 3, 3), np.float32) for depth in (17, 34, 32, 32)]
print(len(decode(*fields, 16, DecodeOptions(single=True, min_pose_score=0))), posecli.__file__)
"""
    count, origin = run(tmp_path / "site", code, **places).split(maxsplit=1)
    assert (count, Path(origin).parent) == ("1", copy)
