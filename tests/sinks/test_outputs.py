import errno
import io
import os
import sys
from pathlib import Path

import pytest

from posecli.errors import MissingPathError, OutputError, UsageError
from posecli.files import write_whole
from posecli.sinks.outputs import TextOutput, check_output, check_outputs, make_folder
from posecli.sources import Input


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


def interrupted(path: Path, error: type[BaseException], *, has_result: bool, streamed: bool = False) -> None:
    """Write text that is a result, or only the start of a document, and fail."""

    def work() -> None:
        with TextOutput(str(path), streamed=streamed) as output:
            if has_result or not streamed:  # what is streamed has no start of its own
                output.write("half")
            if has_result:
                output.keep()
            raise error

    with pytest.raises(error):
        work()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_result_is_kept_whatever_ends_the_work(tmp_path: Path, error: type[BaseException], streamed: bool) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old, and longer")
    interrupted(path, error, has_result=True, streamed=streamed)
    assert path.read_text() == "half"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("streamed", [True, False])
def test_without_a_result_the_old_file_stays(tmp_path: Path, error: type[BaseException], streamed: bool) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    interrupted(path, error, has_result=False, streamed=streamed)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_result_nothing_is_left(tmp_path: Path) -> None:
    interrupted(tmp_path / "out.txt", ValueError, has_result=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("streamed", [True, False])
def test_work_that_ends_well_with_nothing_replaces_the_old_file(tmp_path: Path, streamed: bool) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with TextOutput(str(path), streamed=streamed):
        pass
    assert path.read_text() == ""


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


def test_stdout_that_is_full_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(FullDisk()))
    with (
        pytest.raises(OutputError, match=r"^standard output: cannot be written \(No space left on device\)$"),
        TextOutput("-") as out,
    ):
        out.write("line\n")


def test_stdout_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(OutputError, match=r"^standard output is closed; "):
        TextOutput("-").__enter__()


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


class InvalidArgument(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")


def test_windows_calls_a_closed_pipe_an_invalid_argument(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(InvalidArgument()))
    with pytest.raises(BrokenPipeError), TextOutput("-") as output:
        output.write("line\n")

    output = TextOutput(str(tmp_path / "out.txt")).__enter__()
    output._file.close()
    output._file = InvalidArgument()
    with pytest.raises(OutputError, match=r"out.txt: cannot be written \(Invalid argument\)"):
        output.write("line\n")


@pytest.mark.parametrize("name", ["file/out.txt", "file/deep/out.txt", "folder"])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_place_that_cannot_be_written(tmp_path: Path, name: str, streamed: bool) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"cannot be written \(.+\); choose another place$"):
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
    entries = [Input("a.jpg", 0, Path("x/a.jpg")), Input("A.JPG", 1, Path("y/A.JPG"))]
    with pytest.raises(UsageError, match=r"x.a.jpg and y.A.JPG would both be written to .*; rename one, or run them"):
        check_outputs(entries, lambda entry: tmp_path / entry.name)


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.touch()
    with pytest.raises(UsageError, match=r"a.jpg: writing it would overwrite an input; choose another output folder"):
        check_outputs([Input("a.jpg", 0, photo)], lambda entry: tmp_path / "sub" / ".." / entry.name)


def test_what_is_missing_takes_no_place(tmp_path: Path) -> None:
    missing = Input("a.jpg", 0, Path("a.jpg"), MissingPathError("gone"))
    check_outputs([missing, Input("a.jpg", 1, "http://host/a.jpg")], lambda entry: tmp_path / entry.name)


@pytest.fixture
def photo(tmp_path: Path) -> Input:
    path = tmp_path / "a.jpg"
    path.touch()
    return Input("a.jpg", 0, path)


@pytest.mark.parametrize("name", ["a.jpg", "new/../a.jpg", "link.json", "hard.json"])
def test_no_name_of_an_input_is_written(tmp_path: Path, photo: Input, name: str) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "hard.json").hardlink_to(tmp_path / "a.jpg")
    with pytest.raises(UsageError, match=r": writing it would overwrite an input; choose another file for the poses"):
        check_output(str(tmp_path / name), [photo])
    with pytest.raises(UsageError, match="would overwrite an input"):
        check_outputs([photo], lambda _: tmp_path / name)


@pytest.mark.parametrize("name", ["a.json", "new/folder/a.jpg", "-"])
def test_other_places_are_written(tmp_path: Path, photo: Input, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").touch()
    (tmp_path / "-").touch()
    entries = [photo, Input("b.jpg", 1, "http://host/b.jpg"), Input("-", 2, Path("-"))]
    check_output(name, entries)


def test_what_the_run_reads_besides_is_not_written(tmp_path: Path, photo: Input) -> None:
    other = tmp_path / "annotations.json"
    other.touch()
    with pytest.raises(UsageError, match=r"annotations.json: writing it would overwrite an input"):
        check_output(str(other), [photo], [other])
    with pytest.raises(UsageError, match=r"annotations.json: writing it would overwrite an input"):
        check_outputs([photo], lambda _: other, [other])


def test_two_outputs_must_not_meet_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "b.txt")
    entries = [Input("a.txt", 0, Path("x/a.txt")), Input("b.txt", 1, Path("x/b.txt"))]
    with pytest.raises(UsageError, match=r"x.a.txt and x.b.txt would both be written to"):
        check_outputs(entries, lambda entry: tmp_path / entry.name)
