"""What runs on a GPU alone: that it computes the same, and never waits inside an update.

A tensor on the `meta` device has a shape and no values: to ask it for one is an error, and so is
to mix it with a CPU's. There an update takes the way that it takes on a GPU.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lucy.agent import windows
from lucy.agent.attention import attend, by_products
from lucy.agent.auxiliary import WINDOW
from lucy.agent.buffer import DeviceRolloutBuffer
from lucy.agent.device import exact_float32
from lucy.agent.environment import build_env
from lucy.agent.ppo import AuxPPO
from lucy.agent.train import build_model
from lucy.agent.windows import WindowLSTM
from lucy.sim.actions import ACTION_TABLES

from .conftest import tiny_config
from .test_train import ALL_TASKS

META = torch.device("meta")
PRETENDED = Path(__file__).with_name("pretended_gpu.py")


@pytest.fixture
def without_values() -> Iterator[AuxPPO]:
    """A learner with every task and a full rollout, none of whose tensors has values."""
    config = tiny_config(**ALL_TASKS)
    env = build_env(config.environment, config.seed)
    model = build_model(config, env, META)
    model.rollout_buffer.reset()
    model.rollout_buffer.pos = model.n_steps
    yield model
    env.close()


def test_an_update_asks_the_device_for_nothing(
    without_values: AuxPPO, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, uploads = without_values, []
    upload = DeviceRolloutBuffer._on_device

    def counted(buffer: DeviceRolloutBuffer, array: np.ndarray) -> torch.Tensor:
        uploads.append(len(steps))
        return upload(buffer, array)

    steps: list[torch.Tensor] = []  # each optimizer's, with what it is told to skip by
    monkeypatch.setattr(DeviceRolloutBuffer, "_on_device", counted)
    for optimizer in model._optimizers:
        monkeypatch.setattr(optimizer, "step", lambda own=optimizer: steps.append(own.found_inf))
    with pytest.raises(RuntimeError, match="meta tensors"):
        model._epoch()  # asks once, when all is done
    assert len(steps) == 2 * 2  # minibatches and optimizers
    assert {found.device for found in steps} == {META}
    assert uploads and not any(uploads)  # all before the first step
    gradients = [parameter.grad for parameter in model.policy.parameters()]
    assert all(gradient is not None for gradient in gradients)


def test_a_hidden_wait_would_be_found(without_values: AuxPPO) -> None:
    """That the test above can fail."""
    (batch, *_) = without_values._minibatches()
    for wait in (
        lambda: batch.returns.mean().item(),
        lambda: bool((batch.returns > 0).any()),
        lambda: batch.returns.cpu(),
        lambda: batch.returns[batch.returns > 0],
        lambda: batch.returns.tolist(),
    ):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wait()


def test_acting_waits_for_the_actions_alone(without_values: AuxPPO) -> None:
    model = without_values
    model.rollout_buffer.pos = 0
    shown = np.zeros(model.rollout_buffer.observations.shape[1:], np.float32)
    actions, log_probs = model._act(model.rollout_buffer.observe(shown))
    assert actions.device == log_probs.device == META
    with pytest.raises(NotImplementedError):
        model.rollout_buffer.fetch(actions)


@pytest.mark.parametrize("task", tiny_config(**ALL_TASKS).auxiliary.weights)
def test_an_update_can_use_all_that_acting_left_behind(task: str) -> None:
    config = tiny_config(
        **{f"auxiliary__{task}": 1.0}, auxiliary__segment=4, auxiliary__latent_steps=2
    )
    assert len(set(ACTION_TABLES[config.environment.action_table].nvec)) > 1
    env = build_env(config.environment, config.seed)
    try:
        model = build_model(config, env, META)
    finally:
        env.close()
    shown = np.zeros(model.rollout_buffer.obs_shape, np.float32)
    model.rollout_buffer.reset()
    for _ in range(2):
        seen = model.rollout_buffer.observe(np.stack([shown] * model.n_envs))
        model._act(seen)
        model._critic()(model._replicas.networks[0], seen)
        for batch in model._minibatches():
            model._gradient(batch)
    trained = [*model.policy.parameters(), *model.tasks.parameters()]
    assert all(parameter.grad is not None for parameter in trained)


def test_optimizers_hold_what_the_device_computes_with(without_values: AuxPPO) -> None:
    model = without_values
    trained = [*model.policy.parameters(), *model.tasks.parameters()]
    held = [
        parameter
        for optimizer in model._optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert [*map(id, held)] == [*map(id, trained)]


@pytest.mark.parametrize("part", ["tasks", "others", "checks", "compare"])
def test_a_training_on_a_device_that_refuses_what_a_gpu_refuses(part: str) -> None:
    command = [sys.executable, "-W", "error", str(PRETENDED), part]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr


def test_float32_is_exact_where_values_are_compared() -> None:
    backends = torch.backends
    operators = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    before = [operator.fp32_precision for operator in operators]
    assert before[2] == "tf32"  # PyTorch's default, without which there is nothing to do
    with pytest.raises(KeyError), exact_float32():
        assert [operator.fp32_precision for operator in operators] == ["ieee"] * 3
        raise KeyError
    assert [operator.fp32_precision for operator in operators] == before


def flatten(weights: list[torch.Tensor], *settings: Any) -> None:
    """As cuDNN's does: into one piece of memory, with gaps."""
    assert settings == (4, 16, 2, 8, 0, 1, False, False)
    memory = torch.full((sum(part.numel() + 8 for part in weights),), float("nan"))
    for part, place in zip(weights, memory.split([w.numel() + 8 for w in weights]), strict=True):
        moved = place[: part.numel()].view_as(part)
        part.set_(moved.copy_(part))  # type: ignore[call-overload]


def storages(*given: Any, lstm: Any = torch.lstm) -> Any:
    """`torch.lstm`, of weights that lie in one piece of memory."""
    assert len({weights.untyped_storage().data_ptr() for weights in given[2]}) == 1
    return lstm(*given)


@pytest.mark.parametrize("flattened", [False, True])
def test_the_librarys_windows_equal_ours(flattened: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if flattened:
        monkeypatch.setattr(windows, "_cudnn_takes", lambda weights: True)
        monkeypatch.setattr(torch.backends.cudnn.rnn.m, "get_cudnn_mode", {"LSTM": 2}.get)
        monkeypatch.setattr(torch, "_cudnn_rnn_flatten_weight", flatten)
        monkeypatch.setattr(torch, "lstm", storages)
    torch.manual_seed(0)
    memory = WindowLSTM(16, 8, WINDOW)
    with torch.no_grad():
        memory.bias.normal_()
    frames = torch.randn(WINDOW - 1 + 6, 3, 16, requires_grad=True)
    age = torch.tensor([[30, 9, 0], [31, 10, 1], [32, 0, 0], [33, 1, 1], [34, 2, 0], [35, 3, 1]])
    compared = [frames, *memory.parameters()]
    wanted = torch.randn(6, 3, 8)
    results: list[list[Any]] = []
    for forward in (memory.forward, memory.as_library):
        seen = forward(frames, age)
        results.append([seen, *torch.autograd.grad((seen * wanted).sum(), compared)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_attention_by_products_equals_the_cpus() -> None:
    torch.manual_seed(0)
    query, rows = torch.randn(4, 5, 16), torch.randn(5, 3, 16)
    padded = torch.tensor([[False, False, True]] * 4 + [[False, True, True]])
    given = (query, rows, padded, 0.5)
    torch.testing.assert_close(attend(*given), by_products(*given))
