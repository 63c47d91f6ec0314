"""Both files or neither, whatever fails."""

from pathlib import Path

import pytest

from posecli.errors import OutputError, UsageError
from posecli.export_model import placing
from posecli.export_model.placing import check_place, place
from posecli.files import write_whole


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def pair(tmp_path: Path) -> dict[Path, bytes]:
    return {tmp_path / "m.bin": b"weights", tmp_path / "m.xml": b"graph"}


OLDER = [{}, {"m.xml": b"old"}, {"m.bin": b"old"}, {"m.xml": b"old graph", "m.bin": b"old weights"}]


@pytest.mark.parametrize("older", OLDER)
def test_files_are_replaced_together(tmp_path: Path, pair: dict[Path, bytes], older: dict[str, bytes]) -> None:
    for name, data in older.items():
        (tmp_path / name).write_bytes(data)
    place(pair)
    assert contents(tmp_path) == {"m.bin": b"weights", "m.xml": b"graph"}


@pytest.mark.parametrize("older", OLDER)
@pytest.mark.parametrize("error", [OutputError("full"), KeyboardInterrupt()])
@pytest.mark.parametrize("failing", ["m.bin", "m.xml"])
def test_or_left_as_they_were(tmp_path, pair, older, error, failing, monkeypatch) -> None:
    for name, data in older.items():
        (tmp_path / name).write_bytes(data)

    def fails_at(path: Path, data: bytes, *, sync: bool) -> None:
        if path.name == failing:
            raise error
        write_whole(path, data, sync=sync)

    monkeypatch.setattr(placing, "write_whole", fails_at)
    with pytest.raises(type(error)):
        place(pair)
    assert contents(tmp_path) == older


def test_never_a_graph_beside_the_weights_of_another(tmp_path, pair, monkeypatch) -> None:
    for path in pair:
        path.write_bytes(b"old")
    seen = []

    def watched(path: Path, data: bytes, *, sync: bool) -> None:
        write_whole(path, data, sync=sync)
        seen.append({name: data for name, data in contents(tmp_path).items() if not name.startswith(".")})

    monkeypatch.setattr(placing, "write_whole", watched)
    place(pair)
    assert seen == [{"m.bin": b"weights"}, {"m.bin": b"weights", "m.xml": b"graph"}]


def test_a_folder_in_the_place_of_the_weights(tmp_path: Path, pair: dict[Path, bytes]) -> None:
    (tmp_path / "m.bin").mkdir()
    (tmp_path / "m.xml").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"m\.bin: cannot be written"):
        place(pair)
    assert contents(tmp_path) == {"m.xml": b"old"}


def test_what_cannot_be_set_aside(tmp_path: Path, pair: dict[Path, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.xml").write_bytes(b"old")
    monkeypatch.setattr(placing, "temporary_beside", lambda path: path.parent / "absent" / "name")
    with pytest.raises(OutputError, match=r"m\.xml: cannot be written"):
        place(pair)
    assert contents(tmp_path) == {"m.xml": b"old"}


def test_one_file_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.onnx").write_bytes(b"old")
    (tmp_path / "link.onnx").symlink_to("real.onnx")
    place({tmp_path / "link.onnx": b"new"})
    assert (tmp_path / "real.onnx").read_bytes() == b"new"
    assert (tmp_path / "link.onnx").is_symlink()


def test_places_that_are_refused_before_any_work(tmp_path: Path) -> None:
    check_place(tmp_path / "m.xml", "openvino")
    with pytest.raises(UsageError, match=f"{tmp_path.name}: a folder; give the name of a file"):
        check_place(tmp_path, "onnx")
    (tmp_path / "m.bin").write_bytes(b"somebody's")
    check_place(tmp_path / "m.onnx", "onnx")
    with pytest.raises(UsageError, match=r"m\.bin: there already, and of another model; choose another name with -o"):
        check_place(tmp_path / "m.xml", "openvino")
    (tmp_path / "m.xml").write_bytes(b"its own")
    check_place(tmp_path / "m.xml", "openvino")
