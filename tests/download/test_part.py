import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from downloads import DATA, remote
from posecli.download.control import Control
from posecli.download.outcomes import RefusedError, StoppedError
from posecli.download.part import Part


@pytest.fixture
def heard() -> list[int]:
    return []


@pytest.fixture
def control(heard: list[int]) -> Control:
    return Control(heard.append, print)


def test_a_part_becomes_the_file(tmp_path: Path, control: Control, heard: list[int]) -> None:
    part = Part(tmp_path / "a.bin", remote(), control, 99)
    part.take([DATA[:3000]], fresh=True)
    part.take([DATA[3000:9000], b"", DATA[9000:]], fresh=False)
    assert heard == [3000, 6000, 1240]
    assert part.finish() is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_fresh_start_takes_the_place_of_what_is_here(tmp_path: Path, control: Control, heard: list[int]) -> None:
    (tmp_path / "a.bin.part").write_bytes(DATA[:100])
    part = Part(tmp_path / "a.bin", remote(), control, 99)
    part.take([DATA[:30]], fresh=True)
    assert part.path.read_bytes() == DATA[:30]
    assert heard == [100, -100, 30]


def test_nothing_is_written_after_the_end(tmp_path: Path, control: Control) -> None:
    def pieces() -> Iterator[bytes]:
        yield DATA[:1000]
        control.stop()
        yield DATA[1000:]

    part = Part(tmp_path / "a.bin", remote(), control, 99)
    with pytest.raises(StoppedError):
        part.take(pieces(), fresh=True)
    assert part.path.read_bytes() == DATA[:1000]


def test_nothing_is_touched_after_the_end(tmp_path: Path, control: Control) -> None:
    (tmp_path / "a.bin.part").write_bytes(DATA)
    part = Part(tmp_path / "a.bin", remote(), control, 99)
    control.stop()
    for change in (
        lambda: part.take([b"x"], fresh=True),
        lambda: part.take([b"x"], fresh=False),
        part.drop,
        part.finish,
    ):
        with pytest.raises(StoppedError):
            change()
    assert part.path.read_bytes() == DATA
    assert len(list(tmp_path.iterdir())) == 1


def test_each_piece_is_in_the_file_before_the_next_comes(tmp_path: Path, control: Control) -> None:
    """Else the last one would be written as the file is closed, perhaps when another process is at work on it."""

    def pieces() -> Iterator[bytes]:
        for end in range(10, 50, 10):
            yield DATA[end - 10 : end]
            assert part.path.read_bytes() == DATA[:end]

    part = Part(tmp_path / "a.bin", remote(), control, 99)
    part.take(pieces(), fresh=True)


def test_a_full_disk_after_the_end_costs_nothing(tmp_path: Path, control: Control) -> None:
    def pieces() -> Iterator[bytes]:
        yield DATA[:10]
        control.stop()
        raise OSError(errno.ENOSPC, "No space left on device")

    part = Part(tmp_path / "a.bin", remote(), control, 99)
    with pytest.raises(StoppedError):
        part.take(pieces(), fresh=True)
    assert part.path.read_bytes() == DATA[:10]


def test_too_much_and_wrong_bytes_leave_nothing(tmp_path: Path, control: Control, heard: list[int]) -> None:
    part = Part(tmp_path / "a.bin", remote(), control, 99)
    with pytest.raises(RefusedError, match="more than 10240 bytes"):
        part.take([DATA, b"x"], fresh=True)
    assert not part.path.exists()
    part.take([DATA[::-1]], fresh=True)
    assert part.finish() == "other bytes than the file's: its SHA-1 is wrong"
    assert list(tmp_path.iterdir()) == []
    assert sum(heard) == 0
