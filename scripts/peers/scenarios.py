"""What is tried, and who takes part."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peers.results import OURS, PORT, TFJS, Trial

SCRIPTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A model at a size, and what of it is timed."""

    key: str
    title: str
    model: str
    size: int  # long side of the network's input, px
    input_hw: tuple[int, int] | None  # px that photos are stretched to beforehand; None: photos as they are
    trials: tuple[Trial, ...]
    peers: tuple[str, ...]  # beside posecli
    quality: str = ""


_ALL_TRIALS: tuple[Trial, ...] = ("network", "decode", "folder", "command")

SCENARIOS = (
    Scenario("075-513", "MobileNet 0.75 at 513 x 513", "mobilenet-075", 513, (513, 513), _ALL_TRIALS, (PORT, TFJS)),
    Scenario("100-513", "MobileNet 1.00 at 513 x 513", "mobilenet-100", 513, (513, 513), _ALL_TRIALS, (PORT, TFJS)),
    Scenario("fast", "`--quality fast`, photos as they are", "mobilenet-075", 385, None, ("image",), (PORT,), "fast"),
    Scenario("075-433", "MobileNet 0.75 at 433 x 321 (4:3)", "mobilenet-075", 433, (321, 433), ("decode",), ()),
    Scenario("050-257", "MobileNet 0.50 at 257 x 193 (4:3)", "mobilenet-050", 257, (193, 257), ("decode",), ()),
)


@dataclass(frozen=True, slots=True)
class Peers:
    """Where the peers lie; None for one that is not at hand."""

    port: Path | None  # a checkout
    node: str | None  # the program
    node_folder: Path | None  # with node_modules


def lineup(scenario: Scenario, peers: Peers) -> Iterator[tuple[str, list[str]]]:
    """The name and the command of each contestant of a scenario."""
    for name in OURS:
        _, backend, precision = name.split()
        yield name, [sys.executable, "-m", "peers.posecli_child", backend, precision]
    if PORT in scenario.peers and peers.port is not None:
        yield PORT, [sys.executable, "-m", "peers.port_child", str(peers.port)]
    if TFJS in scenario.peers and peers.node is not None and peers.node_folder is not None:
        yield TFJS, [peers.node, str(SCRIPTS / "tfjs/bench.mjs"), str(peers.node_folder)]
