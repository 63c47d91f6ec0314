import os
import sys
from pathlib import Path

import pytest

from posecli.errors import OutputError
from posecli.files import exists, is_replaceable, write_whole

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes are files on POSIX systems only")


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


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "here" / "link", tmp_path / "there" / "target"
    link.parent.mkdir()
    link.symlink_to(target)
    write_whole(link, b"data")
    assert link.is_symlink()
    assert target.read_bytes() == b"data"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


@on_posix
def test_a_pipe_is_written_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert not is_replaceable(pipe)
    write_whole(pipe, b"data")
    assert os.read(reader, 10) == b"data"
    os.close(reader)
    assert pipe.is_fifo()


def test_what_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    assert exists(tmp_path / "file")
    assert exists(tmp_path)
    assert not exists(tmp_path / "gone")
    assert not exists(tmp_path / ("n" * 5000))

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)  # the superuser may look anywhere
    assert not exists(tmp_path / "file")
