"""Fetching official models: from a server that misbehaves, and by processes that die; only whole models remain."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from misbehaving_server import Answer, MisbehavingServer
from official_models import stand_in, unhashed, write_catalogue
from posecli.download import Policy
from posecli.errors import ConversionError, DownloadError, OutputError, WeightsError
from posecli.weights import store
from posecli.weights.checkpoint import load
from posecli.weights.fetch import fetch
from posecli.weights.store import find

NAME = "mobilenet-050"
HASTY = Policy(tries=2, connect_timeout_s=5, read_timeout_s=0.3, first_wait_s=0.001, longest_wait_s=0.001)
SUPPORT = Path(__file__).parents[1] / "support"
SHARD = f"/{NAME}/group1-shard2of5.bin"
MODEL = f"/{NAME}/model.json"

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def files(half, build, tmp_path) -> Path:
    """A folder with the files of a mobilenet-050: model.json and five shards."""
    return build(half).write(tmp_path / "files").parent


@pytest.fixture
def official(files):
    """The model that the catalogue would list for these files."""
    return stand_in(NAME, files)


@pytest.fixture
def server(files):
    with MisbehavingServer() as server:
        server.mount(f"/{NAME}", files)
        yield server


def only_whole_models(home: Path) -> list[str]:
    """Names of the installed models; whatever lies in their folder is one, whole."""
    folder = home / "models"
    found = sorted(folder.iterdir(), key=lambda path: path.stem) if folder.is_dir() else []
    for path in found:
        load(path)
    assert [path.stem for path in found] == list(store.installed())
    return [path.stem for path in found]


def get(model, server, **settings):
    return fetch(model, [server.url], policy=HASTY, **settings)


# What a fetch is


def test_a_model_is_fetched_once(official, server, half, home):
    counts = []
    fetched = get(official, server, on_bytes=counts.append)
    assert fetched.path == home / "models" / f"{NAME}.safetensors"
    assert sum(counts) == official.download_bytes
    assert only_whole_models(home) == [NAME]
    assert not store.downloads_folder(NAME).exists()
    installed = load(find(NAME))
    for name, tensor in half.items():
        assert torch.equal(installed.state_dict[name], tensor)
    assert installed.metadata["name"] == NAME
    assert installed.metadata["licence"] == "Apache-2.0"
    assert installed.metadata["source"].startswith("https://storage.googleapis.com/tfjs-models/")
    assert installed.metadata["source_sha256"].count(".bin") == 5

    asked = len(server.requests)
    counts.clear()
    again = get(official, server, on_bytes=counts.append)
    assert (again.path, again.conversion) == (fetched.path, None)
    assert len(server.requests) == asked
    assert sum(counts) == official.download_bytes


def test_force_fetches_it_again(official, server, home):
    path = get(official, server).path
    before, asked = path.stat().st_mtime_ns, len(server.requests)
    assert get(official, server, force=True).conversion is not None
    assert path.stat().st_mtime_ns != before
    assert len(server.requests) == 2 * asked


def test_two_machines_get_the_same_bytes(official, server, files, monkeypatch, tmp_path):
    first = get(official, server).path.read_bytes()
    monkeypatch.setenv("POSECLI_HOME", str(tmp_path / "another"))
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / NAME).symlink_to(files)
    assert fetch(official, [str(mirror)], policy=HASTY).path.read_bytes() == first


def test_the_folder_of_models_can_be_carried_to_another_machine(official, server, home, monkeypatch, tmp_path):
    get(official, server)
    (tmp_path / "there").mkdir()
    (home / "models").rename(tmp_path / "there" / "models")
    monkeypatch.setenv("POSECLI_HOME", str(tmp_path / "there"))
    monkeypatch.setenv("POSECLI_OFFLINE", "1")
    assert load(find(NAME)).spec == official.spec
    assert get(official, server).conversion is None


def test_offline_means_no_network(official, server, monkeypatch, files, tmp_path, home):
    monkeypatch.setenv("POSECLI_OFFLINE", "1")
    with pytest.raises(DownloadError, match="POSECLI_OFFLINE"):
        get(official, server)
    assert server.requests == []
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / NAME).symlink_to(files)
    fetch(official, [(tmp_path / "mirror").as_uri()], policy=HASTY)
    assert only_whole_models(home) == [NAME]


# Servers that fail; what they end with, and that nothing half-done is left


def script(server: MisbehavingServer, files: Path, *answers: Callable[[bytes], Answer], path: str = SHARD) -> None:
    data = (files / path.rsplit("/", 1)[1]).read_bytes()
    server.script(path, *(answer(data) for answer in answers))


RECOVERED: dict[str, list[Callable[[bytes], Answer]]] = {
    "500, then success": [lambda data: Answer(500), lambda data: Answer(body=data)],
    "reset in the middle": [
        lambda data: Answer(body=data, stop_after=1000, ending="reset"),
        lambda data: Answer(body=data),
    ],
    "a stall in the middle": [
        lambda data: Answer(body=data, stop_after=1000, ending="stall"),
        lambda data: Answer(body=data),
    ],
    "no Range": [
        lambda data: Answer(body=data, stop_after=1000),
        lambda data: Answer(body=data, ranges=False),
    ],
    "a flipped byte, once": [
        lambda data: Answer(body=data[:-1] + bytes([data[-1] ^ 1])),
        lambda data: Answer(body=data),
    ],
    "a redirect": [lambda data: Answer(302, headers={"Location": "/elsewhere"})],
}


@pytest.mark.parametrize("fault", RECOVERED)
def test_faults_that_pass(official, server, files, home, fault):
    script(server, files, *RECOVERED[fault])
    server.script("/elsewhere", Answer(body=(files / "group1-shard2of5.bin").read_bytes()))
    get(official, server)
    assert only_whole_models(home) == [NAME]


def test_a_json_that_comes_compressed(official, server, files, home):
    packed = gzip.compress((files / "model.json").read_bytes())
    server.script(MODEL, Answer(body=packed, headers={"Content-Encoding": "gzip"}))
    get(official, server)
    assert only_whole_models(home) == [NAME]


PAGE = b"<!DOCTYPE html><html>Sorry</html>"
LASTING: dict[str, tuple[list[Callable[[bytes], Answer]], str]] = {
    "404": ([lambda data: Answer(404)], "404"),
    "410": ([lambda data: Answer(410)], "410"),
    "500 for ever": ([lambda data: Answer(500)], "500"),
    "a page": ([lambda data: Answer(body=PAGE, headers={"Content-Type": "text/html"})], "HTML page"),
    "too short": ([lambda data: Answer(body=data[:-1])], "bytes"),
    "too long": ([lambda data: Answer(body=data + b"x")], "bytes"),
    "a flipped byte": ([lambda data: Answer(body=data[:-1] + bytes([data[-1] ^ 1]))], "hash|SHA"),
    "a circle": ([lambda data: Answer(302, headers={"Location": SHARD})], "redirect"),
    "resets": ([lambda data: Answer(body=data, stop_after=0, ending="reset")], "reset"),
}


@pytest.mark.parametrize("path", [SHARD, MODEL])
@pytest.mark.parametrize("fault", LASTING)
def test_faults_that_last(official, server, files, home, fault, path):
    answers, words = LASTING[fault]
    script(server, files, *answers, path=path)
    if fault == "a circle":
        server.script(path, Answer(302, headers={"Location": path}))
    with pytest.raises(DownloadError, match=words) as error:
        get(official, server)
    assert path[1:] in str(error.value)
    assert "\n" not in str(error.value)
    assert only_whole_models(home) == []
    server.script(path, Answer(body=(files / path.rsplit("/", 1)[1]).read_bytes()))
    get(official, server)  # and it can be had later
    assert only_whole_models(home) == [NAME]


@pytest.mark.parametrize("fault", LASTING)
def test_what_is_installed_outlives_a_fetch_that_fails(official, server, files, home, fault):
    get(official, server)
    before = find(NAME).read_bytes()
    script(server, files, *LASTING[fault][0])
    with pytest.raises(DownloadError):
        get(official, server, force=True)
    assert find(NAME).read_bytes() == before
    assert only_whole_models(home) == [NAME]


# Files that say what they should not; their hashes are taken for unknown, which only a test can bring about


def spoil(files: Path, change: Callable[[dict[str, Any]], None]) -> None:
    model = json.loads((files / "model.json").read_text())
    change(model)
    (files / "model.json").write_text(json.dumps(model))


def weights_of(model: dict[str, Any]) -> list[dict[str, Any]]:
    return model["weightsManifest"][0]["weights"]


def put_path(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda model: model["weightsManifest"][0]["paths"].__setitem__(1, name)


SPOILT: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a path upwards": (put_path("../../x"), "not inside its folder"),
    "an absolute path": (put_path("/etc/hostname"), "not inside its folder"),
    "a path on Windows": (put_path("C:\\x.bin"), "not inside its folder"),
    "a URL": (put_path("http://127.0.0.1/x.bin"), "not inside its folder"),
    "a shard twice": (put_path("group1-shard1of5.bin"), "more than once"),
    "a shard that is not there": (put_path("group1-shard9of9.bin"), "missing"),
    "terabytes": (lambda model: weights_of(model)[0].update(shape=[1 << 20, 1 << 20]), "bytes"),
    "a tensor missing": (lambda model: weights_of(model).pop(3), "bytes|no weights for"),
    "a tensor twice": (lambda model: weights_of(model)[3].update(name=weights_of(model)[5]["name"]), "named|bytes"),
    "another shape": (lambda model: weights_of(model)[0]["shape"].reverse(), "expected"),
    "an unknown op": (lambda model: model["modelTopology"]["node"][3].update(op="PyFunc"), "unknown op PyFunc"),
    "no JSON": (lambda model: model.clear(), "neither"),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_files_that_cannot_be_right(official, server, files, home, tmp_path, fault):
    change, words = SPOILT[fault]
    spoil(files, change)
    before = {path for path in tmp_path.rglob("*") if home not in path.parents}
    with pytest.raises(ConversionError, match=words):
        get(unhashed(official, "model.json"), server)
    assert only_whole_models(home) == []
    assert not store.downloads_folder(NAME).exists()  # a mirror that is right finds no traces of this one
    assert {path for path in tmp_path.rglob("*") if home not in path.parents} <= before | {home}


def test_another_model_than_it_should_be(official, server, home):
    with pytest.raises(ConversionError, match="holds mobilenet-050 instead of mobilenet-050-quant2"):
        get(replace(official, name="mobilenet-050-quant2", quantization="uint16"), server)
    assert only_whole_models(home) == []


def test_the_hashes_of_the_catalogue_are_what_stops_such_files(official, server, files, home):
    spoil(files, SPOILT["an unknown op"][0])
    with pytest.raises(DownloadError):
        get(official, server)
    assert only_whole_models(home) == []


# Disks


@pytest.mark.parametrize("limit", [100_000, 1_000_000])  # within a shard; behind the shards, within the model
def test_a_full_disk(official, server, home, limit):
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import official_models\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"  # a write beyond it fails
        "official_models.use_catalogue(Path(sys.argv[2]))\n"
        "from posecli.__main__ import main\nsys.argv[1:] = sys.argv[3:]; main()\n"
    )
    catalogue = write_catalogue(home.parent / "catalogue.json", official)
    command = [sys.executable, "-c", code, SUPPORT, catalogue, "fetch-weights", NAME, "--base-url", server.url]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1, ended.stderr
    assert "cannot be written (File too large)" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert only_whole_models(home) == []
    assert not list((home / "downloads").rglob("*.safetensors"))
    get(official, server)
    assert only_whole_models(home) == [NAME]


def test_too_little_room_is_said_before_anything_is_asked(official, server, home, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=4_000_000))
    with pytest.raises(OutputError, match=r"4\.6 MB are needed, 4\.0 MB are free; make room.*POSECLI_HOME"):
        get(official, server)
    assert server.requests == []


def test_a_folder_that_cannot_be_written(official, server, home, monkeypatch):
    get(official, server)
    other = replace(official, name="mobilenet-100")

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    for blocked in ("mkdir", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, blocked, refuse)
            assert get(official, server).conversion is None  # what is there needs nothing written
            assert load(find(NAME))
            with pytest.raises(OutputError, match=r"Read-only file system.*POSECLI_HOME"):
                get(other, server)
        assert only_whole_models(home) == [NAME]


def test_a_model_damaged_later_says_so_and_is_mended(official, server, home):
    path = get(official, server).path
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:1000], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(WeightsError, match=f"mend it with: posecli fetch-weights {NAME} --force"):
            load(find(NAME))
        get(official, server)  # a model that is damaged is not there
        assert path.read_bytes() == whole


# Processes


def start(catalogue: Path, server: MisbehavingServer, *, before: str = "") -> subprocess.Popen[str]:
    """Run posecli fetch-weights in another process, after some Python that spoils it."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import official_models\n"
        "official_models.use_catalogue(Path(sys.argv[2]))\n"
        "def stop(*a, **k):\n    print('stopped', flush=True); sys.stdin.read()\n"
        f"{before}\n"
        "from posecli.__main__ import main\nsys.argv[1:] = sys.argv[3:]; main()\n"
    )
    command = [sys.executable, "-c", code, SUPPORT, catalogue, "fetch-weights", NAME, "--base-url", server.url]
    return subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True)


def until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Wait until another process has brought something about; it must not end before."""
    while not condition():
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"ended early: {process.communicate(timeout=0.05)}")


@pytest.mark.parametrize(
    "before",
    [
        "import posecli.weights.fetch as f; f.read_model = stop",  # downloaded, not converted
        "import posecli.weights.fetch as f; f.convert = stop",  # in the middle of the conversion
        "import posecli.weights.store as s; s.put = stop",  # written, not renamed
    ],
)
def test_a_process_that_is_killed(official, server, home, before):
    catalogue = write_catalogue(home.parent / "catalogue.json", official)
    with start(catalogue, server, before=before) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        process.kill()
    assert only_whole_models(home) == []
    assert list(store.downloads_folder(NAME).iterdir())
    asked = len(server.requests)
    get(official, server)
    assert len(server.requests) == asked  # what was there was verified, and kept
    assert only_whole_models(home) == [NAME]
    assert not store.downloads_folder(NAME).exists()


def test_a_process_that_is_killed_at_the_very_end(official, server, home):
    catalogue = write_catalogue(home.parent / "catalogue.json", official)
    with start(catalogue, server, before="import posecli.weights.store as s; s.clear_downloads = stop") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        process.kill()
    assert only_whole_models(home) == [NAME]
    assert store.downloads_folder(NAME).exists()
    asked = len(server.requests)
    get(official, server)
    assert len(server.requests) == asked
    assert not store.downloads_folder(NAME).exists()


def test_a_process_that_is_killed_while_it_downloads(official, server, files, home):
    data = (files / "group1-shard2of5.bin").read_bytes()
    server.script(SHARD, Answer(body=data, stop_after=300_000, ending="stall"), Answer(body=data))
    catalogue = write_catalogue(home.parent / "catalogue.json", official)
    with start(catalogue, server) as process:
        part = store.downloads_folder(NAME) / "group1-shard2of5.bin.part"
        until(process, lambda: part.exists() and part.stat().st_size > 0)
        os.kill(process.pid, signal.SIGKILL)
    server.release()
    assert only_whole_models(home) == []
    size = part.stat().st_size
    get(official, server)
    assert server.asked(SHARD)[-1].headers["Range"] == f"bytes={size}-"
    assert only_whole_models(home) == [NAME]


def test_two_processes_at_once(official, server, home):
    catalogue = write_catalogue(home.parent / "catalogue.json", official)
    before = "import posecli.weights.fetch as f; real = f.convert; f.convert = lambda graph: (stop(), real(graph))[1]"
    with start(catalogue, server, before=before) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "stopped\n"
        with start(catalogue, server) as second:
            assert second.stderr is not None
            assert second.stderr.readline() == f"waiting for another posecli that works on {NAME}\n"
            _, said_first = first.communicate("")
            _, said_second = second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert "fetched and verified" in said_first
    assert "is there already" in said_second
    assert len(server.requests) == 6  # each file once
    assert only_whole_models(home) == [NAME]


def test_interrupting_keeps_what_has_come(official, server, files, home):
    data = (files / "group1-shard2of5.bin").read_bytes()
    server.script(SHARD, Answer(body=data, stop_after=300_000, ending="stall"), Answer(body=data))
    catalogue = write_catalogue(home.parent / "catalogue.json", official)
    with start(catalogue, server) as process:
        part = store.downloads_folder(NAME) / "group1-shard2of5.bin.part"
        until(process, lambda: part.exists() and part.stat().st_size > 0)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    server.release()
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("error: interrupted")
    assert only_whole_models(home) == []
    get(official, server)
    assert only_whole_models(home) == [NAME]
