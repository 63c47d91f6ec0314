import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecli.errors import InputError, MissingPathError, UsageError
from posecli.sources import listing
from posecli.sources.listing import Input, list_inputs

Tree = Callable[..., None]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of our own, as a user does."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def tree() -> Tree:
    def make(*names: str) -> None:
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).touch()

    return make


def stills(
    *inputs: str, recursive: bool = False, exclude: Path | None = None, stdin: str | None = None
) -> tuple[Input, ...]:
    listed = None if stdin is None else io.StringIO(stdin)
    return list_inputs(inputs, recursive=recursive, exclude=exclude, stdin=listed)


def names(*inputs: str, recursive: bool = False, exclude: Path | None = None, stdin: str | None = None) -> list[str]:
    found = stills(*inputs, recursive=recursive, exclude=exclude, stdin=stdin)
    assert [still.index for still in found] == list(range(len(found)))
    assert all(still.error is None for still in found)
    assert all(isinstance(still.location, str) or still.location.exists() for still in found)
    return [still.name for still in found]


def test_a_file_is_called_by_its_last_component(tree: Tree) -> None:
    tree("a/b/photo.jpg", "other.png")
    assert names("a/b/photo.jpg") == ["photo.jpg"]
    assert names("a/b/photo.jpg", "other.png") == ["photo.jpg", "other.png"]


def test_a_file_given_is_taken_whatever_its_suffix(tree: Tree) -> None:
    tree("photo", ".hidden.jpg")
    assert names("photo", ".hidden.jpg") == ["photo", ".hidden.jpg"]


def test_a_folder_is_sorted_and_its_other_files_are_ignored(tree: Tree) -> None:
    tree("in/b.jpg", "in/a.PNG", "in/B.webp", "in/notes.txt", "in/.hidden.jpg", "in/.git/x.jpg", "in/sub/c.jpg")
    assert names("in") == ["B.webp", "a.PNG", "b.jpg"]
    assert names("in/") == names("in")


def test_recursion_sorts_whole_paths(tree: Tree) -> None:
    tree("in/b.jpg", "in/a/z.jpg", "in/a.jpg", "in/a/.hidden/x.jpg", "in/c/d/e.tif")
    assert names("in", recursive=True) == ["a.jpg", "a/z.jpg", "b.jpg", "c/d/e.tif"]


@pytest.mark.parametrize("suffix", ["heic", "HEIF", "gif", "avif", "jfif", "jpe", "tif", "jp2", "ppm", "bmp", "webp"])
def test_suffixes_that_a_folder_is_searched_for(tree: Tree, suffix: str) -> None:
    tree(f"in/a.{suffix}")
    assert names("in") == [f"a.{suffix}"]


@pytest.mark.parametrize(
    "suffix", ["mp4", "MOV", "mkv", "webm", "avi", "m4v", "mpg", "mpeg", "mts", "3gp", "flv", "wmv"]
)
def test_videos_are_found_beside_photos(tree: Tree, suffix: str) -> None:
    tree("in/a.jpg", f"in/b.{suffix}", "in/c.png", "in/b.m3u8", "in/deep.mp4/d.jpg")
    assert names("in") == names("in/*") == names("in/?.*") == ["a.jpg", f"b.{suffix}", "c.png"]
    assert [still.is_video for still in stills("in")] == [False, True, False]
    assert names("in", recursive=True)[-1] == "deep.mp4/d.jpg"


def test_a_folder_may_be_called_like_a_video(tree: Tree) -> None:
    tree("a.mp4/b.jpg")
    assert names("a.mp4") == ["b.jpg"]
    assert [still.is_video for still in stills("a.mp4")] == [False]


def test_typescript_is_no_video(tree: Tree) -> None:
    tree("in/empty.ts")
    Path("in/code.ts").write_text("G: number;\n" * 99)
    Path("in/video.ts").write_bytes((b"G" + b"\0" * 187) * 2)
    assert names("in") == names("in/*") == ["video.ts"]
    assert names("in/code.ts") == ["code.ts"]  # whoever gives it by name means it


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are files on POSIX systems only")
def test_a_pipe_is_not_waited_for(tree: Tree) -> None:
    tree("in/a.jpg")
    os.mkfifo("in/b.ts")
    assert names("in") == ["a.jpg"]


def test_a_closed_ts_file_is_listed_for_reading_to_say_why(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree("in/a.ts")

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert names("in") == ["a.ts"]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("rtsp://user:secret@camera:554/live", "live"),
        ("RTSPS://camera/", "stream"),
        ("udp://@239.0.0.1:1234", "stream"),
        ("srt://host:9000?mode=caller", "stream"),
        ("rtmp://host/app/key.1", "key.1"),
        ("http://host/a%20b.MP4?x=1#t", "a b.MP4"),
        ("https://host/live/index.m3u8", "index.m3u8"),
        ("http://host/manifest.mpd", "manifest.mpd"),
        ("http://camera/video?id=1#.mp4", "video"),
    ],
)
def test_streams(address: str, name: str) -> None:
    assert names(address) == [name]
    assert [(still.location, still.is_video) for still in stills(address)] == [(address, True)]


@pytest.mark.parametrize(
    "address", ["http://host.mov/a.jpg", "http://host.mov", "http://host/a?b=c.mp4", "http://host/x#y"]
)
def test_other_addresses_are_images(address: str) -> None:
    assert [still.is_video for still in stills(address)] == [False]


def test_what_is_no_address_is_no_video(tree: Tree) -> None:
    tree("a.jpg")
    assert [still.is_video for still in stills("http://[x.mp4", "a.jpg")] == [False, False]


def test_several_inputs_are_told_apart_by_their_last_components(tree: Tree) -> None:
    tree("x/one/1.jpg", "two/1.jpg", "two/sub/2.jpg", "3.jpg")
    assert names("two", "x/one", "3.jpg", recursive=True) == ["two/1.jpg", "two/sub/2.jpg", "one/1.jpg", "3.jpg"]


def test_the_current_folder_is_called_by_its_name(tree: Tree) -> None:
    tree("1.jpg", "sub/2.jpg")
    assert names(".") == ["1.jpg"]
    assert names(".", "sub") == ["here/1.jpg", "sub/2.jpg"]
    assert names("sub/..", "sub") == ["here/1.jpg", "sub/2.jpg"]


def test_a_link_to_a_folder_is_not_followed_but_one_to_a_file_is(tree: Tree) -> None:
    tree("in/a.jpg")
    Path("in/loop").symlink_to(Path("in").resolve(), target_is_directory=True)
    Path("in/b.jpg").symlink_to(Path("in/a.jpg").resolve())
    assert names("in", recursive=True) == ["a.jpg", "b.jpg"]


def test_the_output_folder_is_not_searched(tree: Tree) -> None:
    tree("in/a.jpg", "in/out/a.jpg", "in/out/deep/a.jpg", "in/outer/b.jpg")
    assert names("in", recursive=True, exclude=Path("in/out")) == ["a.jpg", "outer/b.jpg"]
    assert names("in/**/*.jpg", exclude=Path("in/../in/out")) == ["a.jpg", "outer/b.jpg"]
    assert names("in/o*", exclude=Path("in/out")) == ["outer/b.jpg"]


def test_a_folder_below_the_output_folder_may_be_asked_for(tree: Tree) -> None:
    tree("photos/a.jpg")
    assert names("photos", exclude=Path()) == ["a.jpg"]


def test_the_output_folder_cannot_be_the_input_folder(tree: Tree) -> None:
    tree("in/a.jpg")
    with pytest.raises(UsageError, match="in: the output folder is the input folder; choose another one with -o"):
        stills("in", exclude=Path("in/."))


def test_globs_are_named_from_their_fixed_parent(tree: Tree) -> None:
    tree("a/1.jpg", "a/2.png", "a/b/3.jpg", "a/b/.4.jpg", "a/x.txt", "c/5.jpg")
    assert names("a/*.jpg") == ["1.jpg"]
    assert names("a/*") == ["1.jpg", "2.png"]
    assert names("a/**/*.jpg") == ["1.jpg", "b/3.jpg"]
    assert names("a/**") == ["1.jpg", "2.png", "b/3.jpg"]
    assert names("[ac]/*.jpg") == ["a/1.jpg", "c/5.jpg"]
    assert names(str(Path("a/?.jpg").absolute())) == ["1.jpg"]
    assert names("a/*.png", "c") == ["a/2.png", "c/5.jpg"]


def test_a_glob_of_folders_only_stands_for_their_images(tree: Tree) -> None:
    tree("a/x1/1.jpg", "a/x1/sub/2.jpg", "a/x2/1.jpg", "a/x2/notes.txt", "c/5.jpg")
    assert names("a/x*") == ["x1/1.jpg", "x2/1.jpg"]
    assert names("a/x*", recursive=True) == ["x1/1.jpg", "x1/sub/2.jpg", "x2/1.jpg"]
    assert names("a/**/", recursive=True) == names("a/x*", recursive=True)
    assert names("a/x*", "c") == ["a/x1/1.jpg", "a/x2/1.jpg", "c/5.jpg"]


def test_a_glob_takes_each_image_once_through_linked_folders(tree: Tree) -> None:
    tree("in/a.jpg", "in/sub/b.jpg")
    Path("in/loop").symlink_to(Path("in").resolve(), target_is_directory=True)
    Path("in/c.jpg").symlink_to(Path("in/a.jpg").resolve())
    assert names("in/**/*.jpg") == ["a.jpg", "c.jpg", "sub/b.jpg"]


def test_a_path_with_brackets_wins_over_its_meaning_as_a_glob(tree: Tree) -> None:
    tree("photo[1].jpg", "photo1.jpg", "set [a]/é ☃.jpg")
    assert names("photo[1].jpg") == ["photo[1].jpg"]
    assert names("set [a]") == ["é ☃.jpg"]


def test_a_list_on_stdin_keeps_its_order_and_folders(tree: Tree) -> None:
    tree("b/1.jpg", "a/1.jpg", "dir/2.jpg", " spaced [x].jpg", "../outside/3.jpg")
    listed = "b/1.jpg\na/1.jpg\r\n\n./dir\n spaced [x].jpg\n../outside/3.jpg\na/../b/1.jpg\nhttp://host/x.png\n"
    assert names("-", stdin=listed) == [
        *("b/1.jpg", "a/1.jpg", "dir/2.jpg", " spaced [x].jpg", "outside/3.jpg", "x.png")
    ]


def test_absolute_paths_on_stdin_lose_their_root(tree: Tree, here: Path) -> None:
    tree("a.jpg")
    [name] = names("-", stdin=f"\ufeff{here / 'a.jpg'}")
    assert name == (here / "a.jpg").relative_to(here.anchor).as_posix()


def test_a_folder_on_stdin_may_be_the_current_one(tree: Tree) -> None:
    tree("a.jpg")
    assert names("-", stdin=".\n") == ["here/a.jpg"]


def test_stdin_that_is_not_text() -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"\xff\xfe.jpg\n"), encoding="utf-8")
    with pytest.raises(UsageError, match="not utf-8 text; write it as UTF-8"):
        list_inputs(["-"], recursive=False, exclude=None, stdin=stdin)


def test_stdin_is_the_real_one_by_default(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree("a.jpg")
    monkeypatch.setattr("sys.stdin", io.StringIO("a.jpg\n"))
    assert names("-") == ["a.jpg"]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_no_line_leads_out_of_the_output_folder(line: str) -> None:
    parts = listing._clean(line).split("/")
    assert ".." not in parts
    assert not Path(*parts).is_absolute()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://host/a/photo%20one.jpg?size=3#top", "photo one.jpg"),
        ("HTTPS://host/b:c.png", "b_c.png"),
        ("https://host/", "image.jpg"),
        ("https://host", "image.jpg"),
        ("https://host/..", "image.jpg"),
        ("https://host/a%2Fb.jpg", "b.jpg"),
    ],
)
def test_addresses(url: str, name: str) -> None:
    assert names(url) == [name]
    assert stills(url)[0].location == url


def test_what_is_missing_is_listed_and_the_rest_stays(tree: Tree) -> None:
    tree("a.jpg", "empty/notes.txt")
    found = stills("gone/b.jpg", "a.jpg", "x*.jpg", "empty", "n" * 5000)
    assert [still.name for still in found[:-1]] == ["b.jpg", "a.jpg", "x*.jpg", "empty"]
    assert [type(still.error) for still in found] == [
        *(MissingPathError, type(None), MissingPathError, InputError, MissingPathError)
    ]
    assert str(found[0].error) == "gone/b.jpg: no such file or folder; check the path"


def test_what_comes_twice_is_taken_once(tree: Tree, here: Path) -> None:
    tree("a.jpg", "in/b.jpg", "in/c.jpg")
    assert names("a.jpg", "./a.jpg", str(here / "a.jpg")) == ["a.jpg"]
    assert names("in", "a.jpg", "in/../in/", "a.jpg") == ["in/b.jpg", "in/c.jpg", "a.jpg"]
    assert names("http://host/x.png", "http://host/x.png") == ["x.png"]
    assert len(stills("a.jpg", "gone.jpg", "gone.jpg", "http://[", "http://[")) == 3


def test_equal_names_of_different_files_stay(tree: Tree) -> None:
    tree("a/1.jpg", "b/1.jpg")
    assert names("a/1.jpg", "b/1.jpg") == ["1.jpg", "1.jpg"]
    assert names("http://a/1.jpg", "http://b/1.jpg") == ["1.jpg", "1.jpg"]


@pytest.mark.parametrize("url", ["http://[x", "http://[::1/a.jpg", "https://a\u2100b/c.jpg"])
def test_what_is_no_address_is_listed_and_the_rest_stays(tree: Tree, url: str) -> None:
    tree("a.jpg")
    bad, good = stills(url, "a.jpg")
    assert (bad.name, type(bad.error)) == (url, InputError)
    assert f"{url}: not an address (" in str(bad.error)
    assert good.error is None


def test_lines_that_no_file_system_takes_are_listed_and_the_rest_stays(tree: Tree) -> None:
    tree("a.jpg")
    found = stills("-", stdin="a\0.jpg\nhttp://[x\na.jpg\n")
    assert [type(still.error) for still in found] == [MissingPathError, InputError, type(None)]


def test_a_link_to_itself_is_listed_for_reading_to_say_why(tree: Tree) -> None:
    tree("in/a.jpg")
    Path("in/loop.jpg").symlink_to(Path("in/loop.jpg").absolute())
    Path("in/loop").symlink_to(Path("in/loop").absolute())
    for inputs in ("in", "in/*", "in/*.jpg"):
        assert [still.name for still in stills(inputs, recursive=True)] == ["a.jpg", "loop.jpg"]


def test_a_folder_that_says_nothing_is_a_file(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree("in/a.jpg")

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert names("in/*.jpg") == ["a.jpg"]


def test_folders_may_be_deep(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree("/".join(["in", *"d" * 300, "a.jpg"]))
    depth = len(list(traceback.walk_stack(None)))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 250)
    try:
        assert names("in", recursive=True) == ["/".join(["d"] * 300 + ["a.jpg"])]
    finally:
        sys.setrecursionlimit(limit)


def test_a_closed_folder_is_listed_and_the_rest_stays(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree("in/a.jpg", "in/closed/b.jpg")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    found = stills("in", recursive=True)
    assert [still.name for still in found] == ["a.jpg", "closed"]
    assert "closed: cannot be listed (Permission denied); check its permissions" in str(found[1].error)


@pytest.mark.parametrize(
    ("inputs", "stdin", "message"),
    [
        (["empty"], None, "no images or videos in empty; give a folder that holds some"),
        (["deep"], None, "no images or videos in deep itself, but in folders below it; use --recursive"),
        (["gone.jpg"], None, "gone.jpg: no such file or folder; check the path"),
        (["gone.jpg", "empty"], None, r"gone.jpg: no such.*\(and 1 more inputs without any\)"),
        (["*.jpg"], None, r"\*.jpg: no image or video matches; check the pattern"),
        (["empty*"], None, r"empty\*: only folders match, without images or videos in them; .* or use --recursive"),
        (["linked"], None, "no images or videos in linked; linked folders are not followed: give what they link to"),
        (["a.jpg", ""], None, "an input is empty; give a file"),
        (
            ["ftp://host/a.jpg"],
            None,
            "ftp://host/a.jpg: addresses begin with one of http, https, rtsp, .*; download it",
        ),
        (["file:///a/*.jpg"], None, "addresses begin with one of"),
        (["-"], "\n\n", "no paths on standard input"),
        ([], None, "no input given"),
    ],
)
def test_nothing_to_do(tree: Tree, inputs: list[str], stdin: str | None, message: str) -> None:
    tree("empty/notes.txt", "empty/.hidden.jpg", "deep/er/a.jpg", "linked/notes.txt")
    Path("linked/deep").symlink_to(Path("deep").resolve(), target_is_directory=True)
    with pytest.raises(UsageError, match=message):
        stills(*inputs, stdin=stdin)


def test_the_search_for_a_hint_is_bounded_and_never_fails(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree("home/notes.txt", *(f"home/{name}/{k}.jpg" for name in ("closed", "open") for k in range(3)))
    scandir, scanned = os.scandir, []

    def refuse(path: Path) -> object:
        scanned.append(Path(path).name)
        if scanned[-1] == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(UsageError, match="in folders below it; use --recursive"):
        stills("home")
    assert set(scanned) == {"home", "closed", "open"}

    scanned.clear()
    monkeypatch.setattr(listing, "_HINT_ENTRIES", 3)
    with pytest.raises(UsageError, match="no images or videos in home; give a folder"):
        stills("home")
    assert set(scanned) == {"home"}
