import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from benchmarks import FakeClock, FakeEstimator, pictures
from posecli.bench.machine import Machine
from posecli.bench.pictures import Pictures
from posecli.bench.report import Report, Setting, make_report
from posecli.bench.running import Measured, WarmUp, measure
from posecli.errors import InputError
from posecli.options import EstimatorOptions
from posecli.sources import Failure

OPTIONS = EstimatorOptions(size=97)
SETTING = Setting(
    mode="images",
    argv=("posecli", "bench"),
    started="2024-01-01T00:00:00+00:00",
    model={"name": "mobilenet-075", "sha256": "0" * 64},
    options={"size": 97, "backend": "torch", "precision": "float32", "device": "cpu"},
    machine=Machine("A CPU", 2, 2, "An OS", 0.5),
    versions={"posecli": "1.0"},
    asked_images=120,
    batch_size=1,
    workers=None,
    threads=2,
    load_s=0.5,
)


def table(required: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": required, "required": list(required), "additionalProperties": False}


def listed(entry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": entry}


def named(entry: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": entry, **settings}


COUNT = {"type": "integer", "minimum": 0}
NUMBER = {"type": "number", "minimum": 0}
TEXT = {"type": "string", "minLength": 1}
MAYBE_COUNT = {"type": ["integer", "null"], "minimum": 0}
MAYBE_NUMBER = {"type": ["number", "null"], "minimum": 0}
SUMMARY = table({"p50_ms": NUMBER, "p95_ms": NUMBER, "p99_ms": NUMBER, "mean_ms": NUMBER})
# The fields of posecli-bench/1: one that is added, renamed or dropped asks for a new version.
SCHEMA = table(
    {
        "schema": {"const": "posecli-bench/1"},
        "mode": {"enum": ["images", "end-to-end"]},
        "complete": {"type": "boolean"},
        "argv": listed(TEXT),
        "started": TEXT,
        "model": {"type": "object", "required": ["name", "sha256"]},
        "options": {"type": "object", "required": ["size", "backend", "precision", "device"]},
        "run": table(
            {
                **{"asked_images": COUNT, "images": COUNT, "batch_size": MAYBE_COUNT, "workers": MAYBE_COUNT},
                **{"threads": MAYBE_COUNT, "load_s": NUMBER, "warm_up_images": COUNT, "warm_up_s": NUMBER},
            }
        ),
        "inputs": table(
            {
                **{"pictures": COUNT, "listed": COUNT, "packaged": {"type": "boolean"}, "digest": TEXT},
                "held_bytes": COUNT,
                "network_sizes": listed(table({"width": COUNT, "height": COUNT, "images": COUNT})),
                "failed": listed(table({"name": TEXT, "error": TEXT})),
            }
        ),
        "machine": table(
            {"cpu": TEXT, "cpus": MAYBE_COUNT, "usable_cpus": MAYBE_COUNT, "os": TEXT, "load_1min": MAYBE_NUMBER}
        ),
        "versions": named(TEXT),
        "stages": named(SUMMARY, required=["resize", "network", "decode", "total"]),
        "images_per_s": MAYBE_NUMBER,
        "peak_memory_bytes": MAYBE_COUNT,
        "garbage_collection": table({"runs": COUNT, "total_ms": NUMBER}),
        "people": listed(table({"people": COUNT, "images": COUNT, "decode_p50_ms": NUMBER, "total_p50_ms": NUMBER})),
        "end_to_end": {
            "anyOf": [
                {"type": "null"},
                table(
                    {
                        **{"images": COUNT, "seconds": NUMBER, "images_per_s": NUMBER},
                        **{"one_by_one_images_per_s": NUMBER, "stage_images_per_s": named(NUMBER)},
                        **{"slowest_stage": TEXT, "reached": NUMBER},
                    }
                ),
            ]
        },
        "warnings": listed(TEXT),
    }
)


def validate(document: Any) -> None:
    Draft202012Validator(SCHEMA).validate(document)


def report(
    images: int = 120, setting: Setting = SETTING, inputs: Pictures | None = None, measured: Measured | None = None
) -> Report:
    clock = FakeClock()
    inputs = inputs or pictures(2, 0, 1)
    measured = measured or Measured()
    measure(inputs.batches(images, 1), FakeEstimator(clock), measured.samples, clock=clock)
    return make_report(setting, OPTIONS, inputs, WarmUp(10, 1.5), measured, 123_000_000)


def test_the_document_is_the_contract() -> None:
    document = json.loads(report().as_json())
    validate(document)
    assert list(document) == list(SCHEMA["properties"])
    assert document["run"]["images"] == 120
    assert document["stages"]["network"]["p50_ms"] == pytest.approx(60.5)
    assert document["stages"]["total"]["p50_ms"] == pytest.approx(60.5 * 3.1 + 1)
    assert document["images_per_s"] == pytest.approx(1000 / (60.5 * 3.1 + 1))
    assert document["inputs"]["network_sizes"] == [{"width": 97, "height": 65, "images": 120}]
    assert [(row["people"], row["images"]) for row in document["people"]] == [(0, 40), (1, 40), (2, 40)]
    assert (document["complete"], document["warnings"], document["end_to_end"]) == (True, [], None)


def test_from_file_to_file_the_throughput_is_the_pipelines() -> None:
    measured = Measured(pipeline_images=120, pipeline_s=60.0)
    document = json.loads(report(setting=replace(SETTING, mode="end-to-end"), measured=measured).as_json())
    validate(document)
    assert document["images_per_s"] == document["end_to_end"]["images_per_s"] == 2.0
    assert document["end_to_end"]["slowest_stage"] == "decode"
    assert document["complete"]


def test_without_the_pipeline_there_is_no_throughput() -> None:
    made = report(setting=replace(SETTING, mode="end-to-end"))
    validate(json.loads(made.as_json()))
    assert (made.images_per_s, made.end_to_end, made.complete) == (None, None, False)


def test_an_interrupted_measurement_says_so() -> None:
    made = report(images=110)
    assert not made.complete
    assert made.warnings == ("interrupted after 110 of 120 images",)


def test_few_images_and_a_busy_machine_are_warned_of() -> None:
    busy = replace(SETTING.machine, load_1min=1.5)
    made = report(images=99, setting=replace(SETTING, asked_images=99, machine=busy))
    first, second = made.warnings
    assert "load 1.5 on 2 CPUs" in first
    assert "99 images are few" in second


def test_inputs_that_failed_are_part_of_it() -> None:
    failure = Failure("b.jpg", 1, InputError("b.jpg: the file is empty"))
    document = json.loads(report(inputs=replace(pictures(1), failures=(failure,), listed=2)).as_json())
    validate(document)
    assert document["inputs"]["failed"] == [{"name": "b.jpg", "error": "b.jpg: the file is empty"}]
    assert (document["inputs"]["pictures"], document["inputs"]["listed"]) == (1, 2)
