"""scripts/memory_trial.py: photos through the network, memory on the way, verdicts."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import memory_trial
from memory_trial import Trial, link_photos, main, measure, resident_mb, to_markdown
from posecli.bench.machine import peak_memory_bytes
from posecli.cli import runs
from posecli.options import resolve_options

TRIAL = Trial("mobilenet-075 at 513, torch float32", 7, 5000, ((100, 500.0), (2500, 510.0), (5000, 505.0)), 520.4)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_looked_at_while_photos_are_annotated(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = runs.run
    trial = measure(examples, 24, 1, resolve_options(size=97, backend="torch"))
    assert [done for done, _ in trial.measured] == list(range(2, 25, 2))  # a tenth first, then at most 20 steps
    assert (trial.images, trial.photos) == (24, 7)
    assert trial.settings == "mobilenet-075 at 97, torch float32"
    assert 50 < max(mb for _, mb in trial.measured) <= trial.peak_mb
    assert runs.run is run
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == len(trial.measured)
    assert told.out == ""


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
    page = to_markdown(TRIAL)
    for line in (
        "| growth after the first 100 images | 5% | 2.0% | met |",
        "| peak, loading included | 900 MB | 520 MB | met |",
        "| 2,500 | 510 |",
        "in one process; mobilenet-075 at 513, torch float32.",
    ):
        assert line in page.splitlines()
    assert "| peak, loading included | 900 MB | 950 MB | **missed** |" in to_markdown(replace(TRIAL, peak_mb=950.0))


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


def test_photos_are_used_in_turn(examples: Path, tmp_path: Path) -> None:
    assert link_photos(examples, tmp_path / "in", 9) == 7
    links = sorted((tmp_path / "in").iterdir())
    assert [link.resolve().name for link in links[:2]] == [link.resolve().name for link in links[7:]]
    assert link_photos(examples, tmp_path / "few", 3) == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="empty: no photos there"):
        link_photos(tmp_path / "empty", tmp_path / "none", 3)
