"""Many files at once, the disk they go to, and a user who interrupts."""

import errno
import os
import sys
import threading
from pathlib import Path
from typing import IO

import pytest

from downloads import DATA, HASTY, Run, remote
from misbehaving_server import Answer, MisbehavingServer
from posecli.download import Policy, download, workers
from posecli.errors import DownloadError, OutputError

NAMES = [f"group1-shard{index}of6.bin" for index in range(1, 7)]
SHARDS = {name: DATA[index * 100 :] for index, name in enumerate(NAMES)}
FILES = [remote(data, f"v1/{name}") for name, data in SHARDS.items()]
FOR_EVER = Policy(read_timeout_s=600)


@pytest.fixture
def shards(server: MisbehavingServer) -> MisbehavingServer:
    for name, data in SHARDS.items():
        server.script(f"/v1/{name}", Answer(body=data))
    return server


@pytest.mark.parametrize("jobs", [1, 4, 99])
def test_many_files_are_fetched(shards: MisbehavingServer, run: Run, jobs: int) -> None:
    run(shards.url, files=FILES, jobs=jobs)
    assert {name: (run.folder / name).read_bytes() for name in run.names} == SHARDS
    assert sum(run.bytes) == sum(map(len, SHARDS.values()))


def test_nobody_has_to_listen(shards: MisbehavingServer, tmp_path: Path) -> None:
    shards.script(f"/v1/{NAMES[0]}", Answer(503), Answer(body=SHARDS[NAMES[0]]))
    download(FILES, [shards.url], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == SHARDS


def test_nothing_to_do(run: Run, tmp_path: Path) -> None:
    run(str(tmp_path), files=[])
    assert run.names == []


def test_one_connection_serves_many_files(shards: MisbehavingServer, run: Run) -> None:
    run(shards.url, files=FILES, jobs=1)
    assert len({request.client for request in shards.requests}) == 1


def test_files_are_fetched_at_the_same_time(server: MisbehavingServer, run: Run) -> None:
    """Each of two requests is answered only once both are there."""
    both = threading.Barrier(2, timeout=10)
    for name in NAMES[:2]:
        server.script(f"/v1/{name}", Answer(body=SHARDS[name], before=both.wait))
    run(server.url, files=FILES[:2], jobs=2)
    assert run.names == NAMES[:2]


def test_a_missing_shard_stops_the_others(shards: MisbehavingServer, run: Run) -> None:
    """One thread waits for ever in the middle of a file; the error does not wait for it."""
    shards.script(f"/v1/{NAMES[0]}", Answer(body=SHARDS[NAMES[0]], stop_after=99, ending="stall"))
    shards.script(f"/v1/{NAMES[1]}", Answer(404))
    with pytest.raises(DownloadError, match=rf"^v1/{NAMES[1]}: not to be had from .*404 Not Found.*; try a mirror"):
        run(shards.url, files=FILES, jobs=2, policy=FOR_EVER)
    heard = list(run.bytes)
    shards.release()
    for thread in workers_alive():
        thread.join(10)
    assert run.bytes == heard  # nothing is said or written after the error
    assert set(run.names) <= {f"{NAMES[0]}.part"}
    assert len(shards.requests) == 2


def workers_alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("download-")]


def test_what_another_process_does_next_is_left_alone(shards: MisbehavingServer, run: Run) -> None:
    """A thread that waited for an answer gets it after the error, when another process has begun the same file."""
    shards.script(f"/v1/{NAMES[0]}", Answer(body=SHARDS[NAMES[0]], before=shards.stall))
    shards.script(f"/v1/{NAMES[1]}", Answer(404))
    with pytest.raises(DownloadError):
        run(shards.url, files=FILES[:2], jobs=2, policy=FOR_EVER)
    part = run.folder / f"{NAMES[0]}.part"
    part.write_bytes(b"of another process")
    shards.release()
    for thread in workers_alive():
        thread.join(10)
    assert part.read_bytes() == b"of another process"
    assert run.names == [part.name]


def test_a_failure_ends_a_wait(server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real wait, for an hour, in one thread; in the other a file that is missing."""
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    waiting = threading.Event()
    run.retries = Heard(waiting)
    server.script("/a", Answer(503, headers={"Retry-After": "3600"}))
    server.script("/b", Answer(404, before=lambda: waiting.wait(10)))
    with pytest.raises(DownloadError, match="b: not to be had"):
        run(server.url, files=[remote(path="a"), remote(path="b")], policy=Policy(longest_retry_after_s=4000))
    assert len(run.retries) == 1


class Heard(list[str]):
    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self.event = event

    def append(self, line: str) -> None:
        super().append(line)
        self.event.set()


def test_no_file_is_there_before_it_is_whole(server: MisbehavingServer, run: Run) -> None:
    seen: list[list[str]] = []
    server.script("/a.bin", Answer(body=DATA, stop_after=5000), Answer(body=DATA))
    run(server.url, on_bytes=lambda change: seen.append(run.names))
    assert len(seen) >= 2
    assert all(names == ["a.bin.part"] for names in seen)
    assert run.names == ["a.bin"]


def test_ctrl_c_in_a_worker(shards: MisbehavingServer, run: Run) -> None:
    def interrupt(change: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(shards.url, files=FILES, on_bytes=interrupt)
    assert not set(run.names) & set(NAMES)


def test_ctrl_c_while_the_server_is_silent(
    server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupt comes where the caller's thread waits; the workers' reads would take ten minutes."""
    asked = threading.Event()
    server.script("/a.bin", Answer(body=DATA, stop_after=99, ending="stall", before=asked.set))

    class Interrupted(threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            if self.is_alive() and timeout == workers._POLL_S and asked.wait(10):
                raise KeyboardInterrupt
            super().join(timeout)

    monkeypatch.setattr(workers, "Thread", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(server.url, policy=FOR_EVER)
    assert len(workers_alive()) == 1
    heard = list(run.bytes)
    server.release()
    workers_alive()[0].join(10)
    assert run.bytes == heard


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk(server: MisbehavingServer, run: Run) -> None:
    run.folder.mkdir(parents=True)
    (run.folder / "a.bin.part").symlink_to("/dev/full")
    server.script("/a.bin", Answer(body=DATA))
    with pytest.raises(OutputError, match=r"/a\.bin: cannot be written \(No space left on device\); choose another"):
        run(server.url)
    assert run.names == []  # there is room again
    assert len(server.requests) == 1


class Failing:
    """A file whose second write fails."""

    def __init__(self, file: IO[bytes], code: int) -> None:
        self.file, self.code, self.writes = file, code, 0

    def __enter__(self) -> "Failing":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> int:
        self.writes += 1
        if self.writes == 2:
            raise OSError(self.code, os.strerror(self.code))
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


@pytest.mark.parametrize(
    ("code", "left"),
    [(errno.ENOSPC, []), (errno.EDQUOT, []), (errno.EIO, ["a.bin.part"]), (errno.EFBIG, ["a.bin.part"])],
)
@pytest.mark.parametrize("from_folder", [False, True])
def test_a_disk_that_fails_at_the_write(
    server: MisbehavingServer,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    code: int,
    left: list[str],
    from_folder: bool,
) -> None:
    plain = Path.open

    def fail(path: Path, mode: str) -> object:
        file = plain(path, mode)
        return Failing(file, code) if path.suffix == ".part" else file

    monkeypatch.setattr(Path, "open", fail)
    monkeypatch.setattr("posecli.download.copying._STEP_BYTES", 1000)
    (tmp_path / "a.bin").write_bytes(DATA)
    server.script("/a.bin", Answer(body=DATA, chunked=True))
    with pytest.raises(OutputError, match=r"/a\.bin: cannot be written \(.+\); choose another place"):
        run(str(tmp_path) if from_folder else server.url)
    assert run.names == left
    assert len(server.requests) <= 1  # another try would not help


def test_a_folder_that_may_not_be_written(server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run as root, who can write everywhere."""

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    server.script("/a.bin", Answer(body=DATA))
    with pytest.raises(OutputError, match=r"/a\.bin: cannot be written \(Permission denied\); choose another place"):
        run(server.url)
    assert run.names == []


def test_a_folder_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("a file")
    with pytest.raises(OutputError, match=r"/here/files: cannot be written \(.+\); choose another place"):
        run(str(tmp_path))


def test_a_folder_in_the_files_place(run: Run, tmp_path: Path) -> None:
    (run.folder / "a.bin").mkdir(parents=True)
    (tmp_path / "a.bin").write_bytes(DATA)
    with pytest.raises(OutputError, match=r"/a\.bin: cannot be written \(Is a directory\)"):
        run(str(tmp_path))


def test_two_files_of_one_name_are_our_own_mistake(run: Run, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="two files of one name"):
        run(str(tmp_path), files=[remote(path="x/a"), remote(path="y/a")])


@pytest.mark.parametrize("path", ["", "x/", "x/..", "."])
def test_a_path_without_a_name_is_our_own_mistake(run: Run, tmp_path: Path, path: str) -> None:
    with pytest.raises(AssertionError, match="no names of files"):
        run(str(tmp_path), files=[remote(path=path)])


def test_a_short_patience_is_enough_for_a_good_server(shards: MisbehavingServer, run: Run) -> None:
    run(shards.url, files=FILES, policy=HASTY)
    assert run.retries == []


def test_an_address_where_nobody_answers_is_asked_for_one_file_only(shards: MisbehavingServer, run: Run) -> None:
    with MisbehavingServer() as gone:
        dead = gone.url
    run(dead, shards.url, files=FILES, jobs=1)
    assert {name: (run.folder / name).read_bytes() for name in run.names} == SHARDS
    assert run.retries[-1].startswith(f"{dead}: Connection refused, 2 times in a row; it is not asked any more")
    assert len(run.retries) == 2


def test_an_address_that_stays_silent_is_asked_by_each_thread_at_most_twice(
    shards: MisbehavingServer, run: Run
) -> None:
    with MisbehavingServer() as silent:
        for name in NAMES:
            silent.script(f"/v1/{name}", Answer(before=silent.stall))
        run(silent.url, shards.url, files=FILES, jobs=2)
        assert len(silent.requests) <= 4
        silent.release()
    assert {name: (run.folder / name).read_bytes() for name in run.names} == SHARDS


def test_an_address_that_refuses_one_file_is_asked_for_the_others(shards: MisbehavingServer, run: Run) -> None:
    with MisbehavingServer() as poor:
        poor.script(f"/v1/{NAMES[3]}", Answer(body=SHARDS[NAMES[3]]))
        for name in NAMES[4:]:
            poor.script(f"/v1/{name}", Answer(503))
        run(poor.url, shards.url, files=FILES, jobs=1)
        assert {request.path.rsplit("/", 1)[1] for request in poor.requests} == set(NAMES)
    assert len(shards.requests) == 5
