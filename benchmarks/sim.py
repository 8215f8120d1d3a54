"""`lucy bench sim`: what the environment costs beside bare physics and plain RLGym v2.

All variants are timed in one run, in turn and over many rounds, so that a machine that
slows down slows them all; ratios are taken within a round.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from ..agent.config import EnvironmentConfig, Mode
from ..agent.environment import build_env
from ..agent.simulation import build_simulation
from ..rewards.spec import load_spec
from ..sim.engine import TEAM_SIZES, ArenaPool
from ..sim.processors import usable_processors
from ..sim.simulation import Simulation
from ..sim.vec_env import RocketLeagueVecEnv
from .rlgym_runner import N_BATCHES, RlgymProcesses, RlgymRunner, random_actions
from .rlgym_v2 import RESET_MIX

RAW, ENVIRONMENT = "RocketSim raw", "Lucy environment"
RLGYM = "RLGym v2, 1 process"

_SLICE = 16  # steps of one variant before the next has its turn
_WINDOW = 0.5  # s of each variant in a round
_MIN_ROUNDS = 3
_SETTLE = 2.0  # s of play before the timing, so that episodes are at all ages

Progress = Callable[[float], None]
"""Told from time to time how much is done, 0..1."""


@dataclass(frozen=True)
class Figure:
    """A measured value: the median over the rounds, the lowest and the highest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """How fast one variant is."""

    name: str
    agent_steps_per_second: Figure
    ratio_to_raw: Figure
    ratio_to_rlgym: Figure  # in one process
    ratio_to_rlgym_processes: Figure  # in several


@dataclass(frozen=True)
class Part:
    """Where the environment's time goes: one part of a step."""

    name: str
    microseconds: Figure  # of one thread, for one arena-step


@dataclass(frozen=True)
class SimResult:
    """All that one run has measured; `dataclasses.asdict` makes it JSON."""

    mode: str
    arenas: int
    cores: int  # threads of bare RocketSim, processes of Lucy and of RLGym v2
    rounds: int
    rows: list[Row]
    breakdown: list[Part]


class _Round(NamedTuple):
    rates: dict[str, float]  # variant -> agent-steps/s
    parts: dict[str, float]  # part -> µs


def run(
    mode: Mode = "2v2",
    arenas: int = 64,
    cores: int | None = None,
    seconds: float = 75.0,
    seed: int = 0,
    window: float = _WINDOW,
    progress: Progress | None = None,
) -> SimResult:
    """Measure bare physics, Lucy's environment and RLGym v2 side by side.

    Args:
        mode: "1v1", "2v2" or "3v3".
        arenas: how many Lucy and bare RocketSim step; RLGym v2 has one a process, its way.
        cores: threads of bare RocketSim, processes of Lucy and of RLGym v2 (at least 2);
            default all.
        seconds: of measuring; starting and warming up takes about ten more.
        seed: of actions and resets.
        window: s of each variant in a round.
        progress: is told how far it is.

    Returns:
        Medians over the rounds; ratios are medians of the rounds' ratios.
    """
    cores = min(cores or usable_processors(), arenas)
    lucy = _Lucy(mode, arenas, cores, seed)
    alone = RlgymRunner(TEAM_SIZES[mode], seed)
    together = RlgymProcesses(max(2, cores), TEAM_SIZES[mode], seed)
    try:
        lucy.settle(_SETTLE)
        alone.run(1.0)
        rounds: list[_Round] = []
        start = time.perf_counter()
        while len(rounds) < _MIN_ROUNDS or time.perf_counter() - start < seconds:
            rounds.append(_one_round(lucy, alone, together, window, len(rounds)))
            if progress is not None:
                progress(min(1.0, (time.perf_counter() - start) / seconds))
    finally:
        together.close()
        lucy.close()
    return SimResult(mode, arenas, cores, len(rounds), _rows(rounds), _breakdown(rounds))


def print_result(console: Console, result: SimResult) -> None:
    """Show a run's rates and where the environment's time goes, as tables."""
    rates = Table(
        title=f"{result.mode}, {result.arenas} arenas, {result.cores} cores: "
        f"medians of {result.rounds} rounds, with their ratios"
    )
    for column in ("", "agent-steps/s", "lowest", "highest", "/ raw", "/ RLGym", "/ processes"):
        rates.add_column(column, justify="right" if column else "left")
    for row in result.rows:
        speed = row.agent_steps_per_second
        rates.add_row(
            row.name,
            f"{speed.median:,.0f}",
            f"{speed.low:,.0f}",
            f"{speed.high:,.0f}",
            f"{row.ratio_to_raw.median:.2f}",
            f"{row.ratio_to_rlgym.median:.1f}",
            f"{row.ratio_to_rlgym_processes.median:.1f}",
        )
    parts = Table(title="An arena-step of the Lucy environment")
    for column in ("", "µs", "lowest", "highest"):
        parts.add_column(column, justify="right" if column else "left")
    for part in result.breakdown:
        span = part.microseconds
        parts.add_row(part.name, *(f"{value:.1f}" for value in (span.median, span.low, span.high)))
    console.print(rates, parts)


class _Lucy:
    """Arenas in play: some that are stepped bare, and as many that are Lucy's environment."""

    def __init__(self, mode: Mode, arenas: int, cores: int, seed: int) -> None:
        settings = EnvironmentConfig(
            mode=mode,
            arenas=arenas,
            processes=cores,
            reward="lucy-skg",
            resets=RESET_MIX,
            replays=None,
            timeout=300.0,
            no_touch_timeout=45.0,
        )
        self.env = build_env(settings, seed)
        build = partial(build_simulation, settings, load_spec(settings.reward), settings.modes)
        self.simulation = build(threads=cores)
        self.pool = pool = self.simulation.pool
        self.local = RocketLeagueVecEnv(self.simulation, seed)
        actions = random_actions(seed, arenas, TEAM_SIZES[mode])
        self._actions = list(actions.reshape(N_BATCHES, pool.n_agents, -1))
        self._controls = [
            [[pool._controls[row.tobytes()] for row in arena] for arena in batch]
            for batch in self.simulation.action_table.parse(actions)
        ]
        self._steps: dict[str, Callable[[int], Any]] = {
            RAW: self._step_raw,
            ENVIRONMENT: lambda batch: self.env.step(self._actions[batch]),
        }
        self._batch = 0
        self.env.reset()
        self.local.reset()

    def settle(self, seconds: float) -> None:
        """Play on, untimed: bare arenas too get new episodes where one has ended."""
        start = time.perf_counter()
        while True:
            self._time(self._step_local, 1)
            self._time(self._steps[ENVIRONMENT], 1)
            if time.perf_counter() - start >= seconds:
                return

    def rates(self, seconds: float, first: int) -> dict[str, float]:
        """Agent-steps/s of each variant, in turns of a few steps from the `first` variant on."""
        names = list(self._steps)
        names = names[first % len(names) :] + names[: first % len(names)]
        spent, turns = dict.fromkeys(names, 0.0), 0
        while sum(spent.values()) < seconds * len(names):
            turns += 1
            for name in names:
                self.settle(0)
                spent[name] += self._time(self._steps[name], _SLICE)
        agent_steps = turns * _SLICE * self.pool.n_agents
        return {name: agent_steps / spent[name] for name in self._steps}

    def close(self) -> None:
        """End threads and processes."""
        self.env.close()
        self.local.close()

    def parts(self, seconds: float) -> dict[str, float]:
        """µs an arena-step in the parts of the environment's step, on one thread.

        The environment's own code runs, its parts wrapped in clocks, which add less than
        1 µs. What no clock covers is the rest: parsing actions and what Stable-Baselines3
        asks of an environment.
        """
        watch, steps, total = _Stopwatch(), 0, 0.0
        self.settle(0)
        with _one_thread(self.pool), _watched(self.simulation, watch):
            while total < seconds:
                steps += _SLICE
                total += self._time(self._step_local, _SLICE)
        arena_steps = steps * len(self.pool.states.score)
        parts = {name: 1e6 * span / arena_steps for name, span in watch.seconds.items()}
        whole = 1e6 * total / arena_steps
        return parts | {"the rest": whole - sum(parts.values()), "one thread": whole}

    def _time(self, step: Callable[[int], Any], steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            self._batch = (self._batch + 1) % N_BATCHES
            step(self._batch)
        return time.perf_counter() - start

    def _step_local(self, batch: int) -> None:
        self.local.step(self._actions[batch])

    def _step_raw(self, batch: int) -> None:
        for cars, controls in zip(self.pool._cars, self._controls[batch], strict=True):
            for car, control in zip(cars, controls, strict=True):
                car.set_controls(control)
        nobody = [False] * len(self.pool._cars)
        self.pool.map(lambda chunk: self.pool._step_physics(range(chunk.start, chunk.stop), nobody))


class _Stopwatch:
    """Adds up the time that calls take, by part; calls within a timed call belong to it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running = False

    def wrap(self, part: str, function: Callable) -> Callable:
        """The function, timed."""
        self.seconds.setdefault(part, 0.0)

        def timed(*args: Any) -> Any:
            if self._running:
                return function(*args)
            self._running = True
            start = time.perf_counter()
            result = function(*args)
            self.seconds[part] += time.perf_counter() - start
            self._running = False
            return result

        return timed


@contextmanager
def _watched(simulation: Simulation, watch: _Stopwatch) -> Iterator[None]:
    """The simulation with clocks around its parts."""
    pool = simulation.pool
    parts = [
        (pool, "_set_controls", "controls"),
        (pool, "_step_physics", "physics"),
        (pool, "_read", "state read"),
        (pool, "_unpack", "state read"),
        (simulation.reward, "step", "reward"),
        (simulation.statistics, "update", "statistics"),
        (simulation.observation, "update", "observation"),
        (simulation.observation, "build", "observation"),
        (simulation.ends, "update", "ends"),
        (simulation, "_restart", "resets"),
    ]
    for owner, method, part in parts:
        setattr(owner, method, watch.wrap(part, getattr(owner, method)))
    try:
        yield
    finally:
        for owner, method, _ in parts:
            delattr(owner, method)


@contextmanager
def _one_thread(pool: ArenaPool) -> Iterator[None]:
    """The pool without its threads."""
    executor, pool._executor = pool._executor, None
    try:
        yield
    finally:
        pool._executor = executor


def _one_round(
    lucy: _Lucy, alone: RlgymRunner, together: RlgymProcesses, window: float, index: int
) -> _Round:
    rates = lucy.rates(window, first=index)
    rates[RLGYM] = alone.run(window)
    rates[f"RLGym v2, {together.count} processes"] = together.run(window)
    parts = lucy.parts(window)
    agents = lucy.pool.n_agents / len(lucy.pool.states.score)
    cores = lucy.pool.threads
    parts[f"added by {cores} processes"] = (
        1e6 * cores * agents / rates[ENVIRONMENT] - parts["one thread"]
    )
    return _Round(rates, parts)


def _figure(values: list[float]) -> Figure:
    return Figure(float(np.median(values)), min(values), max(values))


def _rows(rounds: list[_Round]) -> list[Row]:
    *_, together = rounds[0].rates

    def ratio(name: str, other: str) -> Figure:
        return _figure([r.rates[name] / r.rates[other] for r in rounds])

    return [
        Row(
            name,
            _figure([r.rates[name] for r in rounds]),
            ratio(name, RAW),
            ratio(name, RLGYM),
            ratio(name, together),
        )
        for name in rounds[0].rates
    ]


def _breakdown(rounds: list[_Round]) -> list[Part]:
    return [Part(name, _figure([r.parts[name] for r in rounds])) for name in rounds[0].parts]
