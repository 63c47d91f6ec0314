from dataclasses import replace

import pytest

from posecli.doctor.page import WIDTH, Row, page
from posecli.doctor.report import (
    Compute,
    Device,
    Extra,
    Folder,
    Host,
    Library,
    Model,
    Problem,
    Report,
    SelfTest,
)
from posecli.sources.cameras import Camera

INSTALL = 'pip install "posecli[video]"'
REPORT = Report(
    posecli="1.2.3",
    host=Host("CPython 3.12.1", "~/venv/bin/python", "Linux 6.1 x86_64", 8, 16_000_000_000),
    libraries=(Library("numpy", "2.0", None), Library("torch", "2.4", None)),
    extras=(Extra("video", INSTALL, (Library("av", "14.0", None),)),),
    compute=Compute("CUDA 12.8", 4, (Device("cpu", None, None), Device("cuda:0", "Test GPU", 8_000_000_000)), None),
    folder=Folder("~/models", "POSECLI_HOME", True, True, 50_000_000_000, 1_500_000),
    models=(Model("mobilenet-075", "/a", True, 5_000_000, None), Model("own", "~/own", False, 9_400_000, None)),
    variables={"POSECLI_HOME": "~/models", "POSECLI_OFFLINE": "1"},
    cameras=(Camera(0, "Webcam C920"), Camera(2, None), Camera(3, "Locked", accessible=False)),
    self_tests=(SelfTest("cpu", 2, 0.0123, 41.7, None),),
)


def text_of(report: Report) -> str:
    return "\n".join(row.text for row in page(report))


def problems_of(report: Report) -> list[str]:
    return [row.text for row in page(report) if row.is_problem]


def test_everything_fine() -> None:
    assert (
        text_of(REPORT)
        == """\
posecli    1.2.3
python     CPython 3.12.1, ~/venv/bin/python
computer   Linux 6.1 x86_64, CPUs: 8, memory: 16.0 GB
libraries  numpy 2.0, torch 2.4
extras     video: av 14.0
pytorch    CUDA 12.8 build, CPU threads: 4, devices: cpu,
           cuda:0 (Test GPU, 8.0 GB)
folder     ~/models, set by POSECLI_HOME, exists, writable, 50.0 GB free,
           1.5 MB of unfinished downloads
models     mobilenet-075 (5.0 MB, bundled), own (9.4 MB)
variables  POSECLI_HOME=~/models
           POSECLI_OFFLINE=1
cameras    0: Webcam C920, 2 answers, 3: Locked (no access)
self-test  ok on cpu: 2 people, at most 0.012 px from the original, 42 ms"""
    )
    assert problems_of(REPORT) == []


SECTIONS = ("host", "libraries", "extras", "compute", "folder", "models", "cameras")


@pytest.mark.parametrize("section", SECTIONS)
def test_a_question_without_answer(section: str) -> None:
    (row,) = problems_of(replace(REPORT, **{section: Problem("OSError: gone")}))
    assert row.endswith("unknown: OSError: gone")


def test_problems_are_named_with_their_remedy() -> None:
    report = replace(
        REPORT,
        libraries=(
            Library("numpy", None, "not installed; run: pip install numpy"),
            Library("torch", "2.4", "OSError: x"),
        ),
        extras=(
            Extra("eval", "pip install e", (Library("pycocotools", "2", "ImportError: y"),)),
            Extra("video", INSTALL, (Library("av", None, "not installed"), Library("b", "1", None))),
        ),
        compute=replace(REPORT.compute, note="no driver"),
        folder=Folder("/mnt/a", None, False, False, 0, 0),
        models=(Model("own", "~/own", False, None, "damaged; do this"),),
        self_tests=(SelfTest("cpu", 1, None, None, "1 people"), SelfTest("mps", None, None, None, "crash")),
    )
    assert [" ".join(row.split()) for row in problems_of(report)] == [
        "numpy: not installed; run: pip install numpy",
        "torch 2.4: OSError: x",
        "pycocotools 2: ImportError: y",
        "no driver",
        "folder /mnt/a, the default, not made yet, NOT WRITABLE, 0.0 MB free",
        "own (size unknown): damaged; do this",
        "self-test FAILED on cpu: 1 people",
        "self-test FAILED on mps: crash",
    ]
    assert f"video: b 1, av missing; run: {INSTALL}\n" in text_of(report)


def test_nothing_there_is_ordinary() -> None:
    report = replace(REPORT, cameras=(), host=replace(REPORT.host, cpus=None, memory_bytes=None), variables={})
    text = text_of(report)
    assert "cameras    none found" in text
    assert "computer   Linux 6.1 x86_64\n" in text
    assert "variables" not in text
    assert problems_of(report) == []


def test_rows_end_lines_only_between_items() -> None:
    long = "/a path of/" + "x" * 100
    lines = Row("label", ["one", long, "two", "three four"]).text.splitlines()
    assert lines == ["label      one,", f"           {long},", "           two, three four"]
    many = Row("label", [f"item {i}" for i in range(60)]).text.splitlines()
    assert max(map(len, many)) <= WIDTH
    assert sum(map(len, many[:-1])) > 0.8 * WIDTH * (len(many) - 1)
    assert " ".join(" ".join(many).split()) == "label " + ", ".join(f"item {i}" for i in range(60))


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in Row("cameras", ["0: \x1b[31mred\nline"]).text
    assert "\n" not in Row("cameras", ["0: \x1b[31mred\nline"]).text
