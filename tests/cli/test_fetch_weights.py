"""`posecli fetch-weights`, `convert-weights --name` and `--fetch` as people type them, against a server on loopback."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tqdm import tqdm
from typer.testing import CliRunner, Result

from misbehaving_server import Answer, MisbehavingServer
from official_models import stand_in
from posecli.cli import app
from posecli.cli.console import above
from posecli.networks.spec import ModelSpec
from posecli.weights import catalog, store
from posecli.weights.checkpoint import load
from tfjs_models import build_model, random_weights

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
NAMES = ("mobilenet-050", "mobilenet-050-quant1")

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with the files of two models, in a folder each."""
    folder = tmp_path_factory.mktemp("mirror")
    model = build_model(random_weights(ModelSpec("mobilenet_v1", 0.5)))
    for name, quantize in zip(NAMES, (None, "uint8"), strict=True):
        model.write(folder / name, quantize)
    return folder


@pytest.fixture
def server(files: Path, monkeypatch: pytest.MonkeyPatch):
    """Serves the two models; the catalogue knows just these files of them."""
    for name in NAMES:
        monkeypatch.setitem(catalog._BY_NAME, name, stand_in(name, files / name))
    with MisbehavingServer() as server:
        server.mount("/", files)
        monkeypatch.setenv("POSECLI_WEIGHTS_URL", server.url)
        yield server


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def typed(*words: object, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    return typed


# fetch-weights


def test_a_model_is_fetched_and_used(run: Run, server, home: Path, examples: Path) -> None:
    said = run("fetch-weights", NAMES[0]).stderr
    assert "mobilenet-050: 2.3 MB fetched and verified; converted, checked to agree within" in said
    assert str(home / "models" / "mobilenet-050.safetensors") in said
    assert "posecli annotate DIR --model mobilenet-050" in said
    document = json.loads(run("export", examples / "stairs.jpg", "--model", "mobilenet-050@8", "--size", 65).stdout)
    assert document["model"]["name"] == "mobilenet-050"
    assert document["options"]["stride"] == 8
    asked = len(server.requests)
    assert "mobilenet-050 is there already" in run("fetch-weights", f"{NAMES[0]}@8", NAMES[0]).stderr
    assert len(server.requests) == asked
    assert run("fetch-weights", NAMES[0], "--force", "--quiet").output == ""
    assert len(server.requests) == 2 * asked


def test_the_recommended_model_is_the_default(run: Run, server, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = run("fetch-weights", "--dry-run")
    assert f"fetching {catalog.RECOMMENDED}, the recommended model" in listed.stderr
    assert f"{catalog.RECOMMENDED}/" not in listed.stdout
    assert f"{server.url}/savedmodel/posenet/mobilenet/float/100/model-stride16.json  47,074 bytes" in listed.stdout
    assert "13.3 MB in all" in listed.stdout
    monkeypatch.setattr("posecli.cli.fetching.RECOMMENDED", NAMES[0])
    run("fetch-weights")
    assert list(store.installed()) == [NAMES[0]]


def test_one_that_fails_does_not_stop_the_others(run: Run, server, home: Path) -> None:
    shard = f"/{NAMES[0]}/group1-shard3of5.bin"
    server.script(shard, Answer(404))
    result = run("fetch-weights", *NAMES, exit_code=1)
    assert f"error: {NAMES[0]}: {shard[1:]}: not to be had" in result.stderr
    assert list(store.installed()) == [NAMES[1]]
    assert f"1 of 2 models are there; not had: {NAMES[0]}" in result.stderr


def test_all(run: Run, server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecli.cli.fetching.MODELS", {name: catalog.MODELS[name] for name in NAMES})
    run("fetch-weights", "--all", "--jobs", 1)
    assert set(store.installed()) == set(NAMES)


def test_mirrors_are_tried_in_order(run: Run, server, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_WEIGHTS_URL", "http://127.0.0.1:9/nothing")
    with MisbehavingServer() as empty:
        run("fetch-weights", NAMES[0], "--base-url", empty.url, "--base-url", server.url + "/")
        assert len(empty.requests) == 6
    run("fetch-weights", NAMES[0], "--force", "--base-url", files)
    run("fetch-weights", NAMES[0], "--force", "--base-url", files.as_uri())
    monkeypatch.setenv("POSECLI_WEIGHTS_URL", f"{files / 'absent'} {files}")
    run("fetch-weights", NAMES[0], "--force")
    monkeypatch.setenv("POSECLI_WEIGHTS_URL", str(files / "absent"))
    assert "absent" in run("fetch-weights", NAMES[0], "--force", exit_code=2).stderr
    monkeypatch.setenv("POSECLI_WEIGHTS_URL", f"{files / NAMES[1]} {files}")
    run("fetch-weights", NAMES[0], "--force")


def test_dry_run_and_list_download_nothing(run: Run, server, home: Path) -> None:
    said = run("fetch-weights", *NAMES, "--dry-run").stdout
    assert f"{server.url}/mobilenet-050/group1-shard1of5.bin  500,000 bytes" in said
    assert str(home / "models") in said
    table = run("fetch-weights", "--list").stdout
    assert all(name in table for name in catalog.MODELS)
    assert server.requests == []
    assert not home.exists()
    run("fetch-weights", NAMES[0])
    assert "mobilenet-050: installed already, nothing to download" in run("fetch-weights", NAMES[0], "--dry-run").stdout


def test_dry_run_shows_no_secrets(run: Run) -> None:
    said = run(
        "fetch-weights", "resnet50", "--dry-run", "--base-url", "http://me:hunter2@example.org/x?token=abc"
    ).stdout
    assert "example.org/x/savedmodel/posenet/resnet50/float/model-stride16.json" in said
    assert "hunter2" not in said
    assert "abc" not in said
    assert "ftp" in run("fetch-weights", "resnet50", "--dry-run", "--base-url", "ftp://x", exit_code=2).stderr


def test_verify(run: Run, server) -> None:
    assert "no models in" in run("fetch-weights", "--verify").stderr
    run("fetch-weights", *NAMES)
    assert run("fetch-weights", "--verify").stdout == "mobilenet-050: whole\nmobilenet-050-quant1: whole\n"
    path = store.find(NAMES[0])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    result = run("fetch-weights", "--verify", exit_code=1)
    assert "mend it with: posecli fetch-weights mobilenet-050 --force" in result.stderr
    assert result.stdout == "mobilenet-050-quant1: whole\n"
    run("fetch-weights", "--verify", NAMES[1])
    assert run("fetch-weights", "--verify", "mobilenet-075").stdout == "mobilenet-075: whole\n"
    assert "posecli fetch-weights resnet50" in run("fetch-weights", "--verify", "resnet50", exit_code=1).stderr
    run("fetch-weights", NAMES[0])
    run("fetch-weights", "--verify")


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        (("mobilnet-050",), 2, "did you mean mobilenet-050"),
        (("mobilenet-050@32",), 2, "no output stride 32"),
        (("--all", "resnet50"), 2, "--all"),
        (("--list", "--verify"), 2, "exclude each other"),
        (("--list", "resnet50"), 2, "--list shows all models"),
        (("--jobs", "0"), 2, "--jobs must lie between 1 and 64"),
        (("--base-url", "ftp://example.org", "resnet50"), 2, "ftp://example.org"),
        (("--base-url", "absent", "resnet50"), 2, "absent"),
    ],
)
def test_mistakes(run: Run, words: tuple[str, ...], exit_code: int, message: str) -> None:
    stderr = run("fetch-weights", *words, exit_code=exit_code).stderr
    assert message in stderr
    assert stderr.count("\n") == 1


def test_offline(run: Run, server, files: Path, monkeypatch: pytest.MonkeyPatch, examples: Path) -> None:
    monkeypatch.setenv("POSECLI_OFFLINE", "1")
    assert "POSECLI_OFFLINE" in run("fetch-weights", NAMES[0], exit_code=1).stderr
    fetching = run("export", examples / "stairs.jpg", "--model", NAMES[0], "--fetch", exit_code=1)
    assert "POSECLI_OFFLINE" in fetching.stderr
    run("fetch-weights", NAMES[0], "--base-url", files)
    run("fetch-weights", NAMES[0])
    assert server.requests == []


# --fetch, and models that are not there


def test_a_model_that_is_not_installed_says_how_to_get_it(run: Run, server, examples: Path) -> None:
    words = ("export", examples / "stairs.jpg", "--size", 65, "--model", NAMES[0])
    result = run(*words, exit_code=1)
    assert result.stderr == (
        "error: no weights for mobilenet-050; run: posecli fetch-weights mobilenet-050 (--fetch does it at once)\n"
    )
    assert server.requests == []
    result = run(*words, "--fetch")
    assert json.loads(result.stdout)["model"]["name"] == NAMES[0]
    asked = len(server.requests)
    run(*words, "--fetch")
    run("export", examples / "stairs.jpg", "--size", 65, "--fetch")  # the bundled model
    run("export", "absent", "--model", NAMES[1], "--fetch", exit_code=2)  # nothing to do
    run("export", examples / "stairs.jpg", "--model", f"{NAMES[1]}@32", "--fetch", exit_code=2)  # no such stride
    assert len(server.requests) == asked
    store.find(NAMES[0]).write_bytes(b"damaged")
    run(*words, "--fetch")
    assert len(server.requests) == 2 * asked


def test_useless_weights_are_warned_of(run: Run, server, examples: Path) -> None:
    words = ("export", examples / "stairs.jpg", "--size", 65, "--model", NAMES[1], "--fetch")
    assert "warning: mobilenet-050-quant1: 8-bit MobileNet weights find hardly anybody" in run(*words).stderr
    assert run(*words, "--quiet").stderr == ""


def test_a_stride_in_the_name_and_another_beside_it(run: Run, examples: Path) -> None:
    words = ("export", examples / "stairs.jpg", "--model", "mobilenet-075@16", "--size", 65)
    assert json.loads(run(*words, "--stride", 16).stdout)["options"]["model"] == "mobilenet-075"
    assert "contradict" in run(*words, "--stride", 8, exit_code=2).stderr


def test_a_damaged_copy_of_the_bundled_model_does_no_harm(run: Run, home: Path, examples: Path) -> None:
    words = ("export", examples / "stairs.jpg", "--size", 65)
    expected = run(*words).stdout
    damaged = home / "models" / "mobilenet-075.safetensors"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(store.bundled_path().read_bytes()[:-1])
    result = run(*words)
    assert result.stdout == expected
    assert "warning:" in result.stderr
    assert (
        "mend it with: posecli fetch-weights mobilenet-075 --force; the copy that is part of posecli" in result.stderr
    )
    row = next(line for line in run("models").stdout.splitlines() if line.startswith("mobilenet-075 "))
    assert "damaged" in row


def test_offline_and_not_installed(run: Run, home: Path, examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_OFFLINE", "1")
    stderr = run("export", examples / "stairs.jpg", "--model", "resnet50", exit_code=1).stderr
    assert f"copy resnet50.safetensors into {home / 'models'}" in stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_standard_output_that_is_full() -> None:
    for words in (["models"], ["models", "--json", "-"], ["fetch-weights", "--list"]):
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run([sys.executable, "-m", "posecli", *words], stdout=full, stderr=-1, text=True)
        assert ended.stderr.startswith("error: standard output: cannot be written (No space left on device)")
        assert ended.returncode == 1


def test_an_error_leaves_no_bar_behind() -> None:
    shown = io.StringIO()
    with tqdm(total=10, file=shown, delay=100, leave=False) as bar:
        bar.update(5)
        with above(bar):
            shown.write("error\n")
    assert shown.getvalue() == "error\n"
    shown = io.StringIO()
    with tqdm(total=10, file=shown, leave=False, mininterval=0) as bar:
        bar.update(5)
        with above(bar):
            shown.write("error\n")
    assert "\r" + " " * 20 in shown.getvalue().replace("\r\r", "\r").split("error")[0]
    assert "50%" in shown.getvalue().split("error")[1]


# convert-weights --name


def test_a_model_of_ones_own_is_installed_under_a_name(run: Run, files: Path, home: Path, examples: Path) -> None:
    result = run("convert-weights", files / NAMES[0], "--name", "my-model")
    assert "recognised mobilenet-050 in model.json" in result.stderr
    assert "577,459 parameters" in result.stderr
    assert "posecli annotate DIR --model my-model" in result.stderr
    assert load(home / "models" / "my-model.safetensors").metadata["name"] == "my-model"
    assert list(Path().glob("*.safetensors")) == []
    document = json.loads(run("export", examples / "stairs.jpg", "--model", "my-model@8", "--size", 65).stdout)
    assert document["model"]["name"] == "my-model"
    assert "my-model" in run("models").stdout
    assert "installed already" in run("convert-weights", files / NAMES[0], "--name", "my-model", exit_code=2).stderr
    run("convert-weights", files / NAMES[1], "--name", "my-model", "--force", "-o", "copy.safetensors")
    assert load(Path("copy.safetensors")).metadata["quantization"] == "uint8"
    assert load(home / "models" / "my-model.safetensors").metadata["quantization"] == "uint8"
    run("models", "rm", "my-model")
    assert store.installed() == {}


def test_names_of_googles_models_are_for_googles_files(run: Run, files: Path, server) -> None:
    result = run("convert-weights", files / NAMES[0], "--name", "mobilenet-100", exit_code=2)
    assert "--name mobilenet-100 is that of Google's own model, which this is not" in result.stderr
    run("convert-weights", files / NAMES[0], "--name", NAMES[0])  # these are its files, as the catalogue has it
    assert "is no name" in run("convert-weights", files / NAMES[0], "--name", "../x", exit_code=2).stderr


# help


COMMANDS = ("fetch-weights", "convert-weights", "models", "models rm", "models path", "doctor")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_command_stands_in_the_readme(run: Run, command: str) -> None:
    text = run(*command.split(), "--help").output
    options = set(re.findall(r"(--[a-z][a-z-]+)", text)) - {"--help", "--debug", "--quiet"}
    assert sorted(option for option in options if option not in README) == []
    assert f"posecli {command}" in README
    assert "130 interrupted" in " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def test_the_help_explains_folders_mirrors_and_offline_machines(run: Run) -> None:
    text = run("fetch-weights", "--help").output
    for word in ("POSECLI_HOME", "Mirrors", "POSECLI_WEIGHTS_URL", "Offline machines", "POSECLI_OFFLINE=1"):
        assert word in text


def test_listing_needs_nothing_heavy() -> None:
    code = (
        "import sys, typer.testing, posecli.cli as c\n"
        "for words in (['fetch-weights', '--list'], ['fetch-weights', '--dry-run'], ['fetch-weights', '-h']):\n"
        "    r = typer.testing.CliRunner().invoke(c.app, words); assert r.exit_code == 0, r.output\n"
        "print(*{'torch', 'cv2', 'numba', 'numpy', 'requests'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
