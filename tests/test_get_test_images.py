"""scripts/get_test_images.py: the original's photos, whole or a clear line that says which is not."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import get_test_images
from get_test_images import PHOTOS, REMOTE_FOLDER
from misbehaving_server import Answer, MisbehavingServer

Output = pytest.CaptureFixture[str]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A folder laid out as the server is, with tiny pictures."""
    folder = tmp_path / "mirror [1]"
    (folder / REMOTE_FOLDER).mkdir(parents=True)
    for index, name in enumerate(PHOTOS):
        image = np.full((8, 8, 3), index, np.uint8)
        (folder / REMOTE_FOLDER / name).write_bytes(cv2.imencode(Path(name).suffix, image)[1].tobytes())
    return folder


@pytest.fixture
def server(mirror: Path) -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as server:
        server.mount("/", mirror)
        yield server


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_photos_come_from_a_server(mirror: Path, server: MisbehavingServer, tmp_path: Path, capsys: Output) -> None:
    folder = tmp_path / "photos"
    assert get_test_images.main([str(folder), "--base-url", server.url]) == 0
    assert contents(folder) == contents(mirror / REMOTE_FOLDER)
    assert capsys.readouterr() == (f"24 photos in {folder}; next: posecli annotate {folder}\n", "")


def test_the_folder_is_called_images_by_default(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert get_test_images.main(["--base-url", str(mirror), "--jobs", "1"]) == 0
    assert set(contents(tmp_path / "images")) == set(PHOTOS)


def test_what_is_there_and_whole_is_kept_and_what_is_broken_is_replaced(
    mirror: Path, server: MisbehavingServer, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(mirror / REMOTE_FOLDER, folder)
    (folder / "truck.jpg").write_bytes(b"<html>not found</html>")
    (folder / "kyte.jpg").unlink()
    assert get_test_images.main([str(folder), "--base-url", server.url]) == 0
    assert contents(folder) == contents(mirror / REMOTE_FOLDER)
    asked = {request.path for request in server.requests}
    assert asked == {f"/{REMOTE_FOLDER}/truck.jpg", f"/{REMOTE_FOLDER}/kyte.jpg"}


def test_a_second_mirror_has_what_the_first_lacks(mirror: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    shutil.copytree(mirror, second)
    (mirror / REMOTE_FOLDER / "soccer.png").unlink()
    folder = tmp_path / "photos"
    assert get_test_images.main([str(folder), "--base-url", str(mirror), "--base-url", str(second)]) == 0
    assert contents(folder) == contents(second / REMOTE_FOLDER)


def test_a_photo_that_is_not_there_is_one_line_and_exit_code_1(
    server: MisbehavingServer, tmp_path: Path, capsys: Output
) -> None:
    server.script(f"/{REMOTE_FOLDER}/skiing.jpg", Answer(404))
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", server.url]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {REMOTE_FOLDER}/skiing.jpg: not to be had")
    assert err.count("\n") == 1
    assert not (tmp_path / "photos" / "skiing.jpg").exists()


def test_a_server_that_is_busy_is_asked_again(server: MisbehavingServer, tmp_path: Path, capsys: Output) -> None:
    picture = (tmp_path / "mirror [1]" / REMOTE_FOLDER / "skiing.jpg").read_bytes()
    server.script(f"/{REMOTE_FOLDER}/skiing.jpg", Answer(503), Answer(body=picture))
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", server.url]) == 0
    assert "skiing.jpg: HTTP 503 Service Unavailable; trying again" in capsys.readouterr().err


@pytest.mark.parametrize("keep", [2, 0.5])
def test_what_is_no_whole_picture_is_deleted_and_named(
    mirror: Path, server: MisbehavingServer, tmp_path: Path, capsys: Output, keep: float
) -> None:
    picture = (mirror / REMOTE_FOLDER / "tennis.jpg").read_bytes()
    body = picture[: int(keep * len(picture))] if keep < 1 else b"no picture at all"
    for name in ("tennis.jpg", "soccer.png"):
        server.script(f"/{REMOTE_FOLDER}/{name}", Answer(body=body))
    folder = tmp_path / "photos"
    assert get_test_images.main([str(folder), "--base-url", server.url]) == 1
    err = "error: not whole pictures, deleted: soccer.png, tennis.jpg; try again, or another --base-url\n"
    assert capsys.readouterr() == ("", err)
    assert set(contents(folder)) == {*PHOTOS} - {"tennis.jpg", "soccer.png"}


def test_a_base_that_is_none_is_wrong_usage(tmp_path: Path, capsys: Output) -> None:
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", str(tmp_path / "absent")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line(mirror: Path, tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "truck.jpg").mkdir()  # in the photo's place
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", str(mirror)]) == 1
    assert "truck.jpg: cannot be written" in capsys.readouterr().err


def test_no_jobs_is_wrong_usage(tmp_path: Path, capsys: Output) -> None:
    with pytest.raises(SystemExit) as exit_:
        get_test_images.main([str(tmp_path), "--jobs", "0"])
    assert exit_.value.code == 2
    assert "--jobs must be at least 1, got 0" in capsys.readouterr().err


def test_an_interruption_is_no_traceback(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(get_test_images, "download", interrupt)
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", str(mirror)]) == 130


@pytest.mark.shared
def test_the_original_photos_pass(shared: Path, tmp_path: Path) -> None:
    (tmp_path / REMOTE_FOLDER).mkdir(parents=True)
    for name in PHOTOS:
        shutil.copy(shared / "images" / name, tmp_path / REMOTE_FOLDER)
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", str(tmp_path)]) == 0
    assert set(contents(tmp_path / "photos")) == set(PHOTOS)
