"""Two benchmarks beside each other: ratios, and all that differs between them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecli.bench.schema import SCHEMA
from posecli.errors import MissingPathError, UsageError

# The facts of each section that are worth comparing; of the other sections, all are.
_MACHINE = ("cpu", "cpus", "usable_cpus", "os")
_OF_RUN = ("asked_images", "batch_size", "workers", "threads")
_OF_MODEL = ("name", "architecture", "multiplier", "quantization", "sha256")
_PERCENTILES = ("p50_ms", "p95_ms", "p99_ms")


@dataclass(frozen=True, slots=True)
class Bench:
    """What of a benchmark's JSON file is compared. Make one with `read_bench`."""

    path: Path
    mode: str
    digest: str  # of the inputs
    stages: Mapping[str, Mapping[str, float]]  # ms by stage and percentile
    images_per_s: float | None
    peak_memory_bytes: float | None
    facts: Mapping[str, Any]  # by dotted name: model, options, run, machine, versions
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure of both."""

    name: str
    unit: str
    first: float
    second: float

    @property
    def ratio(self) -> float | None:
        """The second relative to the first; None where the first is 0."""
        return self.second / self.first if self.first else None


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that is not the same in both."""

    name: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two benchmarks, the second relative to the first."""

    ratios: tuple[Ratio, ...]
    differences: tuple[Difference, ...]
    warnings: tuple[str, ...]


def read_bench(path: Path) -> Bench:
    """Read what `posecli bench --json` wrote. Raises UsageError where the file is not that."""
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or document["schema"] != SCHEMA:
            raise ValueError
        return Bench(
            path=path,
            mode=str(document["mode"]),
            digest=str(document["inputs"]["digest"]),
            stages={
                str(stage): {name: _number(summary[name]) for name in _PERCENTILES}
                for stage, summary in document["stages"].items()
            },
            images_per_s=_optional(document["images_per_s"]),
            peak_memory_bytes=_optional(document["peak_memory_bytes"]),
            facts=_facts(document),
            warnings=tuple(str(warning) for warning in document["warnings"]),
        )
    except FileNotFoundError as error:
        raise MissingPathError(f"{path}: no such file; check --compare") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}); check --compare") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path}: not a {SCHEMA} file; make one with: posecli bench --json FILE") from error


def compare(first: Bench, second: Bench) -> Comparison:
    """The ratios of all figures that both have, what differs, and what makes the ratios doubtful."""
    names = [name for name in {**first.facts, **second.facts} if first.facts.get(name) != second.facts.get(name)]
    differences = [Difference(name, _shown(first.facts, name), _shown(second.facts, name)) for name in names]
    if first.digest != second.digest:
        differences.append(Difference("inputs.digest", first.digest, second.digest))
    return Comparison(tuple(_ratios(first, second)), tuple(differences), tuple(_warnings(first, second, names)))


def _ratios(first: Bench, second: Bench) -> Iterator[Ratio]:
    for stage, summary in first.stages.items():
        if stage in second.stages:
            for percentile, ms in summary.items():
                name = f"{stage} {percentile.removesuffix('_ms')}"
                yield Ratio(name, "ms", ms, second.stages[stage][percentile])
    if first.images_per_s is not None and second.images_per_s is not None:
        yield Ratio("throughput", "images/s", first.images_per_s, second.images_per_s)
    if first.peak_memory_bytes is not None and second.peak_memory_bytes is not None:
        yield Ratio("peak memory", "MB", first.peak_memory_bytes / 1e6, second.peak_memory_bytes / 1e6)


def _warnings(first: Bench, second: Bench, differing: list[str]) -> Iterator[str]:
    if any(name.startswith("machine.") for name in differing):
        yield "the machines differ: the ratios are of machines, too"
    if first.digest != second.digest:
        yield "the inputs differ: measure both on the same pictures"
    if first.mode != second.mode:
        yield f"one measures {first.mode}, the other {second.mode}: only stages of the same name are compared"
    for bench in (first, second):
        for warning in bench.warnings:
            yield f"{bench.path}: {warning}"


def _facts(document: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {"mode": document["mode"]}
    chosen = {"model": _OF_MODEL, "run": _OF_RUN, "machine": _MACHINE}
    for section in ("model", "options", "run", "machine", "versions"):
        for name, value in document[section].items():
            if name in chosen.get(section, (name,)):
                facts[f"{section}.{name}"] = value
    return facts


def _number(value: object) -> float:
    """A finite number that is not negative; else raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError
    return float(value)


def _optional(value: object) -> float | None:
    return None if value is None else _number(value)


def _shown(facts: Mapping[str, Any], name: str) -> str:
    if name not in facts:
        return "-"
    value = facts[name]
    return value if isinstance(value, str) else json.dumps(value)
