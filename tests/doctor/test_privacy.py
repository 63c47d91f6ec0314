from pathlib import Path

import pytest

from posecli.doctor.privacy import masked, private


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "ann"
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(folder))
    return folder


def test_the_home_folder_is_a_tilde_wherever_it_stands(home: Path) -> None:
    assert private(str(home)) == "~"
    assert private(f"{home / 'a'}: damaged; see {home / 'b'} (in {home})") == (
        f"{Path('~/a')}: damaged; see {Path('~/b')} (in ~)"
    )


@pytest.mark.parametrize("tail", ["a", "-2", ".old", "_"])
def test_other_folders_stay(home: Path, tail: str) -> None:
    assert private(f"{home}{tail}/a") == f"{home}{tail}/a"


@pytest.mark.parametrize("home", [str(Path("/").absolute()), "ann"])
def test_a_home_that_is_no_place_of_its_own_hides_nothing(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, home)
    assert private("/ann/models ann") == "/ann/models ann"


@pytest.mark.parametrize(
    ("addresses", "shown"),
    [
        ("https://example.org/posenet/", "https://example.org/posenet/"),
        ("https://me:secret@example.org:8080/a", "https://***@example.org:8080/a"),
        ("http://secret@example.org", "http://***@example.org"),
        ("me:secret@proxy:3128", "***@proxy:3128"),
        ("socks5h://me:secret@proxy", "socks5h://***@proxy"),
        ("http://me:sec/ret@example.org", "http://***@example.org"),
        ("http://me:se,cr et@example.org", "http://***@example.org"),
        ("http://me:secr@et@example.org", "http://***@example.org"),
        ("https://example.org/a?token=secret", "https://example.org/a?***"),
        ("https://a.org/ https://me:secret@b.org/", "https://a.org/ https://***@b.org/"),
        (
            "https://a.org/,https://me:secret@b.org/?k=secret;file:///c",
            "https://a.org/,https://***@b.org/?***;file:///c",
        ),
        ("/mnt/mirror", "/mnt/mirror"),
        ("", ""),
    ],
)
def test_credentials_are_masked(addresses: str, shown: str) -> None:
    assert masked(addresses) == shown
