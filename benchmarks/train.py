"""`lucy bench train`: phases and steps/s of training, beside rlgym-learn on the same work.

The work both do: 2v2, actor and critic three layers of 256, observations of 384 numbers, the 90
lookup actions, one epoch over one batch of 50 000. rlgym-learn does it twice: on Lucy's task,
with its observation, reward and episodes, and on a light one, as its own speed test has it.
Variants take turns, an iteration each, over several rounds, so that a machine that slows down
slows them all; ratios are taken within a round.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium import spaces
from rich.console import Console
from rich.table import Table

from ..agent.config import TrainConfig, load_preset
from ..agent.distribution import PackedMultiCategorical
from ..agent.environment import build_env, build_workers_env
from ..agent.model import build_model
from ..agent.policy import PlainPolicy
from ..agent.ppo import AuxPPO
from ..sim.processors import usable_processors
from ..sim.vec_env import RocketLeagueVecEnv
from .peer_environment import Peer, install
from .rlgym_learn_task import NO_TOUCH_TIMEOUT, TIMEOUT
from .rlgym_v2 import RESET_MIX
from .sim import Figure

PEER = "rlgym-learn"
LIGHT_PEER = "rlgym-learn, light task"
_PEERS = (PEER, LIGHT_PEER)
PHASES = ("environment", "inference", "gae", "update")

_BATCH = 50_000
_ARENAS = 250  # of 4 cars: among 50, 125 and 250 ours was fastest with these
_LAYERS = [256, 256, 256]
_LEARNING_RATE, _GAMMA = 3e-4, 0.99
_PEER_PROCESSES_A_CORE = {"lucy": 2, "light": 4}  # rlgym-learn's fastest, of 1, 2 and 4

Progress = Callable[[float], None]
"""Told from time to time how much is done, 0..1."""


@dataclass(frozen=True)
class Row:
    """How fast one variant trains."""

    name: str
    overall: Figure  # agent-steps/s
    collected: Figure  # while collecting
    shares: dict[str, float]  # phase -> median share of an iteration's time
    ratios: dict[str, Figure]  # of the overall rate to each peer's, where they ran


@dataclass(frozen=True)
class TrainResult:
    """All that one run has measured; `dataclasses.asdict` makes it JSON."""

    device: str
    cores: int
    batch: int  # of the variants with the MLP
    rounds: int
    rows: list[Row]


@dataclass(frozen=True)
class Iteration:
    """One iteration of one variant."""

    steps: int
    seconds: float
    collect: float  # s
    phases: dict[str, float]  # s


class Trainer(Protocol):
    """What takes turns."""

    def iterate(self) -> Iteration:
        """Collect and learn once."""
        ...


class MlpPolicy(PlainPolicy):
    """Stable-Baselines3's MLPs for actor and critic, with our distribution for the heads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See `PlainPolicy`."""
        activation = partial(torch.nn.ReLU, inplace=True)
        layers = {"net_arch": {"pi": _LAYERS, "vf": _LAYERS}, "activation_fn": activation}
        super().__init__(*args, **(kwargs | layers))

    def extract_features(self, obs: torch.Tensor, features_extractor: Any = None) -> torch.Tensor:  # type: ignore[override]
        """[B,rows,columns] -> [B,rows*columns]."""
        return obs.flatten(1)

    def _build_mlp_extractor(self) -> None:
        assert isinstance(self.action_space, spaces.MultiDiscrete)
        self.action_dist = PackedMultiCategorical(self.action_space.nvec.tolist())
        super()._build_mlp_extractor()


class LucyTrainer:
    """A learner of ours with its own environment."""

    def __init__(self, model: AuxPPO) -> None:
        """Play once, untimed, so that kernels are loaded and games under way."""
        self._model = model
        self.iterate()

    def iterate(self) -> Iteration:
        """See `Trainer`."""
        model = self._model
        steps = model.n_steps * model.n_envs
        start = time.perf_counter()
        model.learn(
            steps,
            log_interval=None,  # pyright: ignore[reportArgumentType]
            reset_num_timesteps=False,
        )
        spent = time.perf_counter() - start
        phases = {phase: model.seconds[phase] for phase in PHASES}
        return Iteration(steps, spent, model.seconds["collect"], phases)

    def close(self) -> None:
        """End the environment's processes."""
        assert self._model.env is not None
        self._model.env.close()


class PeerTrainer:
    """rlgym-learn in its process."""

    def __init__(self, peer: Peer) -> None:
        """Let it warm up."""
        self._peer = peer
        self.iterate()

    def iterate(self) -> Iteration:
        """See `Trainer`."""
        reply = self._peer.iterate()
        return Iteration(
            int(reply["steps"]),
            reply["iteration"],
            reply["collect"],
            {"update": reply["update"]},
        )


def run(
    preset: str | None = None,
    workers: int = 0,
    rounds: int = 5,
    device: torch.device | None = None,
    peer_folder: Path | None = None,
    arenas: int = _ARENAS,
    batch: int = _BATCH,
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainResult:
    """Measure training.

    Args:
        preset: a training preset to measure too, as `lucy train` runs it.
        workers: in Ray, of one variant more; 0 for none.
        rounds: in which each variant makes an iteration.
        device: of our learner; default the CPU. rlgym-learn's is the CPU.
        peer_folder: of rlgym-learn's virtual environment, made where it is missing; default:
            rlgym-learn does not run.
        arenas: of 2v2, of the variants with the MLP.
        batch: agent-steps of an iteration, a multiple of the cars.
        seed: of everything random.
        progress: is told how far it is.

    Raises:
        PeerError: rlgym-learn could not be installed, or failed.
        ConfigError: an unknown preset, or more workers than arenas.
        LucyError: workers without Ray.
    """
    device = device or torch.device("cpu")
    cores = usable_processors()
    python = install(peer_folder) if peer_folder else None
    with contextlib.ExitStack() as stack:
        trainers = _trainers(stack, preset, workers, device, arenas, batch, seed)
        if python is not None:
            for name, task in ((PEER, "lucy"), (LIGHT_PEER, "light")):
                trainers[name] = _peer(stack, python, task, cores, batch, seed)
        measured: list[dict[str, Iteration]] = []
        for index in range(rounds):
            measured.append(dict(_one_round(trainers, first=index)))
            if progress is not None:
                progress((index + 1) / rounds)
    rows = [_row(name, measured) for name in trainers]
    return TrainResult(str(device), cores, batch, rounds, rows)


def print_result(console: Console, result: TrainResult) -> None:
    """Show rates and phases as a table."""
    table = Table(
        title=f"2v2, MLP 3 x 256, one epoch of a batch of {result.batch:,}; {result.cores} cores, "
        f"learner on {result.device}: medians of {result.rounds} rounds"
    )
    columns = ("", "steps/s", "collected", "env", "infer", "gae", "update", "/ peer", "/ light")
    for column in columns:
        justify, width = ("right", None) if column else ("left", len(PEER))  # names stay whole
        table.add_column(column, justify=justify, min_width=width)
    for row in result.rows:
        table.add_row(
            row.name,
            f"{row.overall.median:,.0f}",
            f"{row.collected.median:,.0f}",
            *(f"{row.shares[phase]:.0%}" if phase in row.shares else "-" for phase in PHASES),
            *(f"{row.ratios[peer].median:.1f}" if row.ratios else "" for peer in _PEERS),
        )
    console.print(table)


def mlp_config(precision: str, arenas: int, batch: int, seed: int) -> TrainConfig:
    """The shared work as a training.

    Args:
        precision: "float32" or "bf16".
        arenas: of 2v2.
        batch: agent-steps of a rollout.
        seed: of everything random.
    """
    changes = {
        "seed": seed,
        "environment.mode": "2v2",
        "environment.arenas": arenas,
        "environment.reward": "lucy-skg",
        "environment.action_table": "lookup",
        "environment.resets": RESET_MIX,
        "environment.timeout": TIMEOUT,
        "environment.no_touch_timeout": NO_TOUCH_TIMEOUT,
        "ppo.n_steps": batch // (4 * arenas),
        "ppo.batch_size": batch,
        "ppo.n_epochs": 1,
        "ppo.learning_rate": _LEARNING_RATE,
        "ppo.gamma": _GAMMA,
        "ppo.ent_coef": 0.001,
        "learner.precision": precision,
        "network.initial_odds": {},  # of another action table
    }
    return load_preset("lucy-cpu", changes)


def mlp_model(config: TrainConfig, env: RocketLeagueVecEnv, device: torch.device) -> AuxPPO:
    """PPO with `MlpPolicy` in place of the config's network."""
    return AuxPPO(
        MlpPolicy,
        env,
        **config.ppo.model_dump(),
        learner=config.learner,
        seed=config.seed,
        device=device,
    )


def _trainers(
    stack: contextlib.ExitStack,
    preset: str | None,
    workers: int,
    device: torch.device,
    arenas: int,
    batch: int,
    seed: int,
) -> dict[str, Trainer]:
    trainers: dict[str, Trainer] = {}
    if preset is not None:
        config = load_preset(preset, {"seed": seed})
        env = build_env(config.environment, seed)
        trainers[preset] = _closed_with(stack, build_model(config, env, device))
    for precision in ("float32", "bf16"):
        config = mlp_config(precision, arenas, batch, seed)
        env = build_env(config.environment, seed)
        trainers[f"MLP, {precision}"] = _closed_with(stack, mlp_model(config, env, device))
    if workers:
        config = mlp_config("bf16", arenas, batch, seed)
        env = build_workers_env(config, workers, None, lambda message: None, mlp_model)
        name = f"MLP, bf16, {workers} workers"
        trainers[name] = _closed_with(stack, mlp_model(config, env, device))
    return trainers


def _closed_with(stack: contextlib.ExitStack, model: AuxPPO) -> LucyTrainer:
    trainer = LucyTrainer(model)
    stack.callback(trainer.close)
    return trainer


def _peer(
    stack: contextlib.ExitStack, python: Path, task: str, cores: int, batch: int, seed: int
) -> PeerTrainer:
    settings = {
        "task": task,
        "processes": _PEER_PROCESSES_A_CORE[task] * cores,
        "batch": batch,
        "minibatches": 1,
        "layers": _LAYERS,
        "learning_rate": _LEARNING_RATE,
        "gamma": _GAMMA,
        "seed": seed,
    }
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
    peer = Peer(python, settings, folder)
    stack.callback(peer.close)
    return PeerTrainer(peer)


def _one_round(trainers: Mapping[str, Trainer], first: int) -> Iterator[tuple[str, Iteration]]:
    """An iteration of each, from the `first` on."""
    names = list(trainers)
    first %= len(names)
    for name in names[first:] + names[:first]:
        yield name, trainers[name].iterate()


def _row(name: str, rounds: list[dict[str, Iteration]]) -> Row:
    own = [r[name] for r in rounds]
    shares = {
        phase: float(np.median([i.phases[phase] / i.seconds for i in own]))
        for phase in PHASES
        if phase in own[0].phases
    }
    ratios = {
        peer: _figure([_rate(r[name]) / _rate(r[peer]) for r in rounds])
        for peer in _PEERS
        if peer in rounds[0]
    }
    collected = _figure([i.steps / i.collect for i in own])
    return Row(name, _figure([_rate(i) for i in own]), collected, shares, ratios)


def _rate(iteration: Iteration) -> float:
    return iteration.steps / iteration.seconds


def _figure(values: list[float]) -> Figure:
    return Figure(float(np.median(values)), min(values), max(values))
