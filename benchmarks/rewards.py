"""`lucy bench rewards`: what rewards and observations cost, in one run on one core.

All variants take turns over many rounds, each over the same steps of random play; the best
round counts, since everything that disturbs a round makes it slower. Time is the thread's
own, so that a busy machine does not count.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from ..rewards.function import RewardFunction
from ..rewards.spec import load_spec
from ..sim.actions import ACTION_TABLES
from ..sim.engine import TEAM_SIZES, ArenaPool
from ..sim.observations import OBSERVATIONS, Observation
from ..sim.resets import weighted_mix
from ..sim.state import GameStates, select
from .reward_twin import TwinReward
from .rlgym_v2 import RESET_MIX

_STEPS = 24  # recorded steps that a round goes over
_CHUNK = 16  # arenas that the environment steps in one call
_SPECS = ("lucy-skg", "lucy-linear", "necto", "nexto")
_REWARD = "lucy-skg"
_EXTENTS = {
    "total alone": {"decompose": False},
    "with decomposition": {"statistics": False},
    "and its statistics": {},
}


@dataclass(frozen=True)
class Row:
    """What one variant costs."""

    name: str
    nanoseconds: float  # an agent-step
    microseconds_a_call: float
    ratio: float  # to the total alone: of the same reward, else of lucy-skg


@dataclass(frozen=True)
class RewardsResult:
    """All that one run has measured; `dataclasses.asdict` makes it JSON."""

    mode: str
    arenas: int
    rounds: int
    rows: list[Row]


def run(mode: str = "2v2", arenas: int = 64, rounds: int = 60, seed: int = 0) -> RewardsResult:
    """Measure rewards and observations on one core.

    Args:
        mode: "1v1", "2v2" or "3v3".
        arenas: that one call covers; one variant has the environment's chunks.
        rounds: of all variants in turn.
        seed: of the play.
    """
    steps = recorded_play(mode, arenas, seed)
    variants = _variants(steps)
    best = dict.fromkeys(variants, float("inf"))
    for variant in variants.values():
        variant()  # the first compiles or loads
    for _ in range(rounds):
        for name, variant in variants.items():
            start = time.thread_time()
            variant()
            best[name] = min(best[name], time.thread_time() - start)
    agents = int(steps[0].car_mask.sum())
    alone = {name: best[f"{name}, total alone"] for name in _SPECS}
    calls = {name: -(-arenas // _CHUNK) if "chunks" in name else 1 for name in variants}
    rows = [
        Row(
            name,
            1e9 * seconds / _STEPS / agents,
            1e6 * seconds / _STEPS / calls[name],
            seconds / alone.get(name.split(",")[0], alone[_REWARD]),
        )
        for name, seconds in best.items()
    ]
    return RewardsResult(mode, arenas, rounds, rows)


def recorded_play(mode: str, arenas: int, seed: int) -> list[GameStates]:
    """Steps of play with random actions, each a copy."""
    rng = np.random.default_rng(seed)
    pool = ArenaPool([mode] * arenas, threads=1)
    try:
        resets, table = weighted_mix(RESET_MIX), ACTION_TABLES["kbm"]
        for arena in range(arenas):
            pool.set_state(arena, resets(rng, TEAM_SIZES[mode]))
        steps = []
        for _ in range(_STEPS):
            actions = rng.integers(0, table.nvec, (pool.n_agents, len(table.nvec)))
            pool.step(table.parse(actions).reshape(*pool.states.car_mask.shape, 8))
            steps.append(GameStates(*(array.copy() for array in pool.states)))
    finally:
        pool.close()
    return steps


def _variants(steps: Sequence[GameStates]) -> dict[str, Callable[[], None]]:
    first = steps[0]
    arenas = len(first.score)
    whole = [slice(0, arenas)]
    chunks = [slice(a, min(a + _CHUNK, arenas)) for a in range(0, arenas, _CHUNK)]
    variants: dict[str, Callable[[], None]] = {}
    for name in _SPECS:
        for extent, options in _EXTENTS.items():
            variants[f"{name}, {extent}"] = _reward(name, steps, whole, options)
    variants[f"{_REWARD}, chunks of {_CHUNK}"] = _reward(_REWARD, steps, chunks, {})
    variants[f"{_REWARD}, plain NumPy"] = _twin(steps)
    for name, kind in OBSERVATIONS.items():
        variants[f"{name} observation"] = _observation(kind, steps)
    return variants


def _reward(
    name: str, steps: Sequence[GameStates], ranges: Sequence[slice], options: dict[str, bool]
) -> Callable[[], None]:
    reward = RewardFunction(load_spec(name), steps[0], **options)
    pieces = [[(select(states, rows), rows) for rows in ranges] for states in steps]

    def go() -> None:
        for step in pieces:
            for states, rows in step:
                reward.step(states, rows)

    return go


def _twin(steps: Sequence[GameStates]) -> Callable[[], None]:
    twin = TwinReward(load_spec(_REWARD), steps[0])

    def go() -> None:
        for states in steps:
            twin.step(states)

    return go


def _observation(kind: type[Observation], steps: Sequence[GameStates]) -> Callable[[], None]:
    states = steps[0]
    rows = slice(0, len(states.score))
    builder = kind(states, states.car_mask.shape[1])
    out = np.zeros((int(states.car_mask.sum()), *builder.shape), np.float32)

    def go() -> None:
        for states in steps:
            builder.update(states, rows)
            builder.build(states, rows, out)

    return go


def print_result(console: Console, result: RewardsResult) -> None:
    """Show what everything costs, as a table."""
    table = Table(title=f"{result.mode}, {result.arenas} arenas, best of {result.rounds} rounds")
    for column in ("", "ns an agent-step", "µs a call", "/ total alone"):
        table.add_column(column, justify="right" if column else "left")
    for row in result.rows:
        table.add_row(
            row.name,
            f"{row.nanoseconds:,.0f}",
            f"{row.microseconds_a_call:,.1f}",
            f"{row.ratio:.2f}",
        )
    console.print(table)
