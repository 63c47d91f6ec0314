import pytest

from posecli.errors import ConversionError
from posecli.weights import untrusted
from posecli.weights.catalog import MODELS
from posecli.weights.untrusted import (
    MAX_BYTES,
    MAX_NAME,
    ModelFolder,
    check_name,
    get,
    get_name,
    get_shape,
    listing,
    parse_json,
    short,
    shown,
)

ESCAPES = ["../secret", "a/../../secret", "/etc/secret", "\\secret", "C:\\secret", "c:secret", "..\\secret", "", ".."]
ESCAPES += ["https://host/secret", "file:///secret", "\\\\host\\share\\secret", "shards/.."]


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_outside_the_folder_is_read(tmp_path, name):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "model").mkdir()
    files = ModelFolder(tmp_path / "model")
    for act in (files.claim, files.read):
        with pytest.raises(ConversionError, match="not inside its folder"):
            act(name)
    assert files.sha256s == files.blob_sha1s == {}


@pytest.mark.parametrize(
    "name", ["shard.bin", "shards/shard.bin", "shards\\shard.bin", "./shard.bin", "Größe [1] a.bin"]
)
def test_what_lies_inside_is_read_and_its_hash_kept(tmp_path, name):
    path = tmp_path / name.replace("\\", "/")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"abc")
    files = ModelFolder(tmp_path)
    assert (files.claim(name), files.read(name)) == (3, b"abc")
    below = path.relative_to(tmp_path).as_posix()
    assert files.sha256s == {below: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
    assert files.blob_sha1s == {below: "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f"}  # git hash-object


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "\ud800", "a\nb"])
def test_what_no_file_is_called_is_refused_in_short(tmp_path, name):
    with pytest.raises(ConversionError, match="not a name") as error:
        ModelFolder(tmp_path).claim(name)
    assert len(str(error.value)) < len(str(tmp_path)) + 200


@pytest.mark.parametrize("name", ["absent.bin", "x" * 256])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(ConversionError, match="missing"):
        ModelFolder(tmp_path).claim(name)


def test_only_files_are_read(tmp_path):
    (tmp_path / "shard.bin").mkdir()
    with pytest.raises(ConversionError, match=r"shard\.bin: not a file"):
        ModelFolder(tmp_path).claim("shard.bin")


def test_an_enormous_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_BYTES", 1000)
    (tmp_path / "shard.bin").write_bytes(bytes(1000))
    assert ModelFolder(tmp_path).claim("shard.bin") == 1000
    (tmp_path / "shard.bin").write_bytes(bytes(1001))
    with pytest.raises(ConversionError, match=r"shard\.bin: too large .* 1,001 bytes \(at most 1,000\)"):
        ModelFolder(tmp_path).claim("shard.bin")


def test_files_that_are_enormous_together_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_BYTES", 1000)
    for name in "abc":
        (tmp_path / name).write_bytes(bytes(400))
    files = ModelFolder(tmp_path)
    assert files.claim("a") + files.claim("b") == 800
    with pytest.raises(ConversionError, match=r"c: too large .* 1,200 bytes"):
        files.claim("c")


@pytest.mark.parametrize("again", ["shards/a.bin", "shards\\a.bin", "./shards//a.bin"])
def test_no_file_is_named_twice(tmp_path, again):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "a.bin").write_bytes(b"abc")
    files = ModelFolder(tmp_path)
    files.claim("shards/a.bin")
    with pytest.raises(ConversionError, match=r"a\.bin: the model names it more than once"):
        files.claim(again)


@pytest.mark.parametrize("data", [b"", b"ab", b"abcd", b"abc" * 1000])
def test_a_file_that_changes_under_the_reader_is_not_believed(tmp_path, data):
    (tmp_path / "a.bin").write_bytes(b"abc")
    files = ModelFolder(tmp_path)
    files.claim("a.bin")
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(ConversionError, match=r"a\.bin: it changed"):
        files.read("a.bin")
    assert files.sha256s == files.blob_sha1s == {}


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "shard.bin").write_bytes(b"abc")

    def refuse(path, mode):
        raise PermissionError(13, "Permission denied")

    files = ModelFolder(tmp_path)
    files.claim("shard.bin")
    monkeypatch.setattr(untrusted.Path, "open", refuse)
    with pytest.raises(ConversionError, match=r"shard\.bin: cannot be read \(Permission denied\)"):
        files.read("shard.bin")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"  <!DOCTYPE html><html>Not found</html>", "HTML"),
        (b"", "not JSON"),
        (b'{"a": ', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"version https://git-lfs.github.com/spec/v1", "not JSON"),
        (b"[1, 2]", "list"),
        (b"null", "NoneType"),
    ],
)
def test_what_is_not_a_json_object_is_refused_with_its_name(tmp_path, data, words):
    with pytest.raises(ConversionError, match=words) as error:
        parse_json(data, tmp_path / "model.json")
    assert "model.json" in str(error.value)


def test_json_of_enormous_length_is_not_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_JSON_BYTES", 1000)
    assert parse_json(b"{}".ljust(1000), tmp_path / "model.json") == {}
    with pytest.raises(ConversionError, match=r"model\.json: 1,001 bytes is too large"):
        parse_json(b"{}".ljust(1001), tmp_path / "model.json")


def test_fields_are_of_the_kind_they_should_have():
    assert get({"name": "a"}, "name", str, "here") == "a"
    for value in ({}, {"name": 1}, [], None, {"name": "x" * 1000, "other": 1}["name"]):
        with pytest.raises(ConversionError, match=r"here: expected 'name' with a str"):
            get(value, "name", str, "here")
    with pytest.raises(ConversionError, match="got 'xxx") as error:
        get({"name": "x" * 1000}, "name", int, "here")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("shape", [[1, -1], [0], [1.0], [True], ["3"], [1] * 9, [1 << 31], [10**4000], 3, None])
def test_shapes_are_positive_whole_numbers(shape):
    with pytest.raises(ConversionError, match="here"):
        get_shape({"shape": shape}, "here")
    assert get_shape({"shape": [3, 1]}, "here") == (3, 1)
    assert get_shape({"shape": []}, "here") == ()
    assert get_shape({"shape": [(1 << 31) - 1]}, "here") == ((1 << 31) - 1,)


def test_names_are_of_some_letters():
    assert get_name({"name": "Conv2d_0/weights"}, "name", "here") == "Conv2d_0/weights"
    assert check_name("é" * MAX_NAME, "here") == "é" * MAX_NAME
    for name in ("x" * (MAX_NAME + 1), "a\nb", "\x1b[2J", 3, None):
        with pytest.raises(ConversionError, match=r"^here: ") as error:
            get_name({"name": name}, "name", "here")
        assert len(str(error.value)) < 200
        assert str(error.value).isprintable()


def test_a_value_that_cannot_be_written_out_is_shown_by_its_kind():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "<list>"
    assert shown(10**5000) == "<int>"
    assert shown({"a": "x" * 1000}).startswith("{'a': 'xxx")


def test_every_official_model_is_small_enough_and_not_much_more_is_read():
    largest = max(max(model.download_bytes, 4 * model.parameters) for model in MODELS.values())
    assert largest < MAX_BYTES < 1.5 * largest


def test_what_a_model_says_is_shown_in_part_and_on_one_line():
    assert short("Conv2d_0/weights") == "Conv2d_0/weights"
    assert short("Größe") == "Größe"
    assert short("a\n\x1b[2Jb") == r"'a\n\x1b[2Jb'"
    assert len(short("x" * 10_000)) == 80
    assert listing(["a", "b"]) == "a, b"
    assert listing([str(i) for i in range(2008)], " -> ") == "0 -> 1 -> 2 -> 3 -> 4 -> 5 -> 6 -> 7 and 2,000 more"
