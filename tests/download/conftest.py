"""A server that misbehaves, a folder to download to, and waits that cost no time."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from downloads import Run
from misbehaving_server import MisbehavingServer
from posecli.download.control import Control


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    yield Run(tmp_path / "here" / "files")
    for thread in threading.enumerate():  # those that Ctrl-C left behind
        if thread.name.startswith("download-"):
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MisbehavingServer]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "POSECLI_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with MisbehavingServer() as serving:
        yield serving


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, in seconds, in place of waiting."""
    waited: list[float] = []

    def wait(control: Control, seconds: float) -> None:
        waited.append(seconds)
        control.go_on()

    monkeypatch.setattr(Control, "wait", wait)
    return waited
