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
    part = Part(tmp_path / "a.bin", remote(), control)
    part.take([DATA[:3000]], fresh=True)
    part.take([DATA[3000:9000], b"", DATA[9000:]], fresh=False)
    assert heard == [3000, 6000, 1240]
    assert part.finish() is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_fresh_start_takes_the_place_of_what_is_here(tmp_path: Path, control: Control, heard: list[int]) -> None:
    (tmp_path / "a.bin.part").write_bytes(DATA[:100])
    part = Part(tmp_path / "a.bin", remote(), control)
    part.take([DATA[:30]], fresh=True)
    assert part.path.read_bytes() == DATA[:30]
    assert heard == [100, -100, 30]


def test_nothing_is_written_after_the_end(tmp_path: Path, control: Control) -> None:
    def pieces() -> Iterator[bytes]:
        yield DATA[:1000]
        control.stop()
        yield DATA[1000:]

    part = Part(tmp_path / "a.bin", remote(), control)
    with pytest.raises(StoppedError):
        part.take(pieces(), fresh=True)
    assert part.path.read_bytes() == DATA[:1000]


def test_too_much_and_wrong_bytes_leave_nothing(tmp_path: Path, control: Control, heard: list[int]) -> None:
    part = Part(tmp_path / "a.bin", remote(), control)
    with pytest.raises(RefusedError, match="more than 10240 bytes"):
        part.take([DATA, b"x"], fresh=True)
    assert not part.path.exists()
    part.take([DATA[::-1]], fresh=True)
    assert part.finish() == "other bytes than the file's: its SHA-1 is wrong"
    assert list(tmp_path.iterdir()) == []
    assert sum(heard) == 0
