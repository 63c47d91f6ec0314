import errno
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from posecli.errors import OutputError, UsageError, WeightsError
from posecli.weights import store
from posecli.weights.checkpoint import load
from posecli.weights.store import find


def put_model(home: Path, name: str) -> Path:
    path = home / "models" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


# Where things are


def test_the_home_folder_is_the_users_unless_the_variable_says_otherwise(home, monkeypatch, tmp_path):
    assert store.home() == home
    monkeypatch.setenv("POSECLI_HOME", "~/models of mine")
    assert store.home() == Path.home() / "models of mine"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSECLI_HOME", "here")
    assert store.home() == tmp_path / "here"
    for unset in ("", None):
        monkeypatch.setenv("POSECLI_HOME", unset) if unset is not None else monkeypatch.delenv("POSECLI_HOME")
        assert store.home().is_absolute()
        assert store.home().name == "posecli"


@pytest.mark.parametrize("chosen", ["~nobody-of-this-name/x", "x" * 300, "/tmp/\udcff"])
def test_a_home_folder_that_cannot_be(chosen, monkeypatch):
    monkeypatch.setattr(os, "environ", {"POSECLI_HOME": chosen})
    with pytest.raises(UsageError, match=r"POSECLI_HOME: .* set it to a folder"):
        find("mobilenet-075")


def test_only_models_count_as_installed(home):
    assert store.installed() == {}
    wanted = {name: put_model(home, name) for name in ("MyModel", "mobilenet-050", "my.model_2")}
    for other in ("-dash", ".hidden", "with space"):
        put_model(home, other)
    (home / "models" / "notes.txt").write_text("x")
    (home / "models" / "folder.safetensors").mkdir()
    assert store.installed() == wanted


# Finding


def test_a_bundled_model_is_found_by_name_wherever_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mobilenet-075").mkdir()
    assert find("mobilenet-075") == store.bundled_path()
    assert find("mobilenet-075").is_file()


def test_an_installed_model_comes_first(home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mobilenet-050").mkdir()
    for name in ("mobilenet-075", "mobilenet-050", "mine"):
        assert find(put_model(home, name).stem) == home / "models" / f"{name}.safetensors"


def test_a_path_is_found_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "weights [é].safetensors"
    path.write_bytes(b"")
    assert find(str(path)) == path
    monkeypatch.chdir(path.parent)
    assert find(path.name) == Path(path.name)


@pytest.mark.parametrize("name", ["absent.safetensors", "folder/weights", "./mobilenet-100", "model.json"])
def test_a_path_to_nothing_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="no such weights file"):
        find(name)


def test_a_path_that_cannot_be_looked_at_is_named(tmp_path, monkeypatch):
    def refuse(path, **_):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "weights.safetensors"
    monkeypatch.setattr(store.Path, "exists", refuse)
    for act in (find, lambda name: load(Path(name))):
        with pytest.raises(WeightsError, match=r"cannot be read \(Permission denied\); give another path") as error:
            act(str(path))
        assert str(path) in str(error.value)


def test_a_known_model_that_is_not_installed_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError) as error:
        find("mobilenet-100")
    assert str(error.value) == (
        "no weights for mobilenet-100; run: posecli fetch-weights mobilenet-100 (--fetch does it at once)"
    )


def test_an_unknown_name_suggests_the_nearest(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_model(home, "my-model")
    for name, near in (("mobilnet-75", "mobilenet-075"), ("my-modle", "my-model"), ("resnet-50", "resnet50")):
        with pytest.raises(WeightsError, match=rf"no model '{name}' \(did you mean {near}\?\); see: posecli models"):
            find(name)
    with pytest.raises(WeightsError, match="no model 'zebra'; see: posecli models, or give the path"):
        find("zebra")


def test_a_folder_here_does_not_hide_a_model_that_could_be_fetched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet50").mkdir()
    with pytest.raises(WeightsError, match="posecli fetch-weights resnet50"):
        find("resnet50")
    (tmp_path / "resnet50").rmdir()
    (tmp_path / "resnet50").write_bytes(b"")
    assert find("resnet50") == Path("resnet50")


@pytest.mark.parametrize("name", ["con", "nul.x", "com1", "dot.", "-x"])
def test_names_that_not_every_system_has(name):
    with pytest.raises(UsageError, match="is no name for a model"):
        store.check_name(name)


@pytest.mark.parametrize("name", ["", "-x", "../x", "a/b", "a b", "UPPER", "é", "x" * 65, "m.safetensors", "m.json"])
def test_names_that_a_model_cannot_have(name):
    with pytest.raises(UsageError, match="is no name for a model"):
        store.check_name(name)


# Changing


def test_a_model_is_removed_with_what_its_fetch_left(home):
    path = put_model(home, "mobilenet-050")
    left = store.downloads_folder("mobilenet-050")
    left.mkdir(parents=True)
    (left / "shard.part").write_bytes(b"123")
    assert store.remove("mobilenet-050") == len(b"weights") + 3
    assert not path.exists()
    assert not left.exists()
    with pytest.raises(UsageError, match="no model 'mobilenet-050' is installed"):
        store.remove("mobilenet-050")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../models", "../../precious", "a/b", "{absolute}", "~", "-rf", "a\\b"]
)
def test_nothing_but_a_model_can_be_removed(home, tmp_path, name):
    kept = [put_model(home, "mine"), store.downloads_folder("mine") / "part", tmp_path / "precious" / "file"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    name = name.replace("{absolute}", str(tmp_path / "precious"))
    with pytest.raises(UsageError, match="no model"):
        store.remove(name)
    for act in (store.downloads_folder, store.clear_downloads, lambda name: store.put(name, kept[0])):
        with pytest.raises(UsageError, match="no name of a model"):
            act(name)
    with pytest.raises(UsageError, match="no name of a model"), store.lock(name):
        pass
    assert all(path.exists() for path in kept)


def test_a_removal_waits_for_a_fetch_and_then_removes_what_it_brought(home):
    left = store.downloads_folder("mobilenet-050") / "shard.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"123")
    waited = []
    with held_elsewhere("mobilenet-050") as other:

        def finish():
            waited.append(put_model(home, "mobilenet-050"))
            other.stdin.close()

        assert store.remove("mobilenet-050", finish) == len(b"weights") + 3
    assert store.installed() == {}
    assert len(waited) == 1


def test_what_unfinished_fetches_have_left_is_known(home):
    assert store.unfinished_bytes() == 0
    (store.downloads_folder("mine")).mkdir(parents=True)
    (store.downloads_folder("mine") / "part").write_bytes(b"123")
    assert store.unfinished_bytes() == 3


def test_a_file_that_is_cut_off_shows_at_a_glance(home):
    path = put_model(home, "mine")
    whole = store.bundled_path().read_bytes()
    path.write_bytes(whole)
    assert store.seems_whole(path)
    for damaged in (whole[:-1], whole + b"x", whole[:1000], b"", b"<html>", b"\xff" * 100):
        path.write_bytes(damaged)
        assert not store.seems_whole(path)


@pytest.mark.parametrize(
    "header", [b"[" * 900_000, b"[]", b'{"__metadata__": 1}', b'{"__metadata__": {"a": 1}}', b"{}"]
)
def test_metadata_that_cannot_be_read(home, header):
    path = put_model(home, "mine")
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(WeightsError, match="mend it with: posecli convert-weights PATH --name mine --force"):
        store.read_metadata(path)


def test_the_bundled_model_cannot_be_removed_but_a_fetched_copy_can(home):
    put_model(home, "mobilenet-075")
    store.remove("mobilenet-075")
    with pytest.raises(UsageError, match="mobilenet-075 is part of posecli itself"):
        store.remove("mobilenet-075")
    assert store.bundled_path().is_file()


def test_what_cannot_be_removed_is_named(home, monkeypatch):
    path = put_model(home, "mine")

    def refuse(path, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store.Path, "unlink", refuse)
    with pytest.raises(OutputError, match=r"mine.safetensors: cannot be removed \(Permission denied\)"):
        store.remove("mine")
    assert path.exists()


def test_a_model_is_put_in_place_in_one_step(home, tmp_path, monkeypatch):
    old = put_model(home, "mine")
    staged = store.downloads_folder("mine") / "new"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"new weights")

    def refuse(path, target):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(store.Path, "replace", refuse)
        with pytest.raises(OutputError, match=r"mine.safetensors: cannot be written \(Read-only"):
            store.put("mine", staged)
    assert old.read_bytes() == b"weights"
    assert store.put("mine", staged).read_bytes() == b"new weights"


def test_the_folder_of_models_may_lie_on_another_file_system(home, monkeypatch):
    staged = store.downloads_folder("mine") / "new"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"new weights")
    real = Path.replace

    def across(path, target):
        if path.parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(path, target)

    monkeypatch.setattr(Path, "replace", across)
    assert store.put("mine", staged).read_bytes() == b"new weights"
    assert [path.name for path in (home / "models").iterdir()] == ["mine.safetensors"]


# Locks


@contextmanager
def held_elsewhere(name):
    """Another process that holds a lock until its standard input ends."""
    code = (
        "from posecli.weights import store\nimport sys\n"
        f"with store.lock({name!r}):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "held\n"
        yield other


def test_a_lock_is_waited_for(home):
    waited = []
    with held_elsewhere("m") as other:

        def release():
            waited.append(True)
            other.stdin.close()

        with store.lock("m", release):
            assert waited == [True]
        with store.lock("other", release):
            pass
    assert waited == [True]


def test_the_lock_of_a_killed_process_is_free(home):
    with held_elsewhere("m") as other:
        other.kill()
    with store.lock("m", lambda: pytest.fail("waited for a dead process")):
        pass


def test_where_there_can_be_no_lock_the_variable_is_named(home, monkeypatch):
    home.write_text("a file in the way")
    with pytest.raises(UsageError, match=r"POSECLI_HOME: .* is not a folder"), store.lock("m"):
        pass
    home.unlink()
    home.mkdir()
    (home / "locks").write_text("a file in the way")
    with pytest.raises(OutputError, match=r"cannot be written .*POSECLI_HOME"), store.lock("m"):
        pass
    (home / "locks").unlink()

    def refuse(*_, **__):
        raise NotImplementedError

    import filelock

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(OutputError, match=r"no locks on this file system; set POSECLI_HOME"), store.lock("m"):
        pass
