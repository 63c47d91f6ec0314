import io
import os
import sys
from pathlib import Path

import pytest

from posecli.errors import MissingPathError, OutputError, UsageError
from posecli.files import write_whole
from posecli.sinks.files import TextOutput, check_outputs, make_folder
from posecli.sources import Still


def test_a_file_appears_whole_when_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "out.txt"
    with TextOutput(str(path)) as output:
        output.write("one\n")
        output.flush()
        assert not path.exists()
        output.write("é\udcff\n")
    assert path.read_bytes() == "one\né\\udcff\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_an_old_file_stays_until_then(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with TextOutput(str(path)) as output:
        output.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_written_is_kept_whatever_ends_the_work(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out.txt"

    def work() -> None:
        with TextOutput(str(path)) as output:
            output.write("half")
            raise error

    with pytest.raises(error):
        work()
    assert path.read_text() == "half"


class FullDisk(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


def test_after_a_failed_write_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")

    def work() -> None:
        with TextOutput(str(path)) as output:
            output._file.close()
            output._file = FullDisk()
            output.write("new")

    with pytest.raises(OutputError, match=r"out.txt: cannot be written \(No space left on device\)"):
        work()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


class FullAtTheEnd(io.BytesIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")

    close = flush


def test_a_disk_that_is_full_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    output = TextOutput(str(path)).__enter__()
    output._file.close()
    output._file = FullAtTheEnd()
    with pytest.raises(OutputError, match="No space left"):
        output.flush()
    with pytest.raises(OutputError, match="No space left"):
        output.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_streamed_file_can_be_followed(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with TextOutput(str(path), streamed=True) as output:
        output.write("one\n")
        output.flush()
        assert path.read_text() == "one\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    with TextOutput(str(link)) as output:
        output.write("text")
    assert link.is_symlink()
    assert target.read_text() == "text"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are files on POSIX systems only")
def test_a_pipe_is_written_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with TextOutput(str(pipe)) as output:
        output.write("text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert pipe.is_fifo()


def test_new_files_have_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with TextOutput(str(tmp_path / "out")):
        pass
    write_whole(tmp_path / "bytes", b"")
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1


def test_stdout_is_written_and_left_open(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with TextOutput("-") as output:
        output.write("é\n")
    print("more", flush=True)
    assert capfdbinary.readouterr().out == "é\nmore\n".encode()


class ClosedPipe:
    buffer: "ClosedPipe"
    flushed = False

    def write(self, data: bytes) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_reader_that_goes_is_no_output_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = ClosedPipe()
    pipe.buffer = pipe
    monkeypatch.setattr("sys.stdout", pipe)
    with pytest.raises(BrokenPipeError), TextOutput("-") as output:
        output.write("line\n")


@pytest.mark.parametrize("name", ["file/out.txt", "file/deep/out.txt", "folder"])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_place_that_cannot_be_written(tmp_path: Path, name: str, streamed: bool) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"cannot be written \(.+\); choose another place with -o"):
        TextOutput(str(tmp_path / name), streamed=streamed).__enter__()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_make_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file.sub: cannot be written"):
        make_folder(tmp_path / "file" / "sub")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)  # the superuser may write anywhere
    with pytest.raises(OutputError, match=r"cannot be written \(Permission denied\)"):
        make_folder(tmp_path / "a")


def test_outputs_must_differ_by_more_than_case(tmp_path: Path) -> None:
    entries = [Still("a.jpg", 0, Path("x/a.jpg")), Still("A.JPG", 1, Path("y/A.JPG"))]
    with pytest.raises(UsageError, match=r"x.a.jpg and y.A.JPG would both be written to .*; rename one, or run them"):
        check_outputs(entries, lambda name: tmp_path / name)


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.touch()
    with pytest.raises(UsageError, match=r"a.jpg: writing it would overwrite an input; choose another output folder"):
        check_outputs([Still("a.jpg", 0, photo)], lambda name: tmp_path / "sub" / ".." / name)


def test_what_is_missing_takes_no_place(tmp_path: Path) -> None:
    missing = Still("a.jpg", 0, Path("a.jpg"), MissingPathError("gone"))
    check_outputs([missing, Still("a.jpg", 1, "http://host/a.jpg")], lambda name: tmp_path / name)
