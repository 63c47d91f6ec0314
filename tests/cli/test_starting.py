"""The garbage collector rests while a command starts, and works from the first photo on."""

import gc
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from posecli.cli import app, runs
from posecli.cli.starting import started, starting
from posecli.estimate import Estimator, make_estimator
from posecli.options import EstimatorOptions


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    assert gc.isenabled()
    yield
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_it_rests_until_the_start_is_over() -> None:
    with starting():
        assert not gc.isenabled()
        started()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
        frozen = gc.get_freeze_count()
        started()  # of the next setting of a sweep
        assert gc.get_freeze_count() == frozen


def test_it_comes_back_whatever_happens() -> None:
    with pytest.raises(ValueError, match="no model"), starting():
        raise ValueError("no model")


def test_who_goes_without_it_goes_on_without_it() -> None:
    gc.disable()
    try:
        with starting():
            started()
            gc.disable()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_command_loads_its_model_without_it_and_works_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def make(options: EstimatorOptions) -> Estimator:
        seen["model"] = gc.isenabled()
        return make_estimator(options)

    def infer(estimator: Estimator, prepared: list) -> list:
        seen["photo"] = gc.isenabled()
        return real_infer(estimator, prepared)

    real_infer = Estimator.infer
    monkeypatch.setattr(runs, "make_estimator", make)
    monkeypatch.setattr(Estimator, "infer", infer)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    result = CliRunner().invoke(app, ["export", str(tmp_path / "a.png"), "--size", "65", "--threads", "1"])
    assert result.exit_code == 0, result.output
    assert seen == {"model": False, "photo": True}


def test_a_command_that_fails_early_leaves_it_on() -> None:
    assert CliRunner().invoke(app, ["export", "nowhere.jpg"]).exit_code == 2
