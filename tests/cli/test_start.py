"""What happens before a command runs: the first page, completion, and that nothing is imported needlessly."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from posecli.cli import app, commands
from posecli.cli.commands import ENTRIES, Entry, load
from posecli.cli.exits import EXIT_CODES

DRAWING = re.compile(r"[│╭╮╰╯─]")
HEAVY = ("torch", "cv2", "numpy", "numba", "requests", "urllib3", "safetensors", "tqdm", "filelock", "openvino")
DRAWN_BY_TYPER = ("rich.markdown", "rich.traceback", "rich.table", "pygments", "markdown_it")
OF_COMMANDS = (
    "posecli.options",
    "posecli.cli.console",
    "posecli.cli.declarations",
    "posecli.cli.estimator_options",
    *(f"posecli.cli.{e.target.split(':')[0]}" for e in ENTRIES),
)


def words(page: str) -> str:
    """The text without its frames and line ends."""
    return " ".join(DRAWING.sub(" ", page).split())


def first_page(width: int) -> str:
    return CliRunner().invoke(app, ["--help"], env={"COLUMNS": str(width)}).output


def drawn_by_typer(width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    with monkeypatch.context() as patch:
        patch.setattr(commands.Commands, "format_help", TyperGroup.format_help)
        return first_page(width)


def process(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env={**os.environ, "PYTHONUTF8": "1"} | environment
    )


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_first_page_has_the_first_paragraph_of_each_commands_help(entry: Entry) -> None:
    command = load(entry)
    assert command.name == entry.name
    assert entry.help == command.help.split("\n\n")[0].replace("\n", " ").strip()
    assert entry.help in words(first_page(80))


def test_the_first_page_is_complete_and_in_order() -> None:
    page = words(first_page(80))
    parts = ["Usage: posecli [OPTIONS] COMMAND [ARGS]...", "Find people's poses in photos", "Options"]
    parts += ["--version", "--install-completion", "--show-completion", "--help -h", "Commands"]
    parts += [f"{entry.name} {entry.help}" for entry in ENTRIES]
    parts += [EXIT_CODES]
    places = [page.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("width", [66, 80, 133])
def test_the_first_page_is_as_typer_draws_it(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line for line, but for the options: Typer leaves room there for types, and flags have none.

    Narrower than this, Typer cuts the options' names off.
    """
    ours, typers = first_page(width), drawn_by_typer(width, monkeypatch)
    assert ours != typers  # or Typer drew both
    for text in (ours, typers):
        assert all(len(line) == width for line in text.splitlines() if line)
    title = "╭─ Commands"
    assert ours.partition(title)[2] == typers.partition(title)[2]
    title = "╭─ Options"
    assert ours.partition(title)[0] == typers.partition(title)[0]
    assert sorted(words(ours).split()) == sorted(words(typers).replace("<bool>", "").split())


def test_every_line_of_a_narrow_page_fits() -> None:
    page = first_page(24)
    assert all(len(line) <= 24 for line in page.splitlines())
    assert "convert-weights" in page


def test_colours_where_there_are_any_and_none_otherwise() -> None:
    assert "\x1b" not in process("-m", "posecli", "--help").stdout
    coloured = process("-m", "posecli", "--help", FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="80").stdout
    assert "\x1b[1;36mannotate\x1b[0m" in coloured
    assert "\x1b[1;32m-h\x1b[0m" in coloured


def test_help_without_rich_is_plain() -> None:
    plain = process("-m", "posecli", "--help", TYPER_USE_RICH="0")
    assert plain.returncode == 0
    assert not DRAWING.search(plain.stdout)
    assert all(entry.name in plain.stdout for entry in ENTRIES)


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], (*HEAVY, *DRAWN_BY_TYPER, *OF_COMMANDS)),
        (["--version"], (*HEAVY, *DRAWN_BY_TYPER, *OF_COMMANDS, "rich.console")),
        (["annotate", "--help"], (*HEAVY, "posecli.cli.export", "posecli.cli.models", "posecli.cli.runs")),
        (["models", "--help"], (*HEAVY, "posecli.cli.annotate", "posecli.weights")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_needed_is_not_imported(arguments: list[str], absent: tuple[str, ...]) -> None:
    code = f"""
import sys
sys.argv = ["posecli", *{arguments!r}]
from posecli.__main__ import main
try:
    main()
finally:
    print("imported:", *sorted(set({absent!r}) & set(sys.modules)))
"""
    done = process("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported:"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("posecli ", [entry.name for entry in ENTRIES]),
        ("posecli ex", ["export", "export-model"]),
        ("posecli annotate --min", ["--min-pose-score", "--min-part-score"]),
        ("posecli models ", ["path", "rm"]),
        ("posecli models path --de", ["--debug"]),
    ],
)
def test_the_shell_completes_commands_and_their_options(typed: str, completed: list[str]) -> None:
    place = str(len(typed.split(" ")) - 1)
    done = process("-m", "posecli", _POSECLI_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=place)
    assert done.stdout.split() == completed


def test_the_shell_is_told_how_to_complete() -> None:
    done = process("-m", "posecli", "--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_POSECLI_COMPLETE=complete_bash" in done.stdout


@pytest.mark.parametrize("arguments", [["annotat"], ["model", "path"], ["no-such-command"]])
def test_an_unknown_command_is_a_mistake_that_loads_none(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "load", pytest.fail)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert f"No such command '{arguments[0]}'" in words(result.output)


def test_the_nearest_command_is_suggested() -> None:
    if "suggest_commands" not in typer.Typer.__init__.__annotations__:
        pytest.skip("this Typer suggests none")
    assert "Did you mean 'annotate'?" in words(CliRunner().invoke(app, ["anotate"]).output)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.no_args_is_help], ids=lambda entry: entry.name)
def test_a_command_that_needs_words_shows_its_help_without_any(entry: Entry) -> None:
    result = CliRunner().invoke(app, [entry.name])
    assert result.exit_code == 2
    assert EXIT_CODES in words(result.output)


def test_every_module_of_a_command_is_in_the_table() -> None:
    folder = Path(commands.__file__).parent
    in_files = {
        path.stem
        for path in folder.glob("*.py")
        if path.stem != "__init__" and path.read_text(encoding="utf-8").startswith('"""`posecli ')
    }
    assert in_files == {entry.target.split(":")[0] for entry in ENTRIES}
