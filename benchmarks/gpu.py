"""`lucy bench gpu`: is a device right, how fast is it, what bounds it; then a training on it.

It runs on a CPU as well, where it says the same of the CPU.
"""

import gc
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from stable_baselines3.common.logger import Logger

from ..agent.config import TrainConfig, change
from ..agent.device import exact_float32
from ..agent.environment import build_env
from ..agent.metrics import read_metrics
from ..agent.ppo import AuxPPO
from ..agent.train import build_model, start_settings, train
from ..sim.processors import usable_processors
from . import gpu_checks, roofline
from .gpu_checks import Check
from .roofline import Rates, Work
from .train import PHASES, LucyTrainer

ARENAS = (80, 200, 400, 1000)
TOLERANCE = {"float32": 1e-3, "bf16": 5e-2}  # of losses, relative to the CPU's in float32

_LARGE_BATCH = 8  # times the preset's minibatch: what fewer launches would bring
_UPDATE_STEPS = 16_000  # about so many samples are the update that is compared

Tell = Callable[[str], None]
"""Told what is measured next."""


@dataclass(frozen=True)
class Update:
    """One update from the same rollout and weights, on the device and on the CPU."""

    precision: str  # the device's; the CPU's is float32
    losses: dict[str, tuple[float, float]]  # CPU's and device's
    worst: float  # difference of a loss, relative to the CPU's
    weights: float  # |Δw - Δw'| / |Δw|, how differently the update moved them
    equal: bool  # within `TOLERANCE`


@dataclass(frozen=True)
class Variant:
    """How fast one setting trains."""

    arenas: int
    precision: str
    batch: int  # samples of a minibatch
    overall: float  # agent-steps/s
    collected: float  # while collecting
    microseconds: dict[str, float]  # phase -> of an agent-step
    gigabytes: float  # of the device's memory, at most; 0 on a CPU


@dataclass(frozen=True)
class Bound:
    """What an agent-step's share of a phase takes at least."""

    phase: str
    microseconds: dict[str, float]  # by operations, bytes and launches
    by: str  # the largest of them
    measured: float


@dataclass(frozen=True)
class Training:
    """A training of some seconds, stopped, and resumed for as many."""

    steps: int
    resumed_steps: int
    games_go_on: bool
    overall: float  # agent-steps/s, the median of the iterations
    run_dir: str


@dataclass(frozen=True)
class GpuResult:
    """All that one run has found; `dataclasses.asdict` makes it JSON."""

    facts: dict[str, str | int | float]
    checks: list[Check]
    rates: Rates
    preset: str
    work: dict[str, Work]  # see `roofline.count`
    updates: list[Update]
    variants: list[Variant]
    bounds: list[Bound]  # of the fastest variant with the config's minibatches
    training: Training | None


def run(
    preset: str,
    config: TrainConfig,
    device: torch.device,
    arenas: Sequence[int] = ARENAS,
    rounds: int = 2,
    seconds: float = 120.0,
    run_dir: Path | None = None,
    tell: Tell = lambda what: None,
) -> GpuResult:
    """Check, compare, measure and train.

    Args:
        preset: what the config is called.
        config: what to train.
        device: where.
        arenas: how many, one variant each; rollouts keep the config's size, about.
        rounds: iterations of each variant that are measured, after one that is not.
        seconds: of the training, and of its resumption.
        run_dir: of the training; default none is made.
        tell: is told what comes next.

    Raises:
        ConfigError: arenas do not fit the config.
        RunDirectoryError: the run directory holds a run.
        LucyError: the device's memory is too small.
    """
    tell("whether a training here is right")
    checks = gpu_checks.run(config, device)
    tell("what the device can do")
    rates = roofline.measure(device)
    tell("an update here and on the CPU")
    updates = [_compare(config, device, precision) for precision in TOLERANCE]
    variants: list[Variant] = []
    for changed in _variants(config, arenas):
        settings = changed.environment.arenas, changed.learner.precision, changed.ppo.batch_size
        tell("{:,} arenas, {}, minibatches of {:,}".format(*settings))
        variants.append(_measure(changed, device, rounds))
    own = [variant for variant in variants if variant.batch == config.ppo.batch_size]
    fastest = max(own, key=lambda variant: variant.overall)
    tell("operations and bytes")
    agents = config.environment.n_agents * fastest.arenas // config.environment.arenas
    work = roofline.count(config, agents)
    bounds = _bounds(config, fastest, work, rates)
    training = None
    if run_dir is not None:
        tell("a training and its resumption")
        best = _sized(config, fastest.arenas, fastest.precision, fastest.batch)
        training = _train(best, run_dir, device, seconds)
    facts = _facts(device)
    return GpuResult(facts, checks, rates, preset, work, updates, variants, bounds, training)


def _facts(device: torch.device) -> dict[str, str | int | float]:
    facts: dict[str, str | int | float] = {
        "device": str(device),
        "cores": usable_processors(),
        "torch": torch.__version__,
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "name": properties.name,
            "gigabytes": round(properties.total_memory / 1e9, 1),
            "multiprocessors": properties.multi_processor_count,
            "capability": f"{properties.major}.{properties.minor}",
            "cuda": str(torch.version.cuda),
            "cudnn": torch.backends.cudnn.version() or 0,
        }
    return facts


def _sized(config: TrainConfig, arenas: int, precision: str, batch: int) -> TrainConfig:
    """The config with other arenas and rollouts of about the same size.

    Raises:
        ConfigError: the rollout would not divide into minibatches.
    """
    agents = config.environment.n_agents * arenas // config.environment.arenas
    length = config.auxiliary.piece_length
    steps = max(config.rollout_size // agents // length, 1) * length
    changes = {
        "environment.arenas": arenas,
        "ppo.n_steps": max(steps, 2),
        "ppo.batch_size": batch,
        "learner.precision": precision,
    }
    return change(config.model_dump(mode="json"), changes)


def _variants(config: TrainConfig, arenas: Sequence[int]) -> list[TrainConfig]:
    """Each number of arenas in float32; the most of them in bf16, and with large minibatches.

    Raises:
        ConfigError: see `_sized`.
    """
    batch, most = config.ppo.batch_size, max(arenas)
    variants = [_sized(config, count, "float32", batch) for count in arenas]
    variants.append(_sized(config, most, "bf16", batch))
    large = batch * _LARGE_BATCH
    if variants[-1].rollout_size % large == 0:
        variants.append(_sized(config, most, "bf16", large))
    return variants


def _measure(config: TrainConfig, device: torch.device, rounds: int) -> Variant:
    gc.collect()  # models of before, which refer to themselves: they would count as used
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    model = build_model(config, build_env(config.environment, config.seed), device)
    assert model.env is not None
    try:
        trainer = LucyTrainer(model)
        iterations = [trainer.iterate() for _ in range(rounds)]
    finally:
        model.env.close()
    steps = config.rollout_size
    used = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0
    return Variant(
        config.environment.arenas,
        config.learner.precision,
        config.ppo.batch_size,
        float(np.median([steps / i.seconds for i in iterations])),
        float(np.median([steps / i.collect for i in iterations])),
        {
            phase: float(np.median([i.phases[phase] for i in iterations])) * 1e6 / steps
            for phase in PHASES
        },
        used,
    )


def _bounds(
    config: TrainConfig, variant: Variant, work: Mapping[str, Work], rates: Rates
) -> list[Bound]:
    """Of the phases that the network has a part in."""
    learned = sum(
        (part for name, part in work.items() if name not in ("inference", "values")),
        start=Work(0, 0, 0),
    )
    asked = {
        "inference": work["inference"],
        "gae": work["values"],
        "update": learned.times(config.ppo.n_epochs),
    }
    bounds = []
    for phase, part in asked.items():
        least = {by: 1e6 * s for by, s in rates.seconds(part, variant.precision).items()}
        by = max(least, key=lambda name: least[name])
        bounds.append(Bound(phase, least, by, variant.microseconds[phase]))
    return bounds


def _compare(config: TrainConfig, device: torch.device, precision: str) -> Update:
    """One epoch from the same rollout, here in float32 and there as asked."""
    config = _brief(config)
    cpu = torch.device("cpu")
    env = build_env(config.environment, config.seed)
    try:
        here = build_model(config, env, cpu)
        settings = config.learner.model_copy(update={"precision": precision})
        there = build_model(config.model_copy(update={"learner": settings}), env, device)
        for model in (here, there):
            model.set_logger(Logger(None, []))
        _, callback = here._setup_learn(config.rollout_size)
        here.collect_rollouts(env, callback, here.rollout_buffer, here.n_steps)
        there.policy.load_state_dict(here.policy.state_dict())
        there.tasks.load_state_dict(here.tasks.state_dict())
        there.rollout_buffer.reset()
        there.rollout_buffer.fill(slice(None), here.rollout_buffer.rollout())
        before = _weights(here)
        with exact_float32():
            for model in (here, there):
                np.random.seed(config.seed)  # noqa: NPY002 - what minibatches are drawn from
                model.seconds = dict(here.seconds)
                model._update_current_progress_remaining(0, config.rollout_size)
                model.train()
    finally:
        env.close()
    losses = {
        name: (float(value), float(there.logger.name_to_value[name]))
        for name, value in here.logger.name_to_value.items()
        if name.startswith(("train/", "aux/")) and "loss" in name
    }
    scale = max(abs(value) for value, _ in losses.values())
    worst = max(abs(a - b) / max(abs(a), 0.01 * scale) for a, b in losses.values())
    moved = _weights(here) - before
    weights = float((_weights(there) - before - moved).norm() / moved.norm())
    return Update(precision, losses, worst, weights, worst <= TOLERANCE[precision])


def _brief(config: TrainConfig) -> TrainConfig:
    """Few games and one epoch of few minibatches of the config's."""
    length, batch = config.auxiliary.piece_length, config.ppo.batch_size
    arenas = min(config.environment.arenas, 10)
    agents = config.environment.n_agents * arenas // config.environment.arenas
    steps = max(_UPDATE_STEPS // agents // length, 1) * length
    steps = min(steps, config.ppo.n_steps)
    fits = agents * steps % batch == 0
    return change(
        config.model_dump(mode="json"),
        {
            "environment.arenas": arenas,
            "environment.processes": 1,
            "ppo.n_steps": steps,
            "ppo.batch_size": batch if fits else agents * length if length > 1 else agents,
            "ppo.n_epochs": 1,
        },
    )


def _weights(model: AuxPPO) -> torch.Tensor:
    return gpu_checks.weights(torch.nn.ModuleList((model.policy, model.tasks)))


def _train(config: TrainConfig, run_dir: Path, device: torch.device, seconds: float) -> Training:
    first = train(config, run_dir, device=device, seconds=seconds)
    said = io.StringIO()
    again = start_settings(run_dir, "", {}, resume=True)
    second = train(
        again,
        run_dir,
        resume=True,
        device=device,
        seconds=seconds,
        console=Console(file=said, width=1000),
    )
    rates = [
        line["time/overall_steps_per_second"] or 0.0
        for line in read_metrics(run_dir / "metrics.jsonl")
    ]
    return Training(
        first.steps,
        second.steps,
        "The games go on." in said.getvalue(),
        float(np.median(rates)) if rates else 0.0,
        str(run_dir),
    )
