"""`NAME=v1,v2,...`: the values of an option to be tried, and every combination of several."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from posecli.errors import UsageError
from posecli.options import EstimatorOptions, did_you_mean

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_JOINT = "+"  # between the numbers of one value that is several


@dataclass(frozen=True, slots=True)
class Axis:
    """An option and the values that it is to take."""

    name: str  # of a field of EstimatorOptions
    values: tuple[Any, ...]
    labels: tuple[str, ...]  # the values as they were given

    @property
    def title(self) -> str:
        """The option as the command line calls it, without dashes."""
        return self.name.replace("_", "-")

    @property
    def varies(self) -> bool:
        """Whether there is anything to compare along it."""
        return len(self.values) > 1


@dataclass(frozen=True, slots=True)
class Setting:
    """One combination of a sweep."""

    values: Mapping[str, Any]  # by field of EstimatorOptions
    labels: tuple[str, ...]  # one per axis


def parse_axis(text: str) -> Axis:
    """Parse `NAME=v1,v2,...`, an option of the estimator with or without its dashes. Raises UsageError."""
    name, is_assigned, listed = text.partition("=")
    labels = tuple(label.strip() for label in listed.split(","))
    if not is_assigned or not all(labels):
        raise UsageError(f"--sweep {text}: expected NAME=VALUE,VALUE,..., such as size=353,513")
    if len(set(labels)) < len(labels):
        raise UsageError(f"--sweep {text}: a value comes twice")
    kinds = get_type_hints(EstimatorOptions)
    field = name.strip().lstrip("-").replace("-", "_")
    if field not in kinds:
        known = [kind.replace("_", "-") for kind in kinds]
        hint = did_you_mean(field.replace("_", "-"), known)
        raise UsageError(f"--sweep {text}: no option {name.strip()!r}{hint}; choose one of {', '.join(known)}")
    try:
        return Axis(field, tuple(_value(label, kinds[field]) for label in labels), labels)
    except (ValueError, KeyError) as error:
        raise UsageError(f"--sweep {text}: a value does not suit --{field.replace('_', '-')}") from error


def combinations(axes: Sequence[Axis]) -> list[Setting]:
    """Every combination of the axes' values, the last axis fastest. Raises UsageError where one comes twice."""
    names = [axis.name for axis in axes]
    if twice := [axis.title for axis in axes if names.count(axis.name) > 1]:
        raise UsageError(f"--sweep {twice[0]} comes twice; list its values in one")
    pairs = [list(zip(axis.values, axis.labels, strict=True)) for axis in axes]
    return [
        Setting(dict(zip(names, (value for value, _ in chosen), strict=True)), tuple(label for _, label in chosen))
        for chosen in itertools.product(*pairs)
    ]


def check_distinct(settings: Sequence[tuple[Setting, EstimatorOptions]]) -> None:
    """Raise UsageError where two settings resolve to the same options: one run would stand there as two."""
    taken: dict[EstimatorOptions, Setting] = {}
    for setting, options in settings:
        other = taken.setdefault(replace(options, quality=None, preset=None), setting)  # names of what is in the rest
        if other is not setting:
            first, second = (" ".join(each.labels) for each in (other, setting))
            raise UsageError(f"--sweep: {first} and {second} are the same setting here; leave one of them out")


def _value(label: str, kind: Any) -> Any:
    """A value of an option's type; choices are text here, and checked with the other options."""
    alternatives = [each for each in get_args(kind) if each is not NoneType]
    if get_origin(kind) is tuple:
        return tuple(float(part) for part in label.split(_JOINT))
    if kind is bool:
        return _WORDS[label.lower()]
    if kind in (int, float, str):
        return kind(label)
    return label if get_origin(kind) is Literal else _value(label, alternatives[0])
