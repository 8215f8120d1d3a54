"""What runs on a GPU alone: that it computes the same, and never waits inside an update.

A tensor on the `meta` device has a shape and no values: to ask it for one is an error, and so is
to mix it with a CPU's. There an update takes the way that it takes on a GPU.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from lucy.agent.attention import attend, by_products
from lucy.agent.auxiliary import WINDOW
from lucy.agent.buffer import DeviceRolloutBuffer
from lucy.agent.environment import build_env
from lucy.agent.ppo import AuxPPO
from lucy.agent.train import build_model
from lucy.agent.windows import WindowLSTM

from .conftest import tiny_config
from .test_train import ALL_TASKS

META = torch.device("meta")


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


def test_the_librarys_windows_equal_ours() -> None:
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
