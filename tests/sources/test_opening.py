import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from misbehaving_server import Answer, MisbehavingServer
from posecli.errors import InputError
from posecli.opencv import cv2
from posecli.pyav import av
from posecli.sources import Failure, Frame, Inputs, opening
from posecli.sources.opening import open_video, shown_location
from video_files import every_40_ms, number_of, write_sound, write_video


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MisbehavingServer]:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(opening, "TIMEOUT_S", 0.5)
    with MisbehavingServer() as serving:
        yield serving


def refusal(location: Path | str, capfd: pytest.CaptureFixture[str]) -> str:
    """What is said of a video that cannot be opened; FFmpeg itself says nothing."""
    with pytest.raises(InputError) as raised, open_video(location):
        pytest.fail("opened")
    assert capfd.readouterr() == ("", "")
    assert str(raised.value).startswith(shown_location(location))
    return str(raised.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty (0 bytes); get a fresh copy of it"),
        (b"hello, world", "not a video that FFmpeg can read; convert it to MP4, or get a fresh copy of it"),
        (b"<html></html>", "not a video that FFmpeg can read"),
        (b"\0" * 1000, "not a video that FFmpeg can read"),
        (cv2.imencode(".jpg", np.zeros((9, 9, 3), np.uint8))[1].tobytes(), "a picture, not a video; give it a name"),
        (cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes(), "a picture, not a video; give it a name"),
    ],
)
def test_what_is_no_video(tmp_path: Path, data: bytes, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    assert f"a.mp4: {message}" in refusal(path, capfd)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_an_mp4_without_its_index(tmp_path: Path, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_video(tmp_path / "a.mp4", every_40_ms(12))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    message = "a.mp4: its index (moov) is missing: it is still being written, or was cut off; wait until"
    assert message in refusal(path, capfd)


def test_sound_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    message = refusal(write_sound(tmp_path / "a.mp4"), capfd)
    assert "a.mp4: only sound in it, no video; give a file that has one" in message


def test_the_cover_of_an_album_is_no_video(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as output:
        sound = output.add_stream("aac", rate=8000, layout="mono")
        cover = output.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "rgb24"
        cover.disposition = (
            av.stream.Disposition.attached_pic.value
        )  # before version 17 a flag, but to be set by number
        output.mux(cover.encode(av.VideoFrame(16, 16, "rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        output.mux([*sound.encode(frame), *sound.encode(None)])
    assert "a.mp4: only sound in it" in refusal(path, capfd)


def test_of_several_videos_in_a_file_the_largest_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        streams = [output.add_stream("ffv1", rate=25) for _ in range(3)]
        for stream, side in zip(streams, (32, 64, 48), strict=True):
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p"
        for stream in streams:
            output.mux(stream.encode(av.VideoFrame(stream.width, stream.height, "yuv420p")))
    with open_video(path) as video:
        assert video.stream.width == 64
        assert not video.has_audio


def test_a_video_that_ffmpeg_has_no_decoder_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_video(tmp_path / "a.avi", every_40_ms(3), codec="rawvideo")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"I420", b"QQQQ"))
    assert "a.avi: FFmpeg has no decoder for its video; convert it to H.264 in MP4" in refusal(path, capfd)


def test_what_is_no_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "not a file, but a folder, a pipe or a device; save it" in refusal(tmp_path, capfd)
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    assert "link.mp4: a link to a file that is missing" in refusal(tmp_path / "link.mp4", capfd)
    assert "gone.mp4: cannot be read (" in refusal(tmp_path / "gone.mp4", capfd)


def test_a_file_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"data")

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "open", refuse)
    assert "a.mp4: cannot be read (Permission denied); check its permissions" in refusal(tmp_path / "a.mp4", capfd)


@pytest.mark.parametrize("name", ["concat:a.mp4", "pipe:0.mp4", "à b [1] %d ☃.mp4", "-i.mp4", "a#b?c.mp4"])
def test_names_mean_nothing_to_ffmpeg(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.mp4", every_40_ms(2)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with open_video(Path(name)) as video:
        assert video.stream.frames == 2


def test_a_file_does_not_lead_to_the_network(
    tmp_path: Path, server: MisbehavingServer, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{server.url}/a.ts\n#EXT-X-ENDLIST\n")
    refusal(path, capfd)
    assert server.requests == []


def test_other_errors_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: Any, **settings: Any) -> None:
        raise av.error.PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(av, "open", fail)
    (tmp_path / "a.avi").write_bytes(b"data")
    assert "a.avi: cannot be opened (Operation not permitted); convert it" in refusal(tmp_path / "a.avi", capfd)


def play(address: str) -> tuple[list[int], list[str]]:
    """Which frames come from an address, and what is said of it."""
    items = list(Inputs.from_inputs([address]))
    frames = [item for item in items if isinstance(item, Frame)]
    assert all(frame.clip is not None and frame.clip.location == address for frame in frames)
    return [number_of(frame.image) for frame in frames], [
        str(item.error) for item in items if isinstance(item, Failure)
    ]


@pytest.mark.parametrize("path", ["/a.mp4", "/a.mp4?size=3", "/page?id=1#.mp4"])
def test_a_video_is_played_from_a_server(tmp_path: Path, server: MisbehavingServer, path: str) -> None:
    body = write_video(tmp_path / "a.mp4", every_40_ms(12)).read_bytes()
    server.script("/a.mp4", Answer(body=body))
    server.script("/page", Answer(body=body))
    assert play(server.url + path) == (list(range(12)), [])


def test_a_playlist_is_played_from_a_server(tmp_path: Path, server: MisbehavingServer) -> None:
    write_video(tmp_path / "a.ts", every_40_ms(12))
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.48,\na.ts\n#EXT-X-ENDLIST\n")
    server.mount("/live", tmp_path)
    assert play(f"{server.url}/live/a.m3u8") == (list(range(12)), [])


def test_a_server_that_breaks_off(tmp_path: Path, server: MisbehavingServer) -> None:
    body = write_video(tmp_path / "a.mp4", every_40_ms(36), container={"movflags": "faststart"}).read_bytes()
    server.script("/a.mp4", Answer(body=body, stop_after=len(body) * 9 // 10), Answer(status=404))
    shown, [failure] = play(f"{server.url}/a.mp4")
    assert shown == list(range(len(shown)))
    assert 10 < len(shown) < 36
    assert failure.startswith(f"{server.url}/a.mp4: ")
    assert f"after {len(shown)} " in failure
    assert failure.endswith("; check the address and the network")


def test_a_server_that_stalls(tmp_path: Path, server: MisbehavingServer) -> None:
    body = write_video(tmp_path / "a.mp4", every_40_ms(36), container={"movflags": "faststart"}).read_bytes()
    server.script("/a.mp4", Answer(body=body, stop_after=len(body) * 9 // 10, ending="stall"))
    shown, [failure] = play(f"{server.url}/a.mp4")
    assert shown == list(range(len(shown)))
    assert f"a.mp4: breaks off after {len(shown)} frames (timed out after " in failure


def test_a_server_that_never_answers(server: MisbehavingServer) -> None:
    server.script("/a.mp4", Answer(before=server.stall))
    _, [failure] = play(f"{server.url}/a.mp4")
    assert "a.mp4: cannot be opened (timed out after " in failure


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_server_that_refuses(server: MisbehavingServer, status: int, capfd: pytest.CaptureFixture[str]) -> None:
    server.script("/a.mp4", Answer(status=status))
    message = refusal(f"{server.url}/a.mp4", capfd)
    assert "a.mp4: cannot be opened (" in message
    assert message.endswith("; check the address and the network")


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http", "tcp"])
def test_nobody_is_there(scheme: str, server: MisbehavingServer, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        address = f"{scheme}://user:secret@127.0.0.1:{taken.getsockname()[1]}/live.mp4"
        message = refusal(address, capfd)
    assert "cannot be opened (" in message
    assert "secret" not in message


def test_the_network_may_be_forbidden(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSECLI_OFFLINE", "1")
    message = "POSECLI_OFFLINE forbids the network; unset it, or give the video as a file"
    assert refusal("rtsp://user:secret@camera/live", capfd) == f"rtsp://***@camera/live: {message}"
    refusal(f"{server.url}/a.mp4", capfd)
    assert server.requests == []
