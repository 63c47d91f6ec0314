"""What posecli promises, as data, and whether a run bears it out."""

from __future__ import annotations

from dataclasses import dataclass

from peers.results import OURS, PORT, TFJS, Report, Spread, Trial, per_second, posecli, times_faster

TORCH, FLOAT32, BFLOAT16, INT8 = (
    posecli("torch", "float32"),
    posecli("openvino", "float32"),
    posecli("openvino", "bfloat16"),
    posecli("openvino", "int8"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """At least so many times faster than a peer, or so many frames a second, in one trial of one scenario."""

    text: str
    scenario: str  # key
    trial: Trial
    ours: tuple[str, ...]  # the best of these counts
    least: float
    peer: str | None  # None: `least` is in frames a second


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target against a run."""

    target: Target
    measured: Spread | None  # None: not measured
    contestant: str | None  # which of `ours` it is

    @property
    def met(self) -> bool:
        """Whether the median reaches the target."""
        return self.measured is not None and self.measured.median >= self.target.least


def _against_port(name: str, key: str, torch: float, float32: float, bfloat16: float, int8: float) -> list[Target]:
    """The targets of network and decoding over the port, for one model."""
    columns = {TORCH: torch, FLOAT32: float32, BFLOAT16: bfloat16, INT8: int8}
    return [
        Target(f"{name}: network + decode, {ours.partition(' ')[2]}", key, "decode", (ours,), least, PORT)
        for ours, least in columns.items()
    ]


def _against_tfjs(name: str, key: str, float32: float, int8: float) -> list[Target]:
    return [
        Target(f"{name}: network + decode, {ours.partition(' ')[2]}", key, "decode", (ours,), least, TFJS)
        for ours, least in ((FLOAT32, float32), (INT8, int8))
    ]


TARGETS = (
    *_against_port("0.75 at 513", "075-513", 2.0, 2.8, 5.0, 6.0),
    *_against_port("1.00 at 513", "100-513", 1.5, 1.7, 3.5, 5.5),
    Target(
        "0.75 at 513: folder to folder, float32 on the best backend, whole command",
        "075-513",
        "command",
        tuple(ours for ours in OURS if ours.endswith("float32")),
        4.0,
        PORT,
    ),
    *_against_tfjs("0.75 at 513", "075-513", 10.0, 20.0),
    *_against_tfjs("1.00 at 513", "100-513", 7.5, 24.0),
    Target("--quality fast, torch float32, against the port's default scale", "fast", "image", (TORCH,), 3.0, PORT),
    Target("0.75 at 433, 4:3: network + decode, int8", "075-433", "decode", (INT8,), 130.0, None),
    Target("0.50 at 257, 4:3: network + decode, any precision", "050-257", "decode", OURS, 300.0, None),
)


def judge(target: Target, report: Report) -> Verdict:
    """Hold a target against a run: the best of the contestants that it allows."""
    outcome = report.find(target.scenario)
    if outcome is None:
        return Verdict(target, None, None)
    found = []
    for name in target.ours:
        ours, peer = outcome.find(name, target.trial), outcome.find(target.peer or name, target.trial)
        if ours is not None and peer is not None:
            found.append((times_faster(ours, peer) if target.peer else per_second(ours), name))
    if not found:
        return Verdict(target, None, None)
    measured, contestant = max(found, key=lambda each: each[0].median)
    return Verdict(target, measured, contestant)
