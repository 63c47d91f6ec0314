from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from frame_makers import MakeFrame
from posecli.errors import OutputError, UsageError
from posecli.opencv import cv2
from posecli.poses import Poses
from posecli.sinks import FrameOutputError
from posecli.sinks.images import ImageSink
from posecli.sources import Frame, Input, read_image

RED = (250, 20, 10)
NOBODY = Poses.empty()


def red(frame: Frame, poses: Poses) -> NDArray[np.uint8]:
    return np.full_like(frame.image, RED)


def glass(frame: Frame, poses: Poses) -> NDArray[np.uint8]:
    return np.dstack([red(frame, poses), np.full(frame.image.shape[:2], 77, np.uint8)])


@pytest.mark.parametrize("name", ["a.jpg", "sub/deep/b.JPEG", "c d [é].png", "e.webp", "f.bmp", "g.tiff", "h.jfif"])
def test_the_format_and_the_tree_are_the_inputs(tmp_path: Path, make_frame: MakeFrame, name: str) -> None:
    with ImageSink(tmp_path, red) as sink:
        sink.write(make_frame(name), NOBODY)
    path = tmp_path / name
    assert sink.path_for(name) == path
    assert np.abs(read_image(path, name).astype(int) - RED).max() < 6
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_suffix_is_the_truth(tmp_path: Path, make_frame: MakeFrame) -> None:
    magic = {".jpg": b"\xff\xd8", ".jfif": b"\xff\xd8", ".png": b"\x89PNG", ".webp": b"RIFF", ".bmp": b"BM"}
    with ImageSink(tmp_path, red) as sink:
        for suffix, start in magic.items():
            sink.write(make_frame(f"a{suffix}"), NOBODY)
            assert (tmp_path / f"a{suffix}").read_bytes().startswith(start)


def test_jpeg_quality(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    with ImageSink(tmp_path, lambda frame, poses: frame.image) as sink:
        sink.write(Frame(noise, 0, None, "a.jpg"), NOBODY)
    expected = cv2.imencode(".jpg", noise[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    assert (tmp_path / "a.jpg").read_bytes() == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.heic", "a.png"), ("a.pgm", "a.png"), ("photo", "photo.png"), ("v1.2", "v1.2.png"), ("x/a.hif", "x/a.png")],
)
def test_what_cannot_be_written_becomes_png(tmp_path: Path, make_frame: MakeFrame, name: str, expected: str) -> None:
    with ImageSink(tmp_path, red) as sink:
        sink.write(make_frame(name), NOBODY)
    np.testing.assert_array_equal(read_image(tmp_path / expected, name)[0, 0], RED)


def test_gif_is_written_only_by_versions_that_can(tmp_path: Path) -> None:
    expected = "a.gif" if cv2.haveImageWriter("a.gif") else "a.png"
    assert ImageSink(tmp_path, red).path_for("a.gif").name == expected


@pytest.mark.parametrize("image_format", ["png", ".PNG", "webp", "jpg"])
def test_one_format_for_all(tmp_path: Path, make_frame: MakeFrame, image_format: str) -> None:
    with ImageSink(tmp_path, red, image_format) as sink:
        sink.write(make_frame("sub/a.b.bmp"), NOBODY)
    [path] = (tmp_path / "sub").iterdir()
    assert path.name == f"a.b.{image_format.lower().removeprefix('.')}"


@pytest.mark.parametrize("image_format", ["heic", "xyz", "pgm", ""])
def test_a_format_that_cannot_be_written(tmp_path: Path, image_format: str) -> None:
    with pytest.raises(UsageError, match="cannot be written by this OpenCV; use jpg, png or webp"):
        ImageSink(tmp_path, red, image_format)


@pytest.mark.parametrize(
    ("name", "image_format", "expected"),
    [("a.jpg", None, "a.png"), ("a.png", None, "a.png"), ("a.webp", None, "a.webp"), ("a.jpg", "webp", "a.webp")],
)
def test_transparency_goes_where_it_can(
    tmp_path: Path, make_frame: MakeFrame, name: str, image_format: str | None, expected: str
) -> None:
    with ImageSink(tmp_path, glass, image_format, needs_alpha=True) as sink:
        sink.write(make_frame(name), NOBODY)
    data = np.frombuffer((tmp_path / expected).read_bytes(), np.uint8)
    pixel = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)[0, 0]
    assert pixel[3] == 77
    assert np.abs(pixel[2::-1].astype(int) - RED).max() < 6


@pytest.mark.parametrize("image_format", ["jpg", "bmp"])
def test_transparency_asked_for_where_it_cannot_go(tmp_path: Path, image_format: str) -> None:
    with pytest.raises(UsageError, match=f"{image_format} cannot be transparent; use png or webp"):
        ImageSink(tmp_path, glass, image_format, needs_alpha=True)


def write_twice(tmp_path: Path, make_frame: MakeFrame, exists: Any) -> Path:
    (tmp_path / "a.jpg").write_bytes(b"old")
    with ImageSink(tmp_path, red, exists=exists) as sink:
        assert sink.is_done("a.jpg")
        assert not sink.is_done("b.jpg")
        sink.write(make_frame("b.jpg"), NOBODY)
        sink.write(make_frame("a.jpg"), NOBODY)
    return tmp_path / "a.jpg"


def test_what_exists_is_overwritten(tmp_path: Path, make_frame: MakeFrame) -> None:
    assert write_twice(tmp_path, make_frame, "overwrite").read_bytes() != b"old"


def test_what_exists_is_skipped(tmp_path: Path, make_frame: MakeFrame) -> None:
    assert write_twice(tmp_path, make_frame, "skip").read_bytes() == b"old"


def test_what_exists_is_an_error_of_that_frame(tmp_path: Path, make_frame: MakeFrame) -> None:
    with pytest.raises(FrameOutputError, match=r"a.jpg: exists already; use --exists overwrite or skip"):
        write_twice(tmp_path, make_frame, "error")
    assert (tmp_path / "a.jpg").read_bytes() == b"old"
    assert (tmp_path / "b.jpg").exists()


def test_what_exists_can_be_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    for exists, refused in (("error", True), ("skip", False), ("overwrite", False)):
        sink = ImageSink(tmp_path, red, exists=exists)  # type: ignore[arg-type]
        assert (sink.refusal("a.jpg") is not None) == refused
        assert sink.refusal("b.jpg") is None
    assert "a.jpg: exists already" in str(ImageSink(tmp_path, red, exists="error").refusal("a.jpg"))


def test_a_picture_that_appears_meanwhile_is_not_overwritten(tmp_path: Path, make_frame: MakeFrame) -> None:
    with ImageSink(tmp_path, red, exists="error") as sink:
        assert sink.refusal("a.jpg") is None
        (tmp_path / "a.jpg").write_bytes(b"new")
        with pytest.raises(FrameOutputError, match="exists already"):
            sink.write(make_frame("a.jpg"), NOBODY)
    assert (tmp_path / "a.jpg").read_bytes() == b"new"


def test_two_inputs_must_not_share_a_picture(tmp_path: Path) -> None:
    entries = [Input("a.jpg", 0, Path("a.jpg")), Input("a.png", 1, Path("a.png"))]
    ImageSink(tmp_path, red).plan(entries)
    with pytest.raises(UsageError, match=r"a.jpg and a.png would both be written to .*a.webp"):
        ImageSink(tmp_path, red, "webp").plan(entries)


def test_an_input_is_not_overwritten(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.touch()
    with pytest.raises(UsageError, match="would overwrite an input"):
        ImageSink(tmp_path, red).plan([Input("a.jpg", 0, photo)])
    ImageSink(tmp_path / "out", red).plan([Input("a.jpg", 0, photo)])


@pytest.mark.parametrize("link", [False, True])
def test_an_original_beside_the_inputs_is_not_replaced(tmp_path: Path, link: bool) -> None:
    photo = tmp_path / "photos" / "2024" / "1.jpg"
    photo.parent.mkdir(parents=True)
    photo.touch()
    if link:
        (tmp_path / "link").symlink_to(tmp_path / "photos", target_is_directory=True)
    folder, entries = tmp_path / ("link" if link else "photos"), [Input("1.jpg", 0, photo)]
    ImageSink(folder, red).plan(entries)
    (folder / "1.jpg").touch()
    message = "1.jpg is there already and may be an original, .*; choose another -o, or .* --exists overwrite"
    with pytest.raises(UsageError, match=message):
        ImageSink(folder, red).plan(iter(entries))
    for exists in ("skip", "error", "overwrite"):
        ImageSink(folder, red, exists=exists).plan(entries)  # type: ignore[arg-type]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.jpg").touch()  # of an earlier run, as no input is here
    ImageSink(tmp_path / "out", red).plan(entries)


def test_a_link_is_in_the_folder_that_it_is_in_and_in_that_of_its_file(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "1.jpg").touch()
    (tmp_path / "a" / "sub" / "1.jpg").touch()
    link = tmp_path / "b" / "sub" / "1.jpg"
    link.symlink_to(tmp_path / "a" / "sub" / "1.jpg")
    for folder in ("a", "b"):
        with pytest.raises(UsageError, match="may be an original"):
            ImageSink(tmp_path / folder, red).plan([Input("1.jpg", 0, link)])


def test_an_output_folder_that_cannot_be_written_is_found_before_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        ImageSink(tmp_path / "file" / "out", red).__enter__()


def test_a_picture_that_cannot_be_encoded(tmp_path: Path, make_frame: MakeFrame) -> None:
    with ImageSink(tmp_path, red) as sink:
        with pytest.raises(
            FrameOutputError, match=r"a.webp: OpenCV cannot write 20000x1 px as webp; use --image-format"
        ):
            sink.write(make_frame("a.webp", size=(1, 20000)), NOBODY)
        with pytest.raises(FrameOutputError, match=r"a.jpg: OpenCV cannot write 70000x1 px as jpg"):
            sink.write(make_frame("a.jpg", size=(1, 70000)), NOBODY)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_raises(tmp_path: Path, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise cv2.error("no")

    monkeypatch.setattr(cv2, "imencode", refuse)
    with ImageSink(tmp_path, red) as sink, pytest.raises(FrameOutputError, match=r"a.png: OpenCV cannot write 80x60"):
        sink.write(make_frame("a.png"), NOBODY)


def test_one_picture_that_cannot_be_written_is_one_failure(tmp_path: Path, make_frame: MakeFrame) -> None:
    (tmp_path / "sub").touch()
    with ImageSink(tmp_path, red) as sink:
        with pytest.raises(FrameOutputError, match="cannot be written"):
            sink.write(make_frame("sub/a.jpg"), NOBODY)
        sink.write(make_frame("b.jpg"), NOBODY)
    assert (tmp_path / "b.jpg").exists()


def test_mirrored_and_other_strided_pictures_are_written(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    with ImageSink(tmp_path, lambda frame, poses: frame.image[:, ::-1]) as sink:
        sink.write(Frame(noise, 0, None, "a.png"), NOBODY)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", "a"), noise[:, ::-1])


def test_pictures_are_drawn_ahead_and_put_in_place_when_it_is_their_turn(tmp_path: Path, make_frame: MakeFrame) -> None:
    with ImageSink(tmp_path, red) as sink:
        put = sink.prepare(make_frame("a.png"), NOBODY)
        assert list(tmp_path.iterdir()) == []
        put()
    assert (tmp_path / "a.png").read_bytes() == cv2.imencode(".png", np.full((60, 80, 3), RED[::-1], np.uint8))[
        1
    ].tobytes()


@pytest.mark.parametrize("exists", ["skip", "error"])
def test_a_picture_that_appears_after_it_was_drawn_stays(tmp_path: Path, make_frame: MakeFrame, exists: Any) -> None:
    with ImageSink(tmp_path, red, exists=exists) as sink:
        put = sink.prepare(make_frame("a.jpg"), NOBODY)
        (tmp_path / "a.jpg").write_bytes(b"new")
        if exists == "error":
            with pytest.raises(FrameOutputError, match="exists already"):
                put()
        else:
            put()
    assert (tmp_path / "a.jpg").read_bytes() == b"new"


def test_what_is_skipped_is_not_drawn(tmp_path: Path, make_frame: MakeFrame) -> None:
    def refuse(frame: Frame, poses: Poses) -> NDArray[np.uint8]:
        raise AssertionError

    (tmp_path / "a.jpg").touch()
    with ImageSink(tmp_path, refuse, exists="skip") as sink:
        sink.prepare(make_frame("a.jpg"), NOBODY)()
    assert (tmp_path / "a.jpg").read_bytes() == b""
