"""scripts/memory_trial.py: photos and a video through the network, memory on the way, verdicts."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import memory_trial
from live_parts import write_video
from memory_trial import Trial, link_photos, main, measure, measure_video, resident_mb, to_markdown
from posecli.bench.machine import peak_memory_bytes
from posecli.cli import runs
from posecli.options import FollowOptions, resolve_options

TRIAL = Trial("mobilenet-075 at 513, torch float32", 7, 5000, ((100, 500.0), (2500, 510.0), (5000, 505.0)), 520.4)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_looked_at_while_photos_are_annotated(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = runs.run
    trial = measure(examples, 24, 1, resolve_options(size=97, backend="torch"))
    assert [done for done, _ in trial.measured] == list(range(2, 25, 2))  # a tenth first, then at most 20 steps
    assert (trial.images, trial.different) == (24, 7)
    assert trial.settings == "mobilenet-075 at 97, torch float32"
    assert 50 < max(mb for _, mb in trial.measured) <= trial.peak_mb
    assert runs.run is run
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == len(trial.measured)
    assert told.out == ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("is_composed", [True, False])
def test_memory_is_looked_at_while_a_video_is_annotated(
    is_composed: bool, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[FollowOptions] = []
    real = runs.work
    monkeypatch.setattr(runs, "work", lambda *given, **named: (followed.append(given[3]), real(*given, **named)))
    source = examples if is_composed else write_video(tmp_path / "clip.mp4", range(7))
    trial = measure_video(source, 20, 1, resolve_options(size=97, backend="torch"))
    assert [done for done, _ in trial.measured] == list(range(2, 21))
    assert (trial.images, trial.different) == (20, 20 if is_composed else 7)
    assert trial.settings == "mobilenet-075 at 97, torch float32"
    assert followed == [FollowOptions(track=True, smooth=True)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_both_measures_are_in_megabytes() -> None:
    peak = peak_memory_bytes()
    assert peak is not None
    assert 0.1 * peak < 1e6 * resident_mb() < 1.05 * peak


def test_growth_is_over_the_first_and_the_peak_counts_from_the_start() -> None:
    assert TRIAL.growth == pytest.approx(0.02)
    assert TRIAL.is_flat
    assert TRIAL.is_small
    leaking = replace(TRIAL, measured=(*TRIAL.measured, (5000, 526.0)))
    assert not leaking.is_flat
    assert leaking.is_small
    assert not replace(TRIAL, peak_mb=901.0).is_small
    assert replace(TRIAL, measured=((100, 500.0), (5000, 300.0))).is_flat


def test_the_page() -> None:
    page = to_markdown(TRIAL, None)
    for line in (
        "| growth after the first 100 images | 5% | 2.0% | met |",
        "| peak, loading included | 900 MB | 520 MB | met |",
        "| 2,500 | 510 |",
        "and JSON, in one process; mobilenet-075 at 513, torch float32. Photos of other sizes: `--photos DIR`.",
    ):
        assert line in page.splitlines()
    assert "| peak, loading included | 900 MB | 950 MB | **missed** |" in to_markdown(
        replace(TRIAL, peak_mb=950.0), None
    )


def test_the_section_is_put_into_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Benchmarks\n\nOther things.\n")
    monkeypatch.setattr(memory_trial, "measure", lambda *given: TRIAL)
    assert main(["-o", str(page)]) == 0
    assert "Other things." in page.read_text()
    assert "<!-- begin: scripts/memory_trial.py -->\n## Memory of `annotate`" in page.read_text()
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(memory_trial, "measure", lambda *given: replace(TRIAL, peak_mb=1000.0))
    assert main([]) == 1
    assert capsys.readouterr().out.startswith("## Memory")


def test_photos_and_a_video_share_the_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    video = replace(TRIAL, settings="mobilenet-075 at 193, torch float32", different=105, images=10_000)
    monkeypatch.setattr(memory_trial, "measure", lambda *given: TRIAL)
    asked = Pool(video)
    monkeypatch.setattr(memory_trial, "ProcessPoolExecutor", asked)
    assert main(["--video", "composed", "-o", str(tmp_path / "page.md")]) == 0
    page = (tmp_path / "page.md").read_text()
    assert page.count("<!-- begin: scripts/memory_trial.py -->") == page.count("## Memory of `annotate`") == 1
    assert "on a video of 10,000 frames, 105 over and over, into" in page
    assert page.index("| images done | resident MB |") < page.index("| frames done | resident MB |")
    assert asked.given[1:3] == (10_000, None)
    assert asked.given[0] == memory_trial.EXAMPLES
    assert asked.given[3].size == 193
    asked.trial = replace(video, peak_mb=1000.0)
    assert main(["--images", "0", "--video", "a.mp4"]) == 1
    assert asked.given[0] == Path("a.mp4")
    assert "images done" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--images", "0"])


class Pool:
    """In place of a process: says what it was to measure."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.given: tuple[Any, ...] = ()

    def __call__(self, *given: object) -> "Pool":
        return self

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *given: object) -> None:
        pass

    def submit(self, function: object, *given: Any) -> "Pool":
        assert function is measure_video
        self.given = given
        return self

    def result(self) -> Trial:
        return self.trial


def test_photos_are_used_in_turn(examples: Path, tmp_path: Path) -> None:
    assert link_photos(examples, tmp_path / "in", 9) == 7
    links = sorted((tmp_path / "in").iterdir())
    assert [link.resolve().name for link in links[:2]] == [link.resolve().name for link in links[7:]]
    assert link_photos(examples, tmp_path / "few", 3) == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="empty: no photos there"):
        link_photos(tmp_path / "empty", tmp_path / "none", 3)
