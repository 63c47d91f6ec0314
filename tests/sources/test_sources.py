from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posecli.errors import InputError, MissingPathError, OutputError
from posecli.opencv import cv2
from posecli.sources import Failure, Frame, Inputs, Readable, reading


@pytest.fixture
def folder(tmp_path: Path, noise: NDArray[np.uint8]) -> Path:
    """Two good images around a bad one."""
    png = cv2.imencode(".png", noise[..., ::-1])[1].tobytes()
    (tmp_path / "a.png").write_bytes(png)
    (tmp_path / "b.jpg").write_bytes(b"text")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.png").write_bytes(png)
    return tmp_path


def test_frames_and_failures_come_in_order(folder: Path, noise: NDArray[np.uint8]) -> None:
    with Inputs.from_inputs([str(folder), str(folder / "gone.png")], recursive=True) as source:
        first, bad, second, missing = source
    assert source.length == 4
    assert source.fps is None
    assert isinstance(first, Frame)
    assert (first.name, first.index, first.time_s) == (f"{folder.name}/a.png", 0, None)
    np.testing.assert_array_equal(first.image, noise)
    assert isinstance(bad, Failure)
    assert (bad.name, bad.index, type(bad.error)) == (f"{folder.name}/b.jpg", 1, InputError)
    assert str(folder / "b.jpg") in str(bad.error)
    assert isinstance(second, Frame)
    assert second.index == 2
    assert isinstance(missing, Failure)
    assert isinstance(missing.error, MissingPathError)


def test_pixels_are_read_one_by_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr("posecli.sources.read_image", lambda path, name: read.append(name))
    images = iter(Inputs.from_inputs([str(folder)], recursive=True))
    assert read == []
    next(images)
    assert len(read) == 1


def test_what_is_done_can_be_left_out(folder: Path) -> None:
    source = Inputs.from_inputs([str(folder)], recursive=True).without(lambda still: still.name == "a.png")
    assert [(item.name, item.index) for item in source] == [("b.jpg", 1), ("sub/c.png", 2)]


def test_what_is_refused_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr("posecli.sources.read_image", lambda path, name: read.append(Path(name).name))
    refusal = OutputError("a.png: exists already")
    source = Inputs.from_inputs([str(folder), str(folder / "gone.png")], recursive=True)
    items = list(source.refusing(lambda still: refusal if still.name.endswith(("a.png", "gone.png")) else None))
    assert read == ["b.jpg", "c.png"]
    assert items[0] == Failure(f"{folder.name}/a.png", 0, refusal)
    assert isinstance(items[3], Failure)
    assert isinstance(items[3].error, MissingPathError)  # what is wrong with an input comes first


def test_an_image_that_memory_cannot_hold_is_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhaust(path: Path, name: str) -> None:
        if path.name == "a.png":
            raise MemoryError
        raise InputError(name)

    monkeypatch.setattr("posecli.sources.read_image", exhaust)
    first, second = Inputs.from_inputs([str(folder)])
    assert isinstance(first, Failure)
    assert isinstance(first.error, InputError)
    assert "a.png: too large for the memory of this computer; make the picture smaller" in str(first.error)
    assert isinstance(second, Failure)


def test_a_file_that_vanishes_is_a_failure(folder: Path) -> None:
    source = Inputs.from_inputs([str(folder / "a.png")])
    (folder / "a.png").unlink()
    [item] = source
    assert isinstance(item, Failure)


def test_addresses_are_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecli.sources.fetch", lambda url: (folder / "a.png").read_bytes())
    [item] = Inputs.from_inputs(["http://host/x/y.png"])
    assert isinstance(item, Frame)
    assert item.name == "y.png"


def test_an_unreachable_address_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(reading, "TIMEOUT_S", 0.5)
    [item] = Inputs.from_inputs(["http://127.0.0.1:9/y.png"])
    assert isinstance(item, Failure)
    assert item.name == "y.png"


def test_readers_read_on_any_thread(folder: Path) -> None:
    source = Inputs.from_inputs([str(folder), str(folder / "gone.png")], recursive=True)
    assert isinstance(source, Readable)
    readers = list(source.readers())
    with ThreadPoolExecutor(len(readers)) as pool:
        together = list(pool.map(lambda read: read(), reversed(readers)))
    for item, alone in zip(reversed(together), source, strict=True):
        assert (type(item), item.name, item.index) == (type(alone), alone.name, alone.index)
        if isinstance(item, Frame) and isinstance(alone, Frame):
            np.testing.assert_array_equal(item.image, alone.image)
