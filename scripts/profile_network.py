#!/usr/bin/env python3
"""Say where a network's time goes: milliseconds by kind of layer, and what this machine reaches at its best.

    python scripts/profile_network.py [--model mobilenet-075] [--size 513] [--precision float32|int8]

OpenVINO times its own layers. Beside them stands the time that PyTorch's matrix product, the best case of any layer,
takes for as many multiplications and additions as the network has.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from posecli.backends.openvino import HINTS, OpenVinoBackend, compile_ir
from posecli.backends.program import make_program
from posecli.weights.checkpoint import Checkpoint, load
from posecli.weights.store import find

RUNS = 30
SQUARE = 1536  # of the matrices whose product is timed


def count_flops(checkpoint: Checkpoint, size: int) -> float:
    """Multiplications and additions of the convolutions, for one square image."""
    program, flops = make_program(checkpoint), 0

    def count(layer: nn.Module, _: Any, output: torch.Tensor) -> None:
        nonlocal flops
        flops += 2 * layer.weight[0].numel() * output.numel()

    for layer in program.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        program(torch.zeros((1, size, size, 3), dtype=torch.uint8))
    return float(flops)


def product_flops_per_s() -> float:
    """What a product of two float32 matrices reaches here, on all threads."""
    a, b = torch.rand(SQUARE, SQUARE), torch.rand(SQUARE, SQUARE)
    seconds = []
    for _ in range(RUNS):
        start = perf_counter()
        a @ b
        seconds.append(perf_counter() - start)
    return 2 * SQUARE**3 / median(seconds)


def profile(backend: OpenVinoBackend, size: int) -> dict[tuple[str, str], float]:
    """Milliseconds by what a layer does and how OpenVINO runs it; medians over the runs."""
    compiled = compile_ir(backend._ir, np.dtype(np.uint8), {**backend._settings, "PERF_COUNT": "YES"})
    request = compiled.create_infer_request()
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    runs: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for run in range(RUNS):
        request.infer([image])
        spent: defaultdict[tuple[str, str], float] = defaultdict(float)
        for layer in request.get_profiling_info():
            spent[layer.node_type, layer.exec_type] += layer.real_time.total_seconds() * 1e3
        if run >= RUNS // 3:  # the first warm up
            for kind, ms in spent.items():
                runs[kind].append(ms)
    return {kind: median(each) for kind, each in runs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mobilenet-075")
    parser.add_argument("--size", type=int, default=513)
    parser.add_argument("--precision", default="float32", choices=HINTS)
    asked = parser.parse_args()
    checkpoint = load(find(asked.model))
    spent = profile(OpenVinoBackend(checkpoint, precision=asked.precision), asked.size)
    total = sum(spent.values())
    print(f"{asked.model} at {asked.size} x {asked.size}, OpenVINO {asked.precision}: {total:.1f} ms in layers")
    for (work, how), ms in sorted(spent.items(), key=lambda item: -item[1]):
        if ms > 0.005 * total:
            print(f"  {ms:6.2f} ms  {ms / total:4.0%}  {work} ({how})")
    flops, rate = count_flops(checkpoint, asked.size), product_flops_per_s()
    print(f"{flops / 1e9:.2f} GFLOP; a float32 matrix product reaches {rate / 1e9:.0f} GFLOP/s here:")
    print(f"at that rate the network would take {1e3 * flops / rate:.1f} ms on these cores")


if __name__ == "__main__":
    main()
