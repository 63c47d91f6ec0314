"""Runs a scenario: round by round, everyone on the same photos, in an order drawn anew each time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from peers.child import ONCE, STRIDE, Task
from peers.contestant import Contestant, ContestantError
from peers.results import Deviation, Outcome, Series, Trial
from peers.scenarios import Scenario
from posecli.skeleton import NUM_PARTS

PAUSE_S = 0.02  # before each turn: the threads of who ran before spin for milliseconds, waiting for work
MAX_OFFSET_PX = 0.05  # of who computes the same in float32; who is farther off runs something else
MAY_DIFFER = ("TF.js", "bfloat16", "int8")  # TF.js dilates the height only, which 1.00 has at stride 16


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured."""

    rounds: int
    folder_rounds: int
    photos_per_turn: int
    folder_photos: int
    seed: int


@dataclass
class Tables:
    """What grows while a scenario runs."""

    ms: dict[tuple[str, Trial], list[float]]  # contestant, trial -> a figure per round
    left_out: list[str]

    def drop(self, contestant: Contestant, trial: Trial, error: ContestantError) -> None:
        """Forget a trial of a contestant that failed at it; all its trials, if it is dead."""
        self.left_out.append(f"{error} ({trial})")
        for key in list(self.ms):
            if key[0] == contestant.name and (key[1] == trial or not contestant.alive):
                del self.ms[key]


def measure(
    scenario: Scenario,
    work: str,
    entries: Iterable[tuple[str, Sequence[str]]],
    task: Task,
    photos: int,
    settings: Settings,
    say: Callable[[str], None],
) -> tuple[Outcome, Mapping[str, str]]:
    """Start the contestants, run every trial in every round, and end them. Also the versions of what they use."""
    random, versions = Random(settings.seed), dict[str, str]()
    tables = Tables({}, [])
    with ExitStack() as stack:
        contestants = []
        for name, command in entries:
            say(f"{scenario.key}: loading {name}")
            try:
                contestant = stack.enter_context(Contestant(name, command, task.threads))
                versions |= contestant.load(task)
            except ContestantError as error:
                tables.left_out.append(str(error))
            else:
                contestants.append(contestant)
        deviations = [] if scenario.input_hw is None else compare_fields(contestants, scenario.input_hw, tables)
        for contestant in contestants:
            tables.ms |= {(contestant.name, trial): [] for trial in scenario.trials if trial in contestant.trials}
        for number in range(max(settings.rounds, settings.folder_rounds)):
            chosen = random.sample(range(photos), min(photos, settings.photos_per_turn))
            for trial in scenario.trials:
                if number < (settings.folder_rounds if trial in ONCE else settings.rounds):
                    say(f"{scenario.key}: round {number + 1}, {trial}")
                    run_trial(trial, contestants, chosen, settings.folder_photos, random, tables)
    series = [Series(name, trial, tuple(ms)) for (name, trial), ms in tables.ms.items() if ms]
    outcome = Outcome(
        scenario.key, scenario.title, work, tuple(series), tuple(deviations), tuple(dict.fromkeys(tables.left_out))
    )
    return outcome, versions


def run_trial(
    trial: Trial,
    contestants: Sequence[Contestant],
    photos: Sequence[int],
    folder_photos: int,
    random: Random,
    tables: Tables,
) -> None:
    """A turn for everyone who takes part, in an order of its own."""
    for contestant in random.sample(contestants, len(contestants)):
        if (contestant.name, trial) not in tables.ms:
            continue
        time.sleep(PAUSE_S)
        try:
            ms = contestant.turn(trial, photos)
        except ContestantError as error:
            tables.drop(contestant, trial, error)
        else:
            tables.ms[contestant.name, trial].append(ms / folder_photos if trial in ONCE else ms)


def compare_fields(contestants: list[Contestant], input_hw: tuple[int, int], tables: Tables) -> list[Deviation]:
    """How far each network is from the first contestant's on the first photo; who must agree and does not is out."""
    cells = ((input_hw[0] - 1) // STRIDE + 1) * ((input_hw[1] - 1) // STRIDE + 1)
    reference, deviations = None, []
    for contestant in list(contestants):
        try:
            fields = np.frombuffer(contestant.fields(0), "<f4").reshape(-1, cells)  # (17 + 34 + 32 + 32, h * w)
            reference = fields if reference is None else reference
            deviation = deviation_of(contestant.name, fields, reference)
            if deviation.offset_px > MAX_OFFSET_PX and not contestant.name.endswith(MAY_DIFFER):
                raise ContestantError(f"{contestant.name}: its offsets are {deviation.offset_px:.3g} px off")
        except (ContestantError, ValueError) as error:
            contestants.remove(contestant)
            tables.left_out.append(str(error))
        else:
            deviations.append(deviation)
    return deviations


def deviation_of(name: str, fields: NDArray[np.float32], reference: NDArray[np.float32]) -> Deviation:
    """Largest differences of heatmaps and of offsets, of fields (channels, cells)."""
    difference = np.abs(fields - reference)
    return Deviation(name, float(difference[:NUM_PARTS].max()), float(difference[NUM_PARTS : 3 * NUM_PARTS].max()))
