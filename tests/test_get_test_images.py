"""scripts/get_test_images.py: the original's photos, whole or a clear line that says which is not."""

import re
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
def test_what_is_no_whole_picture_is_left_out_and_named(
    mirror: Path, server: MisbehavingServer, tmp_path: Path, capsys: Output, keep: float
) -> None:
    picture = (mirror / REMOTE_FOLDER / "tennis.jpg").read_bytes()
    body = picture[: int(keep * len(picture))] if keep < 1 else b"no picture at all"
    for name in ("tennis.jpg", "soccer.png"):
        server.script(f"/{REMOTE_FOLDER}/{name}", Answer(body=body))
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "tennis.jpg").write_bytes(b"the user's own")
    assert get_test_images.main([str(folder), "--base-url", server.url]) == 1
    err = "error: not whole pictures: soccer.png, tennis.jpg; try again, or another --base-url\n"
    assert capsys.readouterr() == ("", err)
    assert set(contents(folder)) == {*PHOTOS} - {"soccer.png"}
    assert (folder / "tennis.jpg").read_bytes() == b"the user's own"


# Nobody ever has less than before


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of the user's own, where two photos are not whole."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "truck.jpg").write_bytes(b"\xff\xd8\xff half a photo")
    (folder / "soccer.png").write_bytes(b"notes of a match")
    (folder / "other.txt").write_bytes(b"something else")
    return folder


def test_a_mistyped_base_leaves_all_as_it_is(mine: Path, tmp_path: Path) -> None:
    before = contents(mine)
    assert get_test_images.main([str(mine), "--base-url", str(tmp_path / "absent")]) == 2
    assert get_test_images.main([str(tmp_path / "new"), "--base-url", str(tmp_path / "absent")]) == 2
    assert contents(mine) == before
    assert not (tmp_path / "new").exists()


def test_without_the_network_all_stays_as_it_is(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(mine)
    monkeypatch.setenv("POSECLI_OFFLINE", "1")
    assert get_test_images.main([str(mine)]) == 1
    assert contents(mine) == before


def test_a_server_that_has_nothing_leaves_all_as_it_is(mine: Path) -> None:
    before = contents(mine)
    with MisbehavingServer() as server:
        assert get_test_images.main([str(mine), "--base-url", server.url]) == 1
    assert contents(mine) == before


def test_what_came_before_a_failure_is_kept(mirror: Path, mine: Path) -> None:
    before = contents(mine)
    (mirror / REMOTE_FOLDER / PHOTOS[3]).unlink()
    assert get_test_images.main([str(mine), "--base-url", str(mirror), "--jobs", "1"]) == 1
    came = {name: (mirror / REMOTE_FOLDER / name).read_bytes() for name in PHOTOS[:3]}
    assert contents(mine) == {**before, **came}


def test_nothing_but_the_photos_is_touched(mirror: Path, mine: Path) -> None:
    assert get_test_images.main([str(mine), "--base-url", str(mirror)]) == 0
    assert contents(mine) == {**contents(mirror / REMOTE_FOLDER), "other.txt": b"something else"}


def test_where_all_is_there_nothing_is_needed(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_OFFLINE", "1")
    assert get_test_images.main([str(mirror / REMOTE_FOLDER)]) == 0


def test_two_runs_at_once_do_each_other_no_harm(mirror: Path, server: MisbehavingServer, mine: Path) -> None:
    codes = []

    def run() -> None:
        codes.append(get_test_images.main([str(mine), "--base-url", server.url, "--jobs", "1"]))

    path = f"/{REMOTE_FOLDER}/{PHOTOS[5]}"
    picture = (mirror / REMOTE_FOLDER / PHOTOS[5]).read_bytes()
    server.script(path, Answer(body=picture, before=run), Answer(body=picture))  # from start to end, within the other
    run()
    assert codes == [0, 0]
    assert len(server.asked(path)) == 2
    assert contents(mine) == {**contents(mirror / REMOTE_FOLDER), "other.txt": b"something else"}


def test_a_photo_without_end_is_refused(server: MisbehavingServer, mine: Path, capsys: Output) -> None:
    before = contents(mine)
    server.script(f"/{REMOTE_FOLDER}/{PHOTOS[0]}", Answer(body=bytes(get_test_images.MOST_BYTES + 1)))
    assert get_test_images.main([str(mine), "--base-url", server.url, "--jobs", "1"]) == 1
    assert re.search(r"frisbee\.jpg: not to be had .*more than 20.?000.?000 bytes", capsys.readouterr().err)
    assert contents(mine) == before


def test_a_base_that_is_none_is_wrong_usage(tmp_path: Path, capsys: Output) -> None:
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", str(tmp_path / "absent")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line(mirror: Path, tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "truck.jpg").mkdir()  # in the photo's place
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", str(mirror)]) == 1
    assert "truck.jpg: cannot be written" in capsys.readouterr().err


def test_a_file_in_the_folders_place_is_one_line(mirror: Path, tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "photos").write_bytes(b"")
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", str(mirror)]) == 1
    assert "photos: cannot be written" in capsys.readouterr().err


def test_no_jobs_is_wrong_usage(tmp_path: Path, capsys: Output) -> None:
    with pytest.raises(SystemExit) as exit_:
        get_test_images.main([str(tmp_path), "--jobs", "0"])
    assert exit_.value.code == 2
    assert "--jobs must be at least 1, got 0" in capsys.readouterr().err


def test_an_interruption_keeps_what_has_come(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def interrupt(files: object, bases: object, folder: Path, **_: object) -> None:
        shutil.copy(mirror / REMOTE_FOLDER / "truck.jpg", folder)
        shutil.copy(mirror / REMOTE_FOLDER / "kyte.jpg", folder / "kyte.jpg.part")
        raise KeyboardInterrupt

    monkeypatch.setattr(get_test_images, "download", interrupt)
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", str(mirror)]) == 130
    assert capsys.readouterr() == ("", "error: interrupted; run it again to go on\n")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["truck.jpg"]


@pytest.mark.shared
def test_the_original_photos_pass(shared: Path, tmp_path: Path) -> None:
    (tmp_path / REMOTE_FOLDER).mkdir(parents=True)
    for name in PHOTOS:
        shutil.copy(shared / "images" / name, tmp_path / REMOTE_FOLDER)
    assert get_test_images.main([str(tmp_path / "photos"), "--base-url", str(tmp_path)]) == 0
    assert set(contents(tmp_path / "photos")) == set(PHOTOS)
