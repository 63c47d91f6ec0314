"""scripts/start_up.py: the arithmetic, the section, and commands that fail."""

import re
import sys
from pathlib import Path
from random import Random

import pytest

import start_up
from peers.results import Machine
from start_up import Claim, Timed, claims, measure, parse, table_row, time_of, to_markdown

HELP = Claim("`posecli --help`", ["posecli", "--help"], "import typer, rich", 1.6)
PHOTO = Claim("one photo", ["posecli", "annotate", "a.jpg"], "import torch, cv2", 1.3, 1.0)
MACHINE = Machine("A CPU", 2, ("avx2",), "Linux x86_64", 0.1, 0.2)


def test_a_ratio_is_that_of_each_round() -> None:
    timed = Timed(HELP, [0.2, 0.6, 0.3], [0.1, 0.4, 0.2])  # ratios 2, 1.5, 1.5
    assert timed.ratios == pytest.approx([2.0, 1.5, 1.5])
    assert timed.met


def test_the_allowance_is_taken_off_first() -> None:
    assert Timed(PHOTO, [3.6], [2.0]).ratios == pytest.approx([1.3])
    assert Timed(PHOTO, [3.59], [2.0]).met
    assert not Timed(PHOTO, [3.61], [2.0]).met


def test_a_row_says_both_times_the_ratio_and_the_target() -> None:
    row = table_row(Timed(PHOTO, [3.0, 3.0, 3.0], [2.0, 2.0, 2.0]))
    assert row == '| one photo | 3.00 | `python -c "import torch, cv2"` | 2.00 | 1.00 (1.00-1.00) | 1.3x + 1 s | met |'
    assert table_row(Timed(HELP, [3.0], [1.0])).endswith("| 3.00 (3.00-3.00) | 1.6x | **missed** |")


def test_the_section_says_what_was_measured_on_what() -> None:
    timed = [Timed(HELP, [0.15] * 4, [0.1] * 4), Timed(PHOTO, [3.0] * 4, [2.0] * 4)]
    page = to_markdown(timed, "a.jpg", "mobilenet-075 on torch, float32, long side 641 px", MACHINE)
    assert page.startswith("## Start-up\n\n| from the shell |")
    assert "4 rounds; the photo is a.jpg, with mobilenet-075 on torch, float32, long side 641 px." in page
    assert "A CPU, 2 cores (avx2), Linux x86_64; load average 0.10 before, 0.20 after." in page
    assert re.search(r"Python 3\.\d+\.\d+.*, torch \d.*, typer \d", page)
    assert str(Path.home()) not in page
    assert sys.executable not in page


def test_everyone_runs_once_a_round_after_an_untimed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def pretend(command: list[str]) -> float:
        ran.append(command[-1])
        return 100.0 if len(ran) <= 4 else float(len(command))

    monkeypatch.setattr(start_up, "time_of", pretend)
    timed = measure([HELP, PHOTO], 5, Random(0))
    rounds = [ran[start : start + 4] for start in range(0, len(ran), 4)]
    assert len(rounds) == 6
    assert all(sorted(each) == sorted(rounds[0]) for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1
    assert [list(each.ours_s) for each in timed] == [[2.0] * 5, [3.0] * 5]
    assert [list(each.baseline_s) for each in timed] == [[3.0] * 5] * 2


def test_a_command_that_fails_ends_the_program() -> None:
    assert time_of([sys.executable, "-c", "pass"]) > 0
    with pytest.raises(SystemExit, match="exit code 3\nno luck"):
        time_of([sys.executable, "-c", "import sys; sys.stderr.write('no luck'); sys.exit(3)"])


@pytest.mark.parametrize(("seconds", "exit_code"), [(1.0, 0), (2.0, 1)])
def test_the_section_goes_into_the_page_and_a_miss_into_the_exit_code(
    seconds: float, exit_code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start_up, "what_runs", lambda photo: "a model")
    monkeypatch.setattr(start_up, "measure", lambda *_: [Timed(HELP, [seconds], [1.0])])
    assert start_up.main(["-o", str(tmp_path / "page.md")]) == exit_code
    assert "<!-- begin: scripts/start_up.py -->\n## Start-up" in (tmp_path / "page.md").read_text()
    assert start_up.main([]) == exit_code
    assert "## Start-up" in capsys.readouterr().out


def test_the_promises_are_those_of_the_project(tmp_path: Path) -> None:
    help, photo = claims(parse([]).photo, tmp_path)
    assert (help.limit, photo.limit) == ("1.6x", "1.3x + 1 s")
    assert Path(photo.ours[-3]).is_file()
