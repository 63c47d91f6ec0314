import sys
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posecli.errors import MissingDependencyError
from posecli.evaluate.plot import COLOURS, Point, accuracy_plot, frontier


def test_the_frontier_is_what_nothing_beats() -> None:
    fast, better, best = Point(10, 20, "a"), Point(20, 25, "b"), Point(40, 30, "c")
    slower, worse, as_good = Point(30, 25, "d"), Point(20, 24, "e"), Point(41, 30, "f")
    assert frontier([as_good, best, worse, slower, better, fast]) == [fast, better, best]


def drawn(points: list[Point]) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(accuracy_plot(points, "Title", "caption"), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[..., ::-1]


def count(image: NDArray[np.uint8], colour: str) -> int:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((image == rgb).all(axis=2).sum())


@pytest.mark.parametrize("times", [(10.0, 12.0), (10.0, 200.0)])
def test_dots_of_the_frontier_are_full(times: tuple[float, float]) -> None:
    """On either scale, a dominated run's dot is hollow, and so has less of its colour."""
    pytest.importorskip("matplotlib")
    both = drawn([Point(times[0], 20, "a"), Point(times[1], 30, "b")])
    one = drawn([Point(times[0], 30, "a"), Point(times[1], 20, "b")])
    assert both.shape == one.shape
    assert count(both, COLOURS[0]) > 1.2 * count(one, COLOURS[0]) > 0


def test_each_series_has_its_colour() -> None:
    pytest.importorskip("matplotlib")
    image = drawn([Point(10 + i, 20 + 3 * i, str(i), f"s{i % 3}") for i in range(7)])
    assert all(count(image, colour) for colour in COLOURS[:3])
    assert not count(image, COLOURS[3])


@pytest.mark.parametrize("names", [("",), ("decoder accurate", "decoder tfjs")])
def test_the_legend_lies_beside_the_data(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    figure_module = pytest.importorskip("matplotlib.figure")
    figures = []
    save = figure_module.Figure.savefig

    def saved(figure: Any, *arguments: Any, **named: Any) -> None:
        figures.append(figure)
        save(figure, *arguments, **named)

    monkeypatch.setattr(figure_module.Figure, "savefig", saved)
    drawn([Point(10 + i, 20 + i, str(i), name) for i in range(4) for name in names])
    (figure,) = figures
    (axes,), (legend,) = figure.axes, figure.legends
    assert len(legend.texts) == 1 + sum(map(bool, names))  # with the frontier
    assert not legend.get_window_extent().overlaps(axes.get_window_extent())
    assert axes.get_legend() is None


def test_one_run_and_equal_runs_can_be_drawn() -> None:
    pytest.importorskip("matplotlib")
    assert drawn([Point(5, 0, "a")]).size
    assert drawn([Point(5, 0, "label")] * 8).size


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r'matplotlib, which is not installed; run: pip install "posecli'):
        accuracy_plot([Point(5, 0, "a")], "Title", "caption")
