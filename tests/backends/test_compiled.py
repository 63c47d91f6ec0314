import os
from dataclasses import replace
from pathlib import Path

import platformdirs
import pytest
import torch

from posecli.backends import compiled
from posecli.backends.compiled import cache_folder, cached, program_key, tensors_digest
from posecli.networks.spec import ModelSpec
from posecli.weights.checkpoint import Checkpoint

KEY = {"weights": "abc", "stride": "16"}


class Maker:
    """Makes `content`, and counts how often."""

    def __init__(self, content: bytes = b"compiled") -> None:
        self.content = content
        self.calls = 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.content


@pytest.fixture
def checkpoint() -> Checkpoint:
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(4)}
    return Checkpoint(ModelSpec("mobilenet_v1", 0.75), tensors, {})


def test_what_was_made_is_kept(home: Path) -> None:
    make = Maker()
    assert [cached(KEY, "onnx", make) for _ in range(3)] == [b"compiled"] * 3
    assert make.calls == 1
    (kept,) = (home / "cache" / "compiled").iterdir()
    assert kept.suffix == ".onnx"


def test_every_key_and_suffix_has_its_own(home: Path) -> None:
    places = [(KEY, "onnx"), (KEY, "openvino"), ({**KEY, "stride": "8"}, "onnx"), ({"weights": "abc"}, "onnx")]
    makers = [Maker(bytes([i])) for i in range(len(places))]
    for _ in range(2):
        assert [cached(*place, make) for place, make in zip(places, makers, strict=True)] == [m.content for m in makers]
    assert [make.calls for make in makers] == [1] * len(places)


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "longer"])
def test_what_is_damaged_is_made_again(home: Path, damage: str) -> None:
    make = Maker()
    cached(KEY, "onnx", make)
    (kept,) = cache_folder().iterdir()
    whole = kept.read_bytes()
    damaged = {"empty": b"", "cut": whole[:-1], "changed": whole[:-1] + b"X", "longer": whole + b"X"}[damage]
    kept.write_bytes(damaged)
    assert cached(KEY, "onnx", make) == b"compiled"
    assert make.calls == 2
    assert kept.read_bytes() == whole


def test_a_place_that_cannot_be_written_is_no_error(home: Path) -> None:
    home.mkdir()
    (home / "cache").write_text("a file, not a folder")
    make = Maker()
    assert [cached(KEY, "onnx", make) for _ in range(2)] == [b"compiled"] * 2
    assert make.calls == 2


def test_a_folder_in_the_place_of_a_file_is_no_error(home: Path) -> None:
    make = Maker()
    cached(KEY, "onnx", make)
    (kept,) = cache_folder().iterdir()
    kept.unlink()
    kept.mkdir()
    assert cached(KEY, "onnx", make) == b"compiled"


def test_errors_of_the_maker_pass_and_leave_nothing(home: Path) -> None:
    def fail() -> bytes:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        cached(KEY, "onnx", fail)
    assert not cache_folder().exists()


def test_what_was_used_longest_ago_goes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    makers = {name: Maker(name.encode() * 100) for name in "abc"}
    for age, name in enumerate("ab"):
        cached({"name": name}, "onnx", makers[name])
        for path in cache_folder().iterdir():
            os.utime(path, (1000 + age, 1000 + age))
    cached({"name": "a"}, "onnx", makers["a"])  # used now: it is b that was used longest ago
    foreign = cache_folder() / "notes.txt"
    foreign.write_bytes(b"x" * 1000)
    monkeypatch.setattr(compiled, "MAX_BYTES", 300)  # of two entries, with the digests before them
    cached({"name": "c"}, "onnx", makers["c"])
    for name in "cab":
        cached({"name": name}, "onnx", makers[name])
    assert {name: make.calls for name, make in makers.items()} == {"a": 1, "b": 2, "c": 1}
    assert foreign.exists()


def test_one_that_is_larger_than_all_the_room_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "MAX_BYTES", 10)
    make = Maker(b"x" * 100)
    cached(KEY, "onnx", make)
    cached(KEY, "onnx", make)
    assert make.calls == 1


def test_the_key_tells_apart_whatever_changes_the_result(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {**checkpoint.state_dict, "b": torch.tensor([0.0, 0.0, 0.0, 1e-6])}
    keys = [
        program_key(checkpoint, 16, "both", kind="onnx"),
        program_key(checkpoint, 8, "both", kind="onnx"),
        program_key(checkpoint, 16, "height", kind="onnx"),
        program_key(checkpoint, 16, "both", kind="openvino"),
        program_key(replace(checkpoint, state_dict=changed), 16, "both", kind="onnx"),
        program_key(replace(checkpoint, spec=ModelSpec("mobilenet_v1", 0.5)), 16, "both", kind="onnx"),
    ]
    monkeypatch.setattr(compiled, "__version__", "0.0.0")
    keys.append(program_key(checkpoint, 16, "both", kind="onnx"))
    monkeypatch.undo()
    monkeypatch.setattr(torch, "__version__", "0.0.0")
    keys.append(program_key(checkpoint, 16, "both", kind="onnx"))
    assert len({tuple(sorted(key.items())) for key in keys}) == len(keys)
    assert keys[0] == {**keys[-1], "torch": keys[0]["torch"]}


def test_the_digest_is_of_names_shapes_and_values_in_any_order() -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(4)}
    same = {"b": torch.zeros(4), "a": torch.arange(6.0).reshape(3, 2).T.contiguous().T.reshape(2, 3)}
    others = [
        {"c": tensors["a"], "b": tensors["b"]},
        {**tensors, "a": tensors["a"].reshape(3, 2)},
        {**tensors, "a": tensors["a"].flip(0)},
        {"a": tensors["a"]},
    ]
    assert tensors_digest(same) == tensors_digest(tensors)
    assert len({tensors_digest(each) for each in [tensors, *others]}) == 5


def test_without_a_home_of_its_own_it_is_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSECLI_HOME")
    asked: list[str] = []
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name, **_: asked.append(name) or tmp_path)
    assert cache_folder() == tmp_path / "compiled"
    assert asked == ["posecli"]
