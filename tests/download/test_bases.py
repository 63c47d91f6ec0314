from pathlib import Path

import pytest

from downloads import Run
from misbehaving_server import MisbehavingServer
from posecli.download import check_bases, is_offline
from posecli.download.bases import join, shown
from posecli.errors import DownloadError, UsageError


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSECLI_OFFLINE", raising=False)


@pytest.mark.parametrize(
    ("value", "offline"),
    [
        *((value, True) for value in ("1", "true", "YES", " on ")),
        *((value, False) for value in ("", "0", "false", "No", "off", None)),
    ],
)
def test_the_user_decides_about_the_network(monkeypatch: pytest.MonkeyPatch, value: str | None, offline: bool) -> None:
    if value is not None:
        monkeypatch.setenv("POSECLI_OFFLINE", value)
    assert is_offline() is offline


def test_an_unclear_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_OFFLINE", "maybe")
    with pytest.raises(UsageError, match="POSECLI_OFFLINE=maybe: neither yes nor no; set it to 1 or 0"):
        is_offline()


def test_offline_nothing_is_asked(server: MisbehavingServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_OFFLINE", "1")
    says = r"^http://\*\*\*@h: POSECLI_OFFLINE forbids the network; unset it, or give a folder$"
    with pytest.raises(DownloadError, match=says):
        check_bases(["http://user:pw@h/"])
    with pytest.raises(DownloadError, match="POSECLI_OFFLINE"):
        run(server.url)
    assert server.requests == []
    assert not run.folder.exists()


def test_addresses_in_one_form(tmp_path: Path) -> None:
    given = [
        "http://h/x//",
        "HTTPS://h:1?t=1#part",
        str(tmp_path),
        f"{tmp_path}/",
        tmp_path.as_uri(),
        f"file://localhost{tmp_path}/",
    ]
    expected = ("http://h/x", "https://h:1?t=1", *[str(tmp_path)] * 4)
    assert check_bases(given) == expected
    assert check_bases(expected) == expected


def test_a_file_address_with_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "à b#"
    folder.mkdir()
    assert check_bases([folder.as_uri()]) == (str(folder),)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("ftp://u:pw@h/x", r"ftp://\*\*\*@h/x: ftp:// is not understood; give an address with http"),
        ("http://", "http://: not a valid address; give an address"),
        ("http://h:99999", "http://h:99999: not a valid address"),
        ("http://[h", r"http://\[h: not a valid address"),
        ("http://u:p/w@h", r"http://\*\*\*@h: not a valid address"),
        ("file://h/x", "file://h/x: names another machine; write file:///folder"),
        ("file:///no/such", "file:///no/such: no such folder"),
        ("no/such", "no/such: no such folder; give an address with http:// or https://, or a folder"),
        ("", "empty address: no such folder"),
        (__file__, "test_bases.py: no such folder"),
    ],
)
def test_an_address_that_is_none(base: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        check_bases(["http://h", base])
    assert "pw" not in str(caught.value)


def test_joined_and_shown() -> None:
    base = "http://u:p@h:1/m?token=t"
    assert join(base, "v 1/a#.bin") == "http://u:p@h:1/m/v%201/a%23.bin?token=t"
    assert shown(base) == "http://***@h:1/m?***"
    assert join("http://h", "a") == "http://h/a"
    assert shown("http://h/npm/@x/y") == "http://h/npm/@x/y"
    assert shown("/folder/a@b?c") == "/folder/a@b?c"
