"""`lucy bench growth`: how collecting and memory grow with arenas, processes and windows.

Variants take turns over several rounds, so that a machine that slows down slows them all.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.callbacks import BaseCallback

from ..agent.auxiliary import RewardPrediction, Segment
from ..agent.config import AuxiliaryConfig, NetworkConfig, TrainConfig, load_preset
from ..agent.environment import build_env
from ..agent.ppo import AuxPPO
from ..agent.train import build_model
from ..agent.windows import WindowLSTM
from ..sim.processors import usable_processors
from .sim import Figure

ARENAS = (16, 64, 256, 1024, 4096)
WINDOWS = (5, 10, 20, 40, 80)

_STEPS = 64  # of a rollout: as many as lucy-cpu's, and memory for them at 4096 arenas
_WARM_UP = 2  # rollouts, in which episodes spread out: at first all are young
_SEGMENTS = 32  # in a piece of reward prediction, as many as a piece of the update has
_MEGABYTE = 1e6

Progress = Callable[[float], None]
"""Told from time to time how much is done, 0..1."""


@dataclass(frozen=True)
class Collecting:
    """Rollouts by so many processes from so many arenas."""

    arenas: int
    processes: int
    microseconds: Figure  # an agent-step, all processes together
    ratio: Figure  # of that to the last variant's in the same round
    environment_share: float  # of that time
    megabytes: float  # that its games and rollout added, in all processes


@dataclass(frozen=True)
class Window:
    """Reward prediction with one length of window."""

    frames: int
    microseconds: Figure  # a sample, loss and gradient, on one thread
    ratio: Figure  # to the window of 20


@dataclass(frozen=True)
class GrowthResult:
    """All that one run has measured; `dataclasses.asdict` makes it JSON."""

    preset: str
    cores: int
    rounds: int
    arenas: list[Collecting]
    processes: list[Collecting]
    windows: list[Window]


def run(
    preset: str = "lucy-cpu",
    arenas: Sequence[int] = ARENAS,
    rounds: int = 5,
    progress: Progress | None = None,
) -> GrowthResult:
    """Measure collecting at each number of arenas and processes, and windows at each length.

    Args:
        preset: whose games and network.
        arenas: how many, one variant each; 4096 take about 8 GB.
        rounds: in which each has its turn.
        progress: is told how far it is.

    Raises:
        ConfigError: an unknown preset.
    """
    tell = progress or (lambda done: None)
    cores = usable_processors()
    config = load_preset(preset)
    growing = _collecting(
        config, [(count, cores) for count in arenas], rounds, lambda done: tell(0.6 * done)
    )
    middle = sorted(arenas)[len(arenas) // 2]
    counts = [count for count in _doubling(cores) if count <= middle]
    spread = _collecting(
        config, [(middle, count) for count in counts], rounds, lambda done: tell(0.6 + 0.2 * done)
    )
    windows = _windows(config.network, rounds)
    tell(1.0)
    return GrowthResult(preset, cores, rounds, growing, spread, windows)


def print_result(console: Console, result: GrowthResult) -> None:
    """Show the three as tables."""
    for title, rows in (("arenas", result.arenas), ("processes", result.processes)):
        table = Table(title=f"Collecting with {result.preset}, by {title}")
        for column in (
            "arenas",
            "processes",
            "µs an agent-step",
            "of the last's",
            "environment",
            "MB",
        ):
            table.add_column(column, justify="right")
        for row in rows:
            table.add_row(
                f"{row.arenas:,}",
                str(row.processes),
                f"{row.microseconds.median:.1f}",
                f"{row.ratio.median:.2f}",
                f"{row.environment_share:.0%}",
                f"{row.megabytes:,.0f}",
            )
        console.print(table)
    table = Table(title="Reward prediction, by window")
    for column in ("frames", "µs a sample", "of 20 frames'"):
        table.add_column(column, justify="right")
    for row in result.windows:
        figures = (f"{row.microseconds.median:.1f}", f"{row.ratio.median:.2f}")
        table.add_row(str(row.frames), *figures)
    console.print(table)


class _Collector:
    """A learner that only collects."""

    def __init__(self, config: TrainConfig, arenas: int, processes: int) -> None:
        before = _memory()
        settings = config.environment.model_copy(
            update={"arenas": arenas, "processes": min(processes, arenas)}
        )
        config = config.model_copy(
            update={
                "environment": settings,
                "ppo": config.ppo.model_copy(
                    update={"n_steps": _STEPS, "batch_size": settings.n_agents}
                ),
                "auxiliary": AuxiliaryConfig.model_validate({}),
            }
        )
        self.arenas, self.processes = arenas, min(processes, arenas)
        self._model = build_model(config, build_env(settings, config.seed), torch.device("cpu"))
        self._callback = _start(self._model)
        for _ in range(_WARM_UP):
            self.collect()
        self.megabytes = (_memory() - before) / _MEGABYTE

    def collect(self) -> tuple[float, float]:
        """One rollout: µs an agent-step, and of them the environment's."""
        model = self._model
        assert model.env is not None
        start = time.perf_counter()
        model.collect_rollouts(model.env, self._callback, model.rollout_buffer, model.n_steps)
        scale = 1e6 / (model.n_steps * model.n_envs)
        return (time.perf_counter() - start) * scale, model.seconds["environment"] * scale

    def close(self) -> None:
        assert self._model.env is not None
        self._model.env.close()


def _start(model: AuxPPO) -> BaseCallback:
    """What `learn` does before its first rollout."""
    _, callback = model._setup_learn(model.n_steps * model.n_envs, None)
    return callback


def _collecting(
    config: TrainConfig, variants: Sequence[tuple[int, int]], rounds: int, tell: Progress
) -> list[Collecting]:
    with contextlib.ExitStack() as stack:
        collectors = []
        for arenas, processes in variants:
            collectors.append(_Collector(config, arenas, processes))
            stack.callback(collectors[-1].close)
        measured = np.zeros((rounds, len(collectors), 2))
        for turn, (number, i) in enumerate(np.ndindex(rounds, len(collectors)), start=1):
            measured[number, i] = _slice(collectors[i])
            tell(turn / (rounds * len(collectors)))
    spent, environment = np.moveaxis(measured, 2, 0)  # each [rounds,variants]
    rows = []
    for i, collector in enumerate(collectors):
        figures = (_figure(spent[:, i]), _figure(spent[:, i] / spent[:, -1]))
        share = float(np.median(environment[:, i] / spent[:, i]))
        sizes = (collector.arenas, collector.processes)
        rows.append(Collecting(*sizes, *figures, share, collector.megabytes))
    return rows


def _slice(collector: _Collector) -> tuple[float, float]:
    """The mean of the rollouts of two seconds, or of one that takes longer."""
    rollouts, start = [], time.perf_counter()
    while not rollouts or time.perf_counter() - start < 2:
        rollouts.append(collector.collect())
    spent, environment = np.mean(rollouts, axis=0)
    return float(spent), float(environment)


def _windows(network: NetworkConfig, rounds: int) -> list[Window]:
    """Loss and gradient of reward prediction on one thread."""
    tasks = {frames: _task(network, frames) for frames in WINDOWS}
    segment = _segment(network, max(WINDOWS))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        measured = [dict(_time_tasks(tasks, segment)) for _ in range(rounds)]
    finally:
        torch.set_num_threads(threads)
    return [
        Window(
            frames,
            _figure([times[frames] for times in measured]),
            _figure([times[frames] / times[20] for times in measured]),
        )
        for frames in WINDOWS
    ]


def _task(network: NetworkConfig, frames: int) -> RewardPrediction:
    task = RewardPrediction(network, threshold=0.009)
    task.memory = WindowLSTM(network.width, 32, frames)
    return task


def _segment(network: NetworkConfig, window: int) -> Segment:
    """Random frames: what they show costs nothing more or less."""
    steps, rows = 32, 2
    shape = (window - 1 + steps, _SEGMENTS)
    embedded = [torch.randn(*shape, *size, network.width) for size in ((), (rows,))]
    return Segment(
        *embedded,
        padded=torch.zeros(*shape, rows, dtype=torch.bool),
        latent=torch.zeros(steps, _SEGMENTS, network.width),
        observations=torch.zeros(*shape, 1, 1),
        rewards=torch.randn(steps, _SEGMENTS),
        age=torch.randint(0, 300, (steps, _SEGMENTS), dtype=torch.int32),
    )


def _time_tasks(
    tasks: dict[int, RewardPrediction], segment: Segment
) -> Iterator[tuple[int, float]]:
    for frames, task in tasks.items():
        needed = frames - 1 + len(segment.age)
        parts = (segment.query, segment.rows, segment.padded, segment.observations)
        query, rows, padded, observations = (part[-needed:] for part in parts)
        piece = segment._replace(query=query, rows=rows, padded=padded, observations=observations)
        repeats, start = 0, time.perf_counter()
        while not repeats or time.perf_counter() - start < 0.3:
            task(piece).backward()
            repeats += 1
        yield frames, (time.perf_counter() - start) * 1e6 / (repeats * segment.age.numel())


def _doubling(most: int) -> list[int]:
    """1, 2, 4, … and the most."""
    counts = [2**power for power in range(most.bit_length()) if 2**power < most]
    return [*counts, most]


def _memory() -> int:
    """Bytes of this process and its children that nobody else has."""
    here = psutil.Process()
    processes = [here, *here.children(recursive=True)]
    return sum(process.memory_full_info().uss for process in processes)


def _figure(values: Sequence[float]) -> Figure:
    return Figure(float(np.median(values)), float(np.min(values)), float(np.max(values)))
