import subprocess
import sys
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


def test_only_models_count_as_installed(home):
    assert store.installed() == {}
    wanted = {name: put_model(home, name) for name in ("mobilenet-050", "my.model_2")}
    for other in ("UPPER", "-dash", ".hidden", "with space"):
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


# Locks


def test_a_lock_is_waited_for(home):
    script = (
        "from posecli.weights import store\nimport sys\n"
        "with store.lock('m'):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "held\n"
        waited = []

        def release():
            waited.append(True)
            other.stdin.close()

        with store.lock("m", release):
            assert waited == [True]
        with store.lock("other", release):
            pass
        other.wait()
    assert waited == [True]


def test_the_lock_of_a_killed_process_is_free(home):
    script = (
        "from posecli.weights import store\nimport sys\n"
        "with store.lock('m'):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "held\n"
        other.kill()
        other.wait()
    with store.lock("m", lambda: pytest.fail("waited for a dead process")):
        pass


def test_where_there_can_be_no_lock_the_variable_is_named(home, monkeypatch):
    home.write_text("a file in the way")
    with pytest.raises(OutputError, match=r"m.lock: cannot be written .*POSECLI_HOME"), store.lock("m"):
        pass
    home.unlink()

    def refuse(*_, **__):
        raise NotImplementedError

    import filelock

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(OutputError, match=r"no locks on this file system; set POSECLI_HOME"), store.lock("m"):
        pass
