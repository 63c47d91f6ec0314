from pathlib import Path

import pytest

from downloads import DATA, Run, remote
from misbehaving_server import Answer, MisbehavingServer
from posecli.download import check_bases, is_offline, shown_address
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
        ("file://", "file://: names no folder"),
        ("", "empty address: names no folder; give an address with http"),
    ],
)
def test_an_address_that_is_none(base: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        check_bases(["http://h", base])
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("base", ["no/such", "file:///no/such", __file__, "x" * 300, "nul\0"])
def test_the_only_folder_is_missing(base: str) -> None:
    says = "no such folder; give an address with http:// or https://, or a folder"
    with pytest.raises(UsageError, match=says) as caught:
        check_bases([base])
    assert str(caught.value).startswith(base.removeprefix("file://"))


def test_one_folder_of_several_is_missing(server: MisbehavingServer, run: Run, tmp_path: Path) -> None:
    missing = ["no/such", "x" * 300, str(tmp_path / "gone")]
    assert check_bases([*missing, server.url]) == (*missing, server.url)
    server.script("/a.bin", Answer(body=DATA))
    run(*missing, server.url)
    assert run.holds()
    with pytest.raises(DownloadError, match=r"from no/such \(no such folder\), x+ \(no such folder\), .*HTTP 404"):
        run(*missing, server.url, file=remote(path="b.bin"))


def test_offline_folders_are_asked_all_the_same(
    server: MisbehavingServer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSECLI_OFFLINE", "1")
    (tmp_path / "a.bin").write_bytes(DATA)
    run(server.url, str(tmp_path))
    assert run.holds()
    says = rf"from {server.url} \(POSECLI_OFFLINE forbids the network\), .* \(no such file\)"
    with pytest.raises(DownloadError, match=says):
        run(server.url, str(tmp_path), file=remote(path="b.bin"))
    assert server.requests == []


def test_the_address_of_a_file_is_shown_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_OFFLINE", "1")  # showing asks nobody
    file = remote(path="v 1/a.bin")
    assert shown_address("HTTPS://u:p@h:1/m/?token=t", file) == "https://***@h:1/m/v%201/a.bin?***"
    assert shown_address("http://h", file) == "http://h/v%201/a.bin"
    assert shown_address(tmp_path.as_uri(), file) == str(tmp_path / "v 1" / "a.bin")
    with pytest.raises(UsageError, match="ftp:// is not understood"):
        shown_address("ftp://h", file)


def test_joined_and_shown() -> None:
    base = "http://u:p@h:1/m?token=t"
    assert join(base, "v 1/a#.bin") == "http://u:p@h:1/m/v%201/a%23.bin?token=t"
    assert shown(base) == "http://***@h:1/m?***"
    assert join("http://h", "a") == "http://h/a"
    assert shown("http://h/npm/@x/y") == "http://h/npm/@x/y"
    assert shown("/folder/a@b?c") == "/folder/a@b?c"
