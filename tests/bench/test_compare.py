import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import written
from posecli.bench.compare import Difference, Ratio, compare, read_bench
from posecli.errors import MissingPathError, UsageError


def save(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return save(tmp_path / "a.json", written())


def against(first: Path, **changes: Any) -> Any:
    return compare(read_bench(first), read_bench(save(first.parent / "b.json", written(**changes))))


def test_the_same_twice_differs_in_nothing(first: Path) -> None:
    comparison = against(first, run__images=150, run__load_s=9.0, machine__load_1min=0.9)
    assert comparison.differences == comparison.warnings == ()
    assert [each.ratio for each in comparison.ratios] == [1.0] * 8
    assert [each.name for each in comparison.ratios][:3] == ["network p50", "network p95", "network p99"]


def test_the_second_is_relative_to_the_first(first: Path) -> None:
    summary = {"p50_ms": 5.0, "p95_ms": 30.0, "p99_ms": 40.0}
    comparison = against(first, stages={"network": summary}, images_per_s=125.0, peak_memory_bytes=200_000_000)
    ratios = {each.name: each.ratio for each in comparison.ratios}
    assert ratios == {
        "network p50": 0.5, "network p95": 1.5, "network p99": 1.0, "throughput": 2.5, "peak memory": 0.5,
    }  # fmt: skip
    assert comparison.ratios[-1] == Ratio("peak memory", "MB", 400.0, 200.0)


def test_what_differs_is_named(first: Path) -> None:
    changes = {"options__size": 257, "options__new": True, "run__batch_size": None, "versions": {"torch": "2"}}
    assert against(first, **changes, model__name="x").differences == (
        Difference("model.name", "mobilenet-075", "x"),
        Difference("options.size", "513", "257"),
        Difference("run.batch_size", "1", "null"),
        Difference("versions.posecli", "1.0", "-"),
        Difference("options.new", "-", "true"),
        Difference("versions.torch", "-", "2"),
    )
    assert against(first, **changes).warnings == ()


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"machine__cpu": "Another"}, "the machines differ"),
        ({"machine__cpus": 4}, "the machines differ"),
        ({"inputs__digest": "bb"}, "the inputs differ"),
        ({"mode": "end-to-end"}, "one measures images, the other end-to-end"),
        ({"warnings": ["the machine was busy"]}, "b.json: the machine was busy"),
    ],
)
def test_what_makes_ratios_doubtful_is_a_warning(first: Path, changes: dict[str, Any], warning: str) -> None:
    (said,) = against(first, **changes).warnings
    assert warning in said


def test_what_one_did_not_measure_has_no_ratio(first: Path) -> None:
    comparison = against(
        first, images_per_s=None, peak_memory_bytes=None, stages={"read": written()["stages"]["total"]}
    )
    assert comparison.ratios == ()


def test_there_is_no_ratio_to_nothing() -> None:
    assert Ratio("resize p50", "ms", 0.0, 1.0).ratio is None


MALFORMED = [
    b"",
    b"[]",
    b"null",
    b"{}",
    b"\xff\xfe",
    b"[" * 100_000,
    json.dumps({**written(), "schema": "posecli/1"}).encode(),
    json.dumps({name: value for name, value in written().items() if name != "machine"}).encode(),
    json.dumps(written(options=[])).encode(),
    json.dumps(written(stages={"network": 3})).encode(),
    json.dumps(written(stages={"network": {"p50_ms": "3", "p95_ms": 3, "p99_ms": 3}})).encode(),
    json.dumps(written(images_per_s=float("nan"))).encode(),
    json.dumps(written(images_per_s=-1)).encode(),
    json.dumps(written(peak_memory_bytes=True)).encode(),
    json.dumps(written(inputs={})).encode(),
]


@pytest.mark.parametrize("data", MALFORMED)
def test_another_file_is_one_clear_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"a\.json: not a posecli-bench/1 file; make one with"):
        read_bench(path)


def test_no_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match="no such file"):
        read_bench(tmp_path / "absent.json")
    with pytest.raises(UsageError, match="cannot be read"):
        read_bench(tmp_path)
