from pathlib import Path

import pytest

from downloads import DATA, remote
from posecli.download import RemoteFile, blob_sha1
from posecli.download.remote import fault


def test_the_hash_is_gits(tmp_path: Path) -> None:
    """As `git hash-object` says of an empty file and of a greeting."""
    path = tmp_path / "a"
    path.write_bytes(b"")
    assert blob_sha1(path) == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    path.write_bytes(b"hello\n")
    assert blob_sha1(path) == "ce013625030ba8dba906f756967f9e9ca394464a"
    path.write_bytes(bytes(3 << 20))
    assert blob_sha1(path) == remote(bytes(3 << 20)).blob_sha1


@pytest.mark.parametrize("path", ["a.bin", "x/a.bin", "x/y/a.bin"])
def test_the_name_is_the_last_component(path: str) -> None:
    assert RemoteFile(path, None, None).name == "a.bin"


def test_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    assert fault(path, remote()) == "No such file or directory"
    path.write_bytes(DATA)
    assert fault(path, remote()) is None
    assert fault(path, remote(DATA[::-1])) == "other bytes than the file's: its SHA-1 is wrong"
    assert fault(path, remote(DATA[1:])) == "10240 bytes instead of 10239"
    assert fault(path, RemoteFile("a.bin", 10240, None)) is None
    assert fault(path, RemoteFile("a.bin", None, remote().blob_sha1)) is None
    assert fault(path, RemoteFile("a.bin", None, None)) is None
