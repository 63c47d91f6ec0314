import subprocess
import sys
from pathlib import Path

import pytest

from frame_makers import MakeFrame, MakePoses
from posecli.errors import InputError, UsageError
from posecli.sinks import DATA_FORMATS, Header, format_of, open_poses
from posecli.sinks.formats import FOLDER_FORMATS
from posecli.sources import Failure, Input


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.json", "json"), ("a.b.JSONL", "jsonl"), ("a.ndjson", "jsonl"), ("dir.json/a.csv", "csv"), ("-", "json")],
)
def test_the_suffix_tells_the_format(path: str, expected: str) -> None:
    assert format_of(path) == expected


@pytest.mark.parametrize("name", DATA_FORMATS)
def test_an_explicit_format_wins(name: str) -> None:
    assert format_of("poses.json", name) == name


@pytest.mark.parametrize("path", ["poses", "poses.txt", "folder/"])
def test_an_unknown_suffix_lists_the_formats(path: str) -> None:
    known = r"\(json, jsonl, csv, csv-wide, coco, openpose, yolo-pose\) or a suffix \(.json .jsonl .ndjson .csv\)"
    with pytest.raises(UsageError, match=f"give --format {known}"):
        format_of(path)
    with pytest.raises(UsageError, match=f"give --poses-format {known}"):
        format_of(path, option="--poses-format")


def test_an_unknown_format_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no format 'jsnl' \(did you mean jsonl\?\); there are: json"):
        format_of("-", "jsnl")


@pytest.mark.parametrize("name", sorted(FOLDER_FORMATS))
def test_a_folder_is_not_written_to_stdout(name: str, header: Header) -> None:
    with pytest.raises(UsageError, match=f"{name} writes a folder of files.*; give a folder instead of -"):
        open_poses("-", name, header, 0.2)


@pytest.mark.parametrize("name", DATA_FORMATS)
def test_every_format_opens_and_writes(
    name: str, tmp_path: Path, header: Header, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    with open_poses(str(tmp_path / "out"), name, header, 0.2) as sink:
        sink.plan([Input("a.jpg", 0, Path("a.jpg"))])
        sink.fail(Failure("b.jpg", 1, InputError("b.jpg: no")))
        sink.write(make_frame(), make_poses(2))
    assert (tmp_path / "out").is_dir() == (name in FOLDER_FORMATS)


@pytest.mark.parametrize("name", [name for name in DATA_FORMATS if name not in FOLDER_FORMATS])
def test_no_format_replaces_a_photo_or_the_annotations(name: str, tmp_path: Path, header: Header) -> None:
    photo, annotations = tmp_path / "1.jpg", tmp_path / "annotations.json"
    for path in (photo, annotations):
        path.write_text("precious")
        with pytest.raises(UsageError, match=f"{path.name}: writing it would overwrite an input"):
            open_poses(str(path), name, header, 0.2).plan([Input("1.jpg", 0, photo)], [annotations])
    open_poses(str(tmp_path / "out"), name, header, 0.2).plan([Input("1.jpg", 0, photo)], [annotations])


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("name", [name for name in DATA_FORMATS if name not in FOLDER_FORMATS])
def test_an_error_before_the_first_frame_keeps_the_old_file(
    name: str, tmp_path: Path, header: Header, error: type[BaseException]
) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with pytest.raises(error), open_poses(str(path), name, header, 0.2):
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [name for name in DATA_FORMATS if name not in FOLDER_FORMATS])
def test_an_error_after_it_keeps_what_was_found(
    name: str, tmp_path: Path, header: Header, make_frame: MakeFrame, make_poses: MakePoses
) -> None:
    def write(path: Path) -> None:
        with open_poses(str(path), name, header, 0.2) as sink:
            sink.write(make_frame(), make_poses(2))
            if path.name == "cut":
                raise RuntimeError

    write(tmp_path / "whole")
    (tmp_path / "cut").write_text("old")
    with pytest.raises(RuntimeError):
        write(tmp_path / "cut")
    assert (tmp_path / "cut").read_text() == (tmp_path / "whole").read_text()


def test_names_and_suffixes_need_no_heavy_import() -> None:
    code = "import sys, posecli.sinks, posecli.sinks.formats; print({'numpy', 'cv2', 'torch'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
