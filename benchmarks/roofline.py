"""What a training asks of a device, and what the device can do: operations, bytes, launches.

The work is counted on tensors without values, by the operators that a GPU is given, so it needs
no GPU and takes no account of what a library fuses: each operator reads all its inputs and writes
all its outputs, and is one launch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from ..agent.config import TrainConfig
from ..agent.environment import build_env
from ..agent.ppo import AuxPPO
from ..agent.train import build_model
from ..sim.vec_env import RocketLeagueVecEnv

_META = torch.device("meta")
_TASKS = ("reward_prediction", "state_representation", "latent_prediction", "successor_features")
_VALUED = 32768  # samples that the critic is given at a time
_BYTES, _SIDE = 2**28, 4096  # of the memory and of the matrices that rates are measured with
_STEP_PASSES = 10  # over a parameter's memory: norm 1, clipping 2, Adam 4 read and 3 written
_STEP_LAUNCHES = 10
_FREE = {
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "detach",
    "_unsafe_view",
    "lift_fresh",
}
"""Operators that touch no memory."""


@dataclass(frozen=True)
class Work:
    """What some samples ask for."""

    operations: float  # of matrix products, a multiplication and an addition each
    bytes: float
    launches: float

    def __add__(self, other: "Work") -> "Work":
        """Both."""
        return Work(*(a + b for a, b in zip(self._parts, other._parts, strict=True)))

    def __sub__(self, other: "Work") -> "Work":
        """What the other does not ask for."""
        return self + other.times(-1)

    def times(self, factor: float) -> "Work":
        """So many times."""
        return Work(*(factor * part for part in self._parts))

    @property
    def _parts(self) -> tuple[float, float, float]:
        return self.operations, self.bytes, self.launches


@dataclass(frozen=True)
class Rates:
    """What a device was measured to do in a second."""

    float32: float  # operations, in products of large matrices
    bf16: float
    bytes: float  # read and written, in copies of much memory
    launches: float  # of the smallest operator, one after the other
    to_device: float  # bytes
    from_device: float

    def seconds(self, work: Work, precision: str) -> dict[str, float]:
        """That the work takes at least, by what would bound it."""
        operations = self.bf16 if precision == "bf16" else self.float32
        return {
            "operations": work.operations / operations,
            "bytes": work.bytes / self.bytes,
            "launches": work.launches / self.launches,
        }


class _Counter(TorchDispatchMode):
    """Counts the work of the operators that run within it."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Work(0, 0, 0)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        with self:  # in inference mode PyTorch hands on what it else takes apart before
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        out = func(*args, **kwargs)
        packet = func.overloadpacket
        if func.is_view or packet.__name__ in _FREE:
            return out
        # Of what it takes single rows from, an operator reads no more than it writes
        read = tree_leaves((out, args[1:]) if packet is torch.ops.aten.index else (args, kwargs))
        moved = sum(_size(leaf) for leaf in [*read, *tree_leaves(out)])
        count = flop_registry.get(packet)
        operations = 0 if count is None else count(*args, **kwargs, out_val=out)
        self.work += Work(operations, moved, 1)
        return out


def count(config: TrainConfig, agents: int) -> dict[str, Work]:
    """The work of a training, by what asks for it.

    Args:
        config: of the training.
        agents: that act at once.

    Returns:
        An agent-step's `inference` and `values`; a sample's `update` without tasks, what each
        task adds, and its share of a minibatch's `optimizer`.
    """
    small = config.environment.model_copy(update={"arenas": 1, "processes": 1})
    env = build_env(small, config.seed)
    try:
        tasks = [task for task in _TASKS if task in config.auxiliary.weights]
        base = _gradient(_model(config, env, []))
        counted = {"inference": _inference(_model(config, env, []), agents).times(1 / agents)}
        counted["values"] = _values(_model(config, env, [])).times(1 / _VALUED)
        counted["update"] = base.times(1 / config.ppo.batch_size)
        for task in tasks:
            added = _gradient(_model(config, env, [task])) - base
            counted[task] = added.times(1 / config.ppo.batch_size)
        counted["optimizer"] = _step(_model(config, env, tasks)).times(1 / config.ppo.batch_size)
        return counted
    finally:
        env.close()


def _model(config: TrainConfig, env: RocketLeagueVecEnv, tasks: list[str]) -> AuxPPO:
    """A learner without values, with these tasks, whose rollout is one minibatch."""
    weights = {task: getattr(config.auxiliary, task) * (task in tasks) for task in _TASKS}
    segment, batch = config.auxiliary.segment, config.ppo.batch_size
    steps = -(-batch // env.num_envs // segment) * segment
    changed = {
        "auxiliary": config.auxiliary.model_copy(
            update=weights | {"always_segments": bool(config.auxiliary.weights)}
        ),
        "ppo": config.ppo.model_copy(update={"n_steps": steps, "batch_size": batch}),
        "learner": config.learner.model_copy(update={"precision": "float32", "piece": None}),
    }
    model = build_model(config.model_copy(update=changed), env, _META)
    model.rollout_buffer.reset()
    return model


def _gradient(model: AuxPPO) -> Work:
    """Of a minibatch's gradient."""
    batch = next(model._minibatches())
    with _Counter() as counter:
        model._gradient(batch)
    return counter.work


def _step(model: AuxPPO) -> Work:
    """Of clipping and fused Adam, which a GPU does for all parameters of a module at once."""
    modules = [model.policy, model.tasks] if model.tasks else [model.policy]
    parameters = sum(_size(p) for module in modules for p in module.parameters())
    return Work(0, _STEP_PASSES * parameters, _STEP_LAUNCHES * len(modules))


def _inference(model: AuxPPO, agents: int) -> Work:
    shown = model.rollout_buffer.observations
    with _Counter() as counter:
        model._act(torch.empty(agents, *shown.shape[2:], device=_META))
    return counter.work


def _values(model: AuxPPO) -> Work:
    shown = model.rollout_buffer.observations
    with _Counter() as counter, torch.no_grad():
        model.policy.predict_values(torch.empty(_VALUED, *shown.shape[2:], device=_META))
    return counter.work


def _size(leaf: Any) -> int:
    """Bytes of a tensor; one that repeats its memory has no more than that."""
    if not isinstance(leaf, Tensor):
        return 0
    return min(leaf.numel() * leaf.element_size(), leaf.untyped_storage().nbytes())


def measure(device: torch.device, seconds: float = 0.5) -> Rates:
    """What the device does in a second, each rate measured for so many seconds."""
    cpu = device.type == "cpu"
    side, size = (_SIDE // 4, _BYTES // 4) if cpu else (_SIDE, _BYTES)
    many = torch.zeros(size, dtype=torch.uint8, device=device)
    target, one = torch.empty_like(many), torch.zeros(1, device=device)
    here = torch.zeros(size, dtype=torch.uint8, pin_memory=device.type == "cuda")

    def rate(work: Callable[[], Any], amount: float) -> float:
        return amount * _repeats(work, device, seconds)

    def product(dtype: torch.dtype) -> float:
        matrix = torch.ones(side, side, dtype=dtype, device=device)
        return rate(lambda: matrix @ matrix, 2 * side**3)

    return Rates(
        float32=product(torch.float32),
        bf16=product(torch.bfloat16),
        bytes=rate(lambda: target.copy_(many), 2 * size),
        launches=rate(lambda: one.add_(1), 1),
        to_device=rate(lambda: target.copy_(here, non_blocking=True), size),
        from_device=rate(lambda: here.copy_(many, non_blocking=True), size),
    )


def _repeats(work: Callable[[], Any], device: torch.device, seconds: float) -> float:
    """How often a second the work is done."""
    for _ in range(3):
        work()
    wait(device)
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        for _ in range(10):
            work()
        wait(device)
        done += 10
    return done / spent


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
