"""A run as Markdown: `to_markdown(report)`."""

from __future__ import annotations

import math
from collections.abc import Iterator

from peers.results import PORT, TFJS, Machine, Outcome, Report, Spread, Trial, per_second, spread, times_faster
from peers.targets import TARGETS, Verdict, judge

TITLES: dict[Trial, str] = {
    "network": "Network only",
    "decode": "Network + decode",
    "image": "Resize + network + decode, from the decoded photo",
    "folder": "Folder to folder, without start-up",
    "command": "Folder to folder, the whole command",
}

METHOD = f"""\
Written by `scripts/compare_peers.py`, all in one run on one machine. Every contestant is a process of its own, which
sleeps on a pipe while others run. In each round everyone gets the same photos, in an order drawn anew; a turn begins
with an untimed photo and counts as the median of the photos after it. Figures are medians over the rounds; a ratio is
the median of the rounds' ratios, with its 10th and 90th percentile. Everyone has the same number of threads, but for
TF.js, whose wasm backend has one under Node: it offers no more there.

- **posecli**, with its default options (`--decoder accurate`) at the size given. int8 of a model that it does not bring
  calibrated is calibrated on `examples/`.
- **{PORT}**: rwightman/posenet-pytorch with the same weights, its own network, decoder (at most 10 poses, as
  `benchmark.py` and `image_demo.py` have it) and scripts, under its own `no_grad`. Its calls of `.cuda()` do nothing.
- **{TFJS}**: `@tensorflow-models/posenet` 2.2.2 on the wasm backend, with the same weights in Google's own graph, its
  own decoder with the defaults of `estimateMultiplePoses`. It has no program for folders.

**Network only** starts with a picture of the network's size in memory; posecli and {TFJS} normalise its integer
pixels inside, the port was given them normalised before. **Network + decode** goes on to poses in the network's
pixels. **Folder to folder** reads JPEG files of the network's size, finds poses, draws them and writes JPEG files:
`posecli annotate` against `image_demo.py --notxt`; time per photo. The whole command includes starting Python,
importing and loading the model; without start-up both run in a process that has imported everything and done the
same folder once before, and load the model again.
"""

LIMITS = """\
Times are of one picture at a time (latency); batches and overlapped stages count only in folder to folder. What
bfloat16 and int8 gain depends on the CPU: they need instructions for it (AVX-512 VNNI, AVX-VNNI, AMX, or Arm's bf16 and
i8mm); where bfloat16 deviates no more than float32, the CPU has none and OpenVINO computes in float32. Photos are
stretched to the network's size, so that everyone computes the same amount. A deviation is the largest difference to
posecli torch float32 in what the network says about one photo; TF.js dilates the height only, so that 1.00 at stride 16
gives other values there, for the same work.
"""

REPRODUCE = """\
    git clone https://github.com/rwightman/posenet-pytorch PORT
    npm install --prefix scripts/tfjs
    pip install -e ".[openvino,onnx]"
    python scripts/compare_peers.py --port PORT --tfjs scripts/tfjs --tfjs-models MODELS -o docs/benchmarks.md

MODELS is a folder laid out as https://storage.googleapis.com/tfjs-models/savedmodel/posenet/mobilenet/; of `float/075`
and `float/100` it needs `model-stride16.json` only. Whatever is missing is left out, with a line that says so.
"""


def to_markdown(report: Report) -> str:
    """The whole of what a run found: targets, tables, method, machine."""
    parts = [
        "## Against its peers",
        targets_table(report),
        *(part for outcome in report.outcomes for part in outcome_parts(outcome)),
        "### Method",
        METHOD.rstrip(),
        f"This run: {report.rounds} rounds, {report.folder_rounds} of folder to folder; "
        f"{count(report.threads, 'thread')}; seed {report.seed}.",
        *(["Not at hand in this run:", bullets(report.left_out)] if report.left_out else []),
        "### Limits",
        LIMITS.rstrip(),
        "### Machine",
        machine_text(report.machine),
        ", ".join(f"{name} {version}" for name, version in report.versions) + ".",
        "### Reproduce",
        REPRODUCE.rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def targets_table(report: Report) -> str:
    """A row per target."""
    rows = ["| target | at least | measured | |", "|---|---|---|---|"]
    return "\n".join([*rows, *(verdict_row(judge(target, report)) for target in TARGETS)])


def verdict_row(verdict: Verdict) -> str:
    """A target, what was measured, and whether that is enough."""
    target, measured = verdict.target, verdict.measured
    unit = "x" if target.peer else " fps"
    text = target.text if target.peer is None else f"{target.text}, over {target.peer}"
    if measured is None:
        return f"| {text} | {target.least:g}{unit} | - | not measured |"
    which = f" ({verdict.contestant})" if len(target.ours) > 1 else ""
    shown = f"{measured.median:.0f}" if target.peer is None else f"{measured.median:.2f}"
    return f"| {text} | {target.least:g}{unit} | {shown}{unit}{which} | {'met' if verdict.met else '**missed**'} |"


def outcome_parts(outcome: Outcome) -> Iterator[str]:
    """A scenario's section: a table per trial, then the deviations and who was left out."""
    yield f"### {outcome.title}"
    yield outcome.work
    trials = dict.fromkeys(series.trial for series in outcome.series)
    for trial in trials:
        yield f"**{TITLES[trial]}**"
        yield trial_table(outcome, trial)
    if outcome.deviations[1:]:
        shown = (f"{d.contestant} {d.heatmap:.2g} of a score, {d.offset_px:.2g} px" for d in outcome.deviations[1:])
        yield f"Deviation: {'; '.join(shown)}."
    if outcome.left_out:
        yield "Left out:"
        yield bullets(outcome.left_out)


def trial_table(outcome: Outcome, trial: Trial) -> str:
    """A row per contestant: ms, photos a second, and how many times faster than each peer that took part."""
    peers = [series for series in (outcome.find(name, trial) for name in (PORT, TFJS)) if series is not None]
    columns = ["contestant", "ms", "photos/s", *(f"x {peer.contestant}" for peer in peers)]
    lines = [row(columns), row(["---"] * len(columns))]
    for series in (series for series in outcome.series if series.trial == trial):
        cells = [series.contestant, f"{spread(series.ms).median:.1f}", f"{per_second(series).median:.1f}"]
        lines.append(row([*cells, *(ratio("" if series is peer else times_faster(series, peer)) for peer in peers)]))
    return "\n".join(lines)


def ratio(value: Spread | str) -> str:
    """A ratio with its spread."""
    return value if isinstance(value, str) else f"{value.median:.2f} ({value.low:.2f}-{value.high:.2f})"


def machine_text(machine: Machine) -> str:
    """The machine in a sentence."""
    instructions = ", ".join(machine.instructions) or "instruction sets unknown"
    loads = (machine.load_before, machine.load_after)
    load = "unknown" if any(map(math.isnan, loads)) else f"{loads[0]:.2f} before, {loads[1]:.2f} after"
    return f"{machine.cpu}, {count(machine.cores, 'core')} ({instructions}), {machine.system}; load average {load}."


def count(number: int, what: str) -> str:
    """1 thread, 2 threads."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def bullets(lines: tuple[str, ...]) -> str:
    """Lines as a list."""
    return "\n".join(f"- {line}" for line in lines)


def row(cells: list[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"
