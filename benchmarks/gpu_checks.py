"""What `lucy bench gpu` asks of a device before it measures: is it right, and does it go on?

Each check is a training of seconds, or a part of one, with every auxiliary task and the config's
own games; what is compared with the CPU is computed in full float32 on both.
"""

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from stable_baselines3.common.logger import Logger
from torch import Tensor, nn

from ..agent import checkpoint
from ..agent.attention import attend
from ..agent.auxiliary import WINDOW
from ..agent.config import TrainConfig, change
from ..agent.device import exact_float32
from ..agent.environment import build_env
from ..agent.ppo import AuxPPO, NonFiniteLossError
from ..agent.train import build_model, train
from ..agent.windows import WindowLSTM

_CPU = torch.device("cpu")
_SEGMENT = 4
_TOLERANCE = 1e-4  # of a part's outputs and gradients, beside the CPU's
_SAME = 1e-5  # of weights after the same training twice


@dataclass(frozen=True)
class Check:
    """What one check found."""

    name: str
    passed: bool
    found: str  # a figure, or what went wrong


def run(config: TrainConfig, device: torch.device) -> list[Check]:
    """All checks, in an order in which the first that fails says most."""
    small = small_config(config)
    checks: dict[str, Callable[[], str]] = {
        "trains twice in float32, no warning": partial(_trains, small, device, "float32"),
        "trains twice in bf16, no warning": partial(_trains, small, device, "bf16"),
        "recurrent windows equal the CPU's": partial(_windows, device),
        "attention equals the CPU's": partial(_attention, device),
        "an update waits for nothing": partial(_waits_for_nothing, small, device),
        "a loss of NaN changes no weight": partial(_refuses_nan, small, device),
        "stopped and resumed as if unbroken": partial(_resumes, small, device),
        "a CPU's checkpoint goes on here, and back": partial(_moves, small, device),
    }
    return [_outcome(name, check) for name, check in checks.items()]


def small_config(config: TrainConfig) -> TrainConfig:
    """Two iterations of two minibatches of the config's games, with every task."""
    environment = config.environment.model_copy(update={"arenas": 4})
    agents = environment.n_agents
    return change(
        config.model_dump(mode="json"),
        {
            "steps": 2 * 2 * _SEGMENT * agents,
            "environment.arenas": 4,
            "environment.processes": 1,
            "ppo.n_steps": 2 * _SEGMENT,
            "ppo.batch_size": _SEGMENT * agents,
            "ppo.n_epochs": 1,
            "auxiliary.reward_prediction": 1.0,
            "auxiliary.state_representation": 1.0,
            "auxiliary.latent_prediction": 1.0,
            "auxiliary.successor_features": 1.0,
            "auxiliary.latent_steps": 2,
            "auxiliary.segment": _SEGMENT,
            "learner.precision": "float32",
            "learner.piece": None,
            "rating.every": 0,
            "league.share": 0.0,
        },
    )


def _outcome(name: str, check: Callable[[], str]) -> Check:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return Check(name, True, check())
    except Exception as error:  # whatever it is, the user is to see it beside the other checks
        lines = str(error).splitlines() or [""]
        return Check(name, False, f"{type(error).__name__}: {lines[0]}")


def _trains(config: TrainConfig, device: torch.device, precision: str) -> str:
    with _learner(config, device, precision) as model:
        modules = (model.policy, model.tasks)
        before = [weights(module) for module in modules]
        model.learn(config.steps, log_interval=None)  # pyright: ignore[reportArgumentType]
        moved = [
            float((weights(module) - old).norm() / old.norm())
            for module, old in zip(modules, before, strict=True)
        ]
    assert 0 < min(moved) <= max(moved) < 1, f"weights of policy and tasks moved by {moved}"
    return f"weights moved by {moved[0]:.1e}, the tasks' by {moved[1]:.1e}"


def _windows(device: torch.device) -> str:
    torch.manual_seed(0)
    memory = WindowLSTM(64, 32, WINDOW)
    torch.nn.init.normal_(memory.bias)
    frames, wanted = torch.randn(WINDOW - 1 + 8, 16, 64), torch.randn(8, 16, 32)
    age = torch.randint(0, 2 * WINDOW, (8, 16))

    def compute(at: torch.device) -> list[Tensor]:
        seen = frames.to(at).requires_grad_()
        there = memory.to(at)
        output = there.forward(seen, age.to(at))
        inputs = [seen, *there.parameters()]
        return [output.detach(), *torch.autograd.grad((output * wanted.to(at)).sum(), inputs)]

    return _compared(compute, device)


def _attention(device: torch.device) -> str:
    torch.manual_seed(0)
    query, rows, wanted = torch.randn(4, 64, 32), torch.randn(64, 5, 32), torch.randn(4, 64, 32)
    padded = torch.rand(64, 5) < 0.4
    padded[:, 0] = False

    def compute(at: torch.device) -> list[Tensor]:
        inputs = query.to(at).requires_grad_(), rows.to(at).requires_grad_()
        output = attend(*inputs, padded.to(at), 0.5)
        return [output.detach(), *torch.autograd.grad((output * wanted.to(at)).sum(), inputs)]

    return _compared(compute, device)


def _compared(compute: Callable[[torch.device], list[Tensor]], device: torch.device) -> str:
    """How far the device is from the CPU, relative to the largest number of each tensor."""
    with exact_float32():
        pairs = zip(compute(_CPU), compute(device), strict=True)
        worst = max(float((a - b.cpu()).abs().max() / a.abs().max()) for a, b in pairs)
    assert worst <= _TOLERANCE, f"differs by {worst:.1e}, more than {_TOLERANCE:.0e}"
    return f"differs by {worst:.1e}"


def _waits_for_nothing(config: TrainConfig, device: torch.device) -> str:
    with _learner(config, device) as model:
        _collect(model, config)
        minibatches = list(model._minibatches())
        broken = torch.zeros((), device=device)
        with no_waits(device):
            for batch in minibatches:
                *_, broken = model._step(batch, broken)
        assert not broken, "a loss is not finite"
    return f"{len(minibatches)} minibatches"


@contextlib.contextmanager
def no_waits(device: torch.device) -> Iterator[None]:
    """Within it a GPU that is waited for raises an error."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _refuses_nan(config: TrainConfig, device: torch.device) -> str:
    with tempfile.TemporaryDirectory() as folder, _learner(config, device) as model:
        model.bad_batch_directory = Path(folder)
        _collect(model, config)
        model.rollout_buffer.returns[:] = float("nan")
        before = weights(model.policy)
        try:
            model.train()
        except NonFiniteLossError:
            assert torch.equal(weights(model.policy), before), "weights changed"
            assert list(Path(folder).glob("bad-batch-*")), "the minibatch was not saved"
            return "refused, and the minibatch saved"
    raise AssertionError("it was learnt from")


def _resumes(config: TrainConfig, device: torch.device) -> str:
    half = config.model_copy(update={"steps": config.steps // 2})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        unbroken, broken = Path(folder) / "unbroken", Path(folder) / "broken"
        train(config, unbroken, device=device)
        train(half, broken, device=device)
        train(config, broken, resume=True, device=device)
        whole, resumed = (checkpoint.load(run).policy for run in (unbroken, broken))
    worst = max(float((whole[name] - resumed[name]).abs().max()) for name in whole)
    assert worst <= _SAME, f"weights differ by {worst:.1e}"
    return f"weights differ by {worst:.1e}"


def _moves(config: TrainConfig, device: torch.device) -> str:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run, steps = Path(folder) / "run", config.steps // 2
        for count, at in enumerate((_CPU, device, _CPU), start=1):
            changed = config.model_copy(update={"steps": count * steps})
            done = train(changed, run, resume=count > 1, device=at).steps
            assert done == count * steps, f"{done} steps on {at}, expected {count * steps}"
    return "CPU, device, CPU"


@contextlib.contextmanager
def _learner(
    config: TrainConfig, device: torch.device, precision: str = "float32"
) -> Iterator[AuxPPO]:
    learner = config.learner.model_copy(update={"precision": precision})
    env = build_env(config.environment, config.seed)
    try:
        model = build_model(config.model_copy(update={"learner": learner}), env, device)
        model.set_logger(Logger(None, []))
        yield model
    finally:
        env.close()


def _collect(model: AuxPPO, config: TrainConfig) -> None:
    """A rollout, and all that an update wants to know."""
    _, callback = model._setup_learn(config.steps)
    assert model.env is not None
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)


def weights(module: nn.Module) -> Tensor:
    """A copy of all its parameters, side by side on the CPU."""
    return torch.cat([p.detach().cpu().flatten() for p in module.parameters()])
