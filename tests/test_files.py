from pathlib import Path

import pytest

from posecli.errors import OutputError
from posecli.files import write_whole


@pytest.mark.parametrize("sync", [False, True])
def test_write_whole_makes_folders_and_leaves_nothing_else(tmp_path: Path, sync: bool) -> None:
    write_whole(tmp_path / "a" / "b.bin", b"data", sync=sync)
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"data"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.bin"]


@pytest.mark.parametrize("name", ["file/x", "n" * 300, "folder"])
def test_write_whole_fails_clearly(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_whole(tmp_path / name, b"data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
